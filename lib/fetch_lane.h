/* fetch_lane.h: a thread that moves parts; and the finishers, who hash and publish. */
#ifndef HFI_FETCH_LANE_H
#define HFI_FETCH_LANE_H

#include "fetch_queue.h"

struct lane; /* heap; one thread; has its share of the run's limits, as queue.lanes are there */

/* pthread_create answered rc: ERR_IO. */
int fetch_no_thread(int rc, const char *what, struct err *err);

/* `index`: lanes count from 0. Borrows `http`: other lanes wake it until all of them are gone. ERR_IO if
 * no thread can be had. */
int  lane_start(struct queue *q, struct http *http, unsigned index, struct lane **out,
                struct err *err);
void lane_join(struct lane *lane); /* after queue_is_over or queue_stop; frees */
/* Ceiling per request, read by the lane each turn; 0: none. */
void lane_set_speed(struct lane *lane, uint64_t bytes_per_s);

/* The bodies of a finisher's thread and of the syncer's; arg is the struct queue. (fetch_finish.c) */
void *finisher_main(void *arg);
void *syncer_main(void *arg);

#endif
