/* What a refusal of the Hub, of its storage or of something in between means, and what its reader
 * is told. The first rows are the table of situations known from the Hub. */
#include "answer.h"
#include "check.h"
#include "hub.h"

#define HUB "https://huggingface.co"

struct row {
    const char   *name;
    long          status;
    const char   *headers, *body;
    bool          sent_token, is_api, from_cdn;
    enum err_kind kind;
    const char   *text, *hint; /* pieces of them; NULL: anything */
};

static const struct row rows[] = {
    /* what the Hub says */
    {"missing or private, no token", 401, "X-Error-Message: Invalid username or password.", "",
     false, true, false, ERR_REPO_NOT_FOUND, "model acme/tiny is private or absent; no token",
     "https://huggingface.co/acme/tiny; if the repo is private, set a token"},
    {"missing or private, no token, with the code", 401,
     "X-Error-Code: RepoNotFound\nX-Error-Message: Invalid username or password.", "", false, true,
     false, ERR_REPO_NOT_FOUND, "(\"Invalid username or password.\")", NULL},
    {"missing or private, a valid token", 404,
     "x-error-code: RepoNotFound\nx-error-message: Repository not found", "Repository not found",
     true, true, false, ERR_REPO_NOT_FOUND,
     "the token (from /run/secrets/hf, hf_…redacted) does not open it: huggingface.co answered 404 "
     "(\"Repository not found\")",
     NULL},
    {"a bad token on a public repo", 401,
     "X-Error-Message: Invalid credentials in Authorization header", "", true, true, false,
     ERR_UNAUTHORIZED, "the token (from /run/secrets/hf, hf_…redacted) is expired, revoked",
     "or none if model acme/tiny is public"},
    {"a bad token, header dropped by a mirror", 401, "Content-Type: application/json",
     "{\"error\":\"Invalid credentials in Authorization header\"}", true, true, false,
     ERR_UNAUTHORIZED, "/run/secrets/hf", NULL},
    {"a token that has expired", 401, "X-Error-Message: User Access Token \"ci\" is expired", "",
     true, true, false, ERR_UNAUTHORIZED,
     "the token (from /run/secrets/hf, hf_…redacted) is expired, revoked or mistyped: "
     "huggingface.co answered 401 (\"User Access Token \"ci\" is expired\")",
     "or none if model acme/tiny is public"},
    {"a token that has expired, header dropped by a mirror", 401, "X-Error-Code: RepoNotFound",
     "{\"error\":\"User Access Token \\\"ci\\\" is expired\"}", true, false, false,
     ERR_UNAUTHORIZED, "/run/secrets/hf", NULL},
    {"an expired token of somebody else", 401,
     "X-Error-Message: User Access Token \"ci\" is expired", "", false, true, false,
     ERR_REPO_NOT_FOUND, "no token was sent", NULL},
    {"gated, no token", 401,
     "X-Error-Code: GatedRepo\nX-Error-Message: Access to model acme/tiny is restricted. You must "
     "have access to it and be authenticated to access it. Please log in.",
     "", false, false, false, ERR_GATED, "model acme/tiny@v9 is gated, and no token was sent",
     "accept its terms at https://huggingface.co/acme/tiny"},
    {"gated, the token's user is not accepted", 403,
     "X-Error-Code: GatedRepo\nX-Error-Message: Access to model acme/tiny is restricted and you "
     "are not in the authorized list. Visit https://huggingface.co/acme/tiny to ask for access.",
     "", true, false, false, ERR_GATED,
     "model acme/tiny@v9 is gated: the token (from /run/secrets/hf, hf_…redacted) belongs to a user "
     "who has not accepted its terms: huggingface.co answered 403",
     "accept them at https://huggingface.co/acme/tiny with that user, then start again"},
    {"gated, under review", 403,
     "X-Error-Code: GatedRepo\nX-Error-Message: Your request to access model acme/tiny is "
     "awaiting a review from the repo authors.",
     "", true, false, false, ERR_GATED, "have not yet decided about the user of the token (from",
     "wait until they grant access"},
    {"gated, refused by its authors", 403,
     "X-Error-Code: GatedRepo\nX-Error-Message: Your request to access model acme/tiny has been "
     "rejected by the repo's authors.",
     "", true, false, false, ERR_GATED, "its authors have refused the user of the token (from",
     "the token of a user who has access"},
    {"gated, a fine-grained token without the permission", 403,
     "X-Error-Message: Please enable access to public gated repositories in your fine-grained "
     "token settings to view this repository.",
     "", true, false, false, ERR_FORBIDDEN,
     "the token (from /run/secrets/hf, hf_…redacted) is fine-grained and does not permit",
     "https://huggingface.co/settings/tokens"},
    {"disabled", 403, "X-Error-Message: Access to this resource is disabled.", "", true, true,
     false, ERR_DISABLED, "the Hub has disabled access to model acme/tiny", NULL},
    {"disabled, without a token", 403, "X-Error-Message: Access to this resource is disabled.", "",
     false, true, false, ERR_DISABLED, NULL, NULL},
    {"unknown revision", 404, "X-Error-Code: RevisionNotFound\nX-Error-Message: Invalid rev id: v9",
     "", false, true, false, ERR_REVISION_NOT_FOUND,
     "revision v9 does not exist in model acme/tiny", "branch, tag"},
    {"unknown file", 404,
     "x-error-code: EntryNotFound\nx-error-message: Entry not found\ncontent-type: text/plain",
     "Entry not found", false, false, false, ERR_ENTRY_NOT_FOUND,
     "file a/b.bin does not exist in model acme/tiny at revision v9: huggingface.co answered 404 "
     "(\"Entry not found\")",
     "hf-init ls"},
    {"another 403", 403, "X-Error-Message: Nope.", "", true, false, false, ERR_FORBIDDEN,
     "the token (from /run/secrets/hf, hf_…redacted) may not read", "give it read access"},
    {"another 403, no token", 403, "", "", false, false, false, ERR_FORBIDDEN, "no token was sent",
     "https://huggingface.co/acme/tiny"},
    {"bad credentials that we did not send", 401,
     "X-Error-Message: Invalid credentials in Authorization header", "", false, true, false,
     ERR_UNAUTHORIZED, "no token was sent", "proxy"},

    /* first rule wins, whatever the status */
    {"the code decides, not the status", 400, "X-Error-Code: EntryNotFound", "", false, false,
     false, ERR_ENTRY_NOT_FOUND, NULL, NULL},
    {"gated before disabled", 403,
     "X-Error-Code: GatedRepo\nX-Error-Message: Access to this resource is disabled.", "", true,
     false, false, ERR_GATED, NULL, NULL},
    {"disabled before not found", 404,
     "X-Error-Code: RepoNotFound\nX-Error-Message: Access to this resource is disabled.", "", true,
     false, false, ERR_DISABLED, NULL, NULL},
    {"a code of a redirected request counts too", 404, "X-Error-Code: EntryNotFound", "", false,
     false, true, ERR_ENTRY_NOT_FOUND, NULL, NULL},

    /* 404 of mirrors that drop headers, and of what is no Hub */
    {"404 of a mirror: repo", 404, "", "{\"error\":\"Repository not found\"}", false, true, false,
     ERR_REPO_NOT_FOUND, NULL, NULL},
    {"404 of a mirror: revision", 404, "", "{\"error\":\"Invalid rev id: v9\"}", false, true, false,
     ERR_REVISION_NOT_FOUND, "v9", NULL},
    {"404 of a mirror: file", 404, "Content-Type: text/html", "<html><title>404</title>", false,
     false, false, ERR_ENTRY_NOT_FOUND, "a/b.bin", NULL},
    {"404 of a mirror: nothing said", 404, "", "", false, true, false, ERR_REPO_NOT_FOUND, NULL,
     NULL},
    {"404 of a web server that is no Hub", 404, "Content-Type: text/html",
     "<html><head><title>404 Not Found</title></head>", false, true, false, ERR_BAD_ANSWER,
     "does not seem to be a Hub", "check the endpoint"},

    /* rate limits and trouble on the server's side */
    {"429, window used up", 429,
     "RateLimit: \"api\";r=0;t=55\nRateLimit-Policy: \"fixed window\";\"api\";q=500;w=300", "",
     true, true, false, ERR_RATE_LIMITED,
     "the limit of 500 requests per 300 s (\"api\") is used up for another 55 s", NULL},
    {"429, window used up, no policy, no token", 429, "RateLimit: \"api\";r=0;t=55", "", false,
     true, false, ERR_RATE_LIMITED, "used up for another 55 s", "set a token"},
    {"429, another limit", 429, "RateLimit: \"api\";r=7;t=55", "<html><title>Slow</title>", true,
     true, false, ERR_RATE_LIMITED, "too many requests: huggingface.co answered 429 (\"Slow\")",
     NULL},
    {"429 of the CDN", 429, "", "", true, false, true, ERR_RATE_LIMITED, NULL, NULL},
    {"500", 500, "", "", true, false, false, ERR_SERVER, "a/b.bin", NULL},
    {"502 with a page", 502, "Content-Type: text/html", "<html><title>Bad Gateway</title>", true,
     true, false, ERR_SERVER, "(\"Bad Gateway\")", NULL},
    {"503", 503, "Retry-After: 3", "", true, true, false, ERR_SERVER, NULL, NULL},
    {"504", 504, "", "", true, true, false, ERR_SERVER, NULL, NULL},
    {"520", 520, "", "", true, true, false, ERR_SERVER, NULL, NULL},
    {"524", 524, "", "", true, true, false, ERR_SERVER, NULL, NULL},
    {"408", 408, "", "", true, true, false, ERR_SERVER, NULL, NULL},
    {"425", 425, "", "", true, true, false, ERR_SERVER, NULL, NULL},
    {"500 of the CDN", 500, "", "", true, false, true, ERR_SERVER, "cdn.example", NULL},

    /* the storage behind the Hub */
    {"an expired signed URL (403)", 403, "Content-Type: application/xml",
     "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has "
     "expired</Message></Error>",
     true, false, true, ERR_SERVER,
     "the signed URL of a/b.bin has expired or was refused: cdn.example answered 403 (\"Request "
     "has expired\")",
     NULL},
    {"an expired signed URL (401)", 401, "", "", true, false, true, ERR_SERVER, "expired", NULL},
    {"an expired signed URL (410)", 410, "", "", true, false, true, ERR_SERVER, "expired", NULL},
    {"the storage does not know the key", 404, "", "", true, false, true, ERR_SERVER,
     "does not have a/b.bin", NULL},
    {"the storage dislikes the request", 400, "", "", true, false, true, ERR_BAD_ANSWER, "rejected",
     "Xet"},
    {"credentials of the CDN are not ours", 401,
     "X-Error-Message: Invalid credentials in Authorization header", "", true, false, true,
     ERR_SERVER, "expired", NULL},
    {"416", 416, "Content-Range: bytes */1000", "", true, false, true, ERR_BAD_ANSWER,
     "Content-Range: bytes */1000", NULL},

    /* things in between */
    {"a firewall's page", 403, "Content-Type: text/html",
     "<!DOCTYPE html><title>Blocked by policy</title>", true, true, false, ERR_PROXY,
     "(\"Blocked by policy\")", NULL},
    {"a login page for a file", 200, "Content-Type: text/html", "<html><title>Login</title>", true,
     false, false, ERR_PROXY, "an HTML page came where a file was expected", NULL},
    {"a login page for the API", 200, "", " <!doctype HTML>", true, true, false, ERR_PROXY,
     "an answer of the Hub's API", NULL},
    {"the proxy wants a password", 407, "", "", true, true, false, ERR_PROXY, "credentials",
     "HTTPS_PROXY"},
    {"a network that wants a login", 511, "", "", true, true, false, ERR_PROXY, "login", NULL},

    /* rest */
    {"400", 400, "", "{\"error\":\"bad expand\"}", true, true, false, ERR_BAD_ANSWER,
     "(\"bad expand\")", NULL},
    {"405", 405, "", "", true, true, false, ERR_BAD_ANSWER, "rejected", NULL},
    {"413", 413, "", "", true, true, false, ERR_BAD_ANSWER, NULL, NULL},
    {"418", 418, "", "", true, true, false, ERR_BAD_ANSWER, "418", NULL},
    {"410 for a file", 410, "", "", true, false, false, ERR_ENTRY_NOT_FOUND, NULL, NULL},
    {"410 for a repo", 410, "", "", true, true, false, ERR_REPO_NOT_FOUND, NULL, NULL},
    {"451", 451, "", "", true, true, false, ERR_DISABLED, NULL, NULL},
    {"101", 101, "", "", true, true, false, ERR_BAD_ANSWER, "makes no sense", NULL},
    {"201", 201, "", "", true, true, false, ERR_BAD_ANSWER, "makes no sense", NULL},
    {"204", 204, "", "", true, false, false, ERR_BAD_ANSWER, "answered 204", NULL},
    {"300", 300, "", "", true, false, false, ERR_BAD_ANSWER, "answered 300", NULL},
    {"304", 304, "", "", true, false, false, ERR_BAD_ANSWER, "answered 304", NULL},
    {"999", 999, "", "", true, false, false, ERR_BAD_ANSWER, "answered 999", NULL},
};

static struct hub_context context_of(const struct row *r, struct str endpoint)
{
    struct hub_context ctx = {
        .endpoint = endpoint,
        .url = r->from_cdn ? STR("https://cdn.example/x?Signature=s3cr3t&Expires=1")
                           : STR(HUB "/acme/tiny/resolve/v9/a/b.bin"),
        .type = REPO_MODEL,
        .id = STR("acme/tiny"),
        .revision = STR("v9"),
        .path = r->is_api ? STR("") : STR("a/b.bin"),
        .sent_token = r->sent_token,
        .token_origin = r->sent_token ? STR("/run/secrets/hf") : STR(""),
        .token_form = r->sent_token ? STR("hf_…redacted") : STR(""),
        .from_hub = !r->from_cdn,
    };
    return ctx;
}

static void every_refusal_has_its_kind_and_its_words(bool print)
{
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        const struct row  *r = &rows[i];
        struct hub_context ctx = context_of(r, STR(HUB));
        struct answer      a;
        struct err         err;

        check_row(r->name);
        CHECK(hub_read_error(answer_of(&a, r->status, r->headers), str_from(r->body), &ctx, 0,
                             &err) == -1);
        if (print)
            printf("%-16s %s\n%16s %s\n", err_reason(err.kind), err.text, "->",
                   err_next_step(&err));
        CHECK_STR(err_reason(err.kind), err_reason(r->kind));
        if (r->text && !strstr(err.text, r->text))
            CHECK_STR(err.text, r->text);
        if (r->hint && !strstr(err.hint, r->hint))
            CHECK_STR(err.hint, r->hint);
        CHECK(err.http_status == r->status);
        CHECK_STR(err.repo, "acme/tiny");
        CHECK_STR(err.file, r->is_api ? "" : "a/b.bin");
        CHECK_STR(err.url,
                  r->from_cdn ? "https://cdn.example/x" : HUB "/acme/tiny/resolve/v9/a/b.bin");
        CHECK(!strstr(err.text, "s3cr3t") && !strstr(err.hint, "s3cr3t"));
        CHECK(strlen(err.text) < sizeof(err.text) - 1 && strlen(err.hint) < sizeof(err.hint) - 1);
    }
}

/* Python reads a 401 of an http mirror as a generic error; we do not. */
static void an_http_endpoint_is_read_like_an_https_one(void)
{
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        const struct row  *r = &rows[i];
        struct hub_context ctx = context_of(r, STR("http://mirror:8080/hf"));
        struct answer      a;
        struct err         err;

        if (r->from_cdn)
            continue;
        check_row(r->name);
        ctx.url = STR("http://mirror:8080/hf/acme/tiny/resolve/v9/a/b.bin");
        hub_read_error(answer_of(&a, r->status, r->headers), str_from(r->body), &ctx, 0, &err);
        CHECK_STR(err_reason(err.kind), err_reason(r->kind));
        if (r->hint && strstr(r->hint, HUB "/acme/tiny"))
            CHECK(strstr(err.hint, "http://mirror:8080/hf/acme/tiny"));
    }
}

static void read_one(struct err *err, long status, const char *headers, const char *body)
{
    struct row         r = {.sent_token = true};
    struct hub_context ctx = context_of(&r, STR(HUB));
    struct answer      a;

    hub_read_error(answer_of(&a, status, headers), str_from(body), &ctx, 784111776000, err);
}

/* http://huggingface.co, say, or a short name of the Hub: no storage answers its API. */
static void where_an_endpoint_redirects_its_hub_is_a_hub_and_the_token_stayed_behind(void)
{
    static const struct {
        const char   *name, *headers;
        long          status;
        bool          is_file;
        enum err_kind kind;
        const char   *text;
    } said[] = {
        {"missing or private", "X-Error-Message: Invalid username or password.", 401, false,
         ERR_REPO_NOT_FOUND, "is private or absent; no token was sent"},
        {"forbidden", "", 403, false, ERR_FORBIDDEN, "access to model acme/tiny is refused"},
        {"not found", "", 404, false, ERR_REPO_NOT_FOUND, "is private or absent"},
        {"gated", "X-Error-Code: GatedRepo", 401, true, ERR_GATED, "gated, and no token was sent"},
        {"limited", "RateLimit: \"api\";r=0;t=9", 429, false, ERR_RATE_LIMITED, "used up"},
    };

    for (size_t i = 0; i < CHECK_COUNT(said); i++) {
        struct hub_context ctx = {.endpoint = STR("http://huggingface.co"),
                                  .url = STR(HUB "/api/models/acme/tiny/revision/main?expand=sha"),
                                  .id = STR("acme/tiny"),
                                  .revision = STR("main"),
                                  .path = said[i].is_file ? STR("a.bin") : STR(""),
                                  .token_origin = STR("HF_TOKEN")};
        struct answer      a;
        struct err         err;

        check_row(said[i].name);
        hub_read_error(answer_of(&a, said[i].status, said[i].headers), STR(""), &ctx, 0, &err);
        CHECK_STR(err_reason(err.kind), err_reason(said[i].kind));
        if (!strstr(err.text, said[i].text))
            CHECK_STR(err.text, said[i].text);
        CHECK_HAS(err.hint, "the endpoint redirects to https://huggingface.co, and the token goes");
        ctx.token_origin = STR("");
        hub_read_error(answer_of(&a, said[i].status, said[i].headers), STR(""), &ctx, 0, &err);
        CHECK(!strstr(err.hint, "redirects"));
    }
}

static void a_dataset_is_called_one_and_linked_as_one(void)
{
    struct hub_context ctx = {.endpoint = STR(HUB),
                              .url = STR(HUB "/api/x"),
                              .type = REPO_DATASET,
                              .id = STR("acme/set"),
                              .revision = STR("refs/pr/7"),
                              .from_hub = true};
    struct answer      a;
    struct err         err;

    check_row(__func__);
    hub_read_error(answer_of(&a, 401, "X-Error-Code: GatedRepo"), STR(""), &ctx, 0, &err);
    CHECK_HAS(err.text, "dataset acme/set@refs/pr/7 is gated");
    CHECK_HAS(err.hint, "https://huggingface.co/datasets/acme/set");
    hub_read_error(answer_of(&a, 404, "X-Error-Code: RevisionNotFound"), STR(""), &ctx, 0, &err);
    CHECK_HAS(err.text, "revision refs/pr/7 does not exist in dataset acme/set");
    hub_read_error(answer_of(&a, 404, "X-Error-Code: EntryNotFound"), STR(""), &ctx, 0, &err);
    CHECK_HAS(err.text, "dataset acme/set at revision refs/pr/7");
}

static void the_wait_is_taken_from_the_right_header(void)
{
    static const struct {
        const char *name;
        long        status;
        const char *headers;
        uint64_t    want_ms;
    } waits[] = {
        {"none", 429, "", 0},
        {"seconds", 429, "Retry-After: 55", 55000},
        {"a date ahead", 503, "Retry-After: Sun, 06 Nov 1994 08:50:06 GMT", 30000},
        {"a date behind", 503, "Retry-After: Sun, 06 Nov 1994 08:00:00 GMT", 0},
        {"garbage", 429, "Retry-After: soon", 0},
        {"10^9", 429, "Retry-After: 1000000000", 315360000000},
        {"10^30", 429, "Retry-After: 1000000000000000000000000000000", 315360000000},
        {"RateLimit at zero", 429, "RateLimit: \"api\";r=0;t=55\nRetry-After: 7", 55000},
        {"RateLimit not at zero", 429, "RateLimit: \"api\";r=1;t=55\nRetry-After: 7", 7000},
        {"RateLimit not at zero, alone", 429, "RateLimit: \"api\";r=1;t=55", 0},
        {"RateLimit on another error", 503, "RateLimit: \"api\";r=0;t=55", 0},
        {"Retry-After on another error", 500, "Retry-After: 2", 2000},
    };

    for (size_t i = 0; i < CHECK_COUNT(waits); i++) {
        struct err err;
        check_row(waits[i].name);
        read_one(&err, waits[i].status, waits[i].headers, "");
        CHECK_U64(err.retry_after_ms, waits[i].want_ms);
    }
}

static void the_request_id_is_quoted(void)
{
    struct err err;

    check_row(__func__);
    read_one(&err, 500, "X-Amz-Cf-Id: c\nx-amzn-trace-id: t\nx-request-id: Root=1-6a;b", "");
    CHECK_STR(err.request_id, "Root=1-6a;b");
    read_one(&err, 500, "X-Amz-Cf-Id: c\nx-amzn-trace-id: t", "");
    CHECK_STR(err.request_id, "t");
    read_one(&err, 500, "X-Amz-Cf-Id: c", "");
    CHECK_STR(err.request_id, "c");
    read_one(&err, 500, "", "");
    CHECK_STR(err.request_id, "");
    read_one(&err, 500,
             "X-Request-Id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x1b[2J",
             "");
    CHECK(strlen(err.request_id) < sizeof(err.request_id) && !strchr(err.request_id, 0x1b));
}

static void the_servers_words_are_gathered_once_each(void)
{
    static const struct {
        const char *name, *headers, *body, *want;
    } words[] = {
        {"header", "X-Error-Message: One", "", "(\"One\")"},
        {"header and the same body", "X-Error-Message: One", "One", "(\"One\")"},
        {"header and another body", "X-Error-Message: One", "{\"error\":\"Two\"}",
         "(\"One; Two\")"},
        {"list of errors", "", "{\"error\":[\"a\",\"b\",\"a\"]}", "(\"a; b\")"},
        {"description", "", "{\"error\":\"e\",\"error_description\":\"d\"}", "(\"e; d\")"},
        {"errors[].message", "",
         "{\"errors\":[{\"message\":\"m1\"},{\"x\":1},{\"message\":\"m2\"}]}", "(\"m1; m2\")"},
        {"a bare sentence", "", "\"no way\"", "(\"no way\")"},
        {"text", "", "  no\n\n  way ", "(\"no way\")"},
        {"broken JSON says nothing", "", "{\"error\":\"cut of", "answered 500"},
        {"odd types say nothing", "", "{\"error\":{\"x\":1},\"errors\":\"y\"}", "answered 500"},
        {"a page's title", "Content-Type: text/html", "<HTML><TITLE>Oops</TITLE>", "(\"Oops\")"},
        {"a page without a title", "Content-Type: text/html", "<p>secret</p>", "answered 500"},
        {"S3", "", "<Error><Message>Gone</Message></Error>", "(\"Gone\")"},
        {"control characters", "X-Error-Message: a\x1b[31mb\x7f", "", "(\"a\\x1b[31mb\\x7f\")"},
        {"line breaks", "", "{\"error\":\"a\\r\\nFATAL b\\u0085\"}", "(\"a FATAL b\\xc2\\x85\")"},
        {"turned text", "", "{\"error\":\"a\\u202eb\"}", "(\"a\\xe2\\x80\\xaeb\")"},
        {"invalid UTF-8", "", "caf\xE9", "(\"caf\\xe9\")"},
        {"proper UTF-8", "", "caf\xC3\xA9", "(\"caf\xC3\xA9\")"},
        {"an echoed token", "", "got Authorization: Bearer hf_aBcDeFgHiJkLmNoPqRsT, why",
         "got Authorization: Bearer ***, why"},
        {"another echoed token", "", "token hf_aBcDeFgHiJkLmNoPqRsT!", "token hf_***"},
        {"a signed URL", "", "no https://cdn.test/x?Expires=1&Signature=aB~c, \"/y?a?b=c\"",
         "no https://cdn.test/x?*** \"/y?a?***\""},
        {"a question", "", "why? is 1=2 ?", "why? is 1=2 ?"},
        {"no token", "", "see hf_home and bearer tokens", "see hf_home and bearer tokens"},
    };

    for (size_t i = 0; i < CHECK_COUNT(words); i++) {
        struct err err;
        check_row(words[i].name);
        read_one(&err, 500, words[i].headers, words[i].body);
        if (!strstr(err.text, words[i].want))
            CHECK_STR(err.text, words[i].want);
        CHECK(true);
    }
}

static void long_names_and_long_words_leave_room_for_each_other(void)
{
    static char        path[5000], body[65536];
    struct hub_context ctx = {.endpoint = STR(HUB),
                              .url = STR(HUB "/x"),
                              .from_hub = true,
                              .revision = {path, 300},
                              .id = {path, 190}};
    struct answer      a;
    struct err         err;

    check_row(__func__);
    memset(path, 'p', sizeof(path));
    memset(body, '\x01', sizeof(body));
    ctx.path = (struct str){path, sizeof(path)};
    hub_read_error(answer_of(&a, 404, "X-Error-Code: EntryNotFound"),
                   (struct str){body, sizeof(body)}, &ctx, 0, &err);
    CHECK_U64(err.kind, ERR_ENTRY_NOT_FOUND);
    CHECK_HAS(err.text, "answered 404 (\"\\x01\\x01");
    CHECK_HAS(err.text, "…\")");
    CHECK_HAS(err.text, "does not exist in model ppp");
}

static void nothing_known_is_no_reason_to_crash(void)
{
    struct hub_context ctx = {0};
    struct answer      a;
    struct err         err;

    check_row(__func__);
    CHECK(hub_read_error(answer_of(&a, 0, ""), (struct str){NULL, 0}, &ctx, 0, &err) == -1);
    CHECK_U64(err.kind, ERR_BAD_ANSWER);
    CHECK_HAS(err.text, "the server answered 0");
}

int main(int argc, char **argv)
{
    (void)argv;
    every_refusal_has_its_kind_and_its_words(argc > 1); /* any argument: show them all */
    an_http_endpoint_is_read_like_an_https_one();
    where_an_endpoint_redirects_its_hub_is_a_hub_and_the_token_stayed_behind();
    a_dataset_is_called_one_and_linked_as_one();
    the_wait_is_taken_from_the_right_header();
    the_request_id_is_quoted();
    the_servers_words_are_gathered_once_each();
    long_names_and_long_words_leave_room_for_each_other();
    nothing_known_is_no_reason_to_crash();
    return check_end("test_hub_error");
}
