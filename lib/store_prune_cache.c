/* store_prune_cache.c: what of a repo in the cache nobody names any more.
 *
 * Refs go first, then a revision as a whole, by one rename out of snapshots/, then what only it referred
 * to: whoever kills us at any moment leaves revisions that are whole and blobs that nobody reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "store_prune_internal.h"

enum { REF_MAX_BYTES = 4096 };

/* --- what lies in snapshots/ --- */

bool prune_is_blob_name(struct str name)
{
    return str_is_hex(name, 40) || str_is_hex(name, 64);
}

struct inventory_entry *prune_cache_noted(struct prune_cache *c, const char *path,
                                          const struct stat *st)
{
    struct inventory_entry *entry = inventory_find(&c->repo->inventory, str_from(path));

    return entry && inventory_proves(entry, st, &entry->digest) ? entry : NULL;
}

struct scan {
    struct prune_cache *c;
    struct prune_revision
        *revision; /* NULL: only blobs that no revision referred to before count */
};

static void note_blob(struct scan *scan, const char *name)
{
    if (scan->revision)
        name_set_append(&scan->revision->blob, name);
    else if (!name_set_has(&scan->c->used, name))
        name_set_append(&scan->c->newly_used, name);
}

static int scan_link(struct scan *scan, const char *rel, struct err *err)
{
    struct prune_cache *c = scan->c;
    struct buf          text = {0}, blob = {0};
    struct stat         st;
    int                 rc = fs_read_link_at(c->repo->root_fd, rel, &text, err), there;

    if (rc == 1) {
        struct str name = buf_view(&text);

        name = str_sub(name, (size_t)(str_rfind_char(name, '/') + 1), name.len);
        buf_printf(&blob, "blobs/%.*s", STR_ARG(name));
        if (!prune_is_blob_name(name))
            rc = -1;
        else if (scan->revision) {
            there = fs_exists_at(c->repo->root_fd, buf_cstr(&blob), &st, err);
            rc = there < 0 ? -1 : rc;
            if (there > 0 && !prune_cache_noted(c, buf_cstr(&blob), &st))
                scan->revision->is_strange = true;
        }
        note_blob(scan, buf_cstr(&blob) + strlen("blobs/"));
    }
    buf_release(&text);
    buf_release(&blob);
    return rc < 0 ? err_set(err, ERR_IO, "%s leads to no blob", rel) : 0;
}

static int scan_one(const char *rel, const struct stat *st, void *user, struct err *err)
{
    struct scan            *scan = user;
    struct inventory_entry *entry;
    char                    hex[DIGEST_HEX_MAX];

    if (prune_tick(scan->c->p, err))
        return -1;
    if (S_ISDIR(st->st_mode))
        return 0;
    if (scan->revision)
        scan->revision->files++;
    if (S_ISLNK(st->st_mode))
        return scan_link(scan, rel, err);
    entry = prune_cache_noted(scan->c, rel,
                              st); /* a volume without links: the file itself, or a hard link */
    if (entry) {
        digest_to_hex(&entry->digest, hex);
        note_blob(scan, hex);
    } else if (scan->revision) {
        scan->revision->is_strange = true;
    }
    if (scan->revision)
        scan->revision->bytes += fs_freed_bytes(st);
    return 0;
}

int prune_cache_scan(struct prune_cache *c, const char *name, struct prune_revision *revision,
                     struct err *err)
{
    struct scan scan = {c, revision};
    char        rel[300];

    snprintf(rel, sizeof(rel), "snapshots/%s", name);
    return fs_walk_at(c->repo->root_fd, rel, scan_one, &scan, err);
}

static int add_revision(const char *name, void *user, struct err *err)
{
    struct prune_cache    *c = user;
    struct prune_revision *revision;
    struct err             ignored;

    if (prune_tick(c->p, err))
        return -1;
    c->revision = mem_resize(c->revision, c->count + 1, sizeof(*c->revision));
    revision = &c->revision[c->count++];
    *revision = (struct prune_revision){0};
    snprintf(revision->name, sizeof(revision->name), "%s", name);
    if (prune_cache_scan(c, name, revision, &ignored)) {
        if (c->p->stopped) {
            *err = ignored;
            return -1;
        }
        revision->is_strange = c->used_unknown = true;
    }
    name_set_sort(&revision->blob);
    return 0;
}

/* --- refs --- */

struct refs {
    struct prune_cache    *c;
    struct prune_revision *revision;
    bool                   removes;
    const char            *foreign; /* set where a ref of others names it */
};

static int visit_ref(const char *rel, const struct stat *st, void *user, struct err *err)
{
    struct refs *refs = user;
    struct buf   text = {0};
    char         now[41];
    int          rc = 0;

    if (S_ISDIR(st->st_mode))
        return 0;
    if (!S_ISREG(st->st_mode) ||
        fs_read_small_at(refs->c->repo->root_fd, rel, REF_MAX_BYTES, &text, err) != 1) {
        refs->foreign = "a ref of the repo cannot be read";
    } else if (str_eq(str_trim(buf_view(&text)), str_from(refs->revision->name))) {
        if (refs->removes)
            rc = fs_unlink_at(refs->c->repo->root_fd, rel, err);
        else if (!inventory_get_ref(&refs->c->repo->inventory, str_from(rel + strlen("refs/")),
                                    now) ||
                 strcmp(now, refs->revision->name) != 0)
            refs->foreign = "a ref that hf-init did not write names it";
    }
    buf_release(&text);
    return rc;
}

/* Why the refs keep it, or NULL. */
static const char *foreign_ref(struct prune_cache *c, struct prune_revision *revision)
{
    struct refs refs = {.c = c, .revision = revision};
    struct err  ignored;

    if (fs_walk_at(c->repo->root_fd, "refs", visit_ref, &refs, &ignored))
        return "the refs of the repo cannot be read";
    return refs.foreign;
}

/* --- which ones go --- */

static const char *why_kept(struct prune_cache *c, struct prune_revision *revision)
{
    if (c->p->options->doubt)
        return c->p->options->doubt;
    if (!str_is_hex(str_from(revision->name), 40))
        return "it is no commit";
    if (revision->is_strange)
        return "not all of it is hf-init's";
    return foreign_ref(c, revision);
}

static void judge(struct prune_cache *c)
{
    char name[600];

    for (size_t i = 0; i < c->count; i++) {
        struct prune_revision *revision = &c->revision[i];
        const char            *why;

        if (prune_names_commit(c->p, true, c->folder, revision->name) || revision->files == 0)
            continue;
        why = why_kept(c, revision);
        revision->goes = !why;
        snprintf(name, sizeof(name), "%s/snapshots/%s", c->folder, revision->name);
        if (why)
            prune_tell(c->p, "revision", name, 0, revision->files, why);
    }
}

static void note_used(struct prune_cache *c)
{
    name_set_release(&c->used);
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < c->revision[i].blob.count && !c->revision[i].goes; k++)
            name_set_append(&c->used, c->revision[i].blob.item[k]);
    name_set_sort(&c->used);
}

/* --- revisions go --- */

static void forget_revision(struct prune_cache *c, const char *commit)
{
    struct inventory *inv = &c->repo->inventory;
    char              prefix[64];

    snprintf(prefix, sizeof(prefix), "snapshots/%s/", commit);
    for (size_t i = 0; i < inv->entry_count; i++)
        if (str_has_prefix(inv->entry[i].path, str_from(prefix)))
            inventory_forget(inv, &inv->entry[i]);
    inventory_drop_commit(inv, commit);
}

/* What lies beside the revision: listings, and what Python noted as missing from it. */
static void remove_beside(struct prune_cache *c, const char *commit)
{
    struct err ignored;
    uint64_t   bytes = 0;
    char       rel[128];

    snprintf(rel, sizeof(rel), "trees/%s.json", commit);
    fs_unlink_at(c->repo->root_fd, rel, &ignored);
    snprintf(rel, sizeof(rel), ".no_exist/%s", commit);
    (void)fs_remove_tree_at(c->repo->root_fd, rel, NULL, NULL, &bytes, &ignored);
    snprintf(rel, sizeof(rel), "trees/%s.%s.json", c->repo->key, commit);
    fs_unlink_at(c->p->store->place->state_fd, rel, &ignored);
}

static int tick(void *user, struct err *err)
{
    return prune_tick(user, err);
}

/* -1 and not stopped: it stays. Once it has been renamed it is gone, and what is left of it goes with the
 * next prune. */
static int remove_revision(struct prune_cache *c, struct prune_revision *revision, struct err *err)
{
    struct refs         refs = {.c = c, .revision = revision, .removes = true};
    struct store_place *place = c->repo->place;
    char                rel[300], temp[64];

    snprintf(rel, sizeof(rel), "snapshots/%s", revision->name);
    store_temp_name(c->p->store, temp);
    if (fs_walk_at(c->repo->root_fd, "refs", visit_ref, &refs, err) ||
        fs_rename_at(c->repo->root_fd, rel, place->temp_fd, temp, err))
        return -1;
    remove_beside(c, revision->name);
    forget_revision(c, revision->name);
    revision->bytes = 0;
    (void)fs_remove_tree_at(place->temp_fd, temp, tick, c->p, &revision->bytes, err);
    return c->p->stopped ? -1 : 0;
}

/* So that only what went is told. */
static int stop_at(struct prune_cache *c, size_t i)
{
    for (; i < c->count; i++)
        c->revision[i].goes = false;
    return -1;
}

static int remove_revisions(struct prune_cache *c, struct err *err)
{
    char name[600];

    for (size_t i = 0; i < c->count; i++) {
        struct err why;

        if (!c->revision[i].goes)
            continue;
        if (prune_tick(c->p, err))
            return stop_at(c, i);
        if (c->p->options->dry_run || remove_revision(c, &c->revision[i], &why) == 0)
            continue;
        if (c->p->stopped) {
            *err = why;
            return stop_at(c, i + 1);
        }
        c->revision[i].goes = false;
        snprintf(name, sizeof(name), "%s/snapshots/%s", c->folder, c->revision[i].name);
        prune_tell(c->p, "revision", name, 0, c->revision[i].files, why.text);
    }
    return 0;
}

/* --- the rest --- */

static void tell_removed(struct prune_cache *c)
{
    char name[600];

    for (size_t i = 0; i < c->count; i++) {
        snprintf(name, sizeof(name), "%s/snapshots/%s", c->folder, c->revision[i].name);
        if (c->revision[i].goes)
            prune_tell(c->p, "revision", name, c->revision[i].bytes, c->revision[i].files, NULL);
    }
    if (c->loose_files)
        prune_tell(c->p, "blobs", c->folder, c->loose_bytes, c->loose_files, NULL);
}

static int remove_empty(const char *rel, const struct stat *st, void *user, struct err *err)
{
    struct store_repo *repo = user;

    return S_ISDIR(st->st_mode) && fs_remove_dir_at(repo->root_fd, rel, err) < 0 ? -1 : 0;
}

/* Python's scanner takes a repo without revisions for a damaged one. Only what is empty goes. */
static void remove_folders(struct prune_cache *c)
{
    static const char *const folders[] = {"snapshots", "refs", "blobs", "trees", ".no_exist", NULL};
    struct err               ignored;
    struct stat              st;

    if (prune_is_named(c->p, true, c->folder))
        return;
    for (size_t i = 0; i < c->count; i++)
        if (!c->revision[i].goes && c->revision[i].files > 0)
            return;
    for (size_t i = 0; folders[i]; i++) {
        (void)fs_walk_at(c->repo->root_fd, folders[i], remove_empty, c->repo, &ignored);
        (void)fs_remove_dir_at(c->repo->root_fd, folders[i], &ignored);
    }
    if (fs_remove_dir_at(c->p->store->target_fd, c->folder, &ignored) == 1 &&
        fs_exists_at(c->p->store->target_fd, c->folder, &st, &ignored) == 0)
        prune_forget_place(c->p, c->repo);
}

static int prune_opened(struct prune_cache *c, struct err *err)
{
    int rc = fs_list_at(c->repo->root_fd, "snapshots", add_revision, c, err);

    if (rc)
        return -1;
    judge(c);
    rc = remove_revisions(c, err);
    note_used(c);
    if (rc) {
        /* what went is told below */
    } else if (c->used_unknown)
        prune_tell(c->p, "blobs", c->folder, 0, 0,
                   "what is in snapshots is not all understood, so any blob may be in use");
    else if (!c->p->options->doubt)
        rc = prune_cache_blobs(c, err);
    tell_removed(c);
    if (rc == 0 && !c->p->options->dry_run) {
        remove_folders(c);
        if (c->repo->inventory.changed)
            rc = store_repo_write_inventory(c->repo, err);
    }
    return rc;
}

int prune_cache_repo(struct prune *p, const char *folder, enum repo_type type, struct str id,
                     struct err *err)
{
    struct prune_cache        c = {.p = p, .folder = folder};
    struct store_repo_options options = {.is_cache = true, .type = type, .id = id};
    const char               *hands_off = prune_hands_off(p, true, folder);
    char                      locks[300], blobs[300];
    int                       rc;

    if (hands_off) {
        prune_tell(p, "repo", folder, 0, 0, hands_off);
        return 0;
    }
    snprintf(locks, sizeof(locks), ".locks/%s", folder);
    snprintf(blobs, sizeof(blobs), "%s/blobs", folder);
    rc = peer_is_at_work(p, locks, blobs, err);
    if (rc > 0) {
        prune_tell(p, "repo", folder, 0, 0, "huggingface_hub is at work on it");
        return 0;
    }
    if (rc == 0)
        rc = store_repo_open(p->store, &options, &c.repo, err);
    if (rc)
        return -1;
    if (c.repo->root_fd >= 0)
        rc = prune_opened(&c, err);
    for (size_t i = 0; i < c.count; i++)
        name_set_release(&c.revision[i].blob);
    free(c.revision);
    name_set_release(&c.used);
    store_repo_close(c.repo);
    return rc;
}
