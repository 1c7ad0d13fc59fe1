/* snapshot_hash.c: reading files from end to end, a few at a time: those that others put on the
 * volume, to adopt them; those that the marker promises, to see whether it still holds. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "snapshot_internal.h"

struct hasher {
    struct snapshot *s;
    snapshot_bad_fn *bad; /* NULL: adopt, else only look */
    void            *user;
    bool             is_last_word; /* nothing is fetched after it */
    pthread_mutex_t  lock;         /* the rest, and calls of bad */
    size_t           next;         /* index into plan.file */
    size_t           running;      /* threads */
    size_t           file_count;
    uint64_t         all_bytes, read_bytes; /* of all these files; so far */
    uint64_t         begun_at_ms;
    bool             stop;
    size_t           bad_count, error_count;
    struct err       first;   /* of the errors */
    struct err       stopped; /* why the thread that called us was stopped while it hashed itself */
};

/* One file on its way through one thread. */
struct hashing {
    struct hasher *h;
    size_t         repo;
    int            slot;
    bool           is_caller; /* nobody else makes the run's clock tick */
};

static int on_hashed(void *user, uint64_t n)
{
    struct hashing *hashing = user;
    struct hasher  *h = hashing->h;
    bool            stop;

    progress_reuse_bytes(h->s->progress, hashing->repo, n);
    progress_slot_bytes(h->s->progress, hashing->slot, n);
    if (hashing->is_caller && snapshot_tick(h->s, &h->stopped)) {
        h->stop = true; /* there is no other thread */
        return 1;
    }
    pthread_mutex_lock(&h->lock);
    h->read_bytes += n;
    stop = h->stop;
    pthread_mutex_unlock(&h->lock);
    return stop;
}

static struct plan_file *next_unproven(struct hasher *h)
{
    struct plan      *plan = &h->s->plan;
    struct plan_file *f = NULL;

    pthread_mutex_lock(&h->lock);
    while (!h->stop && !f && h->next < plan->file_count) {
        f = &plan->file[h->next++];
        if (f->state != PLAN_UNKNOWN || !f->is_mine || h->s->repo[f->repo].failed)
            f = NULL;
    }
    pthread_mutex_unlock(&h->lock);
    return f;
}

static void adopt(struct hashing *hashing, struct plan_file *f)
{
    struct hasher    *h = hashing->h;
    struct store_file file = snapshot_store_file(f);
    struct err        err;
    int               rc = store_adopt(h->s->repo[f->repo].store, &file,
                                       h->s->config.rehash || h->s->spec->verify == SPEC_VERIFY_ALWAYS, on_hashed,
                                       hashing, &err);

    f->have_bytes = 0;
    f->state = rc == 1 ? PLAN_PRESENT : PLAN_FETCH;
    if (rc == 0)
        log_write(h->s->config.log, LOG_WARN,
                  h->is_last_word
                      ? "a file on the volume does not match its hash, so there is no marker yet"
                      : "a file on the volume does not match its hash and is fetched again",
                  LOG_TEXT("file", f->path));
    if (rc < 0 && err.sys_errno != ENOENT) { /* else a shard is just about to name it */
        pthread_mutex_lock(&h->lock);
        if (h->error_count++ == 0)
            h->first = err;
        pthread_mutex_unlock(&h->lock);
    }
}

static void verify(struct hashing *hashing, struct plan_file *f)
{
    struct hasher    *h = hashing->h;
    struct store_file file = snapshot_store_file(f);
    struct err        err;
    int               rc = store_verify(h->s->repo[f->repo].store, &file, on_hashed, hashing, &err);

    if (rc == 1) {
        f->state = PLAN_PRESENT;
        return;
    }
    pthread_mutex_lock(&h->lock);
    f->state = PLAN_FETCH;
    if (!h->stop) {
        char repo[160];

        snprintf(repo, sizeof(repo), "%.*s", STR_ARG(h->s->spec->repo[f->repo].id));
        h->bad(repo, f->path, err.text, h->user);
        if (rc == 0)
            h->bad_count++;
        else if (h->error_count++ == 0)
            h->first = err;
    }
    pthread_mutex_unlock(&h->lock);
}

static void hash_one(struct hasher *h, struct plan_file *f, bool is_caller)
{
    struct progress *progress = h->s->progress;
    char            *path = mem_strndup(f->path.p, f->path.len);
    struct hashing   hashing = {
        h, f->repo, progress_slot_take(progress, f->repo, path, f->size_bytes, 0), is_caller};

    free(path);
    if (h->bad)
        verify(&hashing, f);
    else
        adopt(&hashing, f);
    progress_slot_free(progress, hashing.slot);
    progress_file_done(progress, f->repo);
}

static void hash_all(struct hasher *h, bool is_caller)
{
    struct plan_file *f;

    while ((f = next_unproven(h)) != NULL)
        hash_one(h, f, is_caller);
    pthread_mutex_lock(&h->lock);
    h->running--;
    pthread_mutex_unlock(&h->lock);
}

static void *hasher_main(void *arg)
{
    hash_all(arg, false);
    return NULL;
}

static size_t count_unproven(struct hasher *h)
{
    const struct plan *plan = &h->s->plan;

    for (size_t k = 0; k < plan->file_count; k++) {
        if (plan->file[k].state != PLAN_UNKNOWN || !plan->file[k].is_mine)
            continue;
        h->file_count++;
        h->all_bytes += plan->file[k].size_bytes;
    }
    return h->file_count;
}

/* How far it is, and when it will be done if it goes on like this. */
static void say_progress(const struct hasher *h, uint64_t read_bytes)
{
    const struct clock *clock = &h->s->config.clock;
    uint64_t            spent_ms = clock_now_ms(clock) - h->begun_at_ms, left_ms = 0;
    char                what[160], bytes[48];

    if (spent_ms >= 2000 && read_bytes > 0 && read_bytes < h->all_bytes)
        left_ms =
            (uint64_t)((unsigned __int128)spent_ms * (h->all_bytes - read_bytes) / read_bytes);
    report_bytes_of(read_bytes, h->all_bytes, bytes);
    snprintf(what, sizeof(what), "the hashes of %zu %s on the volume: %s read", h->file_count,
             h->file_count == 1 ? "file" : "files", bytes);
    progress_wait(h->s->progress, what, left_ms ? clock_wall_ms(clock) + (int64_t)left_ms : 0);
}

/* One file may take minutes: until the last is done the run's clock must tick on. */
static int wait_for_hashers(struct hasher *h, struct err *err)
{
    for (;;) {
        size_t   running;
        uint64_t read_bytes;

        pthread_mutex_lock(&h->lock);
        running = h->running;
        read_bytes = h->read_bytes;
        pthread_mutex_unlock(&h->lock);
        if (running == 0) {
            progress_wait(h->s->progress, NULL, 0);
            return 0;
        }
        say_progress(h, read_bytes);
        if (snapshot_sleep(h->s, 50, err)) {
            pthread_mutex_lock(&h->lock);
            h->stop = true;
            pthread_mutex_unlock(&h->lock);
            return -1;
        }
    }
}

static int hash_unproven(struct hasher *h, size_t unproven, struct err *err)
{
    enum { THREADS_MAX = 4 };
    pthread_t thread[THREADS_MAX];
    size_t    threads = cgroup_cpus(), started = 0;
    int       rc;

    pthread_mutex_init(&h->lock, NULL);
    h->begun_at_ms = clock_now_ms(&h->s->config.clock);
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    pthread_mutex_lock(&h->lock); /* none ends before all are counted */
    while (started < threads && started < unproven &&
           pthread_create(&thread[started], NULL, hasher_main, h) == 0)
        started++;
    h->running = started ? started : 1;
    pthread_mutex_unlock(&h->lock);
    if (started == 0)
        hash_all(h, true);
    rc = wait_for_hashers(h, err);
    if (rc == 0 && h->stopped.kind != ERR_NONE) {
        *err = h->stopped;
        rc = -1;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    pthread_mutex_destroy(&h->lock);
    return rc;
}

int snapshot_adopt(struct snapshot *s, struct err *err)
{
    struct hasher h = {.s = s};
    size_t        unproven = count_unproven(&h);

    if (unproven == 0)
        return 0;
    progress_enter(s->progress, PHASE_VERIFYING);
    snapshot_count_plan(s);
    log_write(s->config.log, LOG_INFO,
              s->config.rehash ? "hashing every file on the volume"
                               : "hashing files that others put on the volume",
              LOG_NUM("files", unproven), LOG_NUM("bytes", h.all_bytes));
    return hash_unproven(&h, unproven, err);
}

/* --- the last word on all shares --- */

/* 1: all have their name. Those that the inventory proves are PLAN_PRESENT, others PLAN_UNKNOWN. */
static int look_for_all(struct snapshot *s, size_t i, struct err *err)
{
    const struct plan_repo *repo = &s->plan.repo[i];

    if (snapshot_open_repo(s, i, err))
        return -1;
    for (size_t k = repo->first; k < repo->first + repo->count; k++) {
        struct store_view view;

        if (snapshot_look_at(s, k, &view, err))
            return -1;
        if (view.state != STORE_PRESENT && view.state != STORE_UNVERIFIED)
            return 0; /* whoever fetches it has the last word */
        s->plan.file[k].state = view.state == STORE_PRESENT ? PLAN_PRESENT : PLAN_UNKNOWN;
    }
    return 1;
}

/* From now on the file is in our share, whoever put it there. */
static void take_over(struct snapshot *s, struct plan_file *f)
{
    if (f->is_mine)
        progress_lose_bytes(s->progress, f->repo, f->size_bytes); /* they are counted once more */
    else
        progress_plan_file(s->progress, f->repo, f->size_bytes, 0, false);
    f->is_mine = true;
}

int snapshot_all_is_there(struct snapshot *s, size_t i, struct err *err)
{
    const struct plan_repo *repo = &s->plan.repo[i];
    struct plan_file       *file = s->plan.file + repo->first;
    struct hasher           h = {.s = s, .is_last_word = true};
    int                     rc = look_for_all(s, i, err);

    if (rc <= 0)
        return rc;
    for (size_t k = 0; k < repo->count; k++)
        if (file[k].state == PLAN_UNKNOWN)
            take_over(s, &file[k]);
    if (count_unproven(&h) == 0)
        return 1;
    log_write(s->config.log, LOG_INFO, "hashing files that no shard vouches for",
              LOG_NUM("files", h.file_count), LOG_NUM("bytes", h.all_bytes));
    if (hash_unproven(&h, h.file_count, err))
        return -1;
    if (h.error_count) {
        *err = h.first;
        return -1;
    }
    for (size_t k = 0; k < repo->count; k++)
        if (file[k].state != PLAN_PRESENT)
            return 0;
    return 1;
}

/* --- what the marker promises --- */

static int list_as_marked(struct snapshot *s, size_t i, struct err *err)
{
    const struct report_repo *marked = &s->report_repo[i];
    struct repo_run          *run = &s->repo[i];
    struct plan_repo         *repo = &s->plan.repo[i];
    int                       rc;

    memcpy(run->listing.commit, marked->commit, sizeof(run->listing.commit));
    rc = snapshot_list_from_volume(s, i, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_set(err, ERR_INTEGRITY, "the listing of commit %s is gone from the volume",
                       run->listing.commit);
    if (plan_add_repo(&s->plan, i, run->listing.files.entry, run->listing.files.count, err))
        return -1;
    if (strcmp(marked->list_digest, repo->list_digest) != 0)
        return err_set(err, ERR_INTEGRITY,
                       "the listing of commit %s is not the one the marker speaks of",
                       run->listing.commit);
    for (size_t k = repo->first; k < repo->first + repo->count; k++)
        s->plan.file[k].state = PLAN_UNKNOWN;
    return 0;
}

static int no_marker(const struct snapshot *s, struct err *err)
{
    err_set(err, ERR_OFFLINE, "%s has no marker of this spec: there is nothing to verify",
            s->report.target);
    return err_hint(err, "hf-init run completes the volume and writes the marker");
}

int snapshot_hash_as_marked(struct snapshot *s, snapshot_bad_fn *bad, void *user, struct err *err)
{
    struct hasher h = {.s = s, .bad = bad, .user = user};
    struct err    unlisted = {0};
    int           rc = snapshot_read_marker(s, err);

    if (rc <= 0)
        return rc < 0 ? -1 : no_marker(s, err);
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct err why;

        /* An optional repo that failed stands in the marker without a commit. */
        if (s->report_repo[i].commit[0] && list_as_marked(s, i, &why)) {
            snapshot_repo_fails(s, i, &why);
            if (unlisted.kind == ERR_NONE)
                unlisted = s->repo[i].err;
        }
    }
    progress_enter(s->progress, PHASE_VERIFYING);
    snapshot_count_plan(s);
    if (hash_unproven(&h, count_unproven(&h), err))
        return -1;
    if (h.bad_count) {
        err_set(err, ERR_INTEGRITY, "%zu of %zu files on %s are not what the marker says",
                h.bad_count, s->plan.file_count, s->report.target);
        return err_hint(err, "hf-init verify --repair fetches them again, and only them");
    }
    if (unlisted.kind != ERR_NONE) /* optional or not: the marker promised it */
        *err = unlisted;
    else if (h.error_count)
        *err = h.first;
    else
        return 0;
    return -1;
}
