/* fetch_queue_finish.c: the queue as finishers and the syncer see it, and the URLs of its files. */
#include <string.h>
#include <time.h>

#include "fetch_queue_internal.h"

enum {
    SYNC_EVERY_MS = 2000, /* what a power cut, or a move to another node, may cost */
    SYNC_LOOK_MS = 500,
};

/* It may have changed since it was put into the list: failed, begun anew and perhaps being opened,
 * or a part feeds the hash and reports again when it is done. Without an active part it is a copy. */
static bool wants_finisher(const struct fetch_file *f)
{
    if (f->state == FILE_FINISHING)
        return !f->active || !f->active->hash_busy;
    return f->state == FILE_ACTIVE && f->active && !f->active->hash_busy;
}

struct fetch_file *queue_next_to_finish(struct queue *q)
{
    struct fetch_file *f = NULL;

    pthread_mutex_lock(&q->lock);
    while (!f && q->left > 0 && !atomic_load(&q->stopping)) {
        if (q->finishers_to_spare) {
            q->finishers_to_spare--;
            break;
        }
        f = q->finish_head;
        if (!f) {
            pthread_cond_wait(&q->finish_ready, &q->lock);
            continue;
        }
        q->finish_head = f->next_finish;
        if (!q->finish_head)
            q->finish_tail = &q->finish_head;
        f->in_finish_list = false;
        if (!wants_finisher(f)) {
            f = NULL;
            continue;
        }
        if (f->active)
            f->active->hash_busy = true;
    }
    pthread_mutex_unlock(&q->lock);
    return f;
}

void queue_spare_finishers(struct queue *q, unsigned count)
{
    pthread_mutex_lock(&q->lock);
    q->finishers_to_spare = count;
    pthread_cond_broadcast(&q->finish_ready);
    pthread_mutex_unlock(&q->lock);
}

uint64_t queue_hash_front(struct queue *q, struct fetch_file *file)
{
    uint64_t front;

    pthread_mutex_lock(&q->lock);
    front = range_set_front(&file->active->have, 0);
    pthread_mutex_unlock(&q->lock);
    return front;
}

bool queue_finished_step(struct queue *q, struct fetch_file *file)
{
    bool all;

    pthread_mutex_lock(&q->lock);
    all =
        file->state == FILE_FINISHING && file->active->hash.hashed_bytes == file->plan->size_bytes;
    if (!all) {
        file->active->hash_busy = false;
        queue_go_on_locked(q, file);
    }
    pthread_mutex_unlock(&q->lock);
    return all;
}

void queue_done(struct queue *q, struct fetch_file *file)
{
    const struct fetch_config *config = &q->fetch->config;

    pthread_mutex_lock(&q->lock);
    if (file->active) /* a copy takes no time worth counting */
        progress_stats_time(progress_stats(config->progress), TIME_FILE,
                            clock_now_ms(&config->clock) - file->active->begun_at_ms);
    queue_settle_locked(q, file, FILE_DONE);
    pthread_mutex_unlock(&q->lock);
    progress_file_done(config->progress, file->place->index);
}

void queue_mismatch(struct queue *q, struct fetch_file *file)
{
    pthread_mutex_lock(&q->lock);
    file->mismatches++;
    queue_restart_locked(q, file);
    pthread_mutex_unlock(&q->lock);
}

void queue_fail(struct queue *q, struct fetch_file *file, const struct err *err)
{
    pthread_mutex_lock(&q->lock);
    queue_fail_locked(q, file, err);
    pthread_mutex_unlock(&q->lock);
}

/* --- the syncer --- */

static struct fetch_file *unsynced_locked(struct queue *q, uint64_t now_ms)
{
    for (size_t i = 0; i < q->open_count; i++) {
        struct fetch_active *a = q->open[i]->active;

        if (a && !a->must_restart && a->unsynced_bytes && now_ms - a->synced_at_ms >= SYNC_EVERY_MS)
            return q->open[i];
    }
    return NULL;
}

static void wait_until_over(struct queue *q, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&q->over, &q->lock, &until);
}

struct fetch_file *queue_next_to_sync(struct queue *q)
{
    struct fetch_file *f = NULL;

    pthread_mutex_lock(&q->lock);
    while (q->left > 0 && !atomic_load(&q->stopping)) {
        uint64_t now_ms = clock_now_ms(&q->fetch->config.clock);

        f = unsynced_locked(q, now_ms);
        if (f) {
            f->active->sync_busy = true;
            f->active->unsynced_bytes = 0;
            f->active->synced_at_ms = now_ms;
            break;
        }
        wait_until_over(q, SYNC_LOOK_MS);
    }
    pthread_mutex_unlock(&q->lock);
    return f;
}

void queue_synced(struct queue *q, struct fetch_file *file)
{
    pthread_mutex_lock(&q->lock);
    file->active->sync_busy = false;
    file->active->synced_at_ms = clock_now_ms(&q->fetch->config.clock); /* it may have taken long */
    queue_go_on_locked(q, file);
    pthread_mutex_unlock(&q->lock);
}

bool queue_direct_url(struct queue *q, struct fetch_file *file, struct buf *out)
{
    bool known;

    pthread_mutex_lock(&q->lock);
    known = file->active->direct_url.len > 0;
    if (known) {
        buf_clear(out);
        buf_add_str(out, buf_view(&file->active->direct_url));
    }
    pthread_mutex_unlock(&q->lock);
    return known;
}

void queue_learn_url(struct queue *q, struct fetch_file *file, struct str url)
{
    pthread_mutex_lock(&q->lock);
    buf_clear(&file->active->direct_url);
    buf_add_str(&file->active->direct_url, url);
    pthread_mutex_unlock(&q->lock);
}

void queue_forget_url(struct queue *q, struct fetch_file *file, struct str url)
{
    pthread_mutex_lock(&q->lock);
    if (str_eq(buf_view(&file->active->direct_url), url))
        buf_clear(&file->active->direct_url);
    pthread_mutex_unlock(&q->lock);
}
