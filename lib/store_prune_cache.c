/* store_prune_cache.c: what of a repo in the cache nobody names any more.
 *
 * Refs go first, then a revision as a whole, by one rename out of snapshots/, then what only it referred
 * to: whoever kills us at any moment leaves revisions that are whole and blobs that nobody reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "store_prune_internal.h"

enum { LOCKS_AT_ONCE = 64, REF_MAX_BYTES = 4096 };

struct revision {
    char            name[256]; /* below snapshots/: a commit */
    bool            goes;
    bool            is_strange; /* something in it is not of ours, or cannot be looked at */
    struct name_set blob;       /* what it refers to */
    uint64_t        bytes, files;
};

struct cache {
    struct prune      *p;
    struct store_repo *repo;
    const char        *folder;
    struct revision   *revision; /* owned */
    size_t             count;
    struct name_set    used; /* blobs of the revisions that stay */
    bool               used_unknown;
    uint64_t           loose_bytes, loose_files; /* blobs that no revision referred to */
    uint64_t           young;
};

/* --- what lies in snapshots/ --- */

static bool is_blob_name(struct str name)
{
    return str_is_hex(name, 40) || str_is_hex(name, 64);
}

/* What we noted of a file that is still what it was then; NULL: nothing. */
static struct inventory_entry *noted(struct cache *c, const char *path, const struct stat *st)
{
    struct inventory_entry *entry = inventory_find(&c->repo->inventory, str_from(path));

    return entry && inventory_proves(entry, st, &entry->digest) ? entry : NULL;
}

struct scan {
    struct cache    *c;
    struct revision *revision; /* NULL: only what is referred to counts */
    struct name_set *blob;
};

static int scan_link(struct scan *scan, const char *rel, struct err *err)
{
    struct cache *c = scan->c;
    struct buf    text = {0}, blob = {0};
    struct stat   st;
    int           rc = fs_read_link_at(c->repo->root_fd, rel, &text, err), there;

    if (rc == 1) {
        struct str name = buf_view(&text);

        name = str_sub(name, (size_t)(str_rfind_char(name, '/') + 1), name.len);
        buf_printf(&blob, "blobs/%.*s", STR_ARG(name));
        there = is_blob_name(name) ? fs_exists_at(c->repo->root_fd, buf_cstr(&blob), &st, err) : -1;
        if (there < 0)
            rc = -1;
        else if (there && !noted(c, buf_cstr(&blob), &st) && scan->revision)
            scan->revision->is_strange = true;
        name_set_append(scan->blob, buf_cstr(&blob) + strlen("blobs/"));
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
    entry = noted(scan->c, rel, st); /* a volume without links: the file itself, or a hard link */
    if (entry) {
        digest_to_hex(&entry->digest, hex);
        name_set_append(scan->blob, hex);
    } else if (scan->revision) {
        scan->revision->is_strange = true;
    }
    if (scan->revision)
        scan->revision->bytes += fs_freed_bytes(st);
    return 0;
}

static int scan_revision(struct cache *c, const char *name, struct revision *revision,
                         struct name_set *blob, struct err *err)
{
    struct scan scan = {c, revision, blob};
    char        rel[300];

    snprintf(rel, sizeof(rel), "snapshots/%s", name);
    return fs_walk_at(c->repo->root_fd, rel, scan_one, &scan, err);
}

static int add_revision(const char *name, void *user, struct err *err)
{
    struct cache    *c = user;
    struct revision *revision;
    struct err       ignored;

    if (prune_tick(c->p, err))
        return -1;
    c->revision = mem_resize(c->revision, c->count + 1, sizeof(*c->revision));
    revision = &c->revision[c->count++];
    *revision = (struct revision){0};
    snprintf(revision->name, sizeof(revision->name), "%s", name);
    if (scan_revision(c, name, revision, &revision->blob, &ignored)) {
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
    struct cache    *c;
    struct revision *revision;
    bool             removes;
    const char      *foreign; /* set where a ref of others names it */
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
static const char *foreign_ref(struct cache *c, struct revision *revision)
{
    struct refs refs = {.c = c, .revision = revision};
    struct err  ignored;

    if (fs_walk_at(c->repo->root_fd, "refs", visit_ref, &refs, &ignored))
        return "the refs of the repo cannot be read";
    return refs.foreign;
}

/* --- which ones go --- */

static const char *why_kept(struct cache *c, struct revision *revision)
{
    if (c->p->options->doubt)
        return c->p->options->doubt;
    if (!str_is_hex(str_from(revision->name), 40))
        return "it is no commit";
    if (revision->is_strange)
        return "not all of it is hf-init's";
    return foreign_ref(c, revision);
}

static void judge(struct cache *c)
{
    char name[600];

    for (size_t i = 0; i < c->count; i++) {
        struct revision *revision = &c->revision[i];
        const char      *why;

        if (prune_names_commit(c->p, true, c->folder, revision->name) || revision->files == 0)
            continue;
        why = why_kept(c, revision);
        revision->goes = !why;
        snprintf(name, sizeof(name), "%s/snapshots/%s", c->folder, revision->name);
        if (why)
            prune_tell(c->p, "revision", name, 0, revision->files, why);
    }
}

static void note_used(struct cache *c)
{
    name_set_release(&c->used);
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < c->revision[i].blob.count && !c->revision[i].goes; k++)
            name_set_append(&c->used, c->revision[i].blob.item[k]);
    name_set_sort(&c->used);
}

/* --- revisions go --- */

static void forget_revision(struct cache *c, const char *commit)
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
static void remove_beside(struct cache *c, const char *commit)
{
    struct err ignored;
    uint64_t   bytes = 0;
    char       rel[128];

    snprintf(rel, sizeof(rel), "trees/%s.json", commit);
    fs_unlink_at(c->repo->root_fd, rel, &ignored);
    snprintf(rel, sizeof(rel), ".no_exist/%s", commit);
    (void)fs_remove_tree_at(c->repo->root_fd, rel, &bytes, &ignored);
    snprintf(rel, sizeof(rel), "trees/%s.%s.json", c->repo->key, commit);
    fs_unlink_at(c->p->store->place->state_fd, rel, &ignored);
}

static int remove_revision(struct cache *c, struct revision *revision, struct err *err)
{
    struct refs         refs = {.c = c, .revision = revision, .removes = true};
    struct store_place *place = c->repo->place;
    uint64_t            bytes = 0;
    char                rel[300], temp[64];

    snprintf(rel, sizeof(rel), "snapshots/%s", revision->name);
    store_temp_name(c->p->store, temp);
    if (fs_walk_at(c->repo->root_fd, "refs", visit_ref, &refs, err) ||
        fs_rename_at(c->repo->root_fd, rel, place->temp_fd, temp, err) ||
        fs_remove_tree_at(place->temp_fd, temp, &bytes, err))
        return -1;
    revision->bytes = bytes;
    remove_beside(c, revision->name);
    forget_revision(c, revision->name);
    return 0;
}

static int remove_revisions(struct cache *c, struct err *err)
{
    char name[600];

    for (size_t i = 0; i < c->count; i++) {
        struct err why;

        if (!c->revision[i].goes)
            continue;
        if (prune_tick(c->p, err)) {
            for (; i < c->count; i++) /* so that only what went is told */
                c->revision[i].goes = false;
            return -1;
        }
        if (c->p->options->dry_run || remove_revision(c, &c->revision[i], &why) == 0)
            continue;
        c->revision[i].goes = false;
        snprintf(name, sizeof(name), "%s/snapshots/%s", c->folder, c->revision[i].name);
        prune_tell(c->p, "revision", name, 0, c->revision[i].files, why.text);
    }
    return 0;
}

/* --- blobs go --- */

static bool may_go(struct cache *c, const char *name, struct stat *st)
{
    struct err ignored;
    char       rel[128];

    if (!is_blob_name(str_from(name)) || name_set_has(&c->used, name))
        return false;
    snprintf(rel, sizeof(rel), "blobs/%s", name);
    if (fs_exists_at(c->repo->root_fd, rel, st, &ignored) != 1 || !S_ISREG(st->st_mode))
        return false;
    if (st->st_nlink > 1 &&
        !c->p->options->dry_run) /* the hard links of those that went are gone */
        return false;
    if (noted(c, rel, st) || !prune_is_young(c->p, st))
        return true;
    c->young++;
    return false;
}

static void count_blob(struct cache *c, const char *name, uint64_t bytes)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->revision[i].goes && name_set_has(&c->revision[i].blob, name)) {
            c->revision[i].bytes += bytes;
            return;
        }
    c->loose_bytes += bytes;
    c->loose_files++;
}

static void remove_blob(struct cache *c, const char *name, struct err *err)
{
    struct inventory_entry *entry;
    struct stat             st;
    char                    rel[128];

    if (!may_go(c, name, &st))
        return;
    snprintf(rel, sizeof(rel), "blobs/%s", name);
    if (c->p->options->dry_run) {
        count_blob(c, name, (uint64_t)st.st_blocks * 512);
        return;
    }
    if (fs_unlink_at(c->repo->root_fd, rel, err)) {
        char whole[400];

        snprintf(whole, sizeof(whole), "%s/%s", c->folder, rel);
        prune_tell(c->p, "blobs", whole, 0, 1, err->text);
        return;
    }
    count_blob(c, name, fs_freed_bytes(&st));
    entry = inventory_find(&c->repo->inventory, str_from(rel));
    if (entry)
        inventory_forget(&c->repo->inventory, entry);
}

static int scan_again(const char *name, void *user, struct err *err)
{
    struct cache *c = user;

    return scan_revision(c, name, NULL, &c->used, err);
}

/* Somebody of Python's may have linked to a blob, in a new revision perhaps, between our first look and
 * our lock. */
static int look_again(struct cache *c, struct err *err)
{
    int rc = fs_list_at(c->repo->root_fd, "snapshots", scan_again, c, err);

    name_set_sort(&c->used);
    return rc;
}

static int remove_some(struct cache *c, char *const *name, size_t count, struct err *err)
{
    struct peer_lock lock[LOCKS_AT_ONCE];
    bool             mine[LOCKS_AT_ONCE] = {false}, any = false;
    struct stat      st;
    int              rc = prune_tick(c->p, err);

    for (size_t i = 0; i < count; i++)
        lock[i] = (struct peer_lock){.fd = -1};
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct err ignored;

        if (!may_go(c, name[i], &st))
            continue;
        mine[i] = c->p->options->dry_run ||
                  peer_lock_take(c->p, c->folder, name[i], &lock[i], &ignored) == 1;
        any |= lock[i].fd >= 0;
    }
    c->young = 0; /* counted when it is their turn */
    if (rc == 0 && any)
        rc = look_again(c, err);
    for (size_t i = 0; i < count; i++) {
        struct err why;

        if (mine[i] && rc == 0)
            remove_blob(c, name[i], &why);
        peer_lock_drop(c->p, &lock[i]);
    }
    return rc;
}

static int collect(const char *name, void *user, struct err *err)
{
    (void)err;
    name_set_append(user, name);
    return 0;
}

static int remove_blobs(struct cache *c, struct err *err)
{
    struct name_set names = {0};
    uint64_t        young = 0;
    int             rc = fs_list_at(c->repo->root_fd, "blobs", collect, &names, err);

    for (size_t i = 0; i < names.count && rc == 0; i += LOCKS_AT_ONCE) {
        size_t left = names.count - i;

        rc = remove_some(c, names.item + i, left < LOCKS_AT_ONCE ? left : LOCKS_AT_ONCE, err);
    }
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        struct stat st;

        c->young = 0;
        (void)may_go(c, names.item[i], &st);
        young += c->young;
    }
    name_set_release(&names);
    if (young)
        prune_tell(c->p, "blobs", c->folder, 0, young,
                   "no revision refers to them, but they are younger than a day and not hf-init's");
    return rc;
}

/* --- the rest --- */

static void tell_removed(struct cache *c)
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
static void remove_folders(struct cache *c)
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

static int prune_opened(struct cache *c, struct err *err)
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
        rc = remove_blobs(c, err);
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
    struct cache              c = {.p = p, .folder = folder};
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
