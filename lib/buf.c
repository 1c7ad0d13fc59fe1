/* buf.c: growing memory. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

void *mem_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);

    if (!p)
        die("out of memory (%zu bytes)", size);
    return p;
}

void *mem_resize(void *p, size_t count, size_t item_size)
{
    size_t size;
    void  *q;

    if (__builtin_mul_overflow(count, item_size, &size))
        die("out of memory (%zu × %zu bytes)", count, item_size);
    q = realloc(p, size ? size : 1);
    if (!q)
        die("out of memory (%zu bytes)", size);
    return q;
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len)
        memcpy(copy, s, len);
    return copy;
}

char *mem_strdup(const char *s)
{
    return s ? mem_strndup(s, strlen(s)) : NULL;
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->p)
        b->p[0] = '\0';
}

/* Makes room for `extra` bytes and the NUL. */
static bool reserve(struct buf *b, size_t extra)
{
    size_t want, capacity = b->capacity ? b->capacity : 64;

    if (__builtin_add_overflow(b->len, extra, &want) || want == SIZE_MAX ||
        (b->max && want > b->max)) {
        b->full = true;
        return false;
    }
    if (want + 1 <= b->capacity)
        return true;
    while (capacity < want + 1)
        capacity = capacity > SIZE_MAX / 2 ? want + 1 : capacity * 2;
    b->p = mem_resize(b->p, capacity, 1);
    b->capacity = capacity;
    return true;
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return false;
    if (len)
        memcpy(b->p + b->len, data, len);
    b->len += len;
    b->p[b->len] = '\0';
    return true;
}

bool buf_add_str(struct buf *b, struct str s)
{
    return buf_add(b, s.p, s.len);
}

bool buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_add_hex(struct buf *b, const void *bytes, size_t count)
{
    static const char    digit[] = "0123456789abcdef";
    const unsigned char *byte = bytes;

    if (count > SIZE_MAX / 2 || !reserve(b, 2 * count))
        return false;
    for (size_t i = 0; i < count; i++) {
        b->p[b->len++] = digit[byte[i] >> 4];
        b->p[b->len++] = digit[byte[i] & 15];
    }
    b->p[b->len] = '\0';
    return true;
}

bool buf_add_u64(struct buf *b, uint64_t n)
{
    char   text[20];
    size_t at = sizeof(text);

    do
        text[--at] = (char)('0' + n % 10);
    while (n /= 10);
    return buf_add(b, text + at, sizeof(text) - at);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int     len;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        die("bad format");
    if (!reserve(b, (size_t)len))
        return false;
    va_start(ap, fmt);
    vsnprintf(b->p + b->len, (size_t)len + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)len;
    return true;
}

struct str buf_view(const struct buf *b)
{
    return (struct str){b->p ? b->p : "", b->len};
}

const char *buf_cstr(const struct buf *b)
{
    return b->p ? b->p : "";
}

char *buf_take(struct buf *b)
{
    char *p = b->p ? b->p : mem_strndup("", 0);

    *b = (struct buf){.max = b->max};
    return p;
}
