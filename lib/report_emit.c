/* report_emit.c: see report_emit.h. */
#include "report_emit.h"

#include <inttypes.h>

#include "log.h"

/* Comma, line break and key: all that comes before a value. */
static void begin_member(struct emit *e, const char *key)
{
    if (e->has_member)
        buf_add_char(e->out, ',');
    if (e->pretty && e->depth) {
        buf_add_char(e->out, '\n');
        for (unsigned i = 0; i < e->depth; i++)
            buf_add_str(e->out, STR("  "));
    }
    if (key)
        buf_printf(e->out, e->pretty ? "\"%s\": " : "\"%s\":", key);
    e->has_member = true;
}

void emit_open(struct emit *e, const char *key, char kind)
{
    begin_member(e, key);
    buf_add_char(e->out, kind);
    e->depth++;
    e->has_member = false;
}

void emit_close(struct emit *e, char kind)
{
    e->depth--;
    if (e->pretty && e->has_member) {
        buf_add_char(e->out, '\n');
        for (unsigned i = 0; i < e->depth; i++)
            buf_add_str(e->out, STR("  "));
    }
    buf_add_char(e->out, kind);
    e->has_member = true;
}

void emit_text(struct emit *e, const char *key, struct str text)
{
    begin_member(e, key);
    buf_add_char(e->out, '"');
    log_add_json_text(e->out, text);
    buf_add_char(e->out, '"');
}

void emit_cstr(struct emit *e, const char *key, const char *text)
{
    emit_text(e, key, str_from(text));
}

void emit_given(struct emit *e, const char *key, const char *text)
{
    if (text && text[0])
        emit_cstr(e, key, text);
}

void emit_u64(struct emit *e, const char *key, uint64_t number)
{
    begin_member(e, key);
    buf_printf(e->out, "%" PRIu64, number);
}

void emit_counted(struct emit *e, const char *key, uint64_t number)
{
    if (number)
        emit_u64(e, key, number);
}

void emit_bool(struct emit *e, const char *key, bool value)
{
    begin_member(e, key);
    buf_add_str(e->out, value ? STR("true") : STR("false"));
}

void emit_time(struct emit *e, const char *key, int64_t wall_ms)
{
    char stamp[32];

    log_timestamp(wall_ms, stamp);
    emit_cstr(e, key, stamp);
}

static void emit_prose(struct emit *e, const char *key, const char *text)
{
    struct buf prose = {0};

    report_add_prose(&prose, str_from(text));
    emit_text(e, key, buf_view(&prose));
    buf_release(&prose);
}

void emit_error(struct emit *e, const char *key, const struct err *err)
{
    emit_open(e, key, '{');
    emit_cstr(e, "reason", err_reason(err->kind));
    emit_prose(e, "message", err->text);
    if (err_next_step(err)[0])
        emit_prose(e, "hint", err_next_step(err));
    emit_u64(e, "exitCode", (uint64_t)err_exit_code(err->kind));
    emit_bool(e, "retryable", err_is_retryable(err->kind));
    emit_given(e, "repo", err->repo);
    emit_given(e, "file", err->file);
    emit_counted(e, "httpStatus", err->http_status > 0 ? (uint64_t)err->http_status : 0);
    if (err->url[0])
        emit_prose(e, "url", err->url);
    emit_given(e, "requestId", err->request_id);
    emit_counted(e, "needBytes", err->need_bytes);
    if (err->need_bytes)
        emit_u64(e, "haveBytes", err->have_bytes);
    emit_close(e, '}');
}

/* ---- foreign text ---- */

static bool ends_url(char c)
{
    return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`';
}

static bool is_scheme_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void report_add_prose(struct buf *out, struct str text)
{
    size_t copied = 0;

    for (;;) {
        ptrdiff_t mark = str_find(text, STR("://"), copied);
        size_t    begin, end;

        if (mark < 0)
            break;
        begin = end = (size_t)mark;
        while (begin > copied && is_scheme_letter(text.p[begin - 1]))
            begin--;
        while (end < text.len && !ends_url(text.p[end]))
            end++;
        buf_add_str(out, str_sub(text, copied, begin));
        log_add_url(out, str_sub(text, begin, end));
        copied = end;
    }
    buf_add_str(out, str_sub(text, copied, text.len));
}

void report_add_line(struct buf *out, struct str text)
{
    for (size_t i = 0, len; i < text.len; i += len ? len : 1) {
        struct str rest = str_sub(text, i, text.len);

        len = str_utf8_len(rest);
        if (*rest.p == '\n' || *rest.p == '\r' || *rest.p == '\t')
            buf_add_char(out, ' ');
        else if (len == 0 || str_is_control(rest))
            buf_add_char(out, '?');
        else
            buf_add(out, rest.p, len);
    }
}

void report_clip(struct buf *text, size_t max)
{
    static const char dots[] = "…";
    struct str        whole = buf_view(text);
    struct buf        escaped = {0};
    size_t            keep = 0; /* up to here it fits together with the dots */

    for (size_t i = 0, len; i < whole.len && escaped.len <= max; i += len) {
        if (escaped.len + sizeof(dots) - 1 <= max)
            keep = i;
        len = str_utf8_len(str_sub(whole, i, whole.len));
        if (len == 0) /* a byte that is no character */
            len = 1;
        log_add_json_text(&escaped, str_sub(whole, i, i + len));
    }
    if (escaped.len > max) {
        text->len = keep;
        text->p[keep] = '\0';
        buf_add(text, dots, sizeof(dots) - 1);
    }
    buf_release(&escaped);
}
