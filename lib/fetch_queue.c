/* fetch_queue.c: see fetch_queue.h. Every function takes the lock itself; those that end in
 * _locked expect it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch_queue_internal.h"

enum { HASH_CATCH_UP_BYTES = 2 * 1024 * 1024 };

/* --- small helpers under the lock --- */

void queue_active_free(struct fetch_file *f)
{
    struct fetch_active *a = f->active;

    if (!a)
        return;
    range_set_release(&a->have);
    range_set_release(&a->taken);
    free(a->later);
    buf_release(&a->direct_url);
    digest_release(&a->hash);
    free(a);
    f->active = NULL;
}

static void wake_lanes(struct queue *q)
{
    for (size_t i = 0; i < q->lane_count; i++)
        http_wake(q->lane_http[i]);
}

void queue_set_connections(struct queue *q, unsigned target, unsigned ceiling)
{
    atomic_store(&q->target, target);
    atomic_store(&q->ceiling, ceiling);
    wake_lanes(q);
}

static bool gives_up(const struct queue *q, const struct fetch_file *f)
{
    return atomic_load(&q->stopping) || f->place->failed;
}

static void close_open(struct queue *q, struct fetch_file *f)
{
    for (size_t i = 0; i < q->open_count; i++) {
        if (q->open[i] == f) {
            q->open[i] = q->open[--q->open_count];
            return;
        }
    }
}

static void free_slot(struct queue *q, struct fetch_file *f)
{
    if (!f->active || f->active->slot < 0)
        return;
    progress_slot_free(q->fetch->config.progress, f->active->slot);
    f->active->slot = -1;
}

static void leave_finishing(struct queue *q, struct fetch_file *f)
{
    if (f->state != FILE_FINISHING || !f->active)
        return;
    if (q->finishing-- == q->finishing_limit)
        wake_lanes(q);
}

/* A failed file keeps its active part until queue_release: other lanes may still be writing. */
void queue_settle_locked(struct queue *q, struct fetch_file *f, enum fetch_file_state end)
{
    if (f->state == FILE_FAILED || f->state == FILE_DONE)
        return; /* `left` counts every file once */
    free_slot(q, f);
    close_open(q, f);
    leave_finishing(q, f);
    if (end == FILE_DONE)
        queue_active_free(f);
    f->state = end;
    q->left--;
    if (q->left == 0) {
        pthread_cond_broadcast(&q->over);
        pthread_cond_broadcast(&q->finish_ready);
        wake_lanes(q);
    }
    pthread_cond_signal(&q->changed);
}

static bool is_idle(const struct fetch_file *f)
{
    return f->active && f->active->parts_out == 0 && !f->active->hash_busy && !f->active->sync_busy;
}

static void settle_failed_locked(struct queue *q, struct fetch_file *f)
{
    for (struct fetch_file *s = f->first_same; s; s = s->next_same)
        queue_settle_locked(q, s, FILE_FAILED);
    queue_settle_locked(q, f, FILE_FAILED);
}

/* The place is given up. Its files that nobody holds now would be taken up by nobody again; the
 * others are settled by whoever holds or begins them. */
static void fail_place_locked(struct queue *q, const struct fetch_file *f, const struct err *err)
{
    struct fetch_place *place = f->place;

    place->failed = true;
    atomic_fetch_add(&q->alarms, 1);
    place->err = *err;
    if (str_find(str_from(err->text), f->plan->path, 0) < 0)
        err_wrap(&place->err, "%.*s", STR_ARG(f->plan->path));
    snprintf(place->err.file, sizeof(place->err.file), "%.*s", STR_ARG(f->plan->path));
    for (size_t i = 0; i < q->file_count; i++)
        if (q->file[i].place == place && q->file[i].state == FILE_ACTIVE && is_idle(&q->file[i]))
            settle_failed_locked(q, &q->file[i]);
}

void queue_fail_locked(struct queue *q, struct fetch_file *f, const struct err *err)
{
    if (f->state == FILE_FAILED || f->state == FILE_DONE)
        return;
    if (!f->place->failed && !atomic_load(&q->stopping))
        fail_place_locked(q, f, err);
    settle_failed_locked(q, f);
    if (!f->place->repo->optional && !atomic_load(&q->stopping)) {
        atomic_store(&q->stopping, true);
        atomic_fetch_add(&q->alarms, 1);
        pthread_cond_broadcast(&q->over);
        pthread_cond_broadcast(&q->finish_ready);
        pthread_cond_signal(&q->changed);
    }
    wake_lanes(q);
}

static void push_finish_locked(struct queue *q, struct fetch_file *f)
{
    if (f->in_finish_list)
        return;
    f->in_finish_list = true;
    f->next_finish = NULL;
    *q->finish_tail = f;
    q->finish_tail = &f->next_finish;
    pthread_cond_signal(&q->finish_ready);
}

static bool is_whole(const struct fetch_file *f)
{
    return range_set_covers(&f->active->have, (struct range){0, f->plan->size_bytes});
}

/* The part at the front goes on with a hash that has nearly reached it, without a copy. */
static uint64_t hash_left_to_parts(const struct fetch_active *a)
{
    return a->parts_out ? HASH_CATCH_UP_BYTES : 0;
}

/* Something about the file changed: is there work for a finisher? */
static void consider_finishing_locked(struct queue *q, struct fetch_file *f)
{
    struct fetch_active *a = f->active;

    if (f->state != FILE_ACTIVE || a->hash_busy || a->must_restart)
        return;
    if (a->parts_out == 0 && is_whole(f)) {
        if (a->sync_busy)
            return; /* publishing closes the partial */
        f->state = FILE_FINISHING;
        q->finishing++;
        close_open(q, f);
        push_finish_locked(q, f);
    } else if (range_set_front(&a->have, 0) > a->hash.hashed_bytes + hash_left_to_parts(a)) {
        push_finish_locked(q, f);
    }
}

/* --- taking work --- */

/* Opens the file's partial; not under the lock, since it touches the disk. Nobody else looks at the
 * file's active part before it is complete: begin_locked puts it there. */
static int open_file(struct queue *q, struct fetch_file *f, struct fetch_active **out,
                     struct err *err)
{
    struct fetch_active *a = mem_alloc(sizeof(*a));
    struct store_file    sf = {f->plan->path, f->plan->size_bytes, f->plan->digest};
    char                *path;
    int                  rc;

    a->in_one_piece = f->in_one_piece;
    rc = a->in_one_piece ? store_partial_begin(f->place->store, &sf, &a->partial, err)
                         : store_partial_open(f->place->store, &sf, &a->partial, err);
    if (rc) {
        free(a);
        return -1;
    }
    for (size_t i = 0; i < store_partial_done(a->partial)->count; i++) {
        range_set_add(&a->have, store_partial_done(a->partial)->item[i]);
        range_set_add(&a->taken, store_partial_done(a->partial)->item[i]);
    }
    a->begun_at_ms = a->synced_at_ms = clock_now_ms(&q->fetch->config.clock);
    a->begun_with_bytes = range_set_bytes(&a->have);
    a->hash_is_resumed = store_partial_hash(a->partial, &a->hash);
    if (!a->hash_is_resumed)
        digest_begin(&a->hash, f->plan->digest.kind, f->plan->size_bytes);
    path = mem_strndup(f->plan->path.p, f->plan->path.len);
    a->slot = progress_slot_take(q->fetch->config.progress, f->place->index, path,
                                 f->plan->size_bytes, a->begun_with_bytes);
    free(path);
    *out = a;
    return 0;
}

/* One part goes ahead in a place that has not answered yet. */
static bool may_cut(const struct queue *q, const struct fetch_file *f)
{
    return !f->active->must_restart && !gives_up(q, f) &&
           (f->active->parts_out == 0 || f->place->is_proven);
}

/* The next untaken piece of an open file at or after `from`. */
static bool cut_locked(struct queue *q, struct fetch_file *f, uint64_t from, struct part *out)
{
    struct fetch_active *a = f->active;
    uint64_t             size = f->plan->size_bytes, max;
    struct range         gap;

    if (!may_cut(q, f) || !range_set_next_gap(&a->taken, (struct range){from, size}, &gap))
        return false;
    max = queue_part_bytes_locked(q, size - range_set_bytes(&a->taken));
    if (!a->in_one_piece && range_len(gap) > max + max / 4) /* no crumbs at the end */
        gap.end = gap.begin + max;
    range_set_add(&a->taken, gap);
    a->parts_out++;
    out->file = f;
    out->begin = gap.begin;
    atomic_store(&out->end, gap.end);
    return true;
}

/* The open file with most left to hand out. Of one in one piece that is all, or what a refused stream
 * left. */
static bool help_locked(struct queue *q, struct part *out)
{
    struct fetch_file *best = NULL;
    uint64_t           most = 0;

    for (size_t i = 0; i < q->open_count; i++) {
        struct fetch_file *f = q->open[i];
        uint64_t           left;

        if (!f->active || !may_cut(q, f))
            continue;
        left = f->plan->size_bytes - range_set_bytes(&f->active->taken);
        if (left > most) {
            most = left;
            best = f;
        }
    }
    return best && cut_locked(q, best, 0, out);
}

/* A scout goes ahead: until a byte of a place has arrived, one request for it is out. If it is gated,
 * or the token is dead, that is one failure, and not one for every connection. */
static bool may_begin(const struct fetch_file *f)
{
    return f->place->is_proven || f->place->failed || !f->place->has_scout;
}

static struct fetch_file *next_of_list(struct fetch_file **list, size_t count, size_t *next)
{
    for (size_t i = *next; i < count; i++) {
        struct fetch_file *f = list[i];

        if (!may_begin(f))
            continue;
        list[i] = list[*next];
        list[(*next)++] = f;
        return f;
    }
    return NULL;
}

/* The next file nobody has begun, or NULL. */
static struct fetch_file *next_waiting_locked(struct queue *q, bool small)
{
    for (size_t i = q->again_count; i > 0; i--) {
        struct fetch_file *f = q->again[i - 1];
        if ((f->plan->size_bytes <= FETCH_SMALL_BYTES) != small || !may_begin(f))
            continue;
        memmove(&q->again[i - 1], &q->again[i], (q->again_count - i) * sizeof(struct fetch_file *));
        q->again_count--;
        return f;
    }
    return small ? next_of_list(q->small, q->small_count, &q->small_next)
                 : next_of_list(q->bulk, q->bulk_count, &q->bulk_next);
}

/* Begins a file. Returns 1 with a part, 0 if it needs no bytes or failed: look further. */
static int begin_locked(struct queue *q, struct fetch_file *f, bool small, struct part *out)
{
    struct fetch_active *active = NULL;
    struct err           err = {0};
    int                  rc;

    f->state = FILE_ACTIVE;
    if (gives_up(q, f)) {
        queue_fail_locked(q, f, &f->place->err);
        return 0;
    }
    f->place->has_scout = true;
    if (!small)
        q->open[q->open_count++] = f; /* counted already; cut from once it is open */
    pthread_mutex_unlock(&q->lock);
    rc = open_file(q, f, &active, &err);
    pthread_mutex_lock(&q->lock);
    f->active = active;
    if (rc) {
        f->place->has_scout = false;
        queue_fail_locked(q, f, &err);
        return 0;
    }
    if (cut_locked(q, f, 0, out)) {
        consider_finishing_locked(q, f); /* what lay there may be hashed meanwhile */
        return 1;
    }
    f->place->has_scout = false; /* it asks for nothing: another may go */
    if (gives_up(q, f))
        queue_fail_locked(q, f, &f->place->err);
    else
        consider_finishing_locked(q, f);
    return 0;
}

int queue_take(struct queue *q, bool small, const struct part *after, struct part *out)
{
    uint64_t end = after ? atomic_load(&after->end) : 0;
    int      got = 0;

    pthread_mutex_lock(&q->lock);
    out->silent_times = 0;
    if (after && after->file->state == FILE_ACTIVE && after->file->active &&
        range_set_front(&after->file->active->taken, after->begin) == end)
        got = cut_locked(q, after->file, end, out);
    while (!got && !atomic_load(&q->stopping) && q->finishing < q->finishing_limit) {
        struct fetch_file *f = NULL;

        if (small || q->open_count < q->open_limit)
            f = next_waiting_locked(q, small);
        if (!f)
            break;
        got = begin_locked(q, f, small, out);
    }
    if (!got && !small && !atomic_load(&q->stopping))
        got = help_locked(q, out);
    if (got && !small)
        q->idle_at_ms = 0;
    else if (!small && !atomic_load(&q->stopping))
        got = queue_take_over_locked(q, out);
    if (got)
        queue_part_begin_locked(q, out);
    pthread_mutex_unlock(&q->lock);
    return got;
}

bool queue_is_over(struct queue *q)
{
    bool over;

    pthread_mutex_lock(&q->lock);
    over = q->left == 0 || atomic_load(&q->stopping);
    pthread_mutex_unlock(&q->lock);
    return over;
}

/* --- what parts report --- */

void queue_wrote(struct queue *q, struct fetch_file *file, struct range r)
{
    pthread_mutex_lock(&q->lock);
    range_set_add(&file->active->have, r);
    file->refusals = 0;
    file->active->unsynced_bytes += range_len(r);
    if (file->active->slot >= 0)
        progress_slot_bytes(q->fetch->config.progress, file->active->slot, range_len(r));
    pthread_mutex_unlock(&q->lock);
    progress_add_bytes(q->fetch->config.progress, file->place->index, range_len(r));
}

void queue_gives_ranges(struct queue *q, struct fetch_file *file)
{
    pthread_mutex_lock(&q->lock);
    file->place->gives_ranges = true;
    pthread_mutex_unlock(&q->lock);
}

bool queue_forgive(struct queue *q, struct fetch_file *file)
{
    bool forgive;

    pthread_mutex_lock(&q->lock);
    forgive = ++file->refusals <= q->fetch->config.spec->retry_attempts;
    pthread_mutex_unlock(&q->lock);
    return forgive;
}

void queue_prove(struct queue *q, struct fetch_file *file)
{
    pthread_mutex_lock(&q->lock);
    if (!file->place->is_proven) {
        file->place->is_proven = true;
        wake_lanes(q);
    }
    pthread_mutex_unlock(&q->lock);
}

/* All its parts have given up: the file waits again, with nothing of it counted. */
void queue_restart_locked(struct queue *q, struct fetch_file *f)
{
    progress_lose_bytes(q->fetch->config.progress, f->place->index,
                        range_set_bytes(&f->active->have));
    free_slot(q, f);
    store_partial_discard(f->active->partial);
    close_open(q, f);
    leave_finishing(q, f);
    queue_active_free(f);
    if (f->mismatches && f->endpoint + 1 < q->fetch->config.spec->endpoint.count)
        f->endpoint++; /* the next mirror may have better bytes */
    f->state = FILE_WAITING;
    q->again[q->again_count++] = f;
    wake_lanes(q);
}

/* The server sends whole files only, and breaks off: that is no progress. */
static void fail_restarts_locked(struct queue *q, struct fetch_file *f)
{
    struct err err;

    err_set(
        &err, ERR_BAD_ANSWER,
        "begun anew %u times: the server ignores Range requests, and its answer broke off every "
        "time",
        f->restarts);
    queue_fail_locked(q, f, &err);
}

void queue_go_on_locked(struct queue *q, struct fetch_file *f)
{
    if (f->state != FILE_ACTIVE || atomic_load(&q->stopping))
        return; /* settled already, or to be left as it is */
    if (is_idle(f) && f->place->failed)
        queue_fail_locked(q, f, &f->place->err);
    else if (is_idle(f) && f->restarts > q->fetch->config.spec->retry_attempts + 1)
        fail_restarts_locked(q, f);
    else if (is_idle(f) && f->active->must_restart)
        queue_restart_locked(q, f);
    else
        consider_finishing_locked(q, f);
}

void queue_give_back(struct queue *q, struct part *part, uint64_t got, uint64_t not_before_ms)
{
    struct fetch_file *f = part->file;

    pthread_mutex_lock(&q->lock);
    queue_part_end_locked(q, part);
    f->active->parts_out--;
    queue_hand_back_locked(f->active, (struct range){got, atomic_load(&part->end)}, not_before_ms);
    if (!f->place->is_proven)
        f->place->has_scout = false;
    queue_go_on_locked(q, f);
    pthread_mutex_unlock(&q->lock);
}

bool queue_hash_take(struct queue *q, struct fetch_file *file, uint64_t at)
{
    struct fetch_active *a = file->active;
    bool                 mine;

    pthread_mutex_lock(&q->lock);
    mine = !a->hash_busy && a->hash.hashed_bytes <= at &&
           at - a->hash.hashed_bytes <= HASH_CATCH_UP_BYTES && range_set_front(&a->have, 0) >= at;
    if (mine)
        a->hash_busy = true;
    pthread_mutex_unlock(&q->lock);
    return mine;
}

void queue_hash_done(struct queue *q, struct fetch_file *file)
{
    pthread_mutex_lock(&q->lock);
    file->active->hash_busy = false;
    pthread_mutex_unlock(&q->lock);
}

bool queue_must_stop(struct queue *q, const struct fetch_file *file)
{
    bool stop;

    pthread_mutex_lock(&q->lock);
    stop = gives_up(q, file) || (file->active && file->active->must_restart);
    pthread_mutex_unlock(&q->lock);
    return stop;
}

void queue_restart_in_one_piece(struct queue *q, struct fetch_file *file)
{
    pthread_mutex_lock(&q->lock);
    file->restarts += !file->active->must_restart;
    file->in_one_piece = true;
    file->active->must_restart = true;
    atomic_fetch_add(&q->alarms, 1);
    pthread_mutex_unlock(&q->lock);
}

bool queue_start_from_scratch(struct queue *q, struct fetch_file *file)
{
    bool again;

    pthread_mutex_lock(&q->lock);
    again = file->mismatches == 0 || file->active->must_restart;
    if (again && !file->active->must_restart)
        file->mismatches++;
    if (again) {
        file->in_one_piece = file->active->must_restart = true;
        atomic_fetch_add(&q->alarms, 1);
    }
    pthread_mutex_unlock(&q->lock);
    return again;
}

void queue_stop(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    atomic_store(&q->stopping, true);
    atomic_fetch_add(&q->alarms, 1);
    pthread_cond_broadcast(&q->over);
    pthread_cond_broadcast(&q->finish_ready);
    wake_lanes(q);
    pthread_mutex_unlock(&q->lock);
}
