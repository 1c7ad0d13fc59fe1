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
    time_t    seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    size_t    len;

    gmtime_r(&seconds, &utc);
    len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, 32 - len, ".%03uZ", (unsigned)(wall_ms % 1000));
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

/* Length of a valid UTF-8 sequence at the start of s, or 0. */
static size_t sequence_len(struct str s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++)
        if (str_is_utf8(str_sub(s, 0, len)))
            return len;
    return 0;
}

void log_add_json_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.p[i];
        size_t        len;

        if (c == '"' || c == '\\') {
            buf_printf(out, "\\%c", c);
            i++;
        } else if (c < 0x20 || c == 0x7F) {
            buf_printf(out, "\\u%04x", c);
            i++;
        } else if ((len = sequence_len(str_sub(text, i, text.len))) != 0) {
            buf_add(out, text.p + i, len);
            i += len;
        } else {
            buf_add_str(out, STR("\\ufffd"));
            i++;
        }
    }
}

/* Text values are quoted only when a reader could not tell where they end. */
static bool needs_quotes(struct str s)
{
    if (s.len == 0)
        return true;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == 0x7F)
            return true;
    return false;
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

void log_render_text(const struct log_event *event, int64_t wall_ms, struct buf *out)
{
    char stamp[32];

    log_timestamp(wall_ms, stamp);
    buf_printf(out, "%.8s %s %s", stamp + 11, level_tag[event->level], event->msg);
    for (size_t i = 0; i < event->field_count; i++) {
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
        buf_printf(out, ",\"%s\":", event->field[i].name);
        add_value(out, &event->field[i], true);
    }
    buf_add_char(out, '}');
}
