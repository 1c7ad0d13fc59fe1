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
#include "store_internal.h"
#include "store_journal.h"
#include "store_partial.h"

enum {
    JOURNAL_FROM_BYTES = 1 << 20,    /* smaller files are fetched again rather than resumed */
    JOURNAL_COMPACT_BYTES = 1 << 20, /* a longer journal is written anew */
    DROP_WINDOW_BYTES = 4 << 20,
    OWNER_CHECK_MS = 1000,
};

struct store_partial {
    struct store_repo  *repo;
    struct store_place *place;
    struct store_file   file; /* path: owned */
    char                stem[96];
    int                 fd;
    struct range_set    opened;        /* what was there when we came */
    _Atomic uint64_t    checked_at_ms; /* when the name was last seen to be ours */

    pthread_mutex_t  lock;    /* guards all below */
    struct journal   journal; /* made by the first mark */
    struct range_set durable, written;
    unsigned         journal_count; /* how often it was written anew */
    bool             folder_synced;

    struct store_partial *next; /* guarded by store.lock */
};

static void name_of(const char *stem, const char *suffix, char out[128])
{
    snprintf(out, 128, "%s%s", stem, suffix);
}

/* --- what lies there --- */

bool store_partial_parse_name(const char *name, struct stale_partial *out, bool *is_part)
{
    struct str           rest = str_from(name), hex, owner, suffix;
    struct stale_partial p = {0};

    if (!str_cut(&rest, '.', &hex) || !str_cut(&rest, '.', &owner) ||
        !str_cut(&rest, '.', &suffix) || rest.p || !digest_from_hex(hex, &p.digest) ||
        !str_is_hex(str_sub(owner, 0, 16), 16) || hex.len + owner.len + 2 > sizeof(p.stem) ||
        (owner.len > 16 && owner.p[16] != '-'))
        return false;
    *is_part = str_eq(suffix, STR("part"));
    snprintf(p.stem, sizeof(p.stem), "%.*s.%.*s", STR_ARG(hex), STR_ARG(owner));
    snprintf(p.instance, sizeof(p.instance), "%.16s", owner.p);
    *out = p;
    return *is_part || str_eq(suffix, STR("journal"));
}

static void add_stale(struct store_place *place, const struct stale_partial *p)
{
    if (place->stale_count == place->stale_capacity) {
        place->stale_capacity = place->stale_capacity ? place->stale_capacity * 2 : 16;
        place->stale = mem_resize(place->stale, place->stale_capacity, sizeof(*place->stale));
    }
    place->stale[place->stale_count++] = *p;
}

static int visit_partial(const char *name, void *user, struct err *err)
{
    struct stale_partial p;
    bool                 is_part;

    (void)err;
    if (store_partial_parse_name(name, &p, &is_part) && is_part)
        add_stale(user, &p);
    return 0;
}

/* Lists once what earlier processes left. Call with store->lock held. */
static void list_stale(struct store_place *place)
{
    struct err ignored; /* then everything is fetched */

    if (!place->is_listed && place->partials_fd >= 0)
        fs_list_at(place->partials_fd, ".", visit_partial, place, &ignored);
    place->is_listed = true;
}

/* Reads a stale partial's journal and looks at its bytes. False if it is of no use. */
static bool load_stale(struct store *store, const struct store_place *place,
                       const struct stale_partial *p, const struct store_file *file,
                       struct journal_view *view, uint64_t *allocated_bytes)
{
    struct err  ignored;
    struct stat st;
    char        name[128];

    name_of(p->stem, ".part", name);
    if (fs_exists_at(place->partials_fd, name, &st, &ignored) != 1 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != file->size_bytes)
        return false;
    *allocated_bytes = (uint64_t)st.st_blocks * 512;
    name_of(p->stem, ".journal", name);
    if (journal_load(place->partials_fd, name, store->boot_id, view) &&
        digest_equal(&view->head.digest, &file->digest) &&
        view->head.size_bytes == file->size_bytes && view->written.count)
        return true;
    journal_view_release(view);
    return false;
}

void store_partial_look(struct store_repo *repo, const struct store_file *file,
                        struct store_view *out)
{
    struct store       *store = repo->store;
    struct store_place *place = repo->place;

    if (file->size_bytes < JOURNAL_FROM_BYTES)
        return;
    pthread_mutex_lock(&store->lock);
    list_stale(place);
    for (size_t i = 0; i < place->stale_count; i++) {
        struct journal_view view = {0};
        uint64_t            have, allocated;

        if (!digest_equal(&place->stale[i].digest, &file->digest) ||
            !load_stale(store, place, &place->stale[i], file, &view, &allocated))
            continue;
        have = range_set_bytes(&view.written);
        if (have > out->have_bytes)
            *out = (struct store_view){STORE_PARTIAL, have, allocated};
        journal_view_release(&view);
    }
    pthread_mutex_unlock(&store->lock);
}

/* --- opening --- */

bool store_partial_is_ours(const struct store *store, const struct store_place *place,
                           const char *stem)
{
    for (const struct store_partial *p = store->open; p; p = p->next)
        if (strcmp(p->stem, stem) == 0)
            return true;
    for (size_t i = 0; i < place->stale_count; i++)
        if (place->stale[i].ours && strcmp(place->stale[i].stem, stem) == 0)
            return true;
    return false;
}

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
        add_stale(p->place, &stale);
    }
    pthread_mutex_unlock(&store->lock);
}

static void release_partial(struct store_partial *p, bool keep)
{
    unregister_partial(p->repo->store, p, keep);
    journal_close(&p->journal);
    fs_close(&p->fd);
    range_set_release(&p->opened);
    range_set_release(&p->durable);
    range_set_release(&p->written);
    pthread_mutex_destroy(&p->lock);
    free((char *)p->file.path.p);
    free(p);
}

static void delete_files(const struct store_place *place, const char *stem)
{
    struct err ignored;
    char       name[128];

    name_of(stem, ".part", name);
    fs_unlink_at(place->partials_fd, name, &ignored);
    name_of(stem, ".journal", name);
    fs_unlink_at(place->partials_fd, name, &ignored);
}

static void fill_head(const struct store_partial *p, struct journal_head *head)
{
    *head = (struct journal_head){.digest = p->file.digest, .size_bytes = p->file.size_bytes};
    snprintf(head->boot_id, sizeof(head->boot_id), "%s", p->repo->store->boot_id);
    snprintf(head->owner, sizeof(head->owner), "%s", p->repo->key);
}

/* Makes a dead instance's partial ours. Our journal comes first: at no moment do bytes lie there
 * that no journal knows. 1 ours now, 0 somebody was faster or it cannot be had. */
static int take_over(struct store_partial *p, const struct stale_partial *from,
                     const struct journal_view *view)
{
    const struct store_place *place = p->place;
    struct journal_head       head;
    struct stat               opened, named;
    struct err                ignored;
    char                      old_name[128], name[128], journal[128];

    name_of(from->stem, ".part", old_name);
    name_of(p->stem, ".part", name);
    name_of(p->stem, ".journal", journal);
    p->fd = fs_open_at(place->partials_fd, old_name, O_RDWR, 0, &ignored);
    if (p->fd < 0)
        return 0;
    fill_head(p, &head);
    if (journal_create(&p->journal, place->partials_fd, journal, &head, &view->durable,
                       &view->written, &ignored))
        goto lost;
    if (fs_rename_at(place->partials_fd, old_name, place->partials_fd, name, &ignored) ||
        fstat(p->fd, &opened) != 0 ||
        fs_exists_at(place->partials_fd, name, &named, &ignored) != 1 ||
        opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
        goto lost;
    name_of(from->stem, ".journal", old_name);
    fs_unlink_at(place->partials_fd, old_name, &ignored);
    return 1;
lost:
    journal_close(&p->journal);
    fs_unlink_at(place->partials_fd, journal, &ignored);
    fs_close(&p->fd);
    return 0;
}

/* Takes the next dead partial of this digest off the list. Call with store->lock held. */
static bool pop_stale(struct store_place *place, const struct digest *digest,
                      const struct name_set *living, struct stale_partial *out)
{
    for (size_t i = 0; i < place->stale_count; i++) {
        struct stale_partial *s = &place->stale[i];

        if (!digest_equal(&s->digest, digest) || (!s->ours && name_set_has(living, s->instance)))
            continue;
        *out = *s;
        *s = place->stale[--place->stale_count];
        return true;
    }
    return false;
}

/* Goes through what dead instances left of this file. Useless ones make room on the disk. */
static int resume(struct store_partial *p, struct err *err)
{
    struct store        *store = p->repo->store;
    struct name_set      living = {0};
    struct stale_partial stale;
    uint64_t             allocated;
    bool                 candidate = false;

    pthread_mutex_lock(&store->lock);
    list_stale(p->place);
    for (size_t i = 0; i < p->place->stale_count; i++)
        candidate |= digest_equal(&p->place->stale[i].digest, &p->file.digest);
    pthread_mutex_unlock(&store->lock);
    if (candidate && store_lease_living(store, &living, err))
        return -1;
    while (candidate && p->fd < 0) {
        struct journal_view view = {0};

        pthread_mutex_lock(&store->lock);
        candidate = pop_stale(p->place, &p->file.digest, &living, &stale);
        pthread_mutex_unlock(&store->lock);
        if (!candidate)
            break;
        if (!load_stale(store, p->place, &stale, &p->file, &view, &allocated)) {
            delete_files(p->place, stale.stem);
        } else if (take_over(p, &stale, &view)) {
            p->durable = view.durable;
            p->written = view.written;
            view.durable = view.written = (struct range_set){0};
            for (size_t i = 0; i < p->written.count; i++)
                range_set_add(&p->opened, p->written.item[i]);
        }
        journal_view_release(&view);
    }
    name_set_release(&living);
    return 0;
}

static int create(struct store_partial *p, struct err *err)
{
    char name[128];

    name_of(p->stem, ".part", name);
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

int store_partial_open(struct store_repo *repo, const struct store_file *file,
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
    list_stale(p->place);
    register_partial(store, p);
    pthread_mutex_unlock(&store->lock);
    if (resume(p, err) || (p->fd < 0 && create(p, err)))
        goto fail;
    *out = p;
    return 0;
fail:
    err_wrap(err, "partial of %.*s", STR_ARG(file->path));
    release_partial(p, false);
    return -1;
}

const struct range_set *store_partial_done(const struct store_partial *p)
{
    return &p->opened;
}

/* --- writing --- */

/* If we were stopped for long, another instance may have taken our partial for a dead one's. Then
 * the bytes are its own now. */
static int check_still_ours(struct store_partial *p, struct err *err)
{
    uint64_t    now_ms = clock_now_ms(&p->repo->store->options.clock);
    struct stat opened, named;
    char        name[128];
    int         there;

    if (now_ms - atomic_load(&p->checked_at_ms) < OWNER_CHECK_MS)
        return 0;
    name_of(p->stem, ".part", name);
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
    atomic_store(&p->checked_at_ms, now_ms);
    return 0;
}

/* With pageCache drop, a stream that passes the end of a window starts writing it back and lets go
 * of the one before, which has had its time. */
static void keep_cache_small(struct store_partial *p, uint64_t begin, uint64_t end)
{
    uint64_t window = end / DROP_WINDOW_BYTES * DROP_WINDOW_BYTES;

    if (!p->repo->store->options.drop_cache || begin / DROP_WINDOW_BYTES == end / DROP_WINDOW_BYTES)
        return;
    fs_write_behind(p->fd, window - DROP_WINDOW_BYTES, window, false);
    if (window >= 2 * DROP_WINDOW_BYTES)
        fs_write_behind(p->fd, window - 2 * DROP_WINDOW_BYTES, window - DROP_WINDOW_BYTES, true);
}

int store_partial_write(struct store_partial *p, const void *data, size_t len, uint64_t offset,
                        struct err *err)
{
    uint64_t end;

    if (__builtin_add_overflow(offset, len, &end) || end > p->file.size_bytes)
        return err_set(err, ERR_INTERNAL, "write past the end of %.*s", STR_ARG(p->file.path));
    if (check_still_ours(p, err))
        return -1;
    if (fs_pwrite_full(p->fd, data, len, offset, err))
        return err_wrap(err, "%.*s", STR_ARG(p->file.path));
    keep_cache_small(p, offset, end);
    return 0;
}

ssize_t store_partial_read(struct store_partial *p, void *data, size_t len, uint64_t offset,
                           struct err *err)
{
    ssize_t n = fs_pread_full(p->fd, data, len, offset, err);

    return n < 0 ? err_wrap(err, "%.*s", STR_ARG(p->file.path)) : n;
}

/* Writes the journal anew: the first one, or one that has grown long. Call with p->lock held. */
static int renew_journal(struct store_partial *p, struct err *err)
{
    struct journal      fresh = JOURNAL_INIT;
    struct journal_head head;
    char                temp[64], name[128];

    store_temp_name(p->repo->store, temp);
    name_of(p->stem, ".journal", name);
    fill_head(p, &head);
    if (journal_create(&fresh, p->place->temp_fd, temp, &head, &p->durable, &p->written, err))
        return -1;
    /* What the old one had on disk must not be lost with it. */
    if ((p->durable.count && fs_sync_data(fresh.fd, err)) ||
        fs_rename_at(p->place->temp_fd, temp, p->place->partials_fd, name, err)) {
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

    if (p->file.size_bytes < JOURNAL_FROM_BYTES || range_is_empty(r))
        return 0;
    pthread_mutex_lock(&p->lock);
    range_set_add(&p->written, r);
    if (p->journal.fd < 0 || p->journal.len_bytes > JOURNAL_COMPACT_BYTES)
        rc = renew_journal(p, err);
    else
        rc = journal_mark(&p->journal, r, err);
    pthread_mutex_unlock(&p->lock);
    return rc ? err_wrap(err, "%.*s", STR_ARG(p->file.path)) : 0;
}

int store_partial_sync(struct store_partial *p, struct err *err)
{
    struct range_set covered = {0};
    unsigned         journal_count;
    uint64_t         offset;
    int              rc;

    if (p->file.size_bytes < JOURNAL_FROM_BYTES)
        return 0;
    pthread_mutex_lock(&p->lock);
    journal_count = p->journal_count;
    offset = p->journal.len_bytes;
    for (size_t i = 0; i < p->written.count; i++)
        range_set_add(&covered, p->written.item[i]);
    pthread_mutex_unlock(&p->lock);
    rc = fs_sync_data(p->fd, err); /* without the lock: it may take seconds */
    pthread_mutex_lock(&p->lock);
    if (rc == 0) {
        for (size_t i = 0; i < covered.count; i++)
            range_set_add(&p->durable, covered.item[i]);
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

/* --- ends --- */

int store_partial_publish(struct store_partial *p, struct err *err)
{
    struct store *store = p->repo->store;
    struct err    ignored;
    char          name[128], journal[128];

    atomic_store(&p->checked_at_ms, 0); /* look now */
    name_of(p->stem, ".part", name);
    name_of(p->stem, ".journal", journal);
    if (check_still_ours(p, err) ||
        store_publish_bytes(p->repo, &p->file, p->fd, p->place->partials_fd, name, err)) {
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
