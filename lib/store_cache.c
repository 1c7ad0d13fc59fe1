/* store_cache.c: layout cache: what huggingface_hub keeps in HF_HUB_CACHE.
 *
 *   models--acme--tiny/blobs/ETAG                         the bytes
 *   models--acme--tiny/snapshots/COMMIT/a/b -> ../../../blobs/ETAG
 *   models--acme--tiny/refs/main                          COMMIT, without a newline
 *   models--acme--tiny/trees/COMMIT.json                  store_tree.c
 *
 * Without symbolic links on the volume the names in snapshots/ are hard links to the blobs, and
 * without those they are the files themselves, like Python's.
 *
 * source  huggingface_hub, file_download.py, _create_symlink() and hf_hub_download() */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "store_internal.h"

static void add_blob(const struct store_file *file, struct buf *path)
{
    char hex[DIGEST_HEX_MAX];

    digest_to_hex(&file->digest, hex);
    buf_add_str(path, STR("blobs/"));
    buf_add_str(path, str_from(hex));
}

static void blob_path(struct store_repo *repo, const struct store_file *file, struct buf *path)
{
    (void)repo;
    buf_clear(path);
    add_blob(file, path);
}

static void snapshot_path(struct store_repo *repo, const struct store_file *file, struct buf *path)
{
    buf_clear(path);
    buf_add_str(path, STR("snapshots/"));
    buf_add_str(path, str_from(repo->options.commit));
    buf_add_char(path, '/');
    buf_add_str(path, file->path);
}

/* "../../blobs/ETAG", one more "../" for every folder inside the repo. */
static void link_text(const struct store_file *file, struct buf *text)
{
    buf_clear(text);
    buf_add_str(text, STR("../../"));
    for (size_t i = 0; i < file->path.len; i++)
        if (file->path.p[i] == '/')
            buf_add_str(text, STR("../"));
    add_blob(file, text);
}

/* stat of the blob. It may itself be a link, to a store that all repos of the cache share. */
static int stat_blob(struct store_repo *repo, const char *path, struct stat *st, struct err *err)
{
    struct buf  below_target = {0};
    struct stat link;
    int         there = store_repo_look_at(repo, path, &link, err);

    *st = link;
    if (there == 1 && S_ISLNK(link.st_mode)) {
        buf_printf(&below_target, "%s/%s", repo->folder, path);
        there = fs_resolve_at(repo->store->target_fd, buf_cstr(&below_target), st, err);
        buf_release(&below_target);
    }
    if (there == 1 && !S_ISREG(st->st_mode)) {
        err_set(err, ERR_IO, "%s/%s is a %s, and a file must go there", repo->folder, path,
                fs_kind_name(st->st_mode));
        return err_hint(err, "remove or rename it");
    }
    return there;
}

/* A plain file in snapshots/: hard link, or moved there because the volume has no links at all. */
static int look_plain(struct store_repo *repo, const struct store_file *file, const char *path,
                      bool *is_plain, enum store_state *state, struct err *err)
{
    struct inventory_entry *entry;
    struct stat             st;
    int                     there = store_repo_look_at(repo, path, &st, err);

    *is_plain = false;
    if (there <= 0)
        return there;
    if (S_ISLNK(st.st_mode))
        return 0;
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s/%s is a %s, and a file must go there", repo->folder, path,
                fs_kind_name(st.st_mode));
        return err_hint(err, "remove or rename it");
    }
    entry = inventory_find(&repo->inventory, str_from(path));
    if (inventory_proves(entry, &st, &file->digest)) {
        entry->seen = true;
        *state = STORE_PRESENT;
    } else if ((uint64_t)st.st_size == file->size_bytes) {
        *state = STORE_UNVERIFIED;
    }
    *is_plain = *state != STORE_MISSING;
    return 0;
}

static int look(struct store_repo *repo, const struct store_file *file, enum store_state *state,
                struct err *err)
{
    struct inventory_entry *entry;
    struct buf              path = {0}, blob = {0}, want = {0}, got = {0};
    struct stat             st;
    bool                    is_plain = false;
    int                     linked, rc = 0;

    snapshot_path(repo, file, &path);
    blob_path(repo, file, &blob);
    link_text(file, &want);
    linked = store_repo_look_link(repo, buf_cstr(&path), &got, err);
    if (linked < 0)
        rc = -1;
    else if (linked == 0)
        rc = look_plain(repo, file, buf_cstr(&path), &is_plain, state, err);
    if (rc || is_plain || repo->root_fd < 0)
        goto out;
    rc = stat_blob(repo, buf_cstr(&blob), &st, err);
    if (rc == 1 && (uint64_t)st.st_size == file->size_bytes) {
        entry = inventory_find(&repo->inventory, buf_view(&blob));
        *state = STORE_UNVERIFIED;
        if (inventory_proves(entry, &st, &file->digest)) {
            entry->seen = true;
            if (linked == 1 && str_eq(buf_view(&got), buf_view(&want)))
                *state = STORE_PRESENT; /* else store_adopt makes the link */
        }
    }
    rc = rc < 0 ? -1 : 0;
out:
    buf_release(&path);
    buf_release(&blob);
    buf_release(&want);
    buf_release(&got);
    return rc;
}

/* The blob, or the plain file in snapshots/ if that is what there is. */
static int content(struct store_repo *repo, const struct store_file *file, struct buf *path,
                   struct err *err)
{
    struct stat st;
    int         there;

    snapshot_path(repo, file, path);
    there = fs_exists_at(repo->root_fd, buf_cstr(path), &st, err);
    if (there < 0 ||
        (there == 1 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size_bytes))
        return there;
    blob_path(repo, file, path);
    return fs_exists_at(repo->root_fd, buf_cstr(path), &st, err);
}

/* --- names in snapshots/ --- */

/* Did the volume refuse this kind of link, so that the next kind is tried? */
static bool is_unsupported(int sys_errno)
{
    return sys_errno == EPERM || sys_errno == ENOSYS || sys_errno == EOPNOTSUPP ||
           sys_errno == ENOTSUP || sys_errno == EINVAL || sys_errno == EMLINK ||
           sys_errno == EXDEV || sys_errno == EACCES;
}

static int temp_symlink(struct store_repo *repo, const char *text, char temp[64], struct err *err)
{
    int rc;

    store_temp_name(repo->store, temp);
    rc = fs_symlink_at(text, repo->place->temp_fd, temp, err);
    if (rc == 0) /* nobody else uses that name */
        return err_sys(err, EEXIST, "create link temp/%s", temp);
    return rc < 0 ? -1 : 0;
}

/* 1 the name is right, 0 this volume has no such links, -1 error. */
static int make_symlink(struct store_repo *repo, const struct store_file *file, const char *path,
                        struct err *err)
{
    struct buf text = {0}, got = {0};
    struct err ignored;
    char       temp[64];
    int        rc;

    link_text(file, &text);
    rc = fs_symlink_at(buf_cstr(&text), repo->root_fd, path, err);
    if (rc == 0) { /* taken: by the right link, or by one to an older blob */
        rc = fs_read_link_at(repo->root_fd, path, &got, err);
        if (rc == 1 && str_eq(buf_view(&got), buf_view(&text)))
            goto out;
        rc = rc < 0 ? -1 : temp_symlink(repo, buf_cstr(&text), temp, err);
        if (rc == 0) {
            rc = fs_rename_at(repo->place->temp_fd, temp, repo->root_fd, path, err);
            if (rc)
                fs_unlink_at(repo->place->temp_fd, temp, &ignored);
        }
        rc = rc ? -1 : 1;
    }
out:
    buf_release(&text);
    buf_release(&got);
    return rc < 0 && is_unsupported(err->sys_errno) ? 0 : rc;
}

static int make_hard_link(struct store_repo *repo, const char *blob, const char *path,
                          struct err *err)
{
    struct stat a, b;
    struct err  ignored;
    char        temp[64];
    int         rc = fs_link_at(repo->root_fd, blob, repo->root_fd, path, err);

    if (rc == 0) {
        if (fs_stat_at(repo->root_fd, blob, &a, err) || fs_stat_at(repo->root_fd, path, &b, err))
            return -1;
        if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
            return 1; /* a rename of one name of a file to another does nothing */
        store_temp_name(repo->store, temp);
        rc = fs_link_at(repo->root_fd, blob, repo->place->temp_fd, temp, err);
        if (rc == 1 && fs_rename_at(repo->place->temp_fd, temp, repo->root_fd, path, err)) {
            fs_unlink_at(repo->place->temp_fd, temp, &ignored);
            rc = -1;
        }
    }
    return rc < 0 && is_unsupported(err->sys_errno) ? 0 : rc;
}

/* The last resort: the name gets bytes of its own. A blob that was there before may be what other
 * snapshots point to, so it stays. */
static int make_file(struct store_repo *repo, const struct store_file *file, const char *blob,
                     const char *path, bool fresh, struct err *err)
{
    struct err ignored;
    char       temp[64];
    int        from = -1, to = -1, rc = -1;

    if (fresh)
        return fs_rename_at(repo->root_fd, blob, repo->root_fd, path, err);
    store_temp_name(repo->store, temp);
    from = fs_open_at(repo->root_fd, blob, O_RDONLY, 0, err);
    if (from < 0)
        return -1;
    to = fs_open_at(repo->place->temp_fd, temp, O_RDWR | O_CREAT | O_EXCL,
                    (mode_t)repo->store->options.file_mode, err);
    if (to < 0)
        goto out;
    if (store_copy_proven(repo->store, file, from, to, err))
        err_wrap(err, "copy %s", blob);
    else
        rc = fs_rename_open_at(to, repo->place->temp_fd, temp, repo->root_fd, path, err);
    if (rc)
        fs_unlink_at(repo->place->temp_fd, temp, &ignored);
out:
    fs_close(&to);
    fs_close(&from);
    return rc;
}

/* Which kinds of links does the volume have? Learnt from the first refusal. */
static void learn(struct store_repo *repo, bool *what)
{
    pthread_mutex_lock(&repo->lock);
    *what = true;
    pthread_mutex_unlock(&repo->lock);
}

static bool is_known(struct store_repo *repo, const bool *what)
{
    bool value;

    pthread_mutex_lock(&repo->lock);
    value = *what;
    pthread_mutex_unlock(&repo->lock);
    return value;
}

/* Makes the reader's name for a blob. *is_plain: it is a file, hard link or own bytes. */
static int name_blob(struct store_repo *repo, const struct store_file *file, const char *blob,
                     const char *path, bool fresh, bool *is_plain, struct err *err)
{
    int rc = 0;

    *is_plain = false;
    if (store_repo_make_parent(repo, path, err) || store_place_ready(repo->store, repo->place, err))
        return -1;
    if (!is_known(repo, &repo->no_symlinks)) {
        rc = make_symlink(repo, file, path, err);
        if (rc == 0)
            learn(repo, &repo->no_symlinks);
    }
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    *is_plain = true;
    if (!is_known(repo, &repo->no_hard_links)) {
        rc = make_hard_link(repo, blob, path, err);
        if (rc == 0)
            learn(repo, &repo->no_hard_links);
    }
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return make_file(repo, file, blob, path, fresh, err);
}

/* `path`: where the verified bytes are: the blob, or already the plain file in snapshots/. */
static int expose(struct store_repo *repo, const struct store_file *file, const char *path,
                  const struct stat *st, bool fresh, struct err *err)
{
    struct buf  name = {0};
    struct stat named;
    bool        is_plain;
    int         rc = -1;

    if (!str_has_prefix(str_from(path), STR("blobs/"))) {
        store_repo_note(repo, path, &file->digest, st, NULL);
        return 0;
    }
    snapshot_path(repo, file, &name);
    if (name_blob(repo, file, path, buf_cstr(&name), fresh, &is_plain, err))
        goto out;
    if (is_plain && fs_stat_at(repo->root_fd, buf_cstr(&name), &named, err))
        goto out;
    if (is_plain)
        store_repo_note(repo, buf_cstr(&name), &file->digest, &named, NULL);
    store_repo_note(repo, path, &file->digest, st, NULL);
    rc = 0;
out:
    buf_release(&name);
    return rc;
}

/* --- refs --- */

/* Does the ref name our commit, with nothing else in it? 1, 0, -1. */
static int has_ref(struct store_repo *repo, const char *path, struct err *err)
{
    struct buf now = {0};
    int        rc = fs_read_small_at(repo->root_fd, path, 4096, &now, err);

    if (rc < 0 && err->kind == ERR_TOO_LARGE)
        rc = 0;
    if (rc == 1)
        rc = str_eq(buf_view(&now), str_from(repo->options.commit));
    buf_release(&now);
    return rc;
}

/* The text is the commit and nothing else: a newline would hide the cache from offline readers. */
static int write_ref(struct store_repo *repo, const char *path, struct err *err)
{
    int rc = has_ref(repo, path, err);

    if (rc == 0)
        rc = store_repo_replace(repo, path, str_from(repo->options.commit), true, err);
    return rc < 0 ? -1 : 1;
}

/* Calls each for every ref that leads to the commit, as long as it returns 1; its last answer. */
static int each_ref(struct store_repo *repo,
                    int (*each)(struct store_repo *repo, const char *path, struct err *err),
                    struct err *err)
{
    int rc = 1;

    for (size_t i = 0; rc == 1 && i <= repo->options.ref_alias_count; i++) {
        struct str revision = i == 0 ? repo->options.revision : repo->options.ref_alias[i - 1];
        struct buf path = {0};

        if (revision.len == 0 || repo_is_commit(revision))
            continue;
        buf_printf(&path, "refs/%.*s", STR_ARG(revision));
        rc = each(repo, buf_cstr(&path), err);
        buf_release(&path);
    }
    return rc;
}

static int is_finished(struct store_repo *repo, struct err *err)
{
    return repo->root_fd < 0 ? 0 : each_ref(repo, has_ref, err);
}

static void write_tag(struct store_repo *repo)
{
    struct store *store = repo->store;
    struct stat   st;
    struct err    ignored; /* a courtesy to backup programs */

    if (fs_exists_at(store->target_fd, "CACHEDIR.TAG", &st, &ignored) == 0)
        store_replace(store, store->place, store->target_fd, "CACHEDIR.TAG",
                      str_from(store_cachedir_tag), false, &ignored);
}

/* The ref last: it says that the rest is there. */
static int finish(struct store_repo *repo, struct err *err)
{
    struct buf folder = {0};
    int        rc;

    write_tag(repo);
    buf_printf(&folder, "snapshots/%s/x", repo->options.commit);
    rc = store_repo_make_parent(repo, buf_cstr(&folder), err);
    buf_release(&folder);
    return rc || each_ref(repo, write_ref, err) < 0 ? -1 : 0;
}

const struct store_layout store_layout_cache = {
    .look = look,
    .content = content,
    .final = blob_path,
    .reader = snapshot_path,
    .expose = expose,
    .finish = finish,
    .is_finished = is_finished,
    .tree_folder = "trees",
};
