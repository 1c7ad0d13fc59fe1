/* fetch_transfer.c: see fetch_transfer.h. One function decides after each answer (on_answer), one
 * after each failure (on_failure). */
#include "fetch_transfer.h"

#include <stdio.h>
#include <string.h>

#include "url.h"

enum {
    HOPS_MAX = 10,
    RENEWALS_MAX = 3,
    ERROR_BODY_MAX = 64 * 1024,
    FAILURES_BEFORE_NEXT_ENDPOINT = 2,
    PROGRESS_BYTES = 16 * 1024,   /* less is none: a few bytes an answer would take for ever */
    EXPIRY_MARGIN_MS = 60 * 1000, /* a signed URL this close to its end is not started any more */
    QUIET_AFTER_MS = 10 * 1000,   /* so long without a byte is worth a line */
    EXPLAIN_MS = 5 * 1000,        /* what a refusal says that takes longer is not waited for */
};

void transfer_env_init(struct transfer_env *env, struct spec *spec, const struct clock *clock,
                       const struct log *log, struct progress *progress)
{
    *env = (struct transfer_env){.spec = spec, .clock = *clock, .log = log, .progress = progress};
    pthread_mutex_init(&env->token_lock, NULL);
    gate_init(&env->gate);
}

void transfer_env_release(struct transfer_env *env)
{
    pthread_mutex_destroy(&env->token_lock);
    gate_release(&env->gate);
}

static struct str endpoint_of(const struct transfer *t)
{
    return t->loop->env->spec->endpoint.item[t->endpoint];
}

static bool is_at_hub(const struct transfer *t)
{
    struct url here, endpoint;

    return url_parse(buf_view(&t->url), &here) && url_parse(endpoint_of(t), &endpoint) &&
           url_same_origin(&here, &endpoint);
}

static struct str token_origin(struct transfer_env *env)
{
    struct str origin;

    pthread_mutex_lock(&env->token_lock);
    origin = env->spec->token_origin;
    pthread_mutex_unlock(&env->token_lock);
    return origin;
}

static struct hub_context context_of(const struct transfer *t)
{
    return (struct hub_context){
        .endpoint = endpoint_of(t),
        .url = buf_view(&t->url),
        .type = t->type,
        .id = t->id,
        .revision = t->revision,
        .path = t->path,
        .sent_token = t->sent_token,
        .token_origin = token_origin(t->loop->env),
        .token_form = t->sent_token ? str_from(t->token_form) : STR(""),
        .from_hub = is_at_hub(t),
    };
}

/* --- the sink of http --- */

static bool is_success(long status)
{
    return status >= 200 && status < 300;
}

static void note_life(struct transfer *t)
{
    t->heard_at_ms = clock_now_ms(&t->loop->env->clock);
    t->quiet_told = false;
}

static int sink_reply(void *owner, const struct http_reply *reply, struct err *err)
{
    struct transfer *t = owner;

    note_life(t);
    t->answered_at_ms = t->heard_at_ms;
    t->accepted = false;
    if (!is_success(reply->status))
        return 0; /* its body may explain */
    if (t->is_bulk && is_at_hub(t))
        atomic_store(&t->loop->env->hub_serves_bulk, true);
    if (t->is_bulk && reply->is_http2)
        atomic_store(&t->loop->env->bulk_over_http2, true);
    if (t->ops->on_reply && t->ops->on_reply(t->owner, reply, err))
        return -1;
    t->accepted = true;
    return 0;
}

static int sink_body(void *owner, const void *data, size_t len, struct err *err)
{
    struct transfer *t = owner;

    note_life(t);
    if (!t->accepted) {
        size_t room = ERROR_BODY_MAX - t->error_body.len;
        buf_add(&t->error_body, data, len < room ? len : room);
        if (len <= room && t->heard_at_ms - t->answered_at_ms < EXPLAIN_MS)
            return 0;
        return err_set(err, ERR_BAD_ANSWER, "a refusal without end");
    }
    if (t->ops->wanted) /* what is begun anew each time gets no further by breaking off later */
        t->new_bytes += len;
    return t->ops->on_body(t->owner, data, len, err);
}

static const struct http_sink sink = {sink_reply, sink_body};

/* --- starting --- */

static bool is_expired(const struct transfer *t)
{
    int64_t at = hub_signed_url_expiry(buf_view(&t->url));

    return at != 0 && at - EXPIRY_MARGIN_MS < clock_wall_ms(&t->loop->env->clock);
}

/* Where this attempt goes: on along the redirects, to the URL a redirect of the same file taught
 * us, or to the Hub. */
static void choose_url(struct transfer *t)
{
    if (t->url.len)
        return;
    t->hops = 0;
    if (t->ops->direct_url && t->ops->direct_url(t->owner, &t->url)) {
        if (!is_expired(t))
            return;
        t->ops->lost_url(t->owner, buf_view(&t->url));
    }
    buf_clear(&t->url);
    t->ops->make_url(t->owner, endpoint_of(t), &t->url);
}

/* "huggingface.co", or nothing for what is no URL. */
static struct str host_of(struct str url)
{
    struct url parts;

    return url_parse(url, &parts) ? parts.host : STR("");
}

/* A file in flight shows by itself; what is asked of the API shows as what the run waits for. */
static void say_waiting(const struct transfer *t, const struct err *after, uint64_t wait_ms)
{
    struct transfer_env *env = t->loop->env;
    char                 what[160];

    if (t->path.len || (after && after->kind == ERR_RATE_LIMITED && after->retry_after_ms))
        return; /* learn_limits has said it */
    if (after)
        snprintf(what, sizeof(what), "the next attempt to list %.*s (%s)",
                 STR_ARG(str_sub(t->id, 0, 80)), err_reason(after->kind));
    else
        snprintf(what, sizeof(what), "%.*s to list %.*s",
                 STR_ARG(str_sub(host_of(buf_view(&t->url)), 0, 60)),
                 STR_ARG(str_sub(t->id, 0, 80)));
    progress_wait(env->progress, what, after ? clock_wall_ms(&env->clock) + (int64_t)wait_ms : 0);
}

static int send_request(struct transfer *t, struct err *err)
{
    struct transfer_env *env = t->loop->env;
    struct buf           range_text = {0};
    struct secret        token = {0};
    struct range         range;
    bool                 at_hub = is_at_hub(t);
    int                  rc;

    if (t->ops->wanted && t->ops->wanted(t->owner, &range))
        hub_range_header(&range_text, range);
    if (at_hub) {
        pthread_mutex_lock(&env->token_lock);
        if (secret_is_set(&env->spec->token))
            secret_set(&token, secret_reveal(&env->spec->token));
        t->token_version = env->token_version;
        pthread_mutex_unlock(&env->token_lock);
    }
    t->sent_token = secret_is_set(&token);
    t->token_form = secret_form(&token);
    t->accepted = false;
    t->answered_at_ms = 0;
    note_life(t);
    t->sent_at_ms = t->heard_at_ms;
    say_waiting(t, NULL, 0);
    buf_clear(&t->error_body);
    rc = http_start(t->loop->http,
                    &(struct http_request){
                        .url = buf_view(&t->url),
                        .token = &token,
                        .range = buf_view(&range_text),
                        .may_http2 = at_hub && !(t->is_bulk && env->bulk_over_http2),
                        .accept_gzip = t->accept_gzip,
                        .total_timeout_ms = t->timeout_ms,
                        .sink = &sink,
                        .owner = t,
                    },
                    &t->handle, err);
    secret_release(&token);
    buf_release(&range_text);
    progress_add_request(env->progress);
    return rc;
}

static void set_active(struct transfer *t, bool active)
{
    t->loop->active_count += active;
    t->loop->active_count -= t->active;
    t->active = active;
}

static void unlink_transfer(struct transfer *t)
{
    struct transfer **at = &t->loop->list;

    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    t->loop->count--;
    set_active(t, false);
    buf_release(&t->url);
    buf_release(&t->error_body);
}

void transfer_start(struct transfer_loop *loop, struct transfer *t)
{
    t->loop = loop;
    t->active = false;
    t->due_at_ms = 0;
    t->next = loop->list;
    loop->list = t;
    loop->count++;
}

void transfer_cancel(struct transfer *t)
{
    if (t->active)
        http_cancel(t->loop->http, t->handle);
    unlink_transfer(t);
}

static void finish(struct transfer *t, const struct err *err)
{
    unlink_transfer(t);
    t->ops->on_end(t->owner, err);
}

/* --- after a failure --- */

static void try_again(struct transfer *t, uint64_t wait_ms)
{
    set_active(t, false);
    t->due_at_ms = clock_now_ms(&t->loop->env->clock) + wait_ms;
}

static void start_over(struct transfer *t)
{
    buf_clear(&t->url);
    t->hops = 0;
}

/* A storage host that refuses means: the signed URL is stale. The Hub has a fresh one. */
static bool may_renew(struct transfer *t, const struct err *err, bool at_hub)
{
    long status = err->http_status;

    if (at_hub || !t->ops->learnt_url || t->renewals >= RENEWALS_MAX)
        return false;
    return status == 400 || status == 401 || status == 403 || status == 404 || status == 410;
}

/* The secret may have been rotated since we read it: look once. If another transfer has looked
 * meanwhile, there is a new token without a change of the file. */
static bool may_reread_token(struct transfer *t, const struct err *err)
{
    struct transfer_env *env = t->loop->env;
    struct err           ignored;
    bool                 changed;

    if (err->kind != ERR_UNAUTHORIZED || t->token_reread || env->spec->token_file.len == 0)
        return false;
    t->token_reread = true;
    pthread_mutex_lock(&env->token_lock);
    changed = spec_read_token(env->spec, &ignored) > 0;
    env->token_version += changed;
    changed = env->token_version != t->token_version;
    pthread_mutex_unlock(&env->token_lock);
    return changed;
}

/* Would another endpoint be worth asking? */
static bool has_next_endpoint(const struct transfer *t, enum err_kind kind)
{
    if (t->endpoint + 1 >= t->loop->env->spec->endpoint.count)
        return false;
    return kind != ERR_DISK_FULL && kind != ERR_QUOTA && kind != ERR_IO && kind != ERR_READ_ONLY &&
           kind != ERR_PERMISSION && kind != ERR_TOO_LARGE && kind != ERR_LOCKED &&
           kind != ERR_INTERNAL;
}

static bool may_change_endpoint(const struct transfer *t, enum err_kind kind)
{
    return !t->stay_on_endpoint && has_next_endpoint(t, kind);
}

static void log_retry(const struct transfer *t, const struct err *err, const char *what,
                      uint64_t wait_ms)
{
    log_write(t->loop->env->log, wait_ms >= 10000 ? LOG_WARN : LOG_INFO, what,
              LOG_TEXT("repo", t->id), LOG_TEXT("file", t->path),
              LOG_TEXT("host", host_of(str_from(err->url))),
              LOG_CSTR("reason", err_reason(err->kind)), LOG_CSTR("error", err->text),
              LOG_NUM("attempt", t->failures), LOG_NUM("wait_ms", wait_ms),
              LOG_CSTR("request_id", err->request_id));
    progress_add_retry(t->loop->env->progress, err->kind, wait_ms);
    if (wait_ms)
        say_waiting(t, err, wait_ms);
}

static void on_failure(struct transfer *t, const struct err *err, bool at_hub)
{
    struct transfer_env *env = t->loop->env;
    struct retry_policy  policy = {env->spec->retry_attempts, env->spec->retry_max_wait_ms};
    struct retry_verdict verdict;

    t->failed_at_hub = at_hub;
    if (t->new_bytes >= PROGRESS_BYTES) {
        t->failures = t->odd_failures = 0;
        t->renewals = 0;
        t->new_bytes = 0;
    } else if (!at_hub && t->ops->lost_url) { /* the Hub may know a better place by now */
        t->ops->lost_url(t->owner, buf_view(&t->url));
    }
    start_over(t);
    if (err->kind == ERR_INTEGRITY) { /* wrong bytes: what is there is wrong too, the owner knows */
        finish(t, err);
        return;
    }
    if (may_renew(t, err, at_hub)) {
        t->renewals++;
        log_retry(t, err, "asking for a fresh URL", 0);
        try_again(t, 0);
        return;
    }
    if (may_reread_token(t, err)) {
        log_retry(t, err, "the token file has changed, trying again", 0);
        try_again(t, 0);
        return;
    }
    t->failures++;
    t->odd_failures += retry_is_odd(err);
    if (has_next_endpoint(t, err->kind) && policy.attempts > FAILURES_BEFORE_NEXT_ENDPOINT)
        policy.attempts = FAILURES_BEFORE_NEXT_ENDPOINT;
    verdict = retry_decide(&policy, err, t->failures, t->odd_failures, &env->clock);
    if (verdict.again) {
        log_retry(t, err, "trying again", verdict.wait_ms);
        if (t->ops->on_retry)
            t->ops->on_retry(t->owner, err, verdict.wait_ms, at_hub);
        try_again(t, verdict.wait_ms);
    } else if (may_change_endpoint(t, err->kind)) {
        log_retry(t, err, "going on to the next endpoint", 0);
        t->endpoint++;
        t->failures = t->odd_failures = 0;
        try_again(t, 0);
    } else {
        finish(t, err);
    }
}

/* --- after an answer --- */

static bool is_redirect(const struct http_reply *reply)
{
    long s = reply->status;

    return s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
}

static int follow(struct transfer *t, const struct http_reply *reply, struct err *err)
{
    const struct spec *spec = t->loop->env->spec;
    struct buf         next = {0};

    if (++t->hops > HOPS_MAX)
        return err_set(err, ERR_BAD_ANSWER, "more than %d redirects", HOPS_MAX);
    if (hub_read_redirect(reply, endpoint_of(t), buf_view(&t->url), spec->allowed_hosts.item,
                          spec->allowed_hosts.count, &next, err)) {
        buf_release(&next);
        return -1;
    }
    buf_clear(&t->url);
    buf_add_str(&t->url, buf_view(&next));
    buf_release(&next);
    if (t->ops->learnt_url && !is_at_hub(t))
        t->ops->learnt_url(t->owner, buf_view(&t->url));
    return 0;
}

static void learn_limits(struct transfer *t, const struct http_reply *reply)
{
    struct transfer_env *env = t->loop->env;
    uint64_t             wait_ms = gate_learn(&env->gate, t->bucket, reply, &env->clock);
    struct str           host = host_of(buf_view(&t->url));
    char                 what[160];

    if (wait_ms == 0)
        return;
    snprintf(what, sizeof(what), "the rate limit of %.*s", STR_ARG(host));
    progress_wait(env->progress, what, clock_wall_ms(&env->clock) + (int64_t)wait_ms);
    progress_stats_time(progress_stats(env->progress), TIME_WAIT_LIMIT, wait_ms);
    log_write(env->log, LOG_WARN, "rate limit reached, waiting", LOG_TEXT("host", host),
              LOG_NUM("wait_ms", wait_ms), LOG_INT("http_status", reply->status));
}

/* Every byte came, only the end of the answer was not as it should be. */
static bool is_whole(const struct transfer *t, const struct http_result *res)
{
    return res->err.kind != ERR_INTEGRITY && t->ops->has_all && t->ops->has_all(t->owner);
}

/* It broke off, and what came does not settle it: the bytes of a file may all be there, and of a
 * refusal or a redirect the head says enough. */
static bool is_broken(const struct transfer *t, const struct http_result *res)
{
    if (!res->is_error)
        return false;
    return is_success(res->reply.status) ? !is_whole(t, res) : !t->answered_at_ms;
}

/* A proxy or a mirror may repeat what it was sent. */
static void hide_token(struct transfer_env *env, struct err *err)
{
    pthread_mutex_lock(&env->token_lock);
    secret_scrub(&env->spec->token, err->text);
    secret_scrub(&env->spec->token, err->hint);
    secret_scrub(&env->spec->token, err->url);
    secret_scrub(&env->spec->token, err->request_id);
    pthread_mutex_unlock(&env->token_lock);
}

static void log_answer(const struct transfer *t, const struct http_result *res)
{
    struct transfer_env *env = t->loop->env;

    log_write(env->log, LOG_DEBUG, res->is_error ? "an answer broke off" : "answer",
              LOG_TEXT("repo", t->id), LOG_TEXT("file", t->path),
              LOG_TEXT("host", host_of(buf_view(&t->url))),
              LOG_INT("http_status", res->reply.status), LOG_NUM("bytes", res->body_bytes),
              LOG_NUM("duration_ms", clock_now_ms(&env->clock) - t->sent_at_ms));
}

static void note_duration(const struct transfer *t, bool at_hub)
{
    const struct transfer_env *env = t->loop->env;

    progress_stats_time(progress_stats(env->progress), at_hub ? TIME_ASK_HUB : TIME_ASK_STORAGE,
                        clock_now_ms(&env->clock) - t->sent_at_ms);
}

static void on_answer(struct transfer *t, struct http_result *res)
{
    struct hub_context ctx = context_of(t);
    struct err         err = {0};

    log_answer(t, res);
    note_duration(t, ctx.from_hub);
    if (ctx.from_hub)
        learn_limits(t, &res->reply);
    if (is_broken(t, res)) {
        err = res->err;
        if (err.http_status == 0 && is_success(res->reply.status))
            err.http_status = res->reply.status;
    } else if (is_redirect(&res->reply) && http_reply_header(&res->reply, STR("location")).p) {
        if (follow(t, &res->reply, &err) == 0) {
            try_again(t, 0);
            return;
        }
    } else if (is_success(res->reply.status)) {
        if (t->ops->on_complete(t->owner, &res->reply, &err) == 0) {
            finish(t, NULL);
            return;
        }
    } else {
        hub_read_error(&res->reply, buf_view(&t->error_body), &ctx,
                       clock_wall_ms(&t->loop->env->clock), &err);
    }
    if (err.url[0] == '\0') {
        struct buf url = {.max = sizeof(err.url) - 1};
        log_add_url(&url, buf_view(&t->url));
        memcpy(err.url, buf_cstr(&url), url.len);
        err.url[url.len] = '\0';
        buf_release(&url);
    }
    hide_token(t->loop->env, &err);
    on_failure(t, &err, ctx.from_hub);
}

/* --- the loop --- */

/* When may it start? 0: now. */
static uint64_t due_at(struct transfer *t, uint64_t now_ms)
{
    uint64_t gate_ms = 0;

    if (t->due_at_ms > now_ms)
        return t->due_at_ms;
    choose_url(t);
    if (is_at_hub(t))
        gate_ms = gate_opens_at(&t->loop->env->gate, t->bucket, now_ms);
    return gate_ms;
}

/* Once for every silence. What says nothing for longer is given up, and that is logged as a retry. */
static void tell_quiet(struct transfer_loop *loop)
{
    const struct clock *clock = &loop->env->clock;
    uint64_t            now_ms = clock_now_ms(clock);

    for (struct transfer *t = loop->list; t; t = t->next) {
        uint64_t quiet_ms = now_ms - t->heard_at_ms;
        char     since[32];

        if (!t->active || t->quiet_told || quiet_ms < QUIET_AFTER_MS ||
            http_is_held(loop->http, t->handle))
            continue;
        t->quiet_told = true;
        log_timestamp(clock_wall_ms(clock) - (int64_t)quiet_ms, since);
        log_write(loop->env->log, LOG_INFO, "a connection is quiet", LOG_TEXT("repo", t->id),
                  LOG_TEXT("file", t->path), LOG_TEXT("host", host_of(buf_view(&t->url))),
                  LOG_CSTR("since", since), LOG_NUM("quiet_ms", quiet_ms));
    }
}

/* Starts all that are due; returns the moment of the next one, UINT64_MAX if none waits. */
static uint64_t start_due(struct transfer_loop *loop, uint64_t now_ms)
{
    struct transfer *next;
    uint64_t         soonest = UINT64_MAX;

    for (struct transfer *t = loop->list; t; t = next) {
        struct err err;
        uint64_t   at;

        next = t->next;
        if (t->active)
            continue;
        at = due_at(t, now_ms);
        if (at) {
            soonest = at < soonest ? at : soonest;
            continue;
        }
        set_active(t, true);
        if (send_request(t, &err))
            finish(t, &err);
    }
    return soonest;
}

int transfer_turn(struct transfer_loop *loop, int stop_fd, uint64_t max_wait_ms, struct err *err)
{
    struct http_result res;
    uint64_t           now_ms = clock_now_ms(&loop->env->clock);
    uint64_t           next_ms = start_due(loop, now_ms);

    if (next_ms != UINT64_MAX && next_ms - now_ms < max_wait_ms)
        max_wait_ms = next_ms - now_ms;
    if (http_turn(loop->http, stop_fd, max_wait_ms, err))
        return -1;
    while (http_next_result(loop->http, &res)) {
        on_answer(res.owner, &res);
        http_reply_release(&res.reply);
    }
    tell_quiet(loop);
    return 0;
}
