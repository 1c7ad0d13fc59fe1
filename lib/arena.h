/* arena.h: memory that is handed out piece by piece and freed as one.
 *
 * What lives as long as a run (the names in a listing, the spec's strings) goes here. Pointers stay
 * valid until arena_release. {0} is a valid empty arena. Not for several threads at once. */
#ifndef HFI_ARENA_H
#define HFI_ARENA_H

#include "str.h"

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t              total_bytes; /* taken from the system so far */
};

void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for any type; never NULL */
/* Texts and other bytes lie side by side, without the gaps of alignment. */
void      *arena_bytes(struct arena *a, const void *data, size_t len);
char      *arena_strdup(struct arena *a, struct str s); /* adds a NUL */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void  arena_release(struct arena *a);

/* Takes back all that was handed out since the mark was made. The empty mark {0} takes back all. */
struct arena_mark {
    struct arena_block *head;
    size_t              used;
};
struct arena_mark arena_mark(const struct arena *a);
void              arena_rewind(struct arena *a, struct arena_mark mark);

#endif
