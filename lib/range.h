/* range.h: half-open byte ranges and sorted sets of them.
 *
 * HTTP's inclusive form exists only where a request is written and an answer is read (hub.c). */
#ifndef HFI_RANGE_H
#define HFI_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t begin, end; /* [begin, end) in bytes of the file */
};

/* Invariant: ascending, disjoint, never touching, never empty. {0} is the empty set. */
struct range_set {
    struct range *item; /* owned */
    size_t        count, capacity;
};

bool     range_is_empty(struct range r);
uint64_t range_len(struct range r);

void     range_set_release(struct range_set *set);
void     range_set_clear(struct range_set *set);
void     range_set_add(struct range_set *set, struct range r); /* merges with its neighbours */
bool     range_set_covers(const struct range_set *set, struct range r);
uint64_t range_set_bytes(const struct range_set *set);
/* End of the run that starts at `from`: how far the file is complete without a gap. */
uint64_t range_set_front(const struct range_set *set, uint64_t from);
/* The first gap inside `within`; false if there is none. */
bool range_set_next_gap(const struct range_set *set, struct range within, struct range *gap);

#endif
