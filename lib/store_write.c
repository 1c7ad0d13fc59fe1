/* store_write.c: bytes on their way into a partial, and what the journal says of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs.h"
#include "store_partial.h"

enum {
    JOURNAL_COMPACT_BYTES = 1 << 20, /* a longer journal is written anew */
    NOTE_HASH_EVERY_BYTES = 16 << 20,
    EARLY_SYNC_LEAST_BYTES = 4 << 20,
    OWNER_CHECK_MS = 1000,
};

/* The disk lost bytes, or does not give them back: none of this partial counts any more. */
static int damaged_if(struct store_partial *p, int rc)
{
    if (rc)
        atomic_store(&p->is_damaged, true);
    return rc;
}

int store_partial_check_ours(struct store_partial *p, struct err *err)
{
    uint64_t    now_ms = clock_now_ms(&p->repo->store->options.clock);
    struct stat opened, named;
    char        name[128];
    int         there;

    if (now_ms - atomic_load(&p->checked_at_ms) < OWNER_CHECK_MS)
        return 0;
    store_partial_name(p->stem, ".part", name);
    if (fstat(p->fd, &opened) != 0)
        return err_sys(err, errno, "stat the partial of %.*s", STR_ARG(p->file.path));
    there = fs_exists_at(p->place->partials_fd, name, &named, err);
    if (there < 0)
        return -1;
    if (!there || opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
        return err_set(err, ERR_LOCKED,
                       "the partial of %.*s was taken over by another process while this one was "
                       "stopped",
                       STR_ARG(p->file.path));
    if ((uint64_t)opened.st_size != p->file.size_bytes) { /* it had all of them from the start */
        err_set(err, ERR_IO, "the partial of %.*s was cut to %lld bytes by somebody else",
                STR_ARG(p->file.path), (long long)opened.st_size);
        return damaged_if(p, -1);
    }
    atomic_store(&p->checked_at_ms, now_ms);
    return 0;
}

/* --- the page cache --- */

/* A stream that passes the end of a window starts writing it back: when somebody waits for it, or
 * memory is short, it is on its way. */
static int start_write_back(struct store_partial *p, uint64_t begin, uint64_t end, struct err *err)
{
    uint64_t window = p->repo->store->window_bytes, from = begin / window * window;

    if (!p->repo->store->options.drop_cache && !p->place->syncs_early)
        return 0;
    return damaged_if(p, fs_write_behind(p->fd, from, end / window * window, false, err));
}

/* Lets go of what is hashed, one window behind, so that the disk has had time. Bytes that nobody has
 * hashed yet stay: they would have to be read from the disk again. */
static int drop_behind(struct store_partial *p, uint64_t hashed, struct err *err)
{
    uint64_t window = p->repo->store->window_bytes, end = hashed / window * window;
    uint64_t from;

    if (!p->repo->store->options.drop_cache)
        return 0;
    if (hashed < p->dropped_bytes) /* begun anew */
        p->dropped_bytes = 0;
    if (end < p->dropped_bytes + 2 * window)
        return 0;
    from = p->dropped_bytes;
    p->dropped_bytes = end - window;
    return damaged_if(p, fs_write_behind(p->fd, from, end - window, true, err));
}

int store_partial_sync_data(struct store_partial *p, struct err *err)
{
    uint64_t synced = atomic_exchange(&p->unsynced_bytes, 0);
    int      rc = damaged_if(p, fs_sync_data(p->fd, err));

    atomic_fetch_sub(&p->place->unsynced_bytes, synced);
    return rc;
}

/* NFS and its like keep pages until the server has them on disk, not only sent: they count against
 * the memory limit, and nothing can reclaim them. So whoever writes syncs, before they are many. */
static int sync_early(struct store_partial *p, size_t len, struct err *err)
{
    uint64_t of_file, of_place;

    if (!p->place->syncs_early)
        return 0;
    of_file = atomic_fetch_add(&p->unsynced_bytes, len) + len;
    of_place = atomic_fetch_add(&p->place->unsynced_bytes, len) + len;
    if (of_place < p->repo->store->early_bytes || of_file < EARLY_SYNC_LEAST_BYTES)
        return 0;
    return store_partial_sync_data(p, err);
}

int store_partial_write(struct store_partial *p, const void *data, size_t len, uint64_t offset,
                        struct err *err)
{
    uint64_t end;

    if (__builtin_add_overflow(offset, len, &end) || end > p->file.size_bytes)
        return err_set(err, ERR_INTERNAL, "write past the end of %.*s", STR_ARG(p->file.path));
    if (store_partial_check_ours(p, err))
        return -1;
    if (fs_pwrite_full(p->fd, data, len, offset, err)) {
        damaged_if(p, err->sys_errno == EIO); /* a full disk may grow, and the rest is good */
        return err_wrap(err, "%.*s", STR_ARG(p->file.path));
    }
    if (start_write_back(p, offset, end, err) || sync_early(p, len, err))
        return err_wrap(err, "%.*s", STR_ARG(p->file.path));
    return 0;
}

ssize_t store_partial_read(struct store_partial *p, void *data, size_t len, uint64_t offset,
                           struct err *err)
{
    ssize_t n = fs_pread_full(p->fd, data, len, offset, err);

    damaged_if(p, n < 0);
    return n < 0 ? err_wrap(err, "%.*s", STR_ARG(p->file.path)) : n;
}

void store_partial_fill_head(struct store_partial *p)
{
    struct journal_head *head = &p->content.head;

    *head = (struct journal_head){.digest = p->file.digest, .size_bytes = p->file.size_bytes};
    snprintf(head->boot_id, sizeof(head->boot_id), "%s", p->repo->store->boot_id);
    snprintf(head->owner, sizeof(head->owner), "%s", p->repo->key);
}

/* --- the journal --- */

/* Writes the journal anew: the first one, or one that has grown long. Call with p->lock held. */
static int renew_journal(struct store_partial *p, struct err *err)
{
    struct journal fresh = JOURNAL_INIT;
    char           temp[64], name[128];

    store_temp_name(p->repo->store, temp);
    store_partial_name(p->stem, ".journal", name);
    store_partial_fill_head(p);
    if (journal_create(&fresh, p->place->temp_fd, temp, &p->content, err))
        return -1;
    /* What the old one had on disk must not be lost with it. */
    if ((p->content.durable.count && fs_sync_data(fresh.fd, err)) ||
        fs_rename_open_at(fresh.fd, p->place->temp_fd, temp, p->place->partials_fd, name, err)) {
        journal_close(&fresh);
        return -1;
    }
    journal_close(&p->journal);
    p->journal = fresh;
    p->journal_count++;
    return 0;
}

int store_partial_mark(struct store_partial *p, struct range r, struct err *err)
{
    int rc;

    if (p->file.size_bytes < STORE_JOURNAL_FROM_BYTES || range_is_empty(r))
        return 0;
    pthread_mutex_lock(&p->lock);
    range_set_add(&p->content.written, r);
    if (p->journal.fd < 0 || p->journal.len_bytes > JOURNAL_COMPACT_BYTES)
        rc = renew_journal(p, err);
    else
        rc = journal_mark(&p->journal, r, err);
    pthread_mutex_unlock(&p->lock);
    return rc ? err_wrap(err, "%.*s", STR_ARG(p->file.path)) : 0;
}

int store_partial_hashed(struct store_partial *p, const struct digest_run *run, struct err *err)
{
    struct journal_hash hash = {.hashed_bytes = run->hashed_bytes};
    int                 rc = 0;

    if (drop_behind(p, run->hashed_bytes, err))
        return err_wrap(err, "%.*s", STR_ARG(p->file.path));
    if (hash.hashed_bytes < p->noted_hash_bytes + NOTE_HASH_EVERY_BYTES)
        return 0;
    hash.len = digest_save(run, hash.state);
    pthread_mutex_lock(&p->lock);
    /* What is not marked yet will be in a moment; the next call notes it. */
    if (hash.len && p->journal.fd >= 0 &&
        range_set_covers(&p->content.written, (struct range){0, hash.hashed_bytes})) {
        p->content.newest_hash = hash;
        p->noted_hash_bytes = hash.hashed_bytes;
        rc = journal_note_hash(&p->journal, &hash, err);
    }
    pthread_mutex_unlock(&p->lock);
    return rc ? err_wrap(err, "%.*s", STR_ARG(p->file.path)) : 0;
}

int store_partial_sync(struct store_partial *p, struct err *err)
{
    struct range_set    covered = {0};
    struct journal_hash hash;
    unsigned            journal_count;
    uint64_t            offset;
    int                 rc;

    if (p->file.size_bytes < STORE_JOURNAL_FROM_BYTES)
        return 0;
    pthread_mutex_lock(&p->lock);
    journal_count = p->journal_count;
    offset = p->journal.len_bytes;
    hash = p->content.newest_hash;
    for (size_t i = 0; i < p->content.written.count; i++)
        range_set_add(&covered, p->content.written.item[i]);
    pthread_mutex_unlock(&p->lock);
    rc = store_partial_sync_data(p, err); /* without the lock: it may take seconds */
    pthread_mutex_lock(&p->lock);
    if (rc == 0) {
        for (size_t i = 0; i < covered.count; i++)
            range_set_add(&p->content.durable, covered.item[i]);
        if (hash.hashed_bytes > p->content.durable_hash.hashed_bytes)
            p->content.durable_hash = hash; /* noted, hence all of it marked, before the sync */
        /* A journal that was written anew meanwhile counts its own lines. */
        rc = p->journal.fd >= 0 && p->journal_count == journal_count
                 ? journal_note_sync(&p->journal, offset, err)
                 : renew_journal(p, err);
    }
    if (rc == 0 && !p->folder_synced) {
        rc = fs_sync_dir_at(p->place->partials_fd, ".", err);
        p->folder_synced = rc == 0;
    }
    pthread_mutex_unlock(&p->lock);
    range_set_release(&covered);
    return rc ? err_wrap(err, "%.*s", STR_ARG(p->file.path)) : 0;
}
