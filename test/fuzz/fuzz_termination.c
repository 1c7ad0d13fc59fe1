/* The last words of a run: one JSON object of a known size and one short line, whatever stood in
 * names and messages; no password, no signature. Input: what stands before, inside and behind a URL
 * in the message, then the lines of run.h. */
#include "fuzz.h"
#include "json.h"
#include "log.h"
#include "run.h"

#define SECRET "s3cr3tsignature"

/* A message as errors are built from foreign text, with a URL that has all it should not show. */
static void put_url(struct fuzz_run *r, const char *before, const char *inside, const char *behind)
{
    char path[128];

    snprintf(path, sizeof(path), "%s", inside);
    for (char *c = path; *c; c++) /* what ends a URL would part it from its query */
        if ((unsigned char)*c <= ' ' || strchr("\"'<>`", *c))
            *c = '_';
    snprintf(r->err.text, sizeof(r->err.text),
             "%.200s https://u:" SECRET "@host/%s?k=" SECRET " %s", before, path, behind);
}

static bool has_secret(const struct buf *text)
{
    return str_find(buf_view(text), STR(SECRET), 0) >= 0;
}

static void message_comes_first(const struct buf *text)
{
    struct json *root = NULL;
    struct str   message;
    struct err   err;
    uint64_t     code;

    REQUIRE(json_parse(buf_view(text), &root, &err) == 0);
    REQUIRE(str_eq(json_key(json_first(root)), STR("message")));
    REQUIRE(json_str(json_get(root, "message"), &message) && message.len > 0);
    REQUIRE(json_u64(json_get(root, "exitCode"), &code) && code < 256);
    json_free(root);
}

static void is_a_message(const struct report_run *run, const struct progress_view *view,
                         const struct err *err)
{
    struct buf text = {0};

    report_termination(run, view, err, &text);
    REQUIRE(text.len <= REPORT_TERMINATION_MAX && text.len <= 4096);
    REQUIRE(text.p[0] == '{' && text.p[text.len - 1] == '}');
    REQUIRE(fuzz_is_json(buf_view(&text)) && fuzz_is_line(buf_view(&text)));
    REQUIRE(!has_secret(&text));
    message_comes_first(&text);
    buf_release(&text);
}

static void is_a_line(const struct report_run *run, const struct progress_view *view,
                      const struct err *err, int64_t wall_ms)
{
    struct buf text = {0};

    for (int as_json = 0; as_json < 2; as_json++) {
        buf_clear(&text);
        report_verdict_line(run, view, err, wall_ms, as_json, &text);
        REQUIRE(text.len < 2048 && fuzz_is_line(buf_view(&text)));
        REQUIRE(fuzz_is_utf8(buf_view(&text)) && !has_secret(&text));
        REQUIRE(!as_json || fuzz_is_json(buf_view(&text)));
    }
    buf_release(&text);
}

static void is_written(const struct report_run *run, const struct progress_view *view,
                       const struct err *err, int64_t wall_ms)
{
    is_a_message(run, view, err);
    is_a_line(run, view, err, wall_ms);
}

/* Any log line. */
static void is_logged(const struct fuzz_run *r)
{
    const struct log_field field[] = {LOG_CSTR("text", r->err.hint),
                                      LOG_URL("url", str_from("https://h/p?k=" SECRET)),
                                      LOG_NUM("number", r->view.elapsed_ms),
                                      LOG_INT("other", -r->view.now_wall_ms)};
    const struct log_event event = {
        .level = LOG_WARN, .msg = "event", .field = field, .field_count = 4};
    struct buf line = {0};

    log_render_json(&event, r->view.now_wall_ms, &line);
    REQUIRE(fuzz_is_json(buf_view(&line)) && fuzz_is_line(buf_view(&line)) && !has_secret(&line));
    buf_clear(&line);
    log_render_text(&event, r->view.now_wall_ms, &line);
    REQUIRE(fuzz_is_line(buf_view(&line)) && !has_secret(&line));
    buf_release(&line);
}

/* The env file is sourced by a shell: each line NAME='value', and the value is one word to it. */
static void is_sourced(const struct report_run *run)
{
    struct buf text = {0};
    struct str rest, line;

    report_env(run, &text);
    rest = buf_view(&text);
    while (str_cut(&rest, '\n', &line) && rest.p) {
        size_t name = 0;

        if (line.len && line.p[0] == '#')
            continue;
        while (name < line.len &&
               (line.p[name] == '_' || (line.p[name] >= 'A' && line.p[name] <= 'Z') ||
                (line.p[name] >= '0' && line.p[name] <= '9')))
            name++;
        REQUIRE(name > 0 && name < line.len && line.p[name] == '=');
        line = str_sub(line, name + 1, line.len);
        while (line.len) { /* quoted pieces, with \' between them */
            ptrdiff_t close;

            if (str_has_prefix(line, STR("\\'"))) {
                line = str_sub(line, 2, line.len);
                continue;
            }
            REQUIRE(line.p[0] == '\'');
            close = str_find_char(line, '\'', 1);
            REQUIRE(close > 0);
            line = str_sub(line, (size_t)close + 1, line.len);
        }
    }
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input    in = input_of(data, size);
    const char     *before, *inside, *behind;
    struct fuzz_run r;

    if (input_holds(&in, STR(SECRET)))
        return 0; /* it is looked for in what comes out */
    before = input_cstr(&in);
    inside = input_cstr(&in);
    behind = input_cstr(&in);
    run_read(&r, &in);
    put_url(&r, before, inside, behind);
    is_written(&r.run, &r.view, &r.err, r.view.now_wall_ms);
    is_written(&r.run, &r.view, NULL, r.view.now_wall_ms);
    is_written(NULL, NULL, &r.err, r.view.now_wall_ms);
    is_written(&r.run, NULL, &r.err, r.view.now_wall_ms);
    is_logged(&r);
    is_sourced(&r.run);
    input_release(&in);
    return 0;
}
