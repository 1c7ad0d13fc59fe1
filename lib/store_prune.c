/* store_prune.c: see store_prune.h. Here: what is dead, and which places there are. */
#include "store_prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "store_lease.h"
#include "store_prune_internal.h"

int prune_tick(struct prune *p, struct err *err)
{
    p->stopped = p->options->tick && p->options->tick(p->options->user, err) != 0;
    return p->stopped ? -1 : 0;
}

void prune_tell(struct prune *p, const char *kind, const char *name, uint64_t bytes, uint64_t files,
                const char *kept_because)
{
    p->options->told(&(struct store_pruned){kind, name, bytes, files, kept_because},
                     p->options->user);
}

/* --- what is named --- */

/* Where a volume ignores case one folder has many names, and the spec may use another one today. */
static bool is_same_folder(const struct prune *p, const char *a, const char *b)
{
    struct stat of_a, of_b;
    struct err  ignored;
    int         has_a, has_b;

    if (strcmp(a, b) == 0 || !str_eq_nocase(str_from(a), str_from(b)))
        return strcmp(a, b) == 0;
    has_a = fs_exists_at(p->store->target_fd, a, &of_a, &ignored);
    has_b = fs_exists_at(p->store->target_fd, b, &of_b, &ignored);
    if (has_a < 0 || has_b < 0) /* in doubt it is */
        return true;
    return has_a && has_b && of_a.st_ino == of_b.st_ino && of_a.st_dev == of_b.st_dev;
}

bool prune_is_place(const struct prune *p, const struct store_named *n, bool is_cache,
                    const char *folder)
{
    return n->is_cache == is_cache && is_same_folder(p, n->folder, folder);
}

const char *prune_hands_off(const struct prune *p, bool is_cache, const char *folder)
{
    for (size_t i = 0; i < p->options->named_count; i++)
        if (p->options->named[i].hands_off &&
            prune_is_place(p, &p->options->named[i], is_cache, folder))
            return p->options->named[i].hands_off;
    return NULL;
}

bool prune_is_named(const struct prune *p, bool is_cache, const char *folder)
{
    for (size_t i = 0; i < p->options->named_count; i++)
        if (prune_is_place(p, &p->options->named[i], is_cache, folder))
            return true;
    return false;
}

bool prune_names_commit(const struct prune *p, bool is_cache, const char *folder,
                        const char *commit)
{
    for (size_t i = 0; i < p->options->named_count; i++)
        if (prune_is_place(p, &p->options->named[i], is_cache, folder) &&
            strcmp(p->options->named[i].commit, commit) == 0)
            return true;
    return false;
}

static bool begins_with(const struct prune *p, const char *path, const char *folder)
{
    char   start[4096];
    size_t len = strlen(folder);

    if (!str_has_prefix_nocase(str_from(path), str_from(folder)) ||
        (path[len] != '/' && path[len] != '\0'))
        return false;
    snprintf(start, sizeof(start), "%.*s", (int)len, path);
    return is_same_folder(p, start, folder);
}

bool prune_is_inside_named(const struct prune *p, const char *path, const char *but)
{
    for (size_t i = 0; i < p->options->named_count; i++) {
        const struct store_named *n = &p->options->named[i];

        if (prune_is_place(p, n, false, but))
            continue;
        if (strcmp(n->folder, ".") == 0 || begins_with(p, path, n->folder))
            return true;
    }
    return false;
}

bool prune_is_young(const struct prune *p, const struct stat *st)
{
    int64_t changed_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;

    return p->now_ns - changed_ns < (int64_t)PRUNE_YOUNG_S * 1000000000;
}

/* --- what is dead --- */

/* A run that is not over may begin again at any moment, and wants its partials then. */
static bool keeps_partial(const char *key, void *user)
{
    struct prune *p = user;
    char          own[33];

    if (p->options->doubt)
        return true;
    for (size_t i = 0; i < p->options->named_count; i++) {
        const struct store_named *n = &p->options->named[i];

        store_repo_key(n->is_cache, n->folder, own);
        if (n->hands_off && strcmp(key, own) == 0)
            return true;
    }
    return false;
}

static void tell_swept(const char *kind, const char *name, uint64_t bytes, bool kept, void *user)
{
    prune_tell(user, kind, name, kept ? 0 : bytes, 1,
               kept ? "a run that has not finished may go on with it" : NULL);
}

static int sweep(struct prune *p, struct err *err)
{
    struct sweep_rules rules = {p->options->dry_run, keeps_partial, tell_swept, p};

    return store_sweep_as(p->store, &rules, err);
}

/* --- which places there are --- */

static int remove_tree(const char *name, void *user, struct err *err)
{
    const struct store_repo *repo = user;
    char                     rel[320];

    if (!str_has_prefix(str_from(name), str_from(repo->key)))
        return 0;
    snprintf(rel, sizeof(rel), "trees/%s", name);
    return fs_unlink_at(repo->store->place->state_fd, rel, err);
}

void prune_forget_place(struct prune *p, struct store_repo *repo)
{
    int        state_fd = p->store->place->state_fd;
    struct err ignored;
    char       name[64];

    repo->inventory.changed = false;
    if (p->options->dry_run || state_fd < 0)
        return;
    (void)fs_list_at(state_fd, "trees", remove_tree, repo, &ignored);
    store_repo_inventory_name(repo, name);
    fs_unlink_at(state_fd, name, &ignored);
}

struct found {
    struct prune   *p;
    struct name_set folders; /* layout dir */
};

/* "models--acme--tiny" taken apart, as nobody but a cache names a folder. */
static bool parse_cache_folder(const char *name, enum repo_type *type, struct buf *id)
{
    struct str rest = str_from(name), back;
    ptrdiff_t  dashes = str_find(rest, STR("--"), 0), next;
    struct buf folder = {0};
    struct err ignored;
    bool       same;

    if (dashes < 0 || !repo_type_parse(str_sub(rest, 0, (size_t)dashes), type))
        return false;
    rest = str_sub(rest, (size_t)dashes + 2, rest.len);
    next = str_find(rest, STR("--"), 0);
    buf_add_str(id, str_sub(rest, 0, next < 0 ? rest.len : (size_t)next));
    if (next >= 0) {
        buf_add_char(id, '/');
        buf_add_str(id, str_sub(rest, (size_t)next + 2, rest.len));
    }
    if (repo_check_id(buf_view(id), &ignored))
        return false;
    repo_folder_name(*type, buf_view(id), &folder);
    back = buf_view(&folder);
    same = str_eq(back, str_from(name));
    buf_release(&folder);
    return same;
}

/* Have we ever noted anything of it? */
static bool has_inventory(struct prune *p, bool is_cache, const char *folder)
{
    struct stat st;
    struct err  ignored;
    char        key[33], name[64];

    store_repo_key(is_cache, folder, key);
    snprintf(name, sizeof(name), "inventory/%s", key);
    return fs_exists_at(p->store->place->state_fd, name, &st, &ignored) == 1;
}

/* What goes wrong with one place is no reason to leave out the others. */
static int settle(struct prune *p, const char *kind, const char *name, int rc,
                  const struct err *why, struct err *err)
{
    if (rc == 0)
        return 0;
    if (p->stopped) {
        *err = *why;
        return -1;
    }
    prune_tell(p, kind, name, 0, 0, why->text);
    return 0;
}

static int visit_target(const char *name, void *user, struct err *err)
{
    struct prune  *p = user;
    struct buf     id = {0};
    struct stat    st;
    struct err     why;
    enum repo_type type;
    int            rc = 0;

    if (!parse_cache_folder(name, &type, &id) ||
        fs_exists_at(p->store->target_fd, name, &st, &why) != 1)
        goto out;
    if (!has_inventory(p, true, name))
        p->foreign++;
    else if (!S_ISDIR(st.st_mode))
        prune_tell(p, "repo", name, 0, 0, "it is no folder");
    else
        rc = settle(p, "repo", name, prune_cache_repo(p, name, type, buf_view(&id), &why), &why,
                    err);
out:
    buf_release(&id);
    return rc;
}

static int read_piece(const void *data, size_t len, void *user, struct err *err)
{
    (void)err;
    inventory_read(user, (struct str){data, len});
    return 0;
}

static bool is_folder(struct str folder)
{
    struct str rest = folder, segment;
    struct err ignored;

    if (str_eq(folder, STR(".")))
        return true;
    if (repo_check_path(folder, &ignored))
        return false;
    while (str_cut(&rest, '/', &segment))
        if (str_eq_nocase(segment, STR(".hf-init")))
            return false;
    return true;
}

/* The file's name holds the folder to what the file says of it. */
static int visit_inventory(const char *name, void *user, struct err *err)
{
    struct found           *found = user;
    struct inventory        inv = {0};
    struct inventory_reader reader = {.inv = &inv};
    struct err              ignored;
    struct str              folder;
    char                    rel[300], key[33];

    (void)err;
    snprintf(rel, sizeof(rel), "inventory/%s", name);
    (void)fs_read_pieces_at(found->p->store->place->state_fd, rel, read_piece, &reader, &ignored);
    inventory_read(&reader, STR(""));
    if (str_has_prefix(inv.place, STR("dir "))) {
        char *text;

        folder = str_sub(inv.place, 4, inv.place.len);
        text = mem_strndup(folder.p, folder.len);
        store_repo_key(false, text, key);
        if (strcmp(key, name) == 0 && is_folder(folder))
            name_set_append(&found->folders, text);
        free(text);
    }
    inventory_release(&inv);
    return 0;
}

static int find_folders(struct found *found, struct err *err)
{
    const struct store_prune_options *options = found->p->options;
    int rc = fs_list_at(found->p->store->place->state_fd, "inventory", visit_inventory, found, err);

    for (size_t i = 0; i < options->named_count; i++)
        if (!options->named[i].is_cache && is_folder(str_from(options->named[i].folder)))
            name_set_append(&found->folders, options->named[i].folder);
    name_set_sort(&found->folders);
    return rc;
}

/* Places on other file systems keep their partials there. */
static void find_file_systems(struct found *found)
{
    const struct store_prune_options *options = found->p->options;
    struct store_place               *place;
    struct err                        ignored;

    for (size_t i = 0; i < options->named_count; i++)
        (void)store_place_for(found->p->store, options->named[i].folder, &place, &ignored);
    for (size_t i = 0; i < found->folders.count; i++)
        (void)store_place_for(found->p->store, found->folders.item[i], &place, &ignored);
}

static int prune_folders(struct found *found, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < found->folders.count && rc == 0; i++) {
        const char *folder = found->folders.item[i];
        struct err  why;

        if (has_inventory(found->p, false, folder))
            rc =
                settle(found->p, "folder", folder, prune_folder(found->p, folder, &why), &why, err);
    }
    return rc;
}

int store_prune(struct store *store, const struct store_prune_options *options, struct err *err)
{
    struct prune p = {.store = store, .options = options};
    struct found found = {.p = &p};
    int          rc = -1;

    if (store_place_ready(store, store->place, err))
        return -1;
    if (store->place->state_fd < 0) /* nobody was ever here */
        return 0;
    if (store_volume_now_ns(store, &p.now_ns, err) || find_folders(&found, err))
        goto out;
    find_file_systems(&found);
    if (prune_tick(&p, err) || sweep(&p, err) ||
        fs_list_at(store->target_fd, ".", visit_target, &p, err) || prune_folders(&found, err))
        goto out;
    if (p.foreign)
        prune_tell(&p, "repos", "", 0, p.foreign, "hf-init never put anything into them");
    rc = 0;
out:
    name_set_release(&found.folders);
    return rc;
}
