/* log.h: one event, one line, with typed fields.
 *
 * The library never prints by itself: it hands events to the sink it was given. Only the layers
 * that decide (fetch, report, snapshot, cmd) log; everything below returns errors. Secrets have no
 * field type, so that they cannot be logged; URLs go through LOG_URL, which drops query and
 * userinfo. */
#ifndef HFI_LOG_H
#define HFI_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_field_type { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_URL };

struct log_field {
    const char         *name; /* snake_case, stable: it is API for log pipelines */
    enum log_field_type type;
    struct str          text;
    uint64_t            number; /* U64; I64 as two's complement */
};

/* An event is lent for the call. Sinks are called from several threads, one at a time. */
struct log_event {
    enum log_level          level;
    const char             *msg;
    const struct log_field *field;
    size_t                  field_count;
};

typedef void log_sink_fn(const struct log_event *event, void *user);

struct log {
    enum log_level level; /* events above it are dropped */
    log_sink_fn   *sink;  /* NULL: drop everything */
    void          *user;
};

#define LOG_TEXT(n, s) {.name = (n), .type = LOG_FIELD_STR, .text = (s)}
#define LOG_CSTR(n, s) {.name = (n), .type = LOG_FIELD_STR, .text = str_from(s)}
#define LOG_NUM(n, v)  {.name = (n), .type = LOG_FIELD_U64, .number = (uint64_t)(v)}
#define LOG_INT(n, v)  {.name = (n), .type = LOG_FIELD_I64, .number = (uint64_t)(int64_t)(v)}
#define LOG_URL(n, s)  {.name = (n), .type = LOG_FIELD_URL, .text = (s)}

/* log_write(log, LOG_INFO, "file done", LOG_TEXT("path", path), LOG_NUM("bytes", n)); */
#define log_write(log, level, ...) LOG_WRITE_(log, level, __VA_ARGS__, LOG_END_)
#define LOG_END_                   {.name = NULL}
#define LOG_WRITE_(log, level, msg, ...) \
    log_fields(log, level, msg, (const struct log_field[]){__VA_ARGS__})

/* The function behind log_write; `field` ends with a NULL name. */
void log_fields(const struct log *log, enum log_level level, const char *msg,
                const struct log_field *field);

/* Writes the event as one line without its newline: `12:01:07 INFO  msg name=value …` or a JSON
 * object {"ts":…,"level":…,"msg":…,…}. Control characters are escaped in both. */
struct buf;
void log_render_text(const struct log_event *event, int64_t wall_ms, struct buf *out);
void log_render_json(const struct log_event *event, int64_t wall_ms, struct buf *out);

/* "2026-11-22T20:12:17.123Z" (RFC 3339, UTC) into at least 32 bytes. */
void log_timestamp(int64_t wall_ms, char out[32]);

/* The URL without userinfo, query and fragment; a view into `url` when there is no userinfo,
 * otherwise just scheme and what follows the '@' is rendered by the caller in two pieces. */
void log_add_url(struct buf *out, struct str url);
/* Adds text as the inside of a JSON string: quotes, backslashes, control characters and invalid
 * UTF-8 escaped. */
void log_add_json_text(struct buf *out, struct str text);

#endif
