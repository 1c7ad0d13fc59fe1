/* fetch_write.c: see fetch_write.h. */
#include "fetch_write.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 256 * 1024,
    JOURNAL_EVERY_BYTES = 4 * 1024 * 1024,
    JOURNAL_EVERY_MS = 2000,
};

static struct fetch_active *active_of(const struct writer *w)
{
    return w->part->file->active;
}

static uint64_t now_ms_of(const struct writer *w)
{
    return clock_now_ms(&w->queue->fetch->config.clock);
}

uint64_t writer_received(const struct writer *w)
{
    return w->written + w->gathered;
}

/* --- hashing: two blocks of different files at once cost little more than one --- */

void write_pair_release(struct write_pair *pair)
{
    free(pair->buffer);
    *pair = (struct write_pair){0};
}

static unsigned char *take_buffer(struct write_pair *pair)
{
    unsigned char *buffer = pair->buffer ? pair->buffer : mem_alloc(BLOCK_BYTES);

    pair->buffer = NULL;
    return buffer;
}

static void give_buffer(struct write_pair *pair, unsigned char *buffer)
{
    free(pair->buffer);
    pair->buffer = buffer;
}

/* The block that waits is hashed now, with another's or alone; its buffer is free. */
static void hash_waiting(struct writer *w, struct writer *other)
{
    if (other)
        digest_add_pair(&active_of(w)->hash, w->unhashed, &active_of(other)->hash, other->gather,
                        BLOCK_BYTES);
    else
        digest_add(&active_of(w)->hash, w->unhashed, BLOCK_BYTES);
    give_buffer(w->pair, w->unhashed);
    w->unhashed = NULL;
    w->pair->waiting = NULL;
}

/* Hashes the `len` bytes of gather, or puts them aside until another file has as many. */
static void hash_block(struct writer *w, size_t len)
{
    struct write_pair *pair = w->pair;

    if (pair->waiting == w)
        hash_waiting(w, NULL);
    if (len == BLOCK_BYTES && pair->waiting) {
        hash_waiting(pair->waiting, w);
    } else if (len == BLOCK_BYTES && pair->hashing > 1 && digest_has_pairs()) {
        w->unhashed = w->gather;
        w->gather = take_buffer(pair);
        pair->waiting = w;
    } else {
        digest_add(&active_of(w)->hash, w->gather, len);
    }
}

static void stop_hashing(struct writer *w)
{
    if (!w->hashes)
        return;
    if (w->pair->waiting == w)
        hash_waiting(w, NULL);
    w->pair->hashing--;
    w->hashes = false;
    queue_hash_done(w->queue, w->part->file);
}

/* If nobody else feeds the hash and it has nearly come as far as we have, it is ours from here on:
 * the little between is read back. */
static int try_to_hash(struct writer *w, struct err *err)
{
    struct digest_run *hash = &active_of(w)->hash;
    unsigned char     *buffer;
    int                rc = 0;

    if (!queue_hash_take(w->queue, w->part->file, w->written))
        return 0;
    w->hashes = true;
    w->pair->hashing++;
    if (hash->hashed_bytes == w->written)
        return 0;
    buffer = take_buffer(w->pair);
    while (rc == 0 && hash->hashed_bytes < w->written) {
        uint64_t left = w->written - hash->hashed_bytes;
        ssize_t  got = store_partial_read(active_of(w)->partial, buffer,
                                         left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES,
                                          hash->hashed_bytes, err);

        if (got > 0)
            digest_add(hash, buffer, (size_t)got);
        else
            rc =
                got < 0 ? -1 : err_set(err, ERR_IO, "the partial became shorter while it was read");
    }
    give_buffer(w->pair, buffer);
    if (rc)
        stop_hashing(w); /* it is right as far as it came */
    return rc;
}

/* --- writing --- */

static int journal(struct writer *w, struct err *err)
{
    struct range r = {w->journaled, w->written};

    if (range_is_empty(r))
        return 0;
    if (store_partial_mark(active_of(w)->partial, r, err))
        return -1;
    w->journaled = w->written;
    w->journaled_at_ms = now_ms_of(w);
    return 0;
}

static bool is_journal_due(const struct writer *w)
{
    return w->written - w->journaled >= JOURNAL_EVERY_BYTES ||
           now_ms_of(w) - w->journaled_at_ms >= JOURNAL_EVERY_MS;
}

/* What arrived behind the end is somebody else's to write by now. */
static int flush(struct writer *w, struct err *err)
{
    struct range r = {w->written, queue_claim(w->queue, w->part, writer_received(w))};

    if (range_is_empty(r)) {
        w->gathered = 0;
        return 0;
    }
    if (!w->hashes && try_to_hash(w, err))
        return -1;
    if (store_partial_write(active_of(w)->partial, w->gather, range_len(r), r.begin, err))
        return -1;
    if (w->hashes)
        hash_block(w, range_len(r));
    w->written = r.end;
    w->gathered = 0;
    queue_wrote(w->queue, w->part->file, r);
    if (is_journal_due(w) && journal(w, err))
        return -1;
    return w->hashes ? store_partial_hashed(active_of(w)->partial, &active_of(w)->hash, err) : 0;
}

static size_t block_room(const struct writer *w)
{
    size_t block =
        w->gather_size == BLOCK_BYTES ? BLOCK_BYTES - w->written % BLOCK_BYTES : w->gather_size;

    return block - w->gathered;
}

void writer_begin(struct writer *w, struct queue *q, struct part *part, struct write_pair *pair)
{
    uint64_t len = atomic_load(&part->end) - part->begin;

    *w = (struct writer){.queue = q, .part = part, .pair = pair};
    w->written = w->journaled = part->begin;
    w->journaled_at_ms = now_ms_of(w);
    w->gather_size = len < BLOCK_BYTES ? (size_t)len : BLOCK_BYTES;
    w->gather = mem_alloc(w->gather_size);
}

int writer_add(struct writer *w, const void *data, size_t len, struct err *err)
{
    const unsigned char *from = data;

    while (len > 0) {
        size_t room = block_room(w);
        size_t take = len < room ? len : room;

        memcpy(w->gather + w->gathered, from, take);
        w->gathered += take;
        from += take;
        len -= take;
        if (take == room && flush(w, err))
            return -1;
    }
    return 0;
}

int writer_finish(struct writer *w, struct err *err)
{
    return flush(w, err) || journal(w, err) ? -1 : 0;
}

void writer_end(struct writer *w)
{
    stop_hashing(w);
    free(w->gather);
    *w = (struct writer){0};
}
