/* range.c: see range.h. Sets are small (one item per hole in a file), so a sorted array will do. */
#include "range.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

bool range_is_empty(struct range r)
{
    return r.begin >= r.end;
}

uint64_t range_len(struct range r)
{
    return range_is_empty(r) ? 0 : r.end - r.begin;
}

void range_set_release(struct range_set *set)
{
    free(set->item);
    *set = (struct range_set){0};
}

void range_set_clear(struct range_set *set)
{
    set->count = 0;
}

/* Index of the first item that ends at or after `at`. */
static size_t first_reaching(const struct range_set *set, uint64_t at)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->item[middle].end < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void range_set_add(struct range_set *set, struct range r)
{
    size_t first, last;

    if (range_is_empty(r))
        return;
    first = first_reaching(set, r.begin);
    last = first;
    while (last < set->count && set->item[last].begin <= r.end) {
        if (set->item[last].begin < r.begin)
            r.begin = set->item[last].begin;
        if (set->item[last].end > r.end)
            r.end = set->item[last].end;
        last++;
    }
    if (last == first) { /* nothing touched: make room */
        if (set->count == set->capacity) {
            set->capacity = set->capacity ? set->capacity * 2 : 8;
            set->item = mem_resize(set->item, set->capacity, sizeof(*set->item));
        }
        memmove(&set->item[first + 1], &set->item[first],
                (set->count - first) * sizeof(*set->item));
        set->count++;
    } else { /* items [first, last) become one */
        memmove(&set->item[first + 1], &set->item[last], (set->count - last) * sizeof(*set->item));
        set->count -= last - first - 1;
    }
    set->item[first] = r;
}

bool range_set_covers(const struct range_set *set, struct range r)
{
    return range_is_empty(r) || range_set_front(set, r.begin) >= r.end;
}

uint64_t range_set_bytes(const struct range_set *set)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < set->count; i++)
        bytes += range_len(set->item[i]);
    return bytes;
}

uint64_t range_set_front(const struct range_set *set, uint64_t from)
{
    size_t i = first_reaching(set, from);

    if (i < set->count && set->item[i].end == from) /* touches only with its end */
        i++;
    if (i < set->count && set->item[i].begin <= from)
        return set->item[i].end;
    return from;
}

bool range_set_next_gap(const struct range_set *set, struct range within, struct range *gap)
{
    uint64_t at = range_set_front(set, within.begin);
    size_t   i;

    if (at >= within.end)
        return false;
    i = first_reaching(set, at);
    while (i < set->count && set->item[i].begin < at)
        i++;
    gap->begin = at;
    gap->end = i < set->count && set->item[i].begin < within.end ? set->item[i].begin : within.end;
    return true;
}
