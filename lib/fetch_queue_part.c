/* fetch_queue_part.c: the pieces of files that connections bring: how large they are cut, how far
 * each has come, and who helps whom at the end.
 *
 * When nothing is left to hand out, an idle connection takes over a share of the part that would be
 * ready last, as much as lets both end together; of a part that brings nothing, all that is missing. */
#include <stdlib.h>

#include "fetch_queue_internal.h"

enum {
    PART_MIN_BYTES = 8 * 1024 * 1024,
    PART_START_MAX_BYTES = 64 * 1024 * 1024, /* before anything is measured */
    PART_MAX_BYTES = 256 * 1024 * 1024,
    GAPS_PER_PART = 20, /* the pause between two requests costs a twentieth */

    SHARE_MIN_BYTES = 512 * 1024,
    SHARE_ALIGN_BYTES = 64 * 1024,
    WORTH_MS = 1000,       /* a part that is ready sooner is left alone */
    SILENT_MS = 10 * 1000, /* without a byte: all of it is asked for again … */
    SILENT_TIMES = 2,      /* … but not for ever: timeouts.stall must have its turn */
    SAMPLE_MS = 250,
    IDLE_MS = 300, /* before that the speeds are not known as they are with nothing left to begin */
    FROZEN_MS = 3000,
};

/* --- size --- */

/* Long enough that the pause before the next request does not count. */
static uint64_t measured_bytes(const struct queue *q)
{
    uint64_t bytes = q->rate_bytes_per_s / 1000 * q->gap_ms * GAPS_PER_PART;

    return q->gap_ms && q->rate_bytes_per_s ? bytes : PART_START_MAX_BYTES;
}

uint64_t queue_part_bytes_locked(const struct queue *q, uint64_t left_bytes)
{
    unsigned target = atomic_load(&q->target);
    uint64_t files = q->open_count + (q->bulk_count - q->bulk_next), share, bytes;

    if (q->part_bytes)
        return q->part_bytes;
    if (files > q->open_limit)
        files = q->open_limit;
    if (files >= target) /* one connection per file: in file order, hashed while it is warm */
        return PART_MAX_BYTES;
    share = left_bytes / (2u * (target / (files ? files : 1))); /* enough for all, to the end */
    bytes = measured_bytes(q);
    if (bytes > share)
        bytes = share;
    if (bytes < PART_MIN_BYTES)
        return PART_MIN_BYTES;
    return bytes > PART_MAX_BYTES ? PART_MAX_BYTES : bytes;
}

/* --- handed back --- */

static void untake(struct fetch_active *a, struct range r)
{
    struct range_set taken = {0};

    for (size_t i = 0; i < a->taken.count; i++) {
        struct range item = a->taken.item[i];
        struct range before = {item.begin, item.end < r.begin ? item.end : r.begin};
        struct range behind = {item.begin > r.end ? item.begin : r.end, item.end};

        range_set_add(&taken, before);
        range_set_add(&taken, behind);
    }
    range_set_release(&a->taken);
    a->taken = taken;
}

void queue_hand_back_locked(struct fetch_active *a, struct range r, uint64_t not_before_ms)
{
    if (range_is_empty(r))
        return;
    if (not_before_ms == 0) {
        untake(a, r);
        return;
    }
    a->later = mem_resize(a->later, a->later_count + 1, sizeof(*a->later));
    a->later[a->later_count++] = (struct fetch_later){r, not_before_ms};
}

/* What the server wanted to be asked for later, and that is now. */
static void free_later(struct queue *q, uint64_t now_ms)
{
    for (size_t i = 0; i < q->open_count; i++) {
        struct fetch_active *a = q->open[i]->active;

        for (size_t n = a ? a->later_count : 0; n > 0; n--) {
            if (a->later[n - 1].at_ms > now_ms)
                continue;
            untake(a, a->later[n - 1].range);
            a->later[n - 1] = a->later[--a->later_count];
        }
    }
}

/* --- how far they are --- */

void queue_part_begin_locked(struct queue *q, struct part *part)
{
    part->claimed = part->begin;
    atomic_store(&part->received, part->begin);
    part->heard_at_ms = part->sampled_at_ms = clock_now_ms(&q->fetch->config.clock);
    part->sampled = part->begin;
    part->rate_bytes_per_s = 0;
    part->next = q->part;
    q->part = part;
}

void queue_part_end_locked(struct queue *q, struct part *part)
{
    struct part **at = &q->part;

    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
}

uint64_t queue_claim(struct queue *q, struct part *part, uint64_t upto)
{
    uint64_t end;

    pthread_mutex_lock(&q->lock);
    end = atomic_load(&part->end);
    if (upto < end)
        end = upto;
    if (end > part->claimed)
        part->claimed = end;
    pthread_mutex_unlock(&q->lock);
    return end;
}

void queue_measured_gap(struct queue *q, uint64_t gap_ms)
{
    pthread_mutex_lock(&q->lock);
    if (q->gap_ms == 0 || gap_ms < q->gap_ms) /* on a connection that was up */
        q->gap_ms = gap_ms + 1;
    else
        q->gap_ms += q->gap_ms / 32;
    pthread_mutex_unlock(&q->lock);
}

static void sample(struct part *p, uint64_t now_ms)
{
    uint64_t at = atomic_load(&p->received), ms = now_ms - p->sampled_at_ms, rate;
    bool     stood_still; /* by our doing: no fault of the other side */

    if (ms < SAMPLE_MS)
        return;
    rate = (at - p->sampled) * 1000 / ms;
    stood_still = ms > FROZEN_MS || atomic_load(&p->waits);
    if (at != p->sampled || stood_still)
        p->heard_at_ms = now_ms;
    if (!stood_still)
        p->rate_bytes_per_s = p->rate_bytes_per_s ? (p->rate_bytes_per_s + rate) / 2 : rate;
    p->sampled = at;
    p->sampled_at_ms = now_ms;
}

unsigned queue_sample(struct queue *q)
{
    uint64_t now_ms = clock_now_ms(&q->fetch->config.clock), sum = 0, count = 0;
    unsigned active = 0;

    pthread_mutex_lock(&q->lock);
    free_later(q, now_ms);
    for (struct part *p = q->part; p; p = p->next) {
        if (p->file->plan->size_bytes <= FETCH_SMALL_BYTES)
            continue;
        sample(p, now_ms);
        active += p->rate_bytes_per_s || atomic_load(&p->received) > p->begin;
        sum += p->rate_bytes_per_s;
        count += p->rate_bytes_per_s != 0;
    }
    atomic_store(&q->served, (unsigned)count);
    if (count)
        q->rate_bytes_per_s = sum / count;
    pthread_mutex_unlock(&q->lock);
    return active;
}

/* --- taking over --- */

static bool is_silent(const struct part *p, uint64_t now_ms)
{
    return p->sampled_at_ms - p->heard_at_ms >= SILENT_MS && now_ms - p->sampled_at_ms < FROZEN_MS;
}

static uint64_t has(const struct part *p)
{
    uint64_t received = atomic_load(&p->received);

    return received > p->claimed ? received : p->claimed;
}

/* The mean of late, or what it does at this moment if that is more. 0: unknown. */
static uint64_t rate_of(const struct queue *q, const struct part *p, uint64_t now_ms)
{
    uint64_t ms = now_ms - p->sampled_at_ms + 1;
    uint64_t rate = (atomic_load(&p->received) - p->sampled) * 1000 / ms;

    if (rate < p->rate_bytes_per_s)
        rate = p->rate_bytes_per_s;
    return rate ? rate : q->rate_bytes_per_s;
}

/* How long until it is ready, in ms; 0: leave it alone. */
static uint64_t ready_in_ms(const struct queue *q, const struct part *p, uint64_t now_ms)
{
    const struct fetch_file *f = p->file;
    uint64_t                 end = atomic_load(&p->end), at = has(p);
    uint64_t                 rate = rate_of(q, p, now_ms);

    if (f->state != FILE_ACTIVE || f->plan->size_bytes <= FETCH_SMALL_BYTES || at >= end ||
        atomic_load(&p->waits) || !f->place->is_proven ||
        (p->begin == 0 && end == f->plan->size_bytes && !f->place->gives_ranges) ||
        f->place->failed || f->active->in_one_piece || f->active->must_restart)
        return 0;
    if (is_silent(p, now_ms))
        return p->silent_times < SILENT_TIMES ? UINT64_MAX : 0;
    if (rate == 0 || end - at < 2u * SHARE_MIN_BYTES)
        return 0;
    return (end - at) * 1000 / rate;
}

/* Where the helper begins: both are ready at the same moment, though it starts a pause later. */
static uint64_t cut_at(const struct queue *q, const struct part *p, uint64_t now_ms)
{
    uint64_t at = has(p), left = atomic_load(&p->end) - at, keep, mid;
    uint64_t theirs = rate_of(q, p, now_ms);
    uint64_t ours = q->rate_bytes_per_s ? q->rate_bytes_per_s : theirs;

    if (is_silent(p, now_ms))
        return at;
    keep = theirs / 1000 * q->gap_ms;
    if (keep >= left)
        return at + left;
    keep += (uint64_t)((double)(left - keep) * ((double)theirs / (double)(theirs + ours)));
    mid = (at + keep + SHARE_ALIGN_BYTES - 1) / SHARE_ALIGN_BYTES * SHARE_ALIGN_BYTES;
    return mid;
}

/* What is on its way on their connection is lost with it: the share must be worth that. */
static uint64_t least_share(const struct queue *q, const struct part *p, uint64_t now_ms)
{
    uint64_t lost = rate_of(q, p, now_ms) / 1000 * q->gap_ms;

    return SHARE_MIN_BYTES + 4 * lost;
}

bool queue_take_over_locked(struct queue *q, struct part *out)
{
    uint64_t     now_ms = clock_now_ms(&q->fetch->config.clock), longest = 0, end, mid;
    struct part *last = NULL;

    if (!q->idle_at_ms)
        q->idle_at_ms = now_ms;
    if (now_ms - q->idle_at_ms < IDLE_MS)
        return false;
    for (struct part *p = q->part; p; p = p->next) {
        uint64_t ms = ready_in_ms(q, p, now_ms);

        if (ms > longest) {
            longest = ms;
            last = p;
        }
    }
    if (!last || longest < WORTH_MS + 3 * q->gap_ms)
        return false;
    end = atomic_load(&last->end);
    mid = cut_at(q, last, now_ms);
    if (mid >= end || (longest != UINT64_MAX && end - mid < least_share(q, last, now_ms)))
        return false;
    atomic_store(&last->end, mid);
    out->file = last->file;
    out->begin = mid;
    out->silent_times = longest == UINT64_MAX ? last->silent_times + 1 : 0;
    atomic_store(&out->end, end);
    last->file->active->parts_out++;
    return true;
}
