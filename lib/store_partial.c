/* store_partial.c: one file being written, from its first byte to its final name.
 *
 * Invariant: a partial is written by one instance. Its name carries that instance; who takes over
 * a dead one's renames it, and rename has exactly one winner. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "store_partial.h"

/* --- opening --- */

/* Gives p its name and puts it on the list of open ones. */
static void register_partial(struct store *store, struct store_partial *p)
{
    char     hex[DIGEST_HEX_MAX];
    unsigned n = 0;

    digest_to_hex(&p->file.digest, hex);
    snprintf(p->stem, sizeof(p->stem), "%s.%s", hex, store->instance);
    while (store_partial_is_ours(store, p->place, p->stem)) /* two repos with the same file */
        snprintf(p->stem, sizeof(p->stem), "%s.%s-%u", hex, store->instance, ++n);
    p->next = store->open;
    store->open = p;
}

static void unregister_partial(struct store *store, struct store_partial *p, bool keep)
{
    struct store_partial **at = &store->open;

    pthread_mutex_lock(&store->lock);
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    if (keep) {
        struct stale_partial stale = {.digest = p->file.digest, .ours = true};

        memcpy(stale.stem, p->stem, sizeof(stale.stem));
        memcpy(stale.instance, store->instance, sizeof(stale.instance));
        store_stale_add(p->place, &stale);
    }
    pthread_mutex_unlock(&store->lock);
}

static void delete_files(const struct store_place *place, const char *stem)
{
    struct err ignored;
    char       name[128];

    store_partial_name(stem, ".part", name);
    fs_unlink_at(place->partials_fd, name, &ignored);
    store_partial_name(stem, ".journal", name);
    fs_unlink_at(place->partials_fd, name, &ignored);
}

static void release_partial(struct store_partial *p, bool keep)
{
    bool is_damaged = atomic_load(&p->is_damaged);

    if (is_damaged)
        delete_files(p->place, p->stem);
    unregister_partial(p->repo->store, p, keep && !is_damaged);
    atomic_fetch_sub(&p->place->unsynced_bytes, atomic_load(&p->unsynced_bytes));
    journal_close(&p->journal);
    fs_close(&p->fd);
    range_set_release(&p->opened);
    journal_view_release(&p->content);
    pthread_mutex_destroy(&p->lock);
    free((char *)p->file.path.p);
    free(p);
}

/* Makes a dead instance's partial ours. Our journal comes first: at no moment do bytes lie there
 * that no journal knows. 1 ours now, 0 somebody was faster or it cannot be had. */
static int take_over(struct store_partial *p, const struct stale_partial *from)
{
    const struct store_place *place = p->place;
    struct err                ignored;
    char                      old_name[128], name[128], journal[128];

    store_partial_name(from->stem, ".part", old_name);
    store_partial_name(p->stem, ".part", name);
    store_partial_name(p->stem, ".journal", journal);
    p->fd = fs_open_at(place->partials_fd, old_name, O_RDWR, 0, &ignored);
    if (p->fd < 0)
        return 0;
    store_partial_fill_head(p);
    if (journal_create(&p->journal, place->partials_fd, journal, &p->content, &ignored))
        goto lost;
    if (fs_rename_open_at(p->fd, place->partials_fd, old_name, place->partials_fd, name,
                          &ignored) ||
        !fs_names_open_at(p->fd, place->partials_fd, name))
        goto lost;
    /* Its successor goes to disk first, or a power cut could take both, and all progress with them. */
    if (p->content.durable.count && fs_sync_data(p->journal.fd, &ignored) == 0)
        p->folder_synced = fs_sync_dir_at(place->partials_fd, ".", &ignored) == 0;
    store_partial_name(from->stem, ".journal", old_name);
    fs_unlink_at(place->partials_fd, old_name, &ignored);
    return 1;
lost:
    journal_close(&p->journal);
    fs_unlink_at(place->partials_fd, journal, &ignored);
    fs_close(&p->fd);
    return 0;
}

/* Goes through what dead instances left of this file. Useless ones make room on the disk; `anew`: all
 * of them are. */
static int resume(struct store_partial *p, bool anew, struct err *err)
{
    struct store        *store = p->repo->store;
    struct name_set      living = {0};
    struct stale_partial stale;
    uint64_t             allocated;
    bool                 candidate = false;

    pthread_mutex_lock(&store->lock);
    store_stale_list(p->place);
    for (size_t i = 0; i < p->place->stale_count; i++)
        candidate |= digest_equal(&p->place->stale[i].digest, &p->file.digest);
    pthread_mutex_unlock(&store->lock);
    if (candidate && store_lease_living(store, &living, err))
        return -1;
    while (candidate && p->fd < 0) {
        pthread_mutex_lock(&store->lock);
        candidate = store_stale_pop(p->place, &p->file.digest, &living, &stale);
        pthread_mutex_unlock(&store->lock);
        if (!candidate)
            break;
        if (anew || !store_stale_load(store, p->place, &stale, &p->file, &p->content, &allocated))
            delete_files(p->place, stale.stem);
        else if (!take_over(p, &stale))
            journal_view_release(&p->content);
    }
    for (size_t i = 0; i < p->content.written.count; i++)
        range_set_add(&p->opened, p->content.written.item[i]);
    name_set_release(&living);
    return 0;
}

static int create(struct store_partial *p, struct err *err)
{
    char name[128];

    store_partial_name(p->stem, ".part", name);
    p->fd = fs_open_at(p->place->partials_fd, name, O_RDWR | O_CREAT | O_EXCL,
                       (mode_t)p->repo->store->options.file_mode | 0600, err);
    if (p->fd < 0)
        return -1;
    if (fs_allocate(p->fd, p->file.size_bytes, err)) {
        delete_files(p->place, p->stem);
        return -1;
    }
    return 0;
}

static int open_partial(struct store_repo *repo, const struct store_file *file, bool anew,
                        struct store_partial **out, struct err *err)
{
    struct store         *store = repo->store;
    struct store_partial *p;

    if (store_repo_check_name(repo, file, err))
        return -1;
    p = mem_alloc(sizeof(*p));
    p->repo = repo;
    p->place = repo->place;
    p->file = *file;
    p->file.path = (struct str){mem_strndup(file->path.p, file->path.len), file->path.len};
    p->fd = -1;
    p->journal = (struct journal)JOURNAL_INIT;
    p->checked_at_ms = clock_now_ms(&store->options.clock);
    pthread_mutex_init(&p->lock, NULL);
    if (store_place_ready(store, p->place, err))
        goto fail;
    pthread_mutex_lock(&store->lock);
    store_stale_list(p->place);
    register_partial(store, p);
    pthread_mutex_unlock(&store->lock);
    if (resume(p, anew, err) || (p->fd < 0 && create(p, err)))
        goto fail;
    *out = p;
    return 0;
fail:
    err_wrap(err, "partial of %.*s", STR_ARG(file->path));
    release_partial(p, false);
    return -1;
}

int store_partial_open(struct store_repo *repo, const struct store_file *file,
                       struct store_partial **out, struct err *err)
{
    return open_partial(repo, file, false, out, err);
}

int store_partial_begin(struct store_repo *repo, const struct store_file *file,
                        struct store_partial **out, struct err *err)
{
    return open_partial(repo, file, true, out, err);
}

bool store_partial_hash(struct store_partial *p, struct digest_run *run)
{
    struct journal_hash hash;
    struct digest_run   restored = {0};

    pthread_mutex_lock(&p->lock);
    hash = p->content.durable_hash;
    pthread_mutex_unlock(&p->lock);
    if (hash.len == 0 || p->file.digest.kind != DIGEST_SHA256 ||
        !digest_restore(&restored, hash.state, hash.len))
        return false;
    if (restored.hashed_bytes != hash.hashed_bytes) {
        digest_release(&restored);
        return false;
    }
    *run = restored;
    p->noted_hash_bytes = hash.hashed_bytes;
    return true;
}

const struct range_set *store_partial_done(const struct store_partial *p)
{
    return &p->opened;
}

/* --- ends --- */

/* A name that is gone may be gone because another process took it for a dead one's; or because it is
 * the file's by now, and what failed came after. */
static void blame_thief(struct store_partial *p, struct err *err)
{
    struct buf path = {0};
    struct err lost;

    p->repo->layout->final(p->repo, &p->file, &path);
    atomic_store(&p->checked_at_ms, 0);
    if (err->sys_errno == ENOENT && !fs_names_open_at(p->fd, p->repo->root_fd, buf_cstr(&path)) &&
        store_partial_check_ours(p, &lost) && lost.kind == ERR_LOCKED)
        *err = lost;
    buf_release(&path);
}

/* The kernel tells of lost bytes once, and it may have told somebody who could do nothing about it:
 * a sync that succeeds later proves nothing then. */
static int check_undamaged(struct store_partial *p, struct err *err)
{
    if (!atomic_load(&p->is_damaged))
        return 0;
    return err_set(err, ERR_IO, "the disk lost bytes of it on the way");
}

int store_partial_publish(struct store_partial *p, struct err *err)
{
    struct store *store = p->repo->store;
    struct err    ignored;
    char          name[128], journal[128];

    atomic_store(&p->checked_at_ms, 0); /* look now */
    store_partial_name(p->stem, ".part", name);
    store_partial_name(p->stem, ".journal", journal);
    if (store_partial_check_ours(p, err) || store_partial_sync_data(p, err) ||
        check_undamaged(p, err) ||
        store_publish_bytes(p->repo, &p->file, p->fd, p->place->partials_fd, name, err)) {
        blame_thief(p, err); /* stopped since we looked? */
        err_wrap(err, "publish %.*s", STR_ARG(p->file.path));
        release_partial(p, true);
        return -1;
    }
    if (store->options.drop_cache)
        (void)posix_fadvise(p->fd, 0, 0, POSIX_FADV_DONTNEED);
    if (p->journal.fd >= 0)
        fs_unlink_at(p->place->partials_fd, journal, &ignored);
    release_partial(p, false);
    return 0;
}

void store_partial_discard(struct store_partial *p)
{
    delete_files(p->place, p->stem);
    release_partial(p, false);
}

void store_partial_close(struct store_partial *p)
{
    release_partial(p, true);
}
