/* fs_tree.c: whole folders, from the inside out. Links are never followed: what they lead to is not
 * below the folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "fs_name.h"

enum { LEVELS_MAX = 80 }; /* a path inside a repo has 64 */

/* The names of one folder, taken down before any is visited: the visitor may remove it. */
struct names {
    char **item; /* owned, each and all */
    size_t count, capacity;
};

static int collect(const char *name, void *user, struct err *err)
{
    struct names *names = user;

    (void)err;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 16;
        names->item = mem_resize(names->item, names->capacity, sizeof(*names->item));
    }
    names->item[names->count++] = mem_strdup(name);
    return 0;
}

static void release(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->item[i]);
    free(names->item);
}

static int walk(int dir_fd, const char *rel, int level, fs_walk_fn *visit, void *user,
                struct err *err)
{
    struct names names = {0};
    char         path[4096];
    int          rc = 0;

    if (level > LEVELS_MAX)
        return err_set(err, ERR_IO, "%s: more than %d folders deep", rel, LEVELS_MAX);
    rc = fs_list_at(dir_fd, rel, collect, &names, err);
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        struct stat st;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", rel, names.item[i]) >= sizeof(path)) {
            rc = err_set(err, ERR_IO, "%s: its path is too long", rel);
            break;
        }
        rc = fs_exists_at(dir_fd, path, &st, err);
        if (rc <= 0) /* 0: gone meanwhile */
            continue;
        rc = S_ISDIR(st.st_mode) ? walk(dir_fd, path, level + 1, visit, user, err) : 0;
        rc = rc ? rc : visit(path, &st, user, err);
    }
    release(&names);
    return rc;
}

int fs_walk_at(int dir_fd, const char *rel, fs_walk_fn *visit, void *user, struct err *err)
{
    return walk(dir_fd, rel, 0, visit, user, err);
}

int fs_remove_dir_at(int dir_fd, const char *rel, struct err *err)
{
    struct fs_parent parent;
    int              rc, sys_errno;

    if (fs_parent_open(dir_fd, rel, &parent, err))
        return err->sys_errno == ENOENT ? 1 : -1;
    rc = unlinkat(parent.fd, parent.base, AT_REMOVEDIR);
    sys_errno = errno;
    fs_parent_close(&parent);
    if (rc == 0 || sys_errno == ENOENT)
        return 1;
    if (sys_errno == ENOTEMPTY || sys_errno == EEXIST || sys_errno == EBUSY)
        return 0;
    return fs_name_failed(dir_fd, rel, "remove the folder", sys_errno, err);
}

struct removal {
    int         dir_fd;
    fs_tick_fn *tick;
    void       *user;
    uint64_t    bytes;
};

static int remove_one(const char *rel, const struct stat *st, void *user, struct err *err)
{
    struct removal *removal = user;

    if (removal->tick && removal->tick(removal->user, err))
        return -1;
    if (S_ISDIR(st->st_mode))
        return fs_remove_dir_at(removal->dir_fd, rel, err) < 0 ? -1 : 0;
    if (fs_unlink_at(removal->dir_fd, rel, err))
        return -1;
    removal->bytes += fs_freed_bytes(st);
    return 0;
}

int fs_remove_tree_at(int dir_fd, const char *rel, fs_tick_fn *tick, void *user,
                      uint64_t *freed_bytes, struct err *err)
{
    struct removal removal = {dir_fd, tick, user, 0};
    int            rc = fs_walk_at(dir_fd, rel, remove_one, &removal, err);

    *freed_bytes += removal.bytes;
    return rc || fs_remove_dir_at(dir_fd, rel, err) < 0 ? -1 : 0;
}

uint64_t fs_freed_bytes(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1 ? (uint64_t)st->st_blocks * 512 : 0;
}
