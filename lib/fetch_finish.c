/* fetch_finish.c: threads that follow a file's front, hash what lies on disk, compare and publish.
 *
 * They read back through the page cache what parts wrote out of order, so that after the last byte
 * only a little is left to hash. Another thread brings what is there of large files to the disk: a
 * journal of another boot or another node counts only what was synced. */
#include <stdlib.h>

#include "fetch_lane.h"

enum { READ_BYTES = 256 * 1024 };

/* Hashes up to the front as it is now. 0, or -1 with err. Stops early when everybody must. */
static int hash_front(struct queue *q, struct fetch_file *f, unsigned char *buffer, struct err *err)
{
    struct digest_run *hash = &f->active->hash;
    uint64_t           front = queue_hash_front(q, f);

    while (hash->hashed_bytes < front && !atomic_load(&q->stopping)) {
        uint64_t left = front - hash->hashed_bytes;
        size_t   want = left < READ_BYTES ? (size_t)left : READ_BYTES;
        ssize_t got = store_partial_read(f->active->partial, buffer, want, hash->hashed_bytes, err);

        if (got < 0)
            return -1;
        if (got == 0)
            return err_set(err, ERR_IO, "the partial became shorter while it was read");
        digest_add(hash, buffer, (size_t)got);
        if (store_partial_hashed(f->active->partial, hash, err))
            return -1;
    }
    return 0;
}

static void copy_to_twins(struct queue *q, struct fetch_file *f, const struct plan_file *content)
{
    struct store_file same = {content->path, content->size_bytes, content->digest};
    struct err        err = {0};

    for (struct fetch_file *twin = f->first_same; twin && !atomic_load(&q->stopping);
         twin = twin->next_same) {
        struct store_file sf = {twin->plan->path, twin->plan->size_bytes, twin->plan->digest};

        if (store_publish_copy(twin->place->store, &sf, f->place->store, &same, &err)) {
            queue_fail(q, twin, &err);
            continue;
        }
        progress_reuse_bytes(q->fetch->config.progress, twin->place->index, sf.size_bytes);
        queue_done(q, twin);
    }
}

/* A file whose twin was on the volume before this run. */
static void copy_only(struct queue *q, struct fetch_file *f)
{
    const struct plan_file *leader = &q->plan_file[f->plan->same_as];
    struct store_file       sf = {f->plan->path, f->plan->size_bytes, f->plan->digest};
    struct store_file       same = {leader->path, leader->size_bytes, leader->digest};
    struct fetch_place     *from = queue_place_of(q, leader->repo);
    struct err              err = {0};

    if (!from) /* its repo has failed, but what it has is not lost */
        from = f->place;
    if (store_publish_copy(f->place->store, &sf, from->store, &same, &err)) {
        queue_fail(q, f, &err);
        return;
    }
    progress_reuse_bytes(q->fetch->config.progress, f->place->index, sf.size_bytes);
    queue_done(q, f);
}

static void log_done(const struct queue *q, const struct fetch_file *f)
{
    uint64_t ms = clock_now_ms(&q->fetch->config.clock) - f->active->begun_at_ms;
    uint64_t fetched = f->plan->size_bytes - f->active->begun_with_bytes;

    log_write(q->fetch->config.log, f->plan->size_bytes > FETCH_SMALL_BYTES ? LOG_INFO : LOG_DEBUG,
              "file done", LOG_TEXT("repo", f->place->repo->id),
              LOG_CSTR("commit", f->place->commit), LOG_TEXT("file", f->plan->path),
              LOG_NUM("bytes", f->plan->size_bytes), LOG_NUM("duration_ms", ms),
              LOG_NUM("bytes_per_second", ms ? fetched * 1000 / ms : fetched));
}

static void on_mismatch(struct queue *q, struct fetch_file *f, const struct digest *got)
{
    char       want_hex[DIGEST_HEX_MAX], got_hex[DIGEST_HEX_MAX];
    struct err err = {0};

    digest_to_hex(&f->plan->digest, want_hex);
    digest_to_hex(got, got_hex);
    log_write(q->fetch->config.log, LOG_WARN, "the bytes do not match their hash",
              LOG_TEXT("repo", f->place->repo->id), LOG_TEXT("file", f->plan->path),
              LOG_CSTR("want", want_hex), LOG_CSTR("got", got_hex),
              LOG_NUM("attempt", f->mismatches + 1));
    if (f->mismatches == 0) {
        queue_mismatch(q, f);
        return;
    }
    store_partial_discard(f->active->partial);
    f->active->partial = NULL;
    err_set(&err, ERR_INTEGRITY,
            "%.*s: fetched twice, and both times its hash was not the Hub's (want %.12s…, got "
            "%.12s…)",
            STR_ARG(f->plan->path), want_hex, got_hex);
    queue_fail(q, f, &err);
}

/* Does the hash match? What an earlier process noted of it may have been wrong, and its bytes right:
 * then it is begun anew, and the file is gone through once more. */
static bool matches(struct queue *q, struct fetch_file *f, struct digest *got, bool *hash_again)
{
    struct digest_run *hash = &f->active->hash;

    digest_end(hash, got);
    if (q->fetch->config.spec->verify != SPEC_VERIFY_ALWAYS || digest_equal(got, &f->plan->digest))
        return true;
    *hash_again = f->active->hash_is_resumed;
    if (*hash_again) {
        f->active->hash_is_resumed = false;
        digest_begin(hash, f->plan->digest.kind, f->plan->size_bytes);
        log_write(q->fetch->config.log, LOG_WARN, "hashing again from the start",
                  LOG_TEXT("repo", f->place->repo->id), LOG_TEXT("file", f->plan->path));
    }
    return false;
}

static void publish(struct queue *q, struct fetch_file *f)
{
    struct store_partial *partial = f->active->partial;
    struct err            err = {0};

    f->active->partial = NULL; /* publish closes it, whatever happens */
    if (store_partial_publish(partial, &err)) {
        queue_fail(q, f, &err);
        return;
    }
    log_done(q, f);
    copy_to_twins(q, f, f->plan);
    queue_done(q, f);
}

static void step(struct queue *q, struct fetch_file *f, unsigned char *buffer)
{
    struct digest got;
    struct err    err = {0};
    bool          again = true;

    while (again) {
        again = false;
        if (hash_front(q, f, buffer, &err)) {
            queue_fail(q, f, &err);
            queue_hash_done(q, f);
        } else if (!queue_finished_step(q, f)) {
            return;
        } else if (matches(q, f, &got, &again)) {
            publish(q, f);
        } else if (!again) {
            on_mismatch(q, f, &got);
        }
    }
}

void *finisher_main(void *arg)
{
    struct queue      *q = arg;
    unsigned char     *buffer = mem_alloc(READ_BYTES);
    struct fetch_file *f;

    while ((f = queue_next_to_finish(q)) != NULL) {
        if (f->active)
            step(q, f, buffer);
        else
            copy_only(q, f);
    }
    free(buffer);
    return NULL;
}

void *syncer_main(void *arg)
{
    struct queue      *q = arg;
    struct fetch_file *f;

    while ((f = queue_next_to_sync(q)) != NULL) {
        struct err err;

        if (store_partial_sync(f->active->partial, &err))
            queue_fail(q, f, &err);
        queue_synced(q, f);
    }
    return NULL;
}
