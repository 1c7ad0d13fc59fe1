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

/* `size` bytes of the newest block, after those in use and what alignment asks for. */
static void *cut(struct arena *a, size_t size, size_t alignment)
{
    struct arena_block *block = a->head;
    size_t              begin = 0, end;

    if (block)
        begin = (block->used + alignment - 1) & ~(alignment - 1);
    if (__builtin_add_overflow(begin, size, &end) || size > SIZE_MAX - sizeof(*block))
        die("out of memory (%zu bytes)", size);
    if (!block || end > block->size) {
        size_t payload = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = mem_alloc(sizeof(*block) + payload);
        block->size = payload;
        block->next = a->head;
        a->head = block;
        a->total_bytes += sizeof(*block) + payload;
        begin = 0;
        end = size;
    }
    block->used = end;
    return block->data + begin;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return cut(a, size, ALIGNMENT);
}

void *arena_bytes(struct arena *a, const void *data, size_t len)
{
    void *copy = cut(a, len, 1);

    if (len)
        memcpy(copy, data, len);
    return copy;
}

char *arena_strdup(struct arena *a, struct str s)
{
    char *copy = cut(a, s.len + 1, 1);

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

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->head, a->head ? a->head->used : 0};
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
    while (a->head != mark.head) {
        struct arena_block *block = a->head;

        a->head = block->next;
        a->total_bytes -= sizeof(*block) + block->size;
        free(block);
    }
    if (mark.head) { /* what is handed out is zeroed, the second time too */
        memset(mark.head->data + mark.used, 0, mark.head->used - mark.used);
        mark.head->used = mark.used;
    }
}

void arena_release(struct arena *a)
{
    arena_rewind(a, (struct arena_mark){0});
}
