/* report_emit.h: writes JSON, and makes foreign text fit for it. Private to report*.c.
 *
 * Members come out in the order of the calls; the caller opens and closes in pairs. */
#ifndef HFI_REPORT_EMIT_H
#define HFI_REPORT_EMIT_H

#include "buf.h"
#include "err.h"
#include "str.h"

struct emit {
    struct buf *out;
    bool        pretty; /* one member a line, for documents that people open */
    unsigned    depth;
    bool        has_member; /* of what is open now: the next one needs a comma */
};

/* `key` is NULL for the root and inside arrays; kind is '{' or '['. */
void emit_open(struct emit *e, const char *key, char kind);
void emit_close(struct emit *e, char kind); /* '}' or ']' */
void emit_text(struct emit *e, const char *key, struct str text);
void emit_cstr(struct emit *e, const char *key, const char *text);  /* NULL is "" */
void emit_given(struct emit *e, const char *key, const char *text); /* nothing if NULL or "" */
void emit_u64(struct emit *e, const char *key, uint64_t number);
void emit_counted(struct emit *e, const char *key, uint64_t number); /* nothing if 0 */
void emit_bool(struct emit *e, const char *key, bool value);
void emit_time(struct emit *e, const char *key, int64_t wall_ms); /* RFC 3339, UTC */
/* The error object of the status: reason, message, hint, exit code, … */
void emit_error(struct emit *e, const char *key, const struct err *err);

/* Adds prose with every URL in it cut down to scheme, host and path. Errors are built without
 * queries; this is the second lock on that door. */
void report_add_prose(struct buf *out, struct str text);
/* Adds text as part of one line: line breaks and tabs become spaces, other control characters and
 * bytes that are no UTF-8 become '?'. */
void report_add_line(struct buf *out, struct str text);
/* As report_duration, but whole seconds from one second on: a countdown needs no tenths. */
void report_add_seconds(struct buf *out, uint64_t ms);
/* Cuts text so that it takes at most max bytes (at least 3) as the inside of a JSON string; what
 * was cut ends in "…" and never in half a character. */
void report_clip(struct buf *text, size_t max);

#endif
