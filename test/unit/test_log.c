/* One event, one line: nothing that a server sent can break out of it, no URL keeps its query. */
#include "buf.h"
#include "check.h"
#include "log.h"

static void urls_lose_what_is_secret(void)
{
    static const struct {
        const char *url, *want;
    } rows[] = {
        {"https://h/a/b", "https://h/a/b"},
        {"https://h/a?Signature=s#f", "https://h/a"},
        {"https://h/a#f?q", "https://h/a"},
        {"https://user:pw@h:8/a", "https://h:8/a"},
        {"https://us@er:pw@h/a@b", "https://h/a@b"},
        {"https://user:pw@h", "https://h"},
        {"https://user:pw@h?q", "https://h"},
        {"https://h", "https://h"},
        {"", ""},
        {"h/a?b", "h/a"},
        {"?secret", ""},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct buf out = {0};
        check_row(rows[i].url);
        log_add_url(&out, str_from(rows[i].url));
        CHECK_STR(buf_cstr(&out), rows[i].want);
        buf_release(&out);
    }
}

static void json_text_stays_inside_its_string(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"plain caf\xC3\xA9", "plain caf\xC3\xA9"},
        {"a\"b\\c", "a\\\"b\\\\c"},
        {"a\nb\tc\x1b[2J\x7F", "a\\u000ab\\u0009c\\u001b[2J\\u007f"},
        {"caf\xE9!", "caf\\ufffd!"},
        {"\xE2\x82", "\\ufffd\\ufffd"},
        {"\xED\xA0\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"\xC2\x85\xC2\x9B\xC2\xA0", "\\u0085\\u009b\xC2\xA0"},
        {"\xE2\x80\xAE\xE2\x81\xA9\xE2\x80\xA6", "\\u202e\\u2069\xE2\x80\xA6"},
        {"\xE2\x80\x8E\xE2\x80\x8D", "\\u200e\xE2\x80\x8D"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct buf out = {0};
        check_row(rows[i].text);
        log_add_json_text(&out, str_from(rows[i].text));
        CHECK_STR(buf_cstr(&out), rows[i].want);
        buf_release(&out);
    }
}

static void timestamps(void)
{
    static const struct {
        int64_t     wall_ms;
        const char *want;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1795378337123, "2026-11-22T20:12:17.123Z"},
        {1709210096007, "2024-02-29T12:34:56.007Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1500, "1969-12-31T23:59:58.500Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        char out[32];
        check_row(rows[i].want);
        log_timestamp(rows[i].wall_ms, out);
        CHECK_STR(out, rows[i].want);
    }
}

struct caught {
    struct buf text, json;
    unsigned   events;
};

static void catch_event(const struct log_event *event, void *user)
{
    struct caught *c = user;

    c->events++;
    buf_clear(&c->text);
    buf_clear(&c->json);
    log_render_text(event, 1795378337123, &c->text);
    log_render_json(event, 1795378337123, &c->json);
}

static void an_event_is_one_line(void)
{
    struct caught c = {0};
    struct log    log = {.level = LOG_INFO, .sink = catch_event, .user = &c};

    check_row(__func__);
    log_write(&log, LOG_INFO, "file done", LOG_CSTR("path", "a b\n\"c\""), LOG_NUM("bytes", 7),
              LOG_INT("delta", -3), LOG_URL("url", STR("https://u:p@h/x?Signature=s")),
              LOG_CSTR("repo", "acme/tiny"), LOG_CSTR("none", ""));
    CHECK_STR(buf_cstr(&c.text),
              "20:12:17 INFO  file done path=\"a b\\u000a\\\"c\\\"\" bytes=7 delta=-3 "
              "url=https://h/x repo=acme/tiny");
    CHECK_STR(buf_cstr(&c.json),
              "{\"ts\":\"2026-11-22T20:12:17.123Z\",\"level\":\"info\",\"msg\":\"file done\","
              "\"path\":\"a b\\u000a\\\"c\\\"\",\"bytes\":7,\"delta\":-3,\"url\":\"https://h/x\","
              "\"repo\":\"acme/tiny\"}");
    log_write(&log, LOG_WARN, "bare");
    CHECK_STR(buf_cstr(&c.text), "20:12:17 WARN  bare");
    CHECK_STR(buf_cstr(&c.json), "{\"ts\":\"2026-11-22T20:12:17.123Z\",\"level\":\"warn\","
                                 "\"msg\":\"bare\"}");
    /* A terminal must not see bytes that only look like text. */
    log_write(&log, LOG_INFO, "x", LOG_CSTR("name", "caf\xE9"),
              LOG_CSTR("turned", "a\xE2\x80\xAE"
                                 "b"),
              LOG_CSTR("csi", "\xC2\x9Bm"), LOG_CSTR("é", "é"));
    CHECK_STR(buf_cstr(&c.text),
              "20:12:17 INFO  x name=\"caf\\ufffd\" turned=\"a\\u202eb\" csi=\"\\u009bm\" é=é");
    buf_release(&c.text);
    buf_release(&c.json);
}

static void levels_and_missing_sinks(void)
{
    struct caught c = {0};
    struct log    log = {.level = LOG_WARN, .sink = catch_event, .user = &c};

    check_row(__func__);
    log_write(&log, LOG_ERROR, "1");
    log_write(&log, LOG_WARN, "2");
    log_write(&log, LOG_INFO, "3");
    log_write(&log, LOG_DEBUG, "4");
    CHECK_U64(c.events, 2);
    log_write(NULL, LOG_ERROR, "5");
    log_write(&(struct log){.level = LOG_DEBUG}, LOG_ERROR, "6");
    buf_release(&c.text);
    buf_release(&c.json);
}

int main(void)
{
    urls_lose_what_is_secret();
    json_text_stays_inside_its_string();
    timestamps();
    an_event_is_one_line();
    levels_and_missing_sinks();
    return check_end("test_log");
}
