/* hub_error.c: what a refusal means, and what the reader of the log should do about it.
 *
 * The first rule that matches decides, in the order of huggingface_hub's hf_raise_for_status(). An
 * http endpoint is read like an https one (Python is not as kind to mirrors), and where a mirror
 * dropped the X-Error-* headers the same sentences in the body count. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hub.h"
#include "hub_words.h"
#include "log.h"
#include "url.h"

enum { NAME_SHOWN_MAX = 100 };

#define TOKEN_PAGE "https://huggingface.co/settings/tokens"

struct verdict {
    const struct http_reply  *reply;
    const struct hub_context *ctx;
    struct str                body, code;         /* code: X-Error-Code */
    const char               *thing;              /* "model" */
    struct buf                id, revision, path; /* names, fit to print */
    struct buf                token;              /* "the token (from HF_TOKEN, hf_…redacted)" */
    struct buf                whole;              /* "model acme/tiny@main" */
    struct buf words, host, page; /* what it said, who said it, the repo's web page */
    bool       has_html;

    enum err_kind kind;
    char          what[480];
    char          hint[320];
};

__attribute__((format(printf, 3, 4))) static void say(struct verdict *v, enum err_kind kind,
                                                      const char *fmt, ...)
{
    va_list ap;

    v->kind = kind;
    va_start(ap, fmt);
    vsnprintf(v->what, sizeof(v->what), fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void advise(struct verdict *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(v->hint, sizeof(v->hint), fmt, ap);
    va_end(ap);
}

/* --- one function per kind of refusal: what it is, what to do --- */

static void bad_token(struct verdict *v)
{
    if (!v->ctx->sent_token) {
        say(v, ERR_UNAUTHORIZED, "the credentials were refused, although no token was sent");
        advise(v, "check the proxy or mirror in front of the Hub; it seems to add credentials");
        return;
    }
    say(v, ERR_UNAUTHORIZED, "%s is expired, revoked or mistyped", buf_cstr(&v->token));
    advise(v,
           "put a valid token there (" TOKEN_PAGE "), or none if %s %s "
           "is public; a bad token closes public repos too",
           v->thing, buf_cstr(&v->id));
}

static void missing_permission(struct verdict *v, enum err_kind kind)
{
    say(v, kind, "%s is fine-grained and does not permit reading %s %s", buf_cstr(&v->token),
        v->thing, buf_cstr(&v->id));
    advise(v, "allow \"Read access to contents of all public gated repos you can access\", or of "
              "this repo, for the token at " TOKEN_PAGE);
}

static void gated(struct verdict *v)
{
    const char *words = buf_cstr(&v->words), *page = buf_cstr(&v->page);

    if (!v->ctx->sent_token) {
        say(v, ERR_GATED, "%s is gated, and no token was sent", buf_cstr(&v->whole));
        advise(v, "accept its terms at %s, then give hf-init the token of that account", page);
    } else if (strcasestr(words, "fine-grained")) {
        missing_permission(v, ERR_GATED);
    } else if (strcasestr(words, "awaiting a review")) {
        say(v, ERR_GATED, "%s is gated, and its authors have not yet decided about the user of %s",
            buf_cstr(&v->whole), buf_cstr(&v->token));
        advise(v, "wait until they grant access (%s), then start again", page);
    } else if (strcasestr(words, "rejected")) {
        say(v, ERR_GATED, "%s is gated, and its authors have refused the user of %s",
            buf_cstr(&v->whole), buf_cstr(&v->token));
        advise(v, "ask them (%s), or use the token of a user who has access", page);
    } else {
        say(v, ERR_GATED, "%s is gated: %s belongs to a user who has not accepted its terms",
            buf_cstr(&v->whole), buf_cstr(&v->token));
        advise(v, "accept them at %s with that user, then start again (restart the pod)", page);
    }
}

static void repo_not_found(struct verdict *v)
{
    const char *page = buf_cstr(&v->page);

    if (!v->ctx->sent_token) {
        say(v, ERR_REPO_NOT_FOUND, "%s %s is private or absent; no token was sent", v->thing,
            buf_cstr(&v->id));
        advise(v,
               "check the id and the type at %s; if the repo is private, set a token that may "
               "read it",
               page);
    } else {
        say(v, ERR_REPO_NOT_FOUND, "%s %s is private or absent; %s does not open it", v->thing,
            buf_cstr(&v->id), buf_cstr(&v->token));
        advise(v,
               "check the id and the type at %s; if the repo is private, use a token that may "
               "read it",
               page);
    }
}

static void revision_not_found(struct verdict *v)
{
    say(v, ERR_REVISION_NOT_FOUND, "revision %s does not exist in %s %s", buf_cstr(&v->revision),
        v->thing, buf_cstr(&v->id));
    advise(v, "check the branch, tag or commit at %s/tree/main", buf_cstr(&v->page));
}

static void entry_not_found(struct verdict *v)
{
    if (v->path.len == 0) {
        say(v, ERR_ENTRY_NOT_FOUND, "nothing of that name in %s %s at revision %s", v->thing,
            buf_cstr(&v->id), buf_cstr(&v->revision));
    } else {
        say(v, ERR_ENTRY_NOT_FOUND, "file %s does not exist in %s %s at revision %s",
            buf_cstr(&v->path), v->thing, buf_cstr(&v->id), buf_cstr(&v->revision));
    }
    advise(v, "check the file name at %s/tree/main or with hf-init ls", buf_cstr(&v->page));
}

static void disabled(struct verdict *v)
{
    say(v, ERR_DISABLED, "the Hub has disabled access to %s %s", v->thing, buf_cstr(&v->id));
    advise(v, "see %s for the reason, or choose another repo", buf_cstr(&v->page));
}

static void forbidden(struct verdict *v)
{
    if (v->ctx->sent_token && strcasestr(buf_cstr(&v->words), "fine-grained")) {
        missing_permission(v, ERR_FORBIDDEN);
    } else if (v->ctx->sent_token) {
        say(v, ERR_FORBIDDEN, "%s may not read %s %s", buf_cstr(&v->token), v->thing,
            buf_cstr(&v->id));
        advise(v, "give it read access to this repo at " TOKEN_PAGE ", then start again");
    } else {
        say(v, ERR_FORBIDDEN, "access to %s %s is refused; no token was sent", v->thing,
            buf_cstr(&v->id));
        advise(v, "see %s in a browser; if it opens there, set a token of that account",
               buf_cstr(&v->page));
    }
}

static void html_page(struct verdict *v)
{
    say(v, ERR_PROXY, "an HTML page came where %s was expected",
        v->path.len ? "a file" : "an answer of the Hub's API");
}

/* 404 without the Hub's code: a mirror that drops headers, or no Hub at all. */
static void plain_not_found(struct verdict *v)
{
    const char *words = buf_cstr(&v->words);

    if (strcasestr(words, "repository not found"))
        repo_not_found(v);
    else if (strcasestr(words, "invalid rev id"))
        revision_not_found(v);
    else if (v->path.len || strcasestr(words, "entry not found"))
        entry_not_found(v);
    else if (!v->has_html)
        repo_not_found(v);
    else {
        say(v, ERR_BAD_ANSWER, "%s knows no such API call and does not seem to be a Hub",
            buf_cstr(&v->host));
        advise(v, "check the endpoint: its address, and its path if it has one");
    }
}

static void rate_limited(struct verdict *v, const struct hub_rate *rate)
{
    if (rate && rate->remaining == 0 && rate->quota)
        say(v, ERR_RATE_LIMITED,
            "the limit of %" PRIu64 " requests per %" PRIu64
            " s (\"%s\") is used up for another %" PRIu64 " s",
            rate->quota, rate->window_ms / 1000, rate->bucket, rate->reset_ms / 1000);
    else if (rate && rate->remaining == 0)
        say(v, ERR_RATE_LIMITED, "the request limit \"%s\" is used up for another %" PRIu64 " s",
            rate->bucket, rate->reset_ms / 1000);
    else
        say(v, ERR_RATE_LIMITED, "too many requests");
    if (!v->ctx->sent_token)
        advise(v, "set a token: without one the limit is shared by everybody behind this address");
}

/* A CDN refuses when its signed URL has run out; a new one from the Hub heals that. */
static void storage_refused(struct verdict *v)
{
    long status = v->reply->status;

    if (status == 400) {
        say(v, ERR_BAD_ANSWER, "the storage rejected the request for %s", buf_cstr(&v->path));
        advise(v, "start again; if it is a very large file, the Hub may serve it through Xet only, "
                  "which this version does not speak");
    } else if (status == 404) {
        say(v, ERR_SERVER, "the storage does not have %s at the address the Hub gave",
            buf_cstr(&v->path));
    } else {
        say(v, ERR_SERVER, "the signed URL of %s has expired or was refused", buf_cstr(&v->path));
        advise(v, "start again to get a new one");
    }
}

/* --- the rules --- */

/* Is it a Hub that answered? Its own origin, or whoever its API was left to: no storage has one. */
static bool is_from_hub(const struct verdict *v)
{
    return v->ctx->from_hub || v->ctx->path.len == 0;
}

/* Of a token that was good once the Hub says: User Access Token "NAME" is expired. */
static bool is_expired_token(const struct verdict *v)
{
    const char *words = buf_cstr(&v->words);

    return v->reply->status == 401 && v->ctx->sent_token && is_from_hub(v) &&
           strcasestr(words, "access token") && strcasestr(words, "is expired");
}

/* By the Hub's own codes and sentences; they count wherever they come from. */
static bool judge_by_code(struct verdict *v)
{
    long status = v->reply->status;

    if (str_eq_nocase(v->code, STR("RevisionNotFound")))
        revision_not_found(v);
    else if (str_eq_nocase(v->code, STR("EntryNotFound")))
        entry_not_found(v);
    else if (str_eq_nocase(v->code, STR("GatedRepo")))
        gated(v);
    else if (hub_said(v->reply, v->body, STR("Access to this resource is disabled.")))
        disabled(v);
    else if (is_expired_token(v))
        bad_token(v);
    else if (str_eq_nocase(v->code, STR("RepoNotFound")))
        repo_not_found(v);
    else if (status == 401 && is_from_hub(v) &&
             hub_said(v->reply, v->body, STR("Invalid credentials in Authorization header")))
        bad_token(v);
    else if (status == 401 && is_from_hub(v))
        repo_not_found(v);
    else
        return false;
    return true;
}

static bool judge_by_status(struct verdict *v)
{
    switch (v->reply->status) {
    case 403:
        if (v->has_html && v->code.len == 0 &&
            !http_reply_header(v->reply, STR("x-error-message")).p)
            html_page(v); /* a firewall's page, or the Hub's edge */
        else
            forbidden(v);
        return true;
    case 404: plain_not_found(v); return true;
    case 410:
        if (v->path.len)
            entry_not_found(v);
        else
            repo_not_found(v);
        return true;
    case 451: disabled(v); return true;
    case 407:
        say(v, ERR_PROXY, "the proxy wants credentials");
        advise(v, "put them into the proxy's URL: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT");
        return true;
    case 511:
        say(v, ERR_PROXY, "the network wants a login before it lets anything through");
        return true;
    default: return false;
    }
}

static void judge_rest(struct verdict *v)
{
    long       status = v->reply->status;
    struct buf asked = {0}, range = {0};

    if (v->path.len)
        buf_printf(&asked, "the request for %s", buf_cstr(&v->path));
    else
        buf_printf(&asked, "the API request about %s %s", v->thing, buf_cstr(&v->id));
    if (status == 408 || status == 425 || (status >= 500 && status <= 599)) {
        say(v, ERR_SERVER, "%s failed on the server's side", buf_cstr(&asked));
    } else if (status == 416) {
        hub_add_foreign(&range, http_reply_header(v->reply, STR("content-range")), NAME_SHOWN_MAX);
        say(v, ERR_BAD_ANSWER, "%s named a range that does not exist%s%s", buf_cstr(&asked),
            range.len ? "; Content-Range: " : "", buf_cstr(&range));
        advise(v, "start again; if it happens again, the file differs from the Hub's listing");
    } else if (v->has_html && status >= 200 && status < 300) {
        html_page(v);
    } else if (status >= 400 && status <= 499) {
        say(v, ERR_BAD_ANSWER, "%s was rejected", buf_cstr(&asked));
    } else {
        say(v, ERR_BAD_ANSWER, "%s got an answer that makes no sense", buf_cstr(&asked));
    }
    buf_release(&asked);
    buf_release(&range);
}

static void judge(struct verdict *v, const struct hub_rate *rate)
{
    long status = v->reply->status;

    v->has_html = hub_is_html(v->reply, v->body);
    if (status >= 400 && judge_by_code(v))
        return;
    if (status == 429)
        rate_limited(v, rate);
    else if (!is_from_hub(v) &&
             (status == 400 || status == 401 || status == 403 || status == 404 || status == 410))
        storage_refused(v);
    else if (!judge_by_status(v))
        judge_rest(v);
}

/* The endpoint sent us to another origin, and there the token does not go: of a wish for a token it
 * is not the token that is wrong. */
static void explain_withheld_token(struct verdict *v)
{
    struct url url;
    struct buf origin = {0};

    if (v->ctx->sent_token || v->ctx->from_hub || v->ctx->token_origin.len == 0 ||
        !url_parse(v->ctx->url, &url))
        return;
    if (v->kind != ERR_UNAUTHORIZED && v->kind != ERR_REPO_NOT_FOUND && v->kind != ERR_GATED &&
        v->kind != ERR_FORBIDDEN && v->kind != ERR_RATE_LIMITED)
        return;
    log_add_url(&origin, str_sub(v->ctx->url, 0, (size_t)(url.path.p - v->ctx->url.p)));
    advise(v,
           "the endpoint redirects to %s, and the token goes to the endpoint alone: if you "
           "trust that one, make it the endpoint",
           buf_cstr(&origin));
    buf_release(&origin);
}

/* --- filling the error --- */

static void add_host(struct buf *out, struct str text)
{
    struct url url;

    if (!url_parse(text, &url))
        buf_add_str(out, STR("the server"));
    else
        buf_add_str(out, url.host);
}

static void add_token(struct buf *out, const struct hub_context *ctx)
{
    buf_add_str(out, STR("the token (from "));
    hub_add_clean(out, ctx->token_origin.len ? ctx->token_origin : STR("the settings"),
                  NAME_SHOWN_MAX);
    if (ctx->token_form.len)
        buf_printf(out, ", %.*s", STR_ARG(ctx->token_form));
    buf_add_char(out, ')');
}

static void verdict_init(struct verdict *v, const struct http_reply *reply, struct str body,
                         const struct hub_context *ctx)
{
    *v = (struct verdict){.reply = reply, .body = body, .ctx = ctx};
    v->code = str_trim(http_reply_header(reply, STR("x-error-code")));
    v->thing = repo_type_name(ctx->type);
    hub_add_clean(&v->id, ctx->id, NAME_SHOWN_MAX);
    hub_add_clean(&v->revision, ctx->revision, NAME_SHOWN_MAX);
    hub_add_clean(&v->path, ctx->path, NAME_SHOWN_MAX);
    add_token(&v->token, ctx);
    buf_printf(&v->whole, "%s %s%s%s", v->thing, buf_cstr(&v->id), v->revision.len ? "@" : "",
               buf_cstr(&v->revision));
    hub_add_words(&v->words, reply, body);
    add_host(&v->host, ctx->url);
    hub_url_page(&v->page, ctx->endpoint, ctx->type, ctx->id);
}

static void verdict_release(struct verdict *v)
{
    buf_release(&v->id);
    buf_release(&v->revision);
    buf_release(&v->path);
    buf_release(&v->token);
    buf_release(&v->whole);
    buf_release(&v->words);
    buf_release(&v->host);
    buf_release(&v->page);
}

static void copy_clean(char *out, size_t size, struct str text)
{
    struct buf clean = {0};

    hub_add_clean(&clean, text, size - 8); /* room for an escape and the "…" */
    snprintf(out, size, "%s", buf_cstr(&clean));
    buf_release(&clean);
}

static void add_request_id(struct err *err, const struct http_reply *reply)
{
    static const char *const name[] = {"x-request-id", "x-amzn-trace-id", "x-amz-cf-id"};
    struct buf               id = {0};

    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]) && id.len == 0; i++)
        hub_add_foreign(&id, http_reply_header(reply, str_from(name[i])),
                        sizeof(err->request_id) - 8);
    snprintf(err->request_id, sizeof(err->request_id), "%s", buf_cstr(&id));
    buf_release(&id);
}

static void fill(struct err *err, const struct verdict *v)
{
    struct buf url = {0};

    err_set(err, v->kind, "%s: %s answered %ld%s%s%s", v->what, buf_cstr(&v->host),
            v->reply->status, v->words.len ? " (\"" : "", buf_cstr(&v->words),
            v->words.len ? "\")" : "");
    if (v->hint[0])
        err_hint(err, "%s", v->hint);
    err->http_status = v->reply->status;
    log_add_url(&url, v->ctx->url);
    copy_clean(err->url, sizeof(err->url), buf_view(&url));
    copy_clean(err->repo, sizeof(err->repo), v->ctx->id);
    copy_clean(err->file, sizeof(err->file), v->ctx->path);
    add_request_id(err, v->reply);
    buf_release(&url);
}

int hub_read_error(const struct http_reply *reply, struct str body, const struct hub_context *ctx,
                   int64_t wall_ms, struct err *err)
{
    struct verdict  v;
    struct hub_rate rate;
    bool            has_rate = hub_read_rate(reply, &rate);
    uint64_t        wait_ms;

    verdict_init(&v, reply, body, ctx);
    judge(&v, has_rate ? &rate : NULL);
    explain_withheld_token(&v);
    fill(err, &v);
    /* With requests left in the window another limit is the cause, and t says nothing about it. */
    if (reply->status == 429 && has_rate && rate.remaining == 0)
        err->retry_after_ms = rate.reset_ms;
    else if (hub_read_retry_after(reply, wall_ms, &wait_ms))
        err->retry_after_ms = wait_ms;
    verdict_release(&v);
    return -1;
}
