/* store_repo.c: one repo's folder below the target, in either layout.
 *
 * Invariant: the inventory holds only files whose bytes matched their digest, with the size and
 * mtime they had then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "store_internal.h"
#include "store_prune.h"

enum { HASH_BLOCK_BYTES = 1 << 20 };

/* --- opening --- */

void store_repo_key(bool is_cache, const char *folder, char key[33])
{
    struct buf    text = {0};
    char          hex[DIGEST_HEX_MAX];
    struct digest d;

    buf_printf(&text, "%s:%s", is_cache ? "cache" : "dir", folder);
    digest_of_text(buf_view(&text), &d);
    digest_to_hex(&d, hex);
    snprintf(key, 33, "%.32s", hex);
    buf_release(&text);
}

void store_repo_folder_of(bool is_cache, enum repo_type type, struct str id, struct str path,
                          struct buf *out)
{
    if (is_cache)
        repo_folder_name(type, id, out);
    else
        buf_add_str(out, path.len ? path : id);
    while (out->len > 1 && out->p[out->len - 1] == '/')
        out->p[--out->len] = '\0';
}

static void name_folder(struct store_repo *repo)
{
    const struct store_repo_options *o = &repo->options;
    struct buf                       folder = {0};

    store_repo_folder_of(o->is_cache, o->type, o->id, o->path, &folder);
    repo->folder = arena_strdup(&repo->names, buf_view(&folder));
    store_repo_key(repo->options.is_cache, repo->folder, repo->key);
    buf_release(&folder);
}

static void copy_options(struct store_repo *repo, const struct store_repo_options *options)
{
    struct arena *names = &repo->names;
    struct str   *alias;

    repo->options = *options;
    repo->options.id = arena_str(names, options->id);
    repo->options.path = arena_str(names, options->path);
    repo->options.revision = arena_str(names, options->revision);
    alias = arena_alloc(names, (options->ref_alias_count + 1) * sizeof(*alias));
    for (size_t i = 0; i < options->ref_alias_count; i++)
        alias[i] = arena_str(names, options->ref_alias[i]);
    repo->options.ref_alias = alias;
    name_folder(repo);
}

/* Opens the folder if it is there. */
static int open_root(struct store_repo *repo, struct err *err)
{
    if (repo->root_fd >= 0 || repo->store->target_fd < 0)
        return 0;
    repo->root_fd = fs_open_dir_at(repo->store->target_fd, repo->folder, err);
    return repo->root_fd < 0 && err->sys_errno != ENOENT ? -1 : 0;
}

int store_repo_open(struct store *store, const struct store_repo_options *options,
                    struct store_repo **out, struct err *err)
{
    struct store_repo *repo = mem_alloc(sizeof(*repo));

    repo->store = store;
    repo->root_fd = repo->append_fd = repo->blobs_folder.fd = repo->last_folder.fd = -1;
    repo->layout = options->is_cache ? &store_layout_cache : &store_layout_dir;
    repo->no_symlinks = store->options.disable_symlinks;
    pthread_mutex_init(&repo->lock, NULL);
    copy_options(repo, options);
    if (store_place_for(store, repo->folder, &repo->place, err) ||
        store_place_ready(store, repo->place, err) || open_root(repo, err) ||
        store_repo_load_inventory(repo, false, err)) {
        err_wrap(err, "%s/%s", store->target, repo->folder);
        store_repo_close(repo);
        return -1;
    }
    inventory_set_place(&repo->inventory, repo->options.is_cache, repo->folder);
    if (store->options.rehash)
        inventory_doubt(&repo->inventory);
    pthread_mutex_lock(&store->lock);
    name_set_add(&store->repo_key, repo->key);
    pthread_mutex_unlock(&store->lock);
    *out = repo;
    return 0;
}

void store_repo_close(struct store_repo *repo)
{
    if (!repo)
        return;
    fs_close(&repo->last_folder.fd);
    fs_close(&repo->blobs_folder.fd);
    fs_close(&repo->append_fd);
    fs_close(&repo->root_fd);
    inventory_release(&repo->inventory);
    name_set_release(&repo->touched);
    arena_release(&repo->names);
    pthread_mutex_destroy(&repo->lock);
    free(repo);
}

int store_local_commit(struct store *store, const struct store_repo_options *options,
                       char commit[41], struct err *err)
{
    struct store_repo *repo;
    struct buf         text = {0}, name = {0};
    struct str         revision = options->revision;
    int                rc = 0;

    if (store_repo_open(store, options, &repo, err))
        return -1;
    store_repo_ref_name(repo, revision, &name);
    if (inventory_get_ref(&repo->inventory, buf_view(&name), commit)) {
        rc = repo->root_fd >= 0;
    } else if (options->is_cache && repo->root_fd >= 0) {
        struct stat st;

        if (repo_is_commit(revision)) {
            buf_add_str(&text, revision);
        } else {
            buf_clear(&name);
            buf_printf(&name, "refs/%.*s", STR_ARG(revision));
            rc = fs_read_small_at(repo->root_fd, buf_cstr(&name), 4096, &text, err);
        }
        if (rc >= 0 && repo_is_commit(str_trim(buf_view(&text)))) {
            snprintf(commit, 41, "%.40s", str_trim(buf_view(&text)).p);
            buf_clear(&name);
            buf_printf(&name, "snapshots/%s", commit);
            rc = fs_exists_at(repo->root_fd, buf_cstr(&name), &st, err);
        } else if (rc > 0) {
            rc = 0;
        }
    }
    buf_release(&name);
    buf_release(&text);
    store_repo_close(repo);
    return rc;
}

/* --- folders --- */

int store_repo_ready(struct store_repo *repo, struct err *err)
{
    struct store *store = repo->store;
    int           rc = 0;

    pthread_mutex_lock(&repo->lock);
    if (repo->root_fd < 0) {
        rc = fs_make_dirs_at(store->target_fd, repo->folder, (mode_t)store->options.dir_mode, err);
        if (rc == 0)
            rc = open_root(repo, err);
        name_set_add(&repo->touched, ".");
    }
    pthread_mutex_unlock(&repo->lock);
    return rc;
}

/* A folder that we may have made is only durable with its own entry, so its parents count too. Call
 * with the lock held. */
static void touch_folder(struct store_repo *repo, const char *folder)
{
    char  rel[4096];
    char *slash;

    snprintf(rel, sizeof(rel), "%s", folder);
    while (name_set_add(&repo->touched, rel) && (slash = strrchr(rel, '/')) != NULL)
        *slash = '\0';
    name_set_add(&repo->touched, ".");
}

int store_repo_make_parent(struct store_repo *repo, const char *rel, struct err *err)
{
    char        folder[4096];
    const char *slash = strrchr(rel, '/');
    int         fd;

    if (store_repo_ready(repo, err))
        return -1;
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - rel) : 1, slash ? rel : ".");
    pthread_mutex_lock(&repo->lock);
    touch_folder(repo, folder);
    pthread_mutex_unlock(&repo->lock);
    fd = fs_open_dir_at(repo->root_fd, folder, err);
    if (fd >= 0) {
        fs_close(&fd);
        return 0;
    }
    if (err->sys_errno != ENOENT)
        return -1;
    return fs_make_dirs_at(repo->root_fd, folder, (mode_t)repo->store->options.dir_mode, err);
}

/* The folder of rel, kept open for the next one: listings come in order, and every look into the
 * cache asks for a blob, too. 1, 0, -1. */
static int look_folder(struct store_repo *repo, const char *rel, int *fd, const char **base,
                       struct err *err)
{
    struct looked *looked =
        str_has_prefix(str_from(rel), STR("blobs/")) ? &repo->blobs_folder : &repo->last_folder;
    const char *slash = strrchr(rel, '/'), *folder = slash ? rel : ".";
    size_t      len = slash ? (size_t)(slash - rel) : 1;

    if (open_root(repo, err))
        return -1;
    if (repo->root_fd < 0 || len >= sizeof(looked->folder)) /* no folder has such a name */
        return 0;
    *base = slash ? slash + 1 : rel;
    if (looked->fd < 0 || looked->folder[len] || memcmp(folder, looked->folder, len) != 0) {
        fs_close(&looked->fd);
        memset(looked->folder, 0, sizeof(looked->folder));
        memcpy(looked->folder, folder, len);
        looked->fd = fs_open_dir_at(repo->root_fd, looked->folder, err);
        if (looked->fd < 0)
            return err->sys_errno == ENOENT || err->sys_errno == ENOTDIR ? 0 : -1;
        /* What an earlier run renamed into it, before it died or failed, may not be on disk; the
         * marker will answer for that, too. */
        touch_folder(repo, looked->folder);
    }
    *fd = looked->fd;
    return 1;
}

int store_repo_look_at(struct store_repo *repo, const char *rel, struct stat *st, struct err *err)
{
    const char *base;
    int         fd, rc = look_folder(repo, rel, &fd, &base, err);

    return rc == 1 ? fs_exists_at(fd, base, st, err) : rc;
}

int store_repo_look_link(struct store_repo *repo, const char *rel, struct buf *text,
                         struct err *err)
{
    const char *base;
    int         fd, rc = look_folder(repo, rel, &fd, &base, err);

    return rc == 1 ? fs_read_link_at(fd, base, text, err) : rc;
}

/* --- what is there --- */

int store_repo_check_name(const struct store_repo *repo, const struct store_file *file,
                          struct err *err)
{
    struct str rest = file->path, segment;

    if (repo_check_path(file->path, err))
        return -1;
    while (str_cut(&rest, '/', &segment)) /* without case: some volumes ignore it */
        if (str_eq_nocase(segment, STR(".hf-init")))
            return err_set(err, ERR_UNSAFE_NAME,
                           "the repo has a file %.*s, inside the folder "
                           "that hf-init keeps for itself",
                           STR_ARG(file->path));
    if (!repo->options.is_cache && str_has_prefix_nocase(file->path, STR(".cache/huggingface/")))
        return err_set(err, ERR_UNSAFE_NAME,
                       "the repo has a file %.*s, inside the folder of the "
                       "Hub's metadata",
                       STR_ARG(file->path));
    return 0;
}

int store_look(struct store_repo *repo, const struct store_file *file, struct store_view *out,
               struct err *err)
{
    enum store_state state = STORE_MISSING;
    int              rc;

    if (store_repo_check_name(repo, file, err))
        return -1;
    pthread_mutex_lock(&repo->lock);
    rc = repo->layout->look(repo, file, &state, err);
    pthread_mutex_unlock(&repo->lock);
    if (rc)
        return err_wrap(err, "look at %.*s", STR_ARG(file->path));
    *out = (struct store_view){.state = state};
    if (state != STORE_MISSING)
        out->have_bytes = file->size_bytes;
    else
        store_partial_look(repo, file, out);
    return 0;
}

int store_hash(int fd, uint64_t size_bytes, const struct digest *want, bool drop_cache,
               int (*on_bytes)(void *user, uint64_t n), void *user, struct err *err)
{
    struct digest_run run;
    struct digest     got;
    char             *block = mem_alloc(HASH_BLOCK_BYTES);
    uint64_t          at = 0;
    ssize_t           n = 0;

    digest_begin(&run, want->kind, size_bytes);
    for (;;) {
        n = fs_pread_full(fd, block, HASH_BLOCK_BYTES, at, err);
        if (n <= 0)
            break;
        digest_add(&run, block, (size_t)n);
        if (drop_cache)
            (void)posix_fadvise(fd, (off_t)at, n, POSIX_FADV_DONTNEED);
        at += (uint64_t)n;
        if (on_bytes && on_bytes(user, (uint64_t)n)) {
            n = err_set(err, ERR_TERMINATED, "stopped while hashing");
            break;
        }
    }
    free(block);
    if (n < 0) {
        digest_release(&run);
        return -1;
    }
    digest_end(&run, &got);
    return at == size_bytes && digest_equal(&got, want);
}

int store_repo_open_content(struct store_repo *repo, const char *path, struct err *err)
{
    struct buf  below_target = {0};
    struct stat st;
    int         fd, there = fs_exists_at(repo->root_fd, path, &st, err);

    if (there < 0)
        return -1;
    if (there == 0 || !S_ISLNK(st.st_mode) || !repo->options.is_cache)
        return fs_open_at(repo->root_fd, path, O_RDONLY, 0, err);
    buf_printf(&below_target, "%s/%s", repo->folder, path);
    fd = fs_open_resolved_at(repo->store->target_fd, buf_cstr(&below_target), err);
    buf_release(&below_target);
    return fd;
}

/* Opens the bytes at path and proves them. 1 proven, 0 not, -1 error. */
static int prove(struct store_repo *repo, const struct store_file *file, const char *path,
                 bool hash, int (*on_bytes)(void *user, uint64_t n), void *user, struct stat *st,
                 struct err *err)
{
    struct inventory_entry *entry;
    struct stat             after;
    struct err              unsynced;
    int                     fd, rc;

    fd = store_repo_open_content(repo, path, err);
    if (fd < 0)
        return err->sys_errno == ENOENT ? 0 : -1;
    if (fstat(fd, st) != 0) {
        rc = err_sys(err, errno, "stat %s", path);
        goto out;
    }
    pthread_mutex_lock(&repo->lock);
    entry = inventory_find(&repo->inventory, str_from(path));
    rc = inventory_proves(entry, st, &file->digest);
    pthread_mutex_unlock(&repo->lock);
    if (rc == 0 && (uint64_t)st->st_size == file->size_bytes)
        rc = hash ? store_hash(fd, file->size_bytes, &file->digest, repo->store->options.drop_cache,
                               on_bytes, user, err)
                  : 1;
    /* Somebody wrote to it while we read: what we saw is not what is there. */
    if (rc == 1 && (fstat(fd, &after) != 0 || after.st_size != st->st_size ||
                    inventory_mtime_ns(&after) != inventory_mtime_ns(st)))
        rc = 0;
    /* Others rarely sync; what the disk lost of it would be hidden by the page cache until then. */
    if (rc == 1 && fs_sync_data(fd, &unsynced) && unsynced.sys_errno == EIO)
        rc = 0;
    if (rc < 0)
        err_wrap(err, "hash %s", path);
out:
    fs_close(&fd);
    return rc;
}

int store_adopt(struct store_repo *repo, const struct store_file *file, bool hash,
                int (*on_bytes)(void *user, uint64_t n), void *user, struct err *err)
{
    struct buf  path = {0};
    struct stat st;
    int         rc;

    if (store_repo_check_name(repo, file, err) || store_repo_ready(repo, err))
        return -1;
    rc = repo->layout->content(repo, file, &path, err);
    if (rc == 1)
        rc = prove(repo, file, buf_cstr(&path), hash, on_bytes, user, &st, err);
    if (rc == 1 && repo->layout->expose(repo, file, buf_cstr(&path), &st, false, err))
        rc = -1;
    buf_release(&path);
    return rc;
}

/* --- finishing --- */

int store_repo_replace(struct store_repo *repo, const char *rel, struct str content, bool durable,
                       struct err *err)
{
    if (store_repo_make_parent(repo, rel, err))
        return -1;
    return store_replace(repo->store, repo->place, repo->root_fd, rel, content, durable, err);
}

static int sync_touched(struct store_repo *repo, struct err *err)
{
    for (size_t i = 0; i < repo->touched.count; i++)
        if (store_tick(repo->store, err) ||
            fs_sync_dir_at(repo->root_fd, repo->touched.item[i], err))
            return -1;
    if (repo->touched.count) { /* the folder itself may be new, and its parents */
        char  rel[4096];
        char *slash;

        snprintf(rel, sizeof(rel), "%s", repo->folder);
        while ((slash = strrchr(rel, '/')) != NULL) {
            *slash = '\0';
            if (fs_sync_dir_at(repo->store->target_fd, rel, err))
                return -1;
        }
        if (fs_sync_dir_at(repo->store->target_fd, ".", err))
            return -1;
    }
    name_set_release(&repo->touched);
    return 0;
}

int store_repo_sync(struct store_repo *repo, struct err *err)
{
    if (sync_touched(repo, err) || (repo->append_fd >= 0 && fs_sync_data(repo->append_fd, err)))
        return err_wrap(err, "sync %s/%s", repo->store->target, repo->folder);
    return 0;
}

int store_repo_is_finished(struct store_repo *repo, struct err *err)
{
    return repo->layout->is_finished(repo, err);
}

int store_repo_finish(struct store_repo *repo, const struct store_tree *tree, struct err *err)
{
    /* A ref is on disk at once, so what it leads to must be there before. */
    if (store_repo_ready(repo, err) || (tree && store_tree_write(repo, tree, err)) ||
        (repo->options.is_cache && sync_touched(repo, err)) || store_tick(repo->store, err) ||
        repo->layout->finish(repo, err) || sync_touched(repo, err) || store_tick(repo->store, err))
        return err_wrap(err, "finish %s/%s", repo->store->target, repo->folder);
    store_repo_note_refs(repo);
    if (store_repo_write_inventory(repo, err))
        return err_wrap(err, "finish %s/%s", repo->store->target, repo->folder);
    return 0;
}

/* --- where --- */

int store_repo_space(struct store_repo *repo, struct fs_space *out, struct err *err)
{
    int fd = repo->root_fd >= 0          ? repo->root_fd
             : repo->place->root_fd >= 0 ? repo->place->root_fd
                                         : repo->store->space_fd;

    return fs_space(fd, out, err);
}

void store_repo_folder(const struct store_repo *repo, struct buf *out)
{
    buf_add_str(out, str_from(repo->store->target));
    if (strcmp(repo->folder, ".") != 0)
        buf_printf(out, "%s%s", strcmp(repo->store->target, "/") == 0 ? "" : "/", repo->folder);
    if (repo->options.is_cache)
        buf_printf(out, "/snapshots/%s", repo->options.commit);
}
