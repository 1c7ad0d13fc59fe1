/* arena.c: blocks in a list; each request is cut from the newest one. */
#include "arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"

enum { BLOCK_BYTES = 64 * 1024, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *next;
    size_t              used, size;
    _Alignas(ALIGNMENT) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_block *block = a->head;
    size_t              need;
    void               *p;

    if (__builtin_add_overflow(size, (size_t)ALIGNMENT - 1, &need))
        die("out of memory (%zu bytes)", size);
    need &= ~(size_t)(ALIGNMENT - 1);
    if (!block || block->size - block->used < need) {
        size_t payload = need > BLOCK_BYTES ? need : BLOCK_BYTES;
        block = mem_alloc(sizeof(*block) + payload);
        block->size = payload;
        block->next = a->head;
        a->head = block;
        a->total_bytes += sizeof(*block) + payload;
    }
    p = block->data + block->used;
    block->used += need;
    return p;
}

char *arena_strdup(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.p, s.len);
    return copy;
}

struct str arena_str(struct arena *a, struct str s)
{
    return (struct str){arena_strdup(a, s), s.len};
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    int     len;
    char   *p;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        die("bad format");
    p = arena_alloc(a, (size_t)len + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return p;
}

void arena_release(struct arena *a)
{
    struct arena_block *block = a->head;

    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *a = (struct arena){0};
}
