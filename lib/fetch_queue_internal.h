/* fetch_queue_internal.h: what the files of the queue share. All of it expects the queue's lock.
 *
 *   fetch_queue.c         states, and the parts that lanes take and give back
 *   fetch_queue_part.c    their size, their speed, and who takes over from whom
 *   fetch_queue_init.c    from a plan to a queue
 *   fetch_queue_finish.c  the side of finishers and the syncer */
#ifndef HFI_FETCH_QUEUE_INTERNAL_H
#define HFI_FETCH_QUEUE_INTERNAL_H

#include "fetch_queue.h"

void queue_active_free(struct fetch_file *f);
/* The one way to DONE and FAILED. */
void queue_settle_locked(struct queue *q, struct fetch_file *f, enum fetch_file_state end);
/* Fails the file and its place, and ends the fetch unless the place is optional. */
void queue_fail_locked(struct queue *q, struct fetch_file *f, const struct err *err);
/* The file waits again, with nothing of it counted. Nobody may hold it. */
void queue_restart_locked(struct queue *q, struct fetch_file *f);
/* A part, a finisher or the syncer has let go of the file: what comes next? */
void queue_go_on_locked(struct queue *q, struct fetch_file *f);

/* --- fetch_queue_part.c --- */
/* Bytes that were handed out, and did not come, are anybody's: at once (0), or from then on. */
void queue_hand_back_locked(struct fetch_active *a, struct range r, uint64_t not_before_ms);
/* How much of the left_bytes of a file that nobody has is one part. */
uint64_t queue_part_bytes_locked(const struct queue *q, uint64_t left_bytes);
void     queue_part_begin_locked(struct queue *q, struct part *part);
void     queue_part_end_locked(struct queue *q, struct part *part);
/* For a connection that finds nothing else: a share of the part that would be ready last. */
bool queue_take_over_locked(struct queue *q, struct part *out);

#endif
