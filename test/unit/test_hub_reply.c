/* Single facts read from answers, and everything that must not pass for one. */
#include "answer.h"
#include "check.h"
#include "hub.h"

#define SHA    "9c3f0a7be51d4c2f8a6e0b1d2c3e4f5061728394"
#define SHA256 "8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d"

static void the_commit_of_a_description(void)
{
    static const struct {
        const char   *body;
        enum err_kind kind;
    } rows[] = {
        {"{\"_id\":\"66aa\",\"id\":\"acme/tiny\",\"sha\":\"" SHA "\",\"siblings\":[]}", ERR_NONE},
        {"{\"sha\":\"" SHA "\"}", ERR_NONE},
        {"{\"sha\":null}", ERR_BAD_ANSWER},
        {"{}", ERR_BAD_ANSWER},
        {"[]", ERR_BAD_ANSWER},
        {"{\"sha\":\"main\"}", ERR_BAD_ANSWER},
        {"{\"sha\":\"9C3F0A7BE51D4C2F8A6E0B1D2C3E4F5061728394\"}", ERR_BAD_ANSWER},
        {"{\"sha\":\"" SHA "0\"}", ERR_BAD_ANSWER},
        {"{\"sha\":\"../../../../../../etc/passwd/aaaaaaaaaaaa\"}", ERR_BAD_ANSWER},
        {"{\"sha\":\"" SHA "\"", ERR_BAD_ANSWER},
        {"", ERR_BAD_ANSWER},
        {"<!DOCTYPE html><title>Sign in</title>", ERR_PROXY},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        char       commit[41] = "";
        struct err err = {0};
        int        rc = hub_read_revision(str_from(rows[i].body), commit, &err);
        check_row(rows[i].body);
        CHECK(rc == (rows[i].kind == ERR_NONE ? 0 : -1));
        CHECK_STR(err_reason(err.kind), err_reason(rows[i].kind));
        CHECK_STR(commit, rc ? "" : SHA);
    }
}

static void rate_limits(void)
{
    static const struct {
        const char *headers, *bucket; /* NULL: not readable */
        uint64_t    remaining, reset_s, quota, window_s;
    } rows[] = {
        {"RateLimit: \"resolvers\";r=2998;t=172\n"
         "RateLimit-Policy: \"fixed window\";\"resolvers\";q=3000;w=300",
         "resolvers", 2998, 172, 3000, 300},
        {"ratelimit: \"api\" ; r=0 ; t=55", "api", 0, 55, 0, 0},
        {"ratelimit: api;t=55;r=0", "api", 0, 55, 0, 0},
        {"ratelimit: t=55;r=0;\"api\"", "api", 0, 55, 0, 0},
        {"ratelimit: r=1;t=2", "", 1, 2, 0, 0},
        {"ratelimit: \"api\";R=1;T=2", "api", 1, 2, 0, 0},
        {"ratelimit: \"api\";r=\"1\";t=\"2\"", "api", 1, 2, 0, 0},
        {"ratelimit: \"api\";r=9;t=1, \"pages\";r=2;t=7", "pages", 2, 7, 0, 0},
        {"ratelimit: \"api\";r=1;t=2\nratelimit-policy: \"x\";\"pages\";q=1;w=1,"
         "\"x\";\"api\";q=5;w=6",
         "api", 1, 2, 5, 6},
        {"ratelimit: \"api\";r=1;t=2\nratelimit-policy: \"x\";\"pages\";q=1;w=1", "api", 1, 2, 0,
         0},
        {"ratelimit: \"api\";r=1;t=2\nratelimit-policy: \"api\";q=x;w=-1", "api", 1, 2, 0, 0},
        {"ratelimit: \"api\";r=1;t=1000000000", "api", 1, 315360000, 0, 0},
        {"ratelimit: \"api\";r=1;t=99999999999999999999999", "api", 1, 315360000, 0, 0},
        {"x: y", NULL, 0, 0, 0, 0},
        {"ratelimit:", NULL, 0, 0, 0, 0},
        {"ratelimit: \"api\"", NULL, 0, 0, 0, 0},
        {"ratelimit: \"api\";r=1", NULL, 0, 0, 0, 0},
        {"ratelimit: \"api\";t=1", NULL, 0, 0, 0, 0},
        {"ratelimit: \"api\";r=-1;t=1", NULL, 0, 0, 0, 0},
        {"ratelimit: \"api\";r=1.5;t=1", NULL, 0, 0, 0, 0},
        {"ratelimit: \"api\";r=99999999999999999999999;t=1", NULL, 0, 0, 0, 0},
        {"ratelimit: \"a-name-that-is-far-too-long-for-a-bucket\";r=1;t=1", NULL, 0, 0, 0, 0},
        {"ratelimit: \"a\x1b[2J\";r=1;t=1", NULL, 0, 0, 0, 0},
        {"ratelimit: limit=100, remaining=50, reset=50", NULL, 0, 0, 0, 0},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct hub_rate rate = {0};
        struct answer   a;
        check_row(rows[i].headers);
        if (!CHECK(hub_read_rate(answer_of(&a, 200, rows[i].headers), &rate) ==
                   (rows[i].bucket != NULL)))
            continue;
        CHECK_STR(rate.bucket, rows[i].bucket ? rows[i].bucket : "");
        CHECK_U64(rate.remaining, rows[i].remaining);
        CHECK_U64(rate.reset_ms, rows[i].reset_s * 1000);
        CHECK_U64(rate.quota, rows[i].quota);
        CHECK_U64(rate.window_ms, rows[i].window_s * 1000);
    }
}

static void waits(void)
{
    static const int64_t now_ms = 784111777500; /* Sun, 06 Nov 1994 08:49:37.5 GMT */
    static const struct {
        const char *value;
        bool        ok;
        uint64_t    want_ms;
    } rows[] = {
        {"0", true, 0},
        {"120", true, 120000},
        {" 7 ", true, 7000},
        {"1000000000", true, 315360000000},
        {"123456789012345678901234567890", true, 315360000000},
        {"Sun, 06 Nov 1994 08:50:37 GMT", true, 59500},
        {"Sun, 06 Nov 1994 08:49:37 GMT", true, 0},
        {"Mon, 01 Jan 1990 00:00:00 GMT", true, 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", true, 315360000000},
        {"-1", false, 0},
        {"+1", false, 0},
        {"1.5", false, 0},
        {"1s", false, 0},
        {"", false, 0},
        {"soon", false, 0},
        {"Sun, 06 Nov 1994 08:49:37", false, 0},
        {"Sun, 06 Nov 1994 24:49:37 GMT", false, 0},
        {"Sun, 06 Nov 1994 08:60:37 GMT", false, 0},
        {"Sun, 32 Nov 1994 08:49:37 GMT", false, 0},
        {"Sun, 06 Foo 1994 08:49:37 GMT", false, 0},
        {"Sun, 06 Nov 1994 08:49:37 PST", false, 0},
        {"Sun, 06 Nov 1900 08:49:37 GMT", false, 0},
        {"Sun, 6 Nov 1994 08:49:37 GMT", false, 0},
        {"Sunday, 06-Nov-94 08:49:37 GMT", false, 0},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        char          line[128];
        struct answer a;
        uint64_t      wait_ms = 0;
        snprintf(line, sizeof(line), "Retry-After: %s", rows[i].value);
        check_row(line);
        CHECK(hub_read_retry_after(answer_of(&a, 503, line), now_ms, &wait_ms) == rows[i].ok);
        CHECK_U64(rows[i].ok ? wait_ms : 0, rows[i].want_ms);
    }
    check_row("no header");
    CHECK(!hub_read_retry_after(answer_of(&(struct answer){0}, 503, ""), 0, &(uint64_t){0}));
}

static void content_ranges(void)
{
    static const struct {
        const char *value;
        bool        ok;
        uint64_t    begin, end, total;
    } rows[] = {
        {"bytes 0-99/1000", true, 0, 100, 1000},
        {"bytes 0-0/1", true, 0, 1, 1},
        {"Bytes 5-9/10", true, 5, 10, 10},
        {" bytes 67108864-499999999999/500000000000 ", true, 67108864, 500000000000, 500000000000},
        {"bytes 0-18446744073709551614/18446744073709551615", true, 0, UINT64_MAX, UINT64_MAX},
        {"bytes 0-18446744073709551615/18446744073709551615", false, 0, 0, 0},
        {"bytes 0-18446744073709551616/18446744073709551617", false, 0, 0, 0},
        {"bytes 0-99/*", false, 0, 0, 0},
        {"bytes */1000", false, 0, 0, 0},
        {"bytes 0-99", false, 0, 0, 0},
        {"bytes 0/1000", false, 0, 0, 0},
        {"bytes 99-0/1000", false, 0, 0, 0},
        {"bytes 0-1000/1000", false, 0, 0, 0},
        {"bytes 0-0/0", false, 0, 0, 0},
        {"bytes -1-99/1000", false, 0, 0, 0},
        {"bytes 0--99/1000", false, 0, 0, 0},
        {"bytes +0-99/1000", false, 0, 0, 0},
        {"bytes 0x0-99/1000", false, 0, 0, 0},
        {"bytes  0-99/1000", false, 0, 0, 0},
        {"bytes 0 - 99 / 1000", false, 0, 0, 0},
        {"bytes 0-99/1000/2000", false, 0, 0, 0},
        {"bytes 0-99-3/1000", false, 0, 0, 0},
        {"bytes 0-9/100, bytes 10-19/100", false, 0, 0, 0},
        {"bytes=0-99/1000", false, 0, 0, 0},
        {"items 0-99/1000", false, 0, 0, 0},
        {"0-99/1000", false, 0, 0, 0},
        {"", false, 0, 0, 0},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        char          line[128];
        struct answer a;
        struct range  r = {0};
        uint64_t      total = 0;
        snprintf(line, sizeof(line), "Content-Range: %s", rows[i].value);
        check_row(line);
        CHECK(hub_read_content_range(answer_of(&a, 206, line), &r, &total) == rows[i].ok);
        CHECK_U64(r.begin, rows[i].begin);
        CHECK_U64(r.end, rows[i].end);
        CHECK_U64(total, rows[i].total);
    }
    check_row("multipart/byteranges has none");
    CHECK(!hub_read_content_range(answer_of(&(struct answer){0}, 206,
                                            "Content-Type: multipart/byteranges; boundary=x"),
                                  &(struct range){0}, &(uint64_t){0}));
}

static void expiry_of_signed_urls(void)
{
    static const struct {
        const char *url;
        int64_t     want_ms;
    } rows[] = {
        {"https://cdn/x?X-Xet-Cas-Uid=public&Expires=1790003600&Policy=p&Signature=s",
         1790003600000},
        {"https://s3/x?X-Amz-Algorithm=A&X-Amz-Date=20260822T101500Z&X-Amz-Expires=3600",
         1787397300000},
        {"https://s3/x?X-Amz-Expires=0&X-Amz-Date=20260822T091500Z", 1787390100000},
        {"https://gcs/x?X-Goog-Date=20260822T101500Z&X-Goog-Expires=3600", 1787397300000},
        {"https://s3/x?X-Amz-Date=20260822T101500Z&X-Amz-Expires=3600&Expires=5", 1787397300000},
        {"https://s3/x?X-Amz-Date=20260822T101500Z", 0},
        {"https://s3/x?X-Amz-Expires=3600", 0},
        {"https://s3/x?X-Amz-Date=2026-08-22&X-Amz-Expires=3600", 0},
        {"https://s3/x?X-Amz-Date=20261322T101500Z&X-Amz-Expires=3600", 0},
        {"https://s3/x?X-Amz-Date=20260822T101500Zx&X-Amz-Expires=3600", 0},
        {"https://s3/x?X-Amz-Date=&X-Amz-Expires=3600", 0},
        {"https://cdn/x?Expires=soon", 0},
        {"https://cdn/x?Expires=-1", 0},
        {"https://cdn/x?Expires=99999999999999999999999", 0},
        {"https://cdn/x?Expires=9223372036854775807", 0},
        {"https://cdn/x", 0},
        {"no url", 0},
        {"", 0},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].url);
        CHECK_U64((uint64_t)hub_signed_url_expiry(str_from(rows[i].url)),
                  (uint64_t)rows[i].want_ms);
    }
}

static void etags(void)
{
    static const struct {
        const char *value, *want;
    } rows[] = {
        {"\"" SHA "\"", SHA},
        {SHA, SHA},
        {"W/\"" SHA "\"", SHA},
        {"W/" SHA, SHA},
        {" \"" SHA256 "\" ", SHA256},
        {"\"\"", NULL},
        {"", NULL},
        {"\"abc\"", NULL},
        {"\"" SHA "0\"", NULL},
        {"\"" SHA "-gzip\"", NULL},
        {"\"../../../../../../../../../../etc/passwd/\"", NULL},
        {"\"9C3F0A7BE51D4C2F8A6E0B1D2C3E4F5061728394\"", NULL},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct str got = {NULL, 0};
        check_row(rows[i].value);
        CHECK(hub_normalize_etag(str_from(rows[i].value), &got) == (rows[i].want != NULL));
        CHECK(str_eq(got, str_from(rows[i].want)));
    }
}

static void html(void)
{
    static const struct {
        const char *headers, *body;
        bool        want;
    } rows[] = {
        {"Content-Type: text/html; charset=utf-8", "{}", true},
        {"content-type: TEXT/HTML", "", true},
        {"content-type: application/xhtml+xml", "", true},
        {"content-type: application/json", "<!DOCTYPE html><html>", true},
        {"", "\xEF\xBB\xBF \r\n<!doctype HTML>", true},
        {"", "<HTML lang=en>", true},
        {"", "<?xml version=\"1.0\"?><Error/>", false},
        {"content-type: text/plain", "Entry not found", false},
        {"content-type: application/json", "[]", false},
        {"", "", false},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct answer a;
        check_row(rows[i].body);
        CHECK(hub_is_html(answer_of(&a, 200, rows[i].headers), str_from(rows[i].body)) ==
              rows[i].want);
    }
    CHECK(hub_is_html(NULL, STR("<html>")) && !hub_is_html(NULL, STR("{}")));
}

int main(void)
{
    the_commit_of_a_description();
    rate_limits();
    waits();
    content_ranges();
    expiry_of_signed_urls();
    etags();
    html();
    return check_end("test_hub_reply");
}
