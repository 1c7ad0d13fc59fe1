/* progress.c: see progress.h.
 *
 * Adding is done by every lane for every piece of a body, so it costs one or two relaxed atomic
 * additions and, for a slot, a look at the clock. Everything that needs history (rates, "did
 * anything move?") is worked out by the reader. */
#include "progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

enum {
    RATE_SAMPLES = 16,      /* more than the window holds at one sample a second */
    RATE_WINDOW_MS = 10000, /* what "now" means */
    RATE_SPACING_MS = 800,  /* readers that look more often do not flood the window */
    ETA_SMOOTHING_MS = 15000,
    ETA_FIRST_MS = 2000, /* before that, a guess would only jump around */
};

struct totals {
    _Atomic uint64_t files_planned, files_present, files_done;
    _Atomic uint64_t bytes_planned, bytes_present, bytes_done;
};

struct repo {
    struct totals totals;
    char          commit[41];
    bool          failed, complete, from_existing;
    struct err    err;
};

struct slot {
    bool             used;
    size_t           repo;
    char             path[256], host[128];
    uint64_t         size_bytes, first_bytes; /* first: done when it was taken */
    uint64_t         taken_at_ms;
    _Atomic uint64_t done_bytes, last_byte_at_ms;
};

struct sample {
    uint64_t at_ms, received_bytes;
};

/* Invariant: sample[0 .. count) ascend in time. */
struct rate {
    struct sample sample[RATE_SAMPLES];
    size_t        count;
    uint64_t      smooth_bytes_per_s;
    uint64_t      smoothed_at_ms; /* 0: not yet */
};

struct progress {
    struct clock          clock;
    _Atomic int           phase;
    _Atomic uint64_t      received_bytes, retries, requests;
    struct progress_stats stats;
    struct repo          *repo; /* owned */
    size_t                repo_count;

    pthread_mutex_t lock; /* everything below, and the non-atomic members of repo and slot */
    uint64_t        started_ms, phase_since_ms;
    int64_t         started_wall_ms, phase_since_wall_ms;
    uint64_t        phase_ms[PHASES];
    char            waiting_for[160];
    int64_t         waiting_until_wall_ms;
    struct slot     slot[PROGRESS_SLOTS];
    struct rate     rate;
    uint64_t        seen; /* a sum that differs when anything moved */
    int64_t         changed_wall_ms;
};

const char *progress_phase_name(enum progress_phase phase)
{
    static const char *const name[PHASES] = {
        "pending",   "waiting",  "resolving", "planning",  "downloading",
        "verifying", "complete", "failed",    "cancelled",
    };

    return name[phase];
}

bool progress_phase_is_final(enum progress_phase phase)
{
    return phase == PHASE_COMPLETE || phase == PHASE_FAILED || phase == PHASE_CANCELLED;
}

struct progress *progress_new(size_t repo_count, const struct clock *clock)
{
    struct progress *p = mem_alloc(sizeof(*p));

    p->clock = *clock;
    p->repo = mem_resize(NULL, repo_count, sizeof(*p->repo));
    memset(p->repo, 0, repo_count * sizeof(*p->repo));
    p->repo_count = repo_count;
    p->started_ms = p->phase_since_ms = clock_now_ms(clock);
    p->started_wall_ms = p->phase_since_wall_ms = p->changed_wall_ms = clock_wall_ms(clock);
    if (pthread_mutex_init(&p->lock, NULL) != 0)
        die("progress: no mutex");
    return p;
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p->repo);
    free(p);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void put(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, n, memory_order_relaxed);
}

/* Takes off at most n and says how much was taken; a counter never wraps below zero. */
static uint64_t take_off(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t have = get(counter), taken;

    do
        taken = have < n ? have : n;
    while (!atomic_compare_exchange_weak_explicit(counter, &have, have - taken,
                                                  memory_order_relaxed, memory_order_relaxed));
    return taken;
}

static struct repo *repo_at(struct progress *p, size_t repo)
{
    if (repo >= p->repo_count)
        die("progress: repo %zu of %zu", repo, p->repo_count);
    return &p->repo[repo];
}

/* Copies text and drops what does not fit at the end, never half a UTF-8 sequence. */
static void copy_text(char *out, size_t size, const char *text)
{
    size_t len = text ? strnlen(text, size) : 0;

    if (len == size) {
        len--;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    if (len)
        memcpy(out, text, len);
    out[len] = '\0';
}

/* The interesting ends of a path are its first folders and its file name. */
static void copy_path(char *out, size_t size, const char *path)
{
    static const char dots[] = "…";
    size_t            len = strlen(path), head, tail;

    if (len < size) {
        memcpy(out, path, len + 1);
        return;
    }
    head = (size - sizeof(dots)) / 2;
    tail = len - (size - sizeof(dots) - head);
    while (head > 0 && ((unsigned char)path[head] & 0xC0) == 0x80)
        head--;
    while (tail < len && ((unsigned char)path[tail] & 0xC0) == 0x80)
        tail++;
    memcpy(out, path, head);
    memcpy(out + head, dots, sizeof(dots) - 1);
    memcpy(out + head + sizeof(dots) - 1, path + tail, len - tail + 1);
}

/* ---- phases ---- */

/* The time spent resolving and planning must not slow the first rates down. */
static void rate_restart(struct rate *r, uint64_t now_ms, uint64_t received_bytes)
{
    r->sample[0] = (struct sample){now_ms, received_bytes};
    r->count = 1;
    r->smoothed_at_ms = 0;
}

void progress_enter(struct progress *p, enum progress_phase phase)
{
    uint64_t now_ms;
    int      before;

    pthread_mutex_lock(&p->lock);
    now_ms = clock_now_ms(&p->clock); /* under the lock, so that moments follow one another */
    before = atomic_exchange(&p->phase, (int)phase);
    if (before != (int)phase) {
        p->phase_ms[before] += now_ms - p->phase_since_ms;
        p->phase_since_ms = now_ms;
        p->phase_since_wall_ms = clock_wall_ms(&p->clock);
        p->waiting_for[0] = '\0';
        p->waiting_until_wall_ms = 0;
        if (phase == PHASE_DOWNLOADING)
            rate_restart(&p->rate, now_ms, get(&p->received_bytes));
        else if (phase == PHASE_VERIFYING)
            rate_restart(&p->rate, now_ms, 0);
    }
    pthread_mutex_unlock(&p->lock);
}

enum progress_phase progress_phase(const struct progress *p)
{
    return (enum progress_phase)atomic_load(&p->phase);
}

void progress_wait(struct progress *p, const char *what, int64_t until_wall_ms)
{
    pthread_mutex_lock(&p->lock);
    copy_text(p->waiting_for, sizeof(p->waiting_for), what);
    p->waiting_until_wall_ms = p->waiting_for[0] ? until_wall_ms : 0;
    pthread_mutex_unlock(&p->lock);
}

/* ---- counting ---- */

void progress_plan_file(struct progress *p, size_t repo, uint64_t bytes, uint64_t have_bytes,
                        bool present)
{
    struct totals *t = &repo_at(p, repo)->totals;

    add(&t->files_planned, 1);
    add(&t->bytes_planned, bytes);
    add(&t->files_present, present ? 1 : 0);
    add(&t->bytes_present, present || have_bytes > bytes ? bytes : have_bytes);
}

void progress_replan(struct progress *p)
{
    for (size_t i = 0; i < p->repo_count; i++) {
        struct totals *t = &p->repo[i].totals;

        put(&t->files_planned, 0);
        put(&t->files_present, 0);
        put(&t->files_done, 0);
        put(&t->bytes_planned, 0);
        put(&t->bytes_present, 0);
        put(&t->bytes_done, 0);
    }
}

void progress_add_bytes(struct progress *p, size_t repo, uint64_t bytes)
{
    add(&repo_at(p, repo)->totals.bytes_done, bytes);
    add(&p->received_bytes, bytes);
}

void progress_reuse_bytes(struct progress *p, size_t repo, uint64_t bytes)
{
    add(&repo_at(p, repo)->totals.bytes_done, bytes);
}

void progress_lose_bytes(struct progress *p, size_t repo, uint64_t bytes)
{
    struct totals *t = &repo_at(p, repo)->totals;

    bytes -= take_off(&t->bytes_done, bytes);
    take_off(&t->bytes_present, bytes);
}

void progress_file_done(struct progress *p, size_t repo)
{
    add(&repo_at(p, repo)->totals.files_done, 1);
}

void progress_add_retry(struct progress *p, enum err_kind why, uint64_t wait_ms)
{
    add(&p->retries, 1);
    add(&p->stats.retries[why], 1);
    if (wait_ms)
        progress_stats_time(&p->stats, TIME_WAIT_RETRY, wait_ms);
}

struct progress_stats *progress_stats(struct progress *p)
{
    return &p->stats;
}

void progress_add_request(struct progress *p)
{
    add(&p->requests, 1);
}

void progress_set_commit(struct progress *p, size_t repo, const char *commit)
{
    struct repo *r = repo_at(p, repo);

    pthread_mutex_lock(&p->lock);
    copy_text(r->commit, sizeof(r->commit), commit);
    pthread_mutex_unlock(&p->lock);
}

void progress_repo_failed(struct progress *p, size_t repo, const struct err *err)
{
    struct repo *r = repo_at(p, repo);

    pthread_mutex_lock(&p->lock);
    r->failed = true;
    r->complete = false;
    r->err = *err;
    pthread_mutex_unlock(&p->lock);
}

void progress_repo_complete(struct progress *p, size_t repo, bool from_existing)
{
    struct repo *r = repo_at(p, repo);

    pthread_mutex_lock(&p->lock);
    r->failed = false;
    r->complete = true;
    r->from_existing = from_existing;
    pthread_mutex_unlock(&p->lock);
}

/* ---- files in flight ---- */

int progress_slot_take(struct progress *p, size_t repo, const char *path, uint64_t size_bytes,
                       uint64_t done_bytes)
{
    int taken = -1;

    repo_at(p, repo);
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < PROGRESS_SLOTS && taken < 0; i++)
        if (!p->slot[i].used)
            taken = i;
    if (taken >= 0) {
        struct slot *s = &p->slot[taken];

        s->used = true;
        s->repo = repo;
        s->host[0] = '\0';
        copy_path(s->path, sizeof(s->path), path);
        s->size_bytes = size_bytes;
        s->first_bytes = done_bytes;
        s->taken_at_ms = clock_now_ms(&p->clock);
        put(&s->done_bytes, done_bytes);
        put(&s->last_byte_at_ms, s->taken_at_ms);
    }
    pthread_mutex_unlock(&p->lock);
    return taken;
}

void progress_slot_bytes(struct progress *p, int slot, uint64_t bytes)
{
    if (slot < 0)
        return;
    add(&p->slot[slot].done_bytes, bytes);
    put(&p->slot[slot].last_byte_at_ms, clock_now_ms(&p->clock));
}

void progress_slot_host(struct progress *p, int slot, const char *host)
{
    if (slot < 0)
        return;
    pthread_mutex_lock(&p->lock);
    copy_text(p->slot[slot].host, sizeof(p->slot[slot].host), host);
    pthread_mutex_unlock(&p->lock);
}

void progress_slot_free(struct progress *p, int slot)
{
    if (slot < 0)
        return;
    pthread_mutex_lock(&p->lock);
    p->slot[slot].used = false;
    pthread_mutex_unlock(&p->lock);
}

/* ---- looking ---- */

static uint64_t per_second(uint64_t bytes, uint64_t ms)
{
    return ms ? (uint64_t)((unsigned __int128)bytes * 1000u / ms) : 0;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Bytes per second over the window: from the youngest sample that is at least a window old, else
 * from the oldest there is. A reader who comes seldom thus gets the mean since its last visit. */
static uint64_t rate_now(const struct rate *r, uint64_t now_ms, uint64_t received_bytes)
{
    size_t from = 0;

    if (r->count == 0)
        return 0;
    while (from + 1 < r->count && now_ms - r->sample[from + 1].at_ms >= RATE_WINDOW_MS)
        from++;
    return per_second(minus(received_bytes, r->sample[from].received_bytes),
                      minus(now_ms, r->sample[from].at_ms));
}

static void rate_add_sample(struct rate *r, uint64_t now_ms, uint64_t received_bytes)
{
    if (r->count && now_ms - r->sample[r->count - 1].at_ms < RATE_SPACING_MS)
        return;
    if (r->count == RATE_SAMPLES) {
        memmove(r->sample, r->sample + 1, (RATE_SAMPLES - 1) * sizeof(r->sample[0]));
        r->count--;
    }
    r->sample[r->count++] = (struct sample){now_ms, received_bytes};
}

/* An exponential mean of the window's rate, so that the ETA does not twitch with every burst. */
static void rate_smooth(struct rate *r, uint64_t now_ms, uint64_t bytes_per_s)
{
    uint64_t since_ms = now_ms - r->smoothed_at_ms;

    if (r->smoothed_at_ms == 0) {
        r->smooth_bytes_per_s = bytes_per_s;
    } else if (since_ms < RATE_SPACING_MS) {
        return;
    } else {
        unsigned __int128 old = (unsigned __int128)r->smooth_bytes_per_s * ETA_SMOOTHING_MS;

        old += (unsigned __int128)bytes_per_s * since_ms;
        r->smooth_bytes_per_s = (uint64_t)(old / (ETA_SMOOTHING_MS + since_ms));
    }
    r->smoothed_at_ms = now_ms;
}

static uint64_t eta_ms(const struct progress *p, const struct progress_view *v)
{
    uint64_t rate = p->rate.smooth_bytes_per_s;

    if (v->phase == PHASE_COMPLETE)
        return 0;
    if (v->phase != PHASE_DOWNLOADING || v->phase_ms[PHASE_DOWNLOADING] < ETA_FIRST_MS)
        return UINT64_MAX;
    if (v->remaining_bytes == 0)
        return 0;
    if (rate == 0 || v->remaining_bytes / rate > UINT64_MAX / 2000)
        return UINT64_MAX;
    return (uint64_t)((unsigned __int128)v->remaining_bytes * 1000u / rate);
}

static void look_at_repo(const struct repo *r, struct progress_view_repo *out,
                         struct progress_view *v)
{
    struct progress_totals *t = &out->totals, *sum = &v->totals;

    t->files_planned = get(&r->totals.files_planned);
    t->files_present = get(&r->totals.files_present);
    t->files_done = get(&r->totals.files_done);
    t->bytes_planned = get(&r->totals.bytes_planned);
    t->bytes_present = get(&r->totals.bytes_present);
    t->bytes_done = get(&r->totals.bytes_done);
    memcpy(out->commit, r->commit, sizeof(out->commit));
    out->failed = r->failed;
    out->complete = r->complete;
    out->from_existing = r->from_existing;
    out->err = r->err;

    sum->files_planned += t->files_planned;
    sum->files_present += t->files_present;
    sum->files_done += t->files_done;
    sum->bytes_planned += t->bytes_planned;
    sum->bytes_present += t->bytes_present;
    sum->bytes_done += t->bytes_done;
    if (!r->failed)
        v->remaining_bytes += minus(t->bytes_planned, t->bytes_present + t->bytes_done);
}

static void look_at_slots(const struct progress *p, uint64_t now_ms, struct progress_view *v)
{
    for (size_t i = 0; i < PROGRESS_SLOTS; i++) {
        const struct slot    *s = &p->slot[i];
        struct progress_slot *out = &v->slot[v->slot_count];

        if (!s->used)
            continue;
        out->repo = s->repo;
        memcpy(out->path, s->path, sizeof(out->path));
        memcpy(out->host, s->host, sizeof(out->host));
        out->size_bytes = s->size_bytes;
        out->done_bytes = get(&s->done_bytes);
        out->bytes_per_s =
            per_second(minus(out->done_bytes, s->first_bytes), minus(now_ms, s->taken_at_ms));
        out->quiet_ms = minus(now_ms, get(&s->last_byte_at_ms));
        v->slot_count++;
    }
}

/* Did anything move since the last look? Counters only grow within a phase, so that a sum that is
 * the same means nothing did; the phase's start makes a new phase differ. */
static void note_change(struct progress *p, const struct progress_view *v)
{
    uint64_t seen = v->received_bytes + v->totals.bytes_done + v->totals.files_planned +
                    v->totals.files_done + v->totals.bytes_planned + v->retries + v->requests +
                    (uint64_t)v->phase_since_wall_ms + (unsigned char)v->waiting_for[0];

    if (seen != p->seen)
        p->changed_wall_ms = v->now_wall_ms;
    p->seen = seen;
}

static void look_at_rates(struct progress *p, uint64_t now_ms, struct progress_view *v)
{
    v->bytes_per_s_mean = per_second(v->received_bytes, v->phase_ms[PHASE_DOWNLOADING]);
    if (v->phase == PHASE_DOWNLOADING) {
        v->bytes_per_s_now = rate_now(&p->rate, now_ms, v->received_bytes);
        rate_add_sample(&p->rate, now_ms, v->received_bytes);
        if (v->phase_ms[PHASE_DOWNLOADING] >= RATE_SPACING_MS)
            rate_smooth(&p->rate, now_ms, v->bytes_per_s_now);
    } else if (v->phase == PHASE_VERIFYING && v->received_bytes == 0) { /* what is hashed */
        v->bytes_per_s_now = rate_now(&p->rate, now_ms, v->totals.bytes_done);
        rate_add_sample(&p->rate, now_ms, v->totals.bytes_done);
    }
    v->eta_ms = eta_ms(p, v);
}

/* A wait whose end was known is over then, without anybody saying so. */
static void look_at_wait(const struct progress *p, struct progress_view *out)
{
    if (p->waiting_until_wall_ms > 0 && p->waiting_until_wall_ms <= out->now_wall_ms)
        return;
    memcpy(out->waiting_for, p->waiting_for, sizeof(out->waiting_for));
    out->waiting_until_wall_ms = p->waiting_until_wall_ms;
}

void progress_look(struct progress *p, struct progress_view *out)
{
    uint64_t now_ms;

    memset(out, 0, sizeof(*out));
    out->repo = mem_resize(NULL, p->repo_count, sizeof(*out->repo));
    out->repo_count = p->repo_count;

    pthread_mutex_lock(&p->lock);
    now_ms = clock_now_ms(&p->clock);
    out->now_wall_ms = clock_wall_ms(&p->clock);
    out->phase = progress_phase(p);
    look_at_wait(p, out);
    out->started_wall_ms = p->started_wall_ms;
    out->phase_since_wall_ms = p->phase_since_wall_ms;
    memcpy(out->phase_ms, p->phase_ms, sizeof(out->phase_ms));
    /* A finished run's clock stands still, so that its last report stays true. */
    if (progress_phase_is_final(out->phase)) {
        out->elapsed_ms = minus(p->phase_since_ms, p->started_ms);
    } else {
        out->elapsed_ms = minus(now_ms, p->started_ms);
        out->phase_ms[out->phase] += minus(now_ms, p->phase_since_ms);
    }
    out->received_bytes = get(&p->received_bytes);
    out->retries = get(&p->retries);
    out->requests = get(&p->requests);
    for (size_t i = 0; i < p->repo_count; i++)
        look_at_repo(&p->repo[i], &out->repo[i], out);
    look_at_slots(p, now_ms, out);
    look_at_rates(p, now_ms, out);
    note_change(p, out);
    out->changed_wall_ms = p->changed_wall_ms;
    pthread_mutex_unlock(&p->lock);
}
