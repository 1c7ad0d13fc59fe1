/* buf.h: owned, growing text or bytes with a ceiling.
 *
 * The ceiling is the answer to endless input: a buf never holds more, and says so. The contents
 * always end in a NUL that is not counted, so buf->p may be handed to C functions. {0} is a valid
 * empty buf with no ceiling. */
#ifndef HFI_BUF_H
#define HFI_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

struct buf {
    char  *p; /* NULL while nothing was added */
    size_t len;
    size_t capacity;
    size_t max;  /* 0: no ceiling */
    bool   full; /* an addition was refused; what is there is a prefix */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */

/* Each returns false, adds nothing and sets b->full if the ceiling would be passed. */
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_add_str(struct buf *b, struct str s);
bool buf_add_char(struct buf *b, char c);
bool buf_add_hex(struct buf *b, const void *bytes, size_t count); /* lower case */
bool buf_add_u64(struct buf *b, uint64_t n);                      /* decimal */
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct str  buf_view(const struct buf *b); /* lent until the next change */
const char *buf_cstr(const struct buf *b); /* "" when empty */
char       *buf_take(struct buf *b);       /* moves the NUL-terminated text out; never NULL */

/* Allocation that cannot fail: on lack of memory the process dies saying so. */
void *mem_alloc(size_t size); /* zeroed */
void *mem_resize(void *p, size_t count, size_t item_size);
char *mem_strdup(const char *s); /* NULL stays NULL */
char *mem_strndup(const char *s, size_t len);

#endif
