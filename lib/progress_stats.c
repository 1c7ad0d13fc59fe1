/* progress_stats.c: see progress_stats.h. */
#include "progress_stats.h"

/* From a request in the same rack to a large file over a slow line. */
const uint64_t progress_bounds_ms[PROGRESS_BOUNDS] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000, 7200000};

void progress_stats_time(struct progress_stats *stats, enum progress_time what, uint64_t ms)
{
    struct progress_histogram *h = &stats->time[what];
    unsigned                   i = 0;

    while (i < PROGRESS_BOUNDS && ms > progress_bounds_ms[i])
        i++;
    atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ms, ms, memory_order_relaxed);
}
