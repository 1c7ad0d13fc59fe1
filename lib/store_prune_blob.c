/* store_prune_blob.c: blobs of a repo in the cache that no revision refers to any more.
 *
 * Each goes under the lock that huggingface_hub takes before it links to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fs.h"
#include "store_prune_internal.h"

enum { LOCKS_MIN = 16, LOCKS_MAX = 8192 };

static bool may_go(struct prune_cache *c, const char *name, struct stat *st)
{
    struct err ignored;
    char       rel[128];

    if (!prune_is_blob_name(str_from(name)) || name_set_has(&c->used, name))
        return false;
    snprintf(rel, sizeof(rel), "blobs/%s", name);
    if (fs_exists_at(c->repo->root_fd, rel, st, &ignored) != 1 || !S_ISREG(st->st_mode))
        return false;
    if (st->st_nlink > 1 &&
        !c->p->options->dry_run) /* the hard links of those that went are gone */
        return false;
    if (prune_cache_noted(c, rel, st) || !prune_is_young(c->p, st))
        return true;
    c->young++;
    return false;
}

static void count_blob(struct prune_cache *c, const char *name, uint64_t bytes)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->revision[i].goes && name_set_has(&c->revision[i].blob, name)) {
            c->revision[i].bytes += bytes;
            return;
        }
    c->loose_bytes += bytes;
    c->loose_files++;
}

static void remove_blob(struct prune_cache *c, const char *name)
{
    struct inventory_entry *entry;
    struct stat             st;
    struct err              err;
    char                    rel[128];

    if (!may_go(c, name, &st))
        return;
    snprintf(rel, sizeof(rel), "blobs/%s", name);
    if (c->p->options->dry_run) {
        count_blob(c, name, (uint64_t)st.st_blocks * 512);
        return;
    }
    if (fs_unlink_at(c->repo->root_fd, rel, &err)) {
        char whole[400];

        snprintf(whole, sizeof(whole), "%s/%s", c->folder, rel);
        prune_tell(c->p, "blobs", whole, 0, 1, err.text);
        return;
    }
    count_blob(c, name, fs_freed_bytes(&st));
    entry = inventory_find(&c->repo->inventory, str_from(rel));
    if (entry)
        inventory_forget(&c->repo->inventory, entry);
}

static int scan_again(const char *name, void *user, struct err *err)
{
    struct prune_cache *c = user;

    return prune_cache_scan(c, name, NULL, err);
}

/* Somebody of Python's may have linked to a blob, in a new revision perhaps, between our first look and
 * our lock. All revisions must be looked at for that, so it is done for many blobs at once, and left out
 * for those that nobody has ever locked. */
static int look_again(struct prune_cache *c, struct err *err)
{
    int rc = fs_list_at(c->repo->root_fd, "snapshots", scan_again, c, err);

    for (size_t i = 0; i < c->newly_used.count; i++)
        name_set_append(&c->used, c->newly_used.item[i]);
    if (c->newly_used.count)
        name_set_sort(&c->used);
    name_set_release(&c->newly_used);
    return rc;
}

/* Is it locked now? If not, it stays. */
static bool lock_blob(struct prune_cache *c, const char *name, struct peer_lock *lock)
{
    struct err err;
    int        rc = peer_lock_take(c->p, c->folder, name, lock, &err);

    if (rc < 0)
        c->lock_err = err;
    c->unlockable += rc < 0;
    c->locked += rc == 0;
    return rc == 1;
}

/* Blobs that wait, locked, for the next look at the revisions. */
struct waiting {
    struct peer_lock *lock; /* owned */
    size_t            count, most;
};

static int remove_waiting(struct prune_cache *c, struct waiting *w, struct err *err)
{
    int rc = w->count ? look_again(c, err) : 0;

    for (size_t i = 0; i < w->count; i++) {
        if (rc == 0)
            rc = prune_tick(c->p, err);
        if (rc == 0)
            remove_blob(c, w->lock[i].blob);
        peer_lock_drop(c->p, &w->lock[i]);
    }
    w->count = 0;
    return rc;
}

static int remove_or_wait(struct prune_cache *c, const char *name, struct waiting *w,
                          struct err *err)
{
    struct peer_lock lock;
    int              made = peer_locks_ready(c->p, c->folder, &c->lock_err);

    if (made == 1 && look_again(c, err)) /* nobody can tell what locks lay there */
        return -1;
    if (made < 0) {
        c->unlockable++;
    } else if (lock_blob(c, name, &lock)) {
        if (lock.is_first) {
            remove_blob(c, name);
            peer_lock_drop(c->p, &lock);
        } else {
            w->lock[w->count++] = lock;
        }
    }
    return w->count == w->most ? remove_waiting(c, w, err) : 0;
}

static void drop_waiting(struct prune_cache *c, struct waiting *w)
{
    while (w->count)
        peer_lock_drop(c->p, &w->lock[--w->count]);
    free(w->lock);
}

static int collect(const char *name, void *user, struct err *err)
{
    (void)err;
    name_set_append(user, name);
    return 0;
}

/* Each lock takes a descriptor; the fewer at once, the more often we must look again. */
static size_t locks_at_once(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 < LOCKS_MIN)
        return LOCKS_MIN;
    return limit.rlim_cur / 4 < LOCKS_MAX ? (size_t)(limit.rlim_cur / 4) : LOCKS_MAX;
}

static int remove_blobs(struct prune_cache *c, const struct name_set *names, struct err *err)
{
    struct waiting w = {.most = locks_at_once()};
    struct stat    st;
    int            rc = 0;

    w.lock = mem_alloc(w.most * sizeof(*w.lock));
    for (size_t i = 0; i < names->count && rc == 0; i++) {
        rc = prune_tick(c->p, err);
        if (rc || !may_go(c, names->item[i], &st))
            continue;
        if (c->p->options->dry_run)
            remove_blob(c, names->item[i]);
        else
            rc = remove_or_wait(c, names->item[i], &w, err);
    }
    if (rc == 0)
        rc = remove_waiting(c, &w, err);
    drop_waiting(c, &w);
    return rc;
}

static void tell_kept(struct prune_cache *c, const struct name_set *names)
{
    struct stat st;

    c->young = 0;
    for (size_t i = 0; i < names->count; i++)
        (void)may_go(c, names->item[i], &st);
    if (c->young)
        prune_tell(c->p, "blobs", c->folder, 0, c->young,
                   "no revision refers to them, but they are younger than a day and not hf-init's");
    if (c->locked)
        prune_tell(c->p, "blobs", c->folder, 0, c->locked, "huggingface_hub is at work on them");
    if (c->unlockable)
        prune_tell(c->p, "blobs", c->folder, 0, c->unlockable, c->lock_err.text);
}

int prune_cache_blobs(struct prune_cache *c, struct err *err)
{
    struct name_set names = {0};
    int             rc = fs_list_at(c->repo->root_fd, "blobs", collect, &names, err);

    if (rc == 0)
        rc = remove_blobs(c, &names, err);
    if (rc == 0)
        tell_kept(c, &names);
    name_set_release(&names);
    return rc;
}
