/* store_publish.c: the moment a file becomes visible.
 *
 * Order: data on disk, mode, rename, then the inventory's line. Killed in between, the file is
 * either not there or whole, and at worst hashed once more. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "store_internal.h"

/* A name that is taken by anything but a file (or, for blobs, a link to one) is not ours to take. */
static int check_free(struct store_repo *repo, const char *path, struct err *err)
{
    struct stat st;
    int         there = fs_exists_at(repo->root_fd, path, &st, err);

    if (there <= 0)
        return there;
    if (S_ISREG(st.st_mode) || (repo->options.is_cache && S_ISLNK(st.st_mode)))
        return 0;
    err_set(err, ERR_IO, "%s is a %s, and a file must go there", path, fs_kind_name(st.st_mode));
    return err_hint(err, "remove or rename it");
}

int store_publish_bytes(struct store_repo *repo, const struct store_file *file, int fd,
                        int from_dir, const char *name, struct err *err)
{
    pthread_mutex_t *naming = &repo->store->naming[file->digest.byte[0] % NAMING_LOCKS];
    struct buf       path = {0};
    struct stat      st;
    int              rc = -1;

    pthread_mutex_lock(naming);
    repo->layout->final(repo, file, &path);
    fs_set_mode(fd, (mode_t)repo->store->options.file_mode);
    if (store_repo_make_parent(repo, buf_cstr(&path), err) ||
        check_free(repo, buf_cstr(&path), err))
        goto out;
    if (fstat(fd, &st) != 0) {
        err_sys(err, errno, "stat");
        goto out;
    }
    if ((uint64_t)st.st_size != file->size_bytes) {
        err_set(err, ERR_INTEGRITY, "%.*s has %lld bytes on the volume instead of %llu",
                STR_ARG(file->path), (long long)st.st_size, (unsigned long long)file->size_bytes);
        goto out;
    }
    if (fs_rename_open_at(fd, from_dir, name, repo->root_fd, buf_cstr(&path), err) ||
        repo->layout->expose(repo, file, buf_cstr(&path), &st, true, err))
        goto out;
    rc = 0;
out:
    pthread_mutex_unlock(naming);
    buf_release(&path);
    return rc;
}

int store_copy_proven(struct store *store, const struct store_file *file, int from, int to,
                      struct err *err)
{
    int same;

    if (fs_copy(from, to, file->size_bytes, store_copies_end, store, err))
        return -1;
    /* Proven like a download: nobody promises that the source stood still. */
    same = store_hash(to, file->size_bytes, &file->digest, store->options.drop_cache,
                      store_copies_end, store, err);
    if (same != 1)
        return same < 0 ? -1 : err_set(err, ERR_INTEGRITY, "the copy differs");
    return fs_sync_data(to, err);
}

/* Copies the bytes behind `from` into a temporary file and publishes it. */
static int publish_bytes_of(struct store_repo *repo, const struct store_file *file, int from,
                            struct err *err)
{
    struct store *store = repo->store;
    struct err    ignored;
    char          name[64];
    int           to, rc = -1;

    store_temp_name(store, name);
    to = fs_open_at(repo->place->temp_fd, name, O_RDWR | O_CREAT | O_EXCL,
                    (mode_t)store->options.file_mode | 0600, err);
    if (to < 0)
        return -1;
    if (store_copy_proven(store, file, from, to, err) == 0 &&
        store_publish_bytes(repo, file, to, repo->place->temp_fd, name, err) == 0)
        rc = 0;
    fs_close(&to);
    if (rc)
        fs_unlink_at(repo->place->temp_fd, name, &ignored);
    return rc;
}

/* Opens the bytes of an already published file. *path: where they are; *proven: no need to hash
 * them again. -1: error. */
static int open_same(struct store_repo *repo, const struct store_file *same, struct buf *path,
                     struct stat *st, bool *proven, struct err *err)
{
    struct inventory_entry *entry;
    int                     fd, there;

    *proven = false;
    /* Where publishing puts bytes, if those there are proven; else where a reader finds them. */
    repo->layout->final(repo, same, path);
    fd = store_repo_open_content(repo, buf_cstr(path), err);
    if (fd >= 0 && fstat(fd, st) == 0) {
        pthread_mutex_lock(&repo->lock);
        entry = inventory_find(&repo->inventory, buf_view(path));
        *proven = inventory_proves(entry, st, &same->digest);
        pthread_mutex_unlock(&repo->lock);
    }
    if (*proven)
        return fd;
    fs_close(&fd);
    there = repo->layout->content(repo, same, path, err);
    if (there <= 0)
        return there < 0 ? -1 : err_set(err, ERR_IO, "%.*s is gone", STR_ARG(same->path));
    fd = store_repo_open_content(repo, buf_cstr(path), err);
    if (fd >= 0 && fstat(fd, st) != 0) {
        err_sys(err, errno, "stat %s", buf_cstr(path));
        fs_close(&fd);
    }
    return fd;
}

void store_end_copies(struct store_repo *repo, bool end)
{
    atomic_store(&repo->store->copies_end, end);
}

int store_publish_copy(struct store_repo *repo, const struct store_file *file,
                       struct store_repo *from, const struct store_file *same, struct err *err)
{
    struct buf  path = {0};
    struct stat st;
    bool        proven;
    int         fd = -1, rc = -1;

    if (store_repo_check_name(repo, file, err) || store_repo_ready(repo, err) ||
        store_place_ready(repo->store, repo->place, err))
        goto out;
    fd = open_same(from, same, &path, &st, &proven, err);
    if (fd < 0)
        goto out;
    if (proven && repo->options.is_cache)
        rc = repo->layout->expose(repo, file, buf_cstr(&path), &st, false, err);
    else
        rc = publish_bytes_of(repo, file, fd, err);
out:
    if (rc)
        err_wrap(err, "publish %.*s as a copy of %.*s", STR_ARG(file->path), STR_ARG(same->path));
    fs_close(&fd);
    buf_release(&path);
    return rc;
}

int store_ignores_case(struct store_repo *repo, struct err *err)
{
    char        temp[64], name[72], upper[72] = "";
    struct stat st;
    struct err  ignored;
    int         fd, rc;

    if (store_repo_ready(repo, err))
        return -1;
    store_temp_name(repo->store, temp);
    snprintf(name, sizeof(name), "%s.case", temp);
    for (size_t i = 0; name[i]; i++)
        upper[i] = (char)toupper((unsigned char)name[i]);
    fd = fs_open_at(repo->place->temp_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
    if (fd < 0)
        return -1;
    fs_close(&fd);
    rc = fs_exists_at(repo->place->temp_fd, upper, &st, err);
    fs_unlink_at(repo->place->temp_fd, name, &ignored);
    return rc;
}
