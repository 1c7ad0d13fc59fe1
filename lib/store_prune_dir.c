/* store_prune_dir.c: files of a folder that nobody names any more: what hf-init put there, in a folder
 * that no spec names, or in one that is at a commit now that lacks them.
 *
 * What somebody changed since is his. Files that the commit has and no pattern selects any more stay:
 * another spec may ask for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "store_prune_internal.h"

#define METADATA_FOLDER ".cache/huggingface"

enum { TAG_MAX_BYTES = 4096 };

struct folder {
    struct prune      *p;
    struct store_repo *repo;
    const char        *name;
    bool               is_named;
    struct name_set    listed; /* all files of the commits that are named */
    bool               void_listing;
    uint64_t           bytes, files, changed;
};

/* --- what the named commits have --- */

static int add_listed(const struct store_tree_entry *entry, void *user, struct err *err)
{
    struct folder *f = user;
    char          *path;

    (void)err;
    if (!entry) {
        f->void_listing = true;
        return 0;
    }
    path = mem_strndup(entry->path.p, entry->path.len);
    name_set_append(&f->listed, path);
    free(path);
    return 0;
}

/* False if a listing is not on the volume: then nobody can say what is not part of it. */
static bool list_named(struct folder *f)
{
    const struct store_prune_options *options = f->p->options;
    struct err                        ignored;

    for (size_t i = 0; i < options->named_count; i++) {
        const struct store_named *n = &options->named[i];

        if (!prune_is_place(f->p, n, false, f->name))
            continue;
        snprintf(f->repo->options.commit, sizeof(f->repo->options.commit), "%s", n->commit);
        if (store_read_tree(f->repo, add_listed, f, &ignored) != 1 || f->void_listing)
            return false;
    }
    name_set_sort(&f->listed);
    return true;
}

/* --- files go --- */

static void join(const struct folder *f, const char *path, char *out, size_t size)
{
    bool is_root = strcmp(f->name, ".") == 0;

    snprintf(out, size, "%s%s%s", is_root ? "" : f->name, is_root ? "" : "/", path);
}

enum verdict { STAYS, GOES, GONE };

static enum verdict judge(struct folder *f, const struct inventory_entry *entry, const char *path,
                          struct stat *st)
{
    struct err ignored;
    char       whole[8192];

    int there;

    if (repo_check_path(entry->path, &ignored))
        return STAYS;
    if (f->is_named && name_set_has(&f->listed, path))
        return STAYS;
    join(f, path, whole, sizeof(whole));
    if (prune_is_inside_named(f->p, whole, f->name))
        return STAYS;
    there = fs_exists_at(f->repo->root_fd, path, st, &ignored);
    if (there <= 0)
        return there ? STAYS : GONE;
    if (inventory_proves(entry, st, &entry->digest))
        return GOES;
    f->changed++;
    return STAYS;
}

/* Folders that are empty now, from the inside out, but not the repo's own. */
static void remove_parents(struct folder *f, const char *path)
{
    struct err ignored;
    char       rel[4096];
    char      *slash;

    snprintf(rel, sizeof(rel), "%s", path);
    while ((slash = strrchr(rel, '/')) != NULL) {
        *slash = '\0';
        if (fs_remove_dir_at(f->repo->root_fd, rel, &ignored) != 1)
            return;
    }
}

/* Also of a file that is gone already: who removed it may have been killed before he came here. */
static void remove_beside(struct folder *f, const char *path)
{
    struct err ignored;
    char       metadata[4400];

    snprintf(metadata, sizeof(metadata), METADATA_FOLDER "/download/%s.metadata", path);
    fs_unlink_at(f->repo->root_fd, metadata, &ignored);
    remove_parents(f, path);
    remove_parents(f, metadata);
}

static int remove_file(struct folder *f, const char *path, struct err *err)
{
    if (fs_unlink_at(f->repo->root_fd, path, err))
        return -1;
    remove_beside(f, path);
    return 0;
}

static int remove_files(struct folder *f, struct err *err)
{
    struct inventory *inv = &f->repo->inventory;
    int               rc = 0;

    for (size_t i = 0; i < inv->entry_count && rc == 0; i++) {
        struct inventory_entry *entry = &inv->entry[i];
        char                   *path = mem_strndup(entry->path.p, entry->path.len);
        struct stat             st;
        struct err              why;

        enum verdict verdict;

        rc = prune_tick(f->p, err);
        verdict = rc ? STAYS : judge(f, entry, path, &st);
        if (verdict == GONE && !f->p->options->dry_run)
            remove_beside(f, path);
        if (verdict == GONE)
            inventory_forget(inv, entry);
        if (verdict == GOES) {
            if (!f->p->options->dry_run && remove_file(f, path, &why)) {
                prune_tell(f->p, "files", f->name, 0, 1, why.text);
            } else {
                f->bytes += fs_freed_bytes(&st);
                f->files++;
                inventory_forget(inv, entry);
            }
        }
        free(path);
    }
    return rc;
}

/* --- the rest of a folder that nobody names --- */

static int remove_listing(const char *name, void *user, struct err *err)
{
    struct folder *f = user;
    char           rel[320];

    if (!str_has_suffix(str_from(name), STR(".json")) ||
        !str_is_hex(str_sub(str_from(name), 0, strlen(name) - 5), 40))
        return 0;
    snprintf(rel, sizeof(rel), METADATA_FOLDER "/trees/%s", name);
    (void)fs_unlink_at(f->repo->root_fd, rel, err);
    return 0;
}

static void remove_if_ours(struct folder *f, const char *rel, const char *text)
{
    struct buf now = {0};
    struct err ignored;

    if (fs_read_small_at(f->repo->root_fd, rel, TAG_MAX_BYTES, &now, &ignored) == 1 &&
        str_eq(buf_view(&now), str_from(text)))
        fs_unlink_at(f->repo->root_fd, rel, &ignored);
    buf_release(&now);
}

static int remove_empty(const char *rel, const struct stat *st, void *user, struct err *err)
{
    struct folder *f = user;

    if (S_ISDIR(st->st_mode))
        (void)fs_remove_dir_at(f->repo->root_fd, rel, err);
    return 0;
}

static bool lacks_anything(const struct inventory *inv)
{
    for (size_t i = 0; i < inv->entry_count; i++)
        if (!inv->entry[i].gone)
            return false;
    return true;
}

static void remove_folder(struct folder *f)
{
    int        target_fd = f->p->store->target_fd;
    struct err ignored;
    char       rel[4096];
    char      *slash;

    if (!lacks_anything(&f->repo->inventory))
        return;
    remove_if_ours(f, METADATA_FOLDER "/.gitignore", "*");
    remove_if_ours(f, METADATA_FOLDER "/CACHEDIR.TAG", store_cachedir_tag);
    (void)fs_list_at(f->repo->root_fd, METADATA_FOLDER "/trees", remove_listing, f, &ignored);
    (void)fs_walk_at(f->repo->root_fd, ".cache", remove_empty, f, &ignored);
    (void)fs_remove_dir_at(f->repo->root_fd, ".cache", &ignored);
    prune_forget_place(f->p, f->repo);
    snprintf(rel, sizeof(rel), "%s", f->name);
    while (strcmp(rel, ".") != 0 && fs_remove_dir_at(target_fd, rel, &ignored) == 1 &&
           (slash = strrchr(rel, '/')) != NULL)
        *slash = '\0';
}

/* --- one folder --- */

static void tell(struct folder *f)
{
    const char *kind = f->is_named ? "files" : "folder";

    if (f->files)
        prune_tell(f->p, kind, f->name, f->bytes, f->files, NULL);
    if (f->changed)
        prune_tell(f->p, "files", f->name, 0, f->changed, "somebody changed them since");
}

/* Is there anything to decide about? Missing files are only forgotten. */
static bool holds_anything(struct folder *f)
{
    const struct inventory *inv = &f->repo->inventory;
    struct stat             st;
    struct err              ignored;

    for (size_t i = 0; i < inv->entry_count; i++) {
        char *path = mem_strndup(inv->entry[i].path.p, inv->entry[i].path.len);
        bool  there = fs_exists_at(f->repo->root_fd, path, &st, &ignored) == 1;

        free(path);
        if (there)
            return true;
    }
    return false;
}

static int prune_opened(struct folder *f, struct err *err)
{
    const char *doubt = f->p->options->doubt;
    int         rc;

    if (!f->is_named && doubt && holds_anything(f)) {
        prune_tell(f->p, "folder", f->name, 0, 0, doubt);
        return 0;
    }
    if (doubt)
        return 0;
    if (f->is_named && !list_named(f)) {
        prune_tell(
            f->p, "files", f->name, 0, 0,
            "the listing of its commit is not on the volume, so what is left over is not known");
        return 0;
    }
    rc = remove_files(f, err);
    tell(f);
    if (rc == 0 && !f->p->options->dry_run) {
        if (!f->is_named)
            remove_folder(f);
        if (f->repo->inventory.changed && f->files)
            rc = store_repo_write_inventory(f->repo, err);
    }
    return rc;
}

int prune_folder(struct prune *p, const char *name, struct err *err)
{
    struct folder             f = {.p = p, .name = name};
    struct store_repo_options options = {.path = str_from(name), .id = str_from(name)};
    const char               *hands_off = prune_hands_off(p, false, name);
    char                      locks[4400];
    int                       rc;

    if (hands_off) {
        prune_tell(p, "folder", name, 0, 0, hands_off);
        return 0;
    }
    f.is_named = prune_is_named(p, false, name);
    join(&f, METADATA_FOLDER, locks, sizeof(locks));
    rc = peer_is_at_work(p, locks, NULL, err);
    if (rc > 0) {
        prune_tell(p, "folder", name, 0, 0, "huggingface_hub is at work on it");
        return 0;
    }
    if (rc == 0)
        rc = store_repo_open(p->store, &options, &f.repo, err);
    if (rc)
        return -1;
    if (f.repo->root_fd >= 0)
        rc = prune_opened(&f, err);
    else if (!f.is_named && !p->options->doubt)
        prune_forget_place(p, f.repo);
    name_set_release(&f.listed);
    store_repo_close(f.repo);
    return rc;
}
