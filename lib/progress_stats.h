/* progress_stats.h: what a run counts by cause and by duration, for the metrics.
 *
 * Any thread adds, any thread reads; each number is right by itself, not as a set with others. */
#ifndef HFI_PROGRESS_STATS_H
#define HFI_PROGRESS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "err.h"

enum progress_time {
    TIME_ASK_HUB,     /* a request to an endpoint, from sending it to the end of its answer */
    TIME_ASK_STORAGE, /* a request to where an endpoint sent us */
    TIME_FILE,        /* a file, from its first request to its name */
    TIME_WAIT_RETRY,  /* the pause before an attempt that follows a failure, as it was decided */
    TIME_WAIT_LIMIT,  /* the pause that a rate limit asks for */
    PROGRESS_TIMES
};

enum { PROGRESS_BOUNDS = 13 };
/* The upper ends of the buckets, ascending; the last bucket has none. */
extern const uint64_t progress_bounds_ms[PROGRESS_BOUNDS];

struct progress_histogram {
    _Atomic uint64_t bucket[PROGRESS_BOUNDS + 1]; /* each its own, not those below it too */
    _Atomic uint64_t sum_ms;
};

struct progress_stats { /* {0} is empty */
    _Atomic uint64_t          retries[ERR_KINDS];
    struct progress_histogram time[PROGRESS_TIMES];
};

void progress_stats_time(struct progress_stats *stats, enum progress_time what, uint64_t ms);

#endif
