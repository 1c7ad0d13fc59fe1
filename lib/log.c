/* log.c: from event to line. */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "buf.h"

static const char *const level_name[] = {"error", "warn", "info", "debug"};
static const char *const level_tag[] = {"ERROR", "WARN ", "INFO ", "DEBUG"};

void log_fields(const struct log *log, enum log_level level, const char *msg,
                const struct log_field *field)
{
    struct log_event event = {.level = level, .msg = msg, .field = field};

    if (!log || !log->sink || level > log->level)
        return;
    while (field[event.field_count].name)
        event.field_count++;
    log->sink(&event, log->user);
}

void log_timestamp(int64_t wall_ms, char out[32])
{
    int64_t   ms = (wall_ms % 1000 + 1000) % 1000; /* also before 1970 */
    time_t    seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm utc;
    size_t    len;

    gmtime_r(&seconds, &utc);
    len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, 32 - len, ".%03uZ", (unsigned)ms);
}

void log_add_url(struct buf *out, struct str url)
{
    ptrdiff_t scheme = str_find(url, STR("://"), 0);
    size_t    authority = scheme < 0 ? 0 : (size_t)scheme + 3;
    size_t    end = authority, path, after_user = authority;

    while (end < url.len && url.p[end] != '?' && url.p[end] != '#')
        end++;
    path = authority;
    while (path < end && url.p[path] != '/')
        path++;
    for (size_t i = authority; i < path; i++)
        if (url.p[i] == '@')
            after_user = i + 1;
    buf_add_str(out, str_sub(url, 0, authority));
    buf_add_str(out, str_sub(url, after_user, end));
}

/* A control character above ASCII, which is two or three bytes long, as \uXXXX. */
static void add_escaped_control(struct buf *out, const char *p, size_t len)
{
    unsigned code = (unsigned char)p[0] & (len == 2 ? 0x1F : 0x0F);

    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3F);
    buf_printf(out, "\\u%04x", code);
}

void log_add_json_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_sub(text, i, text.len);
        size_t     len = str_utf8_len(rest);

        if (len == 0)
            buf_add_str(out, STR("\\ufffd"));
        else if (*rest.p == '"' || *rest.p == '\\')
            buf_printf(out, "\\%c", *rest.p);
        else if (len == 1 && str_is_control(rest))
            buf_printf(out, "\\u%04x", (unsigned)*rest.p);
        else if (str_is_control(rest))
            add_escaped_control(out, rest.p, len);
        else
            buf_add(out, rest.p, len);
        i += len ? len : 1;
    }
}

/* Text values are quoted only when a reader could not tell where they end, or when something in
 * them must not reach a terminal as it is. */
static bool needs_quotes(struct str s)
{
    for (size_t i = 0, len; i < s.len; i += len) {
        struct str rest = str_sub(s, i, s.len);
        len = str_utf8_len(rest);
        if (len == 0 || str_is_control(rest) || *rest.p == ' ' || *rest.p == '"' || *rest.p == '=')
            return true;
    }
    return s.len == 0;
}

static void add_value(struct buf *out, const struct log_field *f, bool json)
{
    struct buf url = {0};
    struct str text = f->text;

    switch (f->type) {
    case LOG_FIELD_U64: buf_printf(out, "%" PRIu64, f->number); return;
    case LOG_FIELD_I64: buf_printf(out, "%" PRId64, (int64_t)f->number); return;
    case LOG_FIELD_URL:
        log_add_url(&url, f->text);
        text = buf_view(&url);
        break;
    case LOG_FIELD_STR: break;
    }
    if (json || needs_quotes(text)) {
        buf_add_char(out, '"');
        log_add_json_text(out, text);
        buf_add_char(out, '"');
    } else {
        buf_add_str(out, text);
    }
    buf_release(&url);
}

/* A field without a value is noise. */
static bool is_void(const struct log_field *f)
{
    return (f->type == LOG_FIELD_STR || f->type == LOG_FIELD_URL) && f->text.len == 0;
}

void log_render_text(const struct log_event *event, int64_t wall_ms, struct buf *out)
{
    char stamp[32];

    log_timestamp(wall_ms, stamp);
    buf_printf(out, "%.8s %s %s", stamp + 11, level_tag[event->level], event->msg);
    for (size_t i = 0; i < event->field_count; i++) {
        if (is_void(&event->field[i]))
            continue;
        buf_printf(out, " %s=", event->field[i].name);
        add_value(out, &event->field[i], false);
    }
}

void log_render_json(const struct log_event *event, int64_t wall_ms, struct buf *out)
{
    char stamp[32];

    log_timestamp(wall_ms, stamp);
    buf_printf(out, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":\"", stamp, level_name[event->level]);
    log_add_json_text(out, str_from(event->msg));
    buf_add_char(out, '"');
    for (size_t i = 0; i < event->field_count; i++) {
        if (is_void(&event->field[i]))
            continue;
        buf_printf(out, ",\"%s\":", event->field[i].name);
        add_value(out, &event->field[i], true);
    }
    buf_add_char(out, '}');
}
