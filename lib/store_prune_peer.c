/* store_prune_peer.c: huggingface_hub beside us. It locks what it fetches with flock on an empty file
 * that it never removes, and writes to names that end in .incomplete.
 *
 * source  huggingface_hub, file_download.py and utils/_fixes.py, WeakFileLock() */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fs.h"
#include "store_prune_internal.h"

struct look {
    struct prune *p;
    bool          is_at_work;
};

/* 1 it is ours now, 0 somebody has it or locks do not work here. */
static int try_flock(int fd, int how)
{
    int rc;

    do
        rc = flock(fd, how | LOCK_NB);
    while (rc && errno == EINTR);
    return rc == 0;
}

static int visit(const char *rel, const struct stat *st, void *user, struct err *err)
{
    struct look *look = user;
    struct str   name = str_from(rel);
    struct err   ignored;
    int          fd;

    if (prune_tick(look->p, err))
        return -1;
    if (!S_ISREG(st->st_mode))
        return 0;
    if (str_has_suffix(name, STR(".incomplete"))) {
        look->is_at_work |= prune_is_young(look->p, st);
    } else if (str_has_suffix(name, STR(".lock"))) {
        fd = fs_open_at(look->p->store->target_fd, rel, O_RDONLY, 0, &ignored);
        /* A shared lock meets an exclusive one, and does not keep the next reader out for long. Where
         * flock is missing, the file itself is the lock, and one that is old is a dead one's. */
        if (fd < 0 || !try_flock(fd, LOCK_SH))
            look->is_at_work |= fd < 0 || errno == EWOULDBLOCK || prune_is_young(look->p, st);
        fs_close(&fd);
    }
    return look->is_at_work; /* enough is known then */
}

int peer_is_at_work(struct prune *p, const char *locks, const char *files, struct err *err)
{
    struct look look = {.p = p};
    int         rc = fs_walk_at(p->store->target_fd, locks, visit, &look, err);

    if (rc == 0 && files)
        rc = fs_walk_at(p->store->target_fd, files, visit, &look, err);
    return look.is_at_work ? 1 : rc;
}

/* Made as open as what it stands for, so that whoever may add a repo there, or a blob to this one, may lock it
 * as well: he finds the folder made when he comes. */
static int make_folder(int target_fd, const char *rel, const char *like, struct err *err)
{
    struct stat st;
    int         there = fs_exists_at(target_fd, rel, &st, err);

    if (there)
        return there < 0 ? -1 : 0;
    if (fs_stat_at(target_fd, like, &st, err) ||
        fs_make_dirs_at(target_fd, rel, st.st_mode & 0777, err))
        return -1;
    if (fchownat(target_fd, rel, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        return 0; /* we are not root, and what we make is ours */
    return 0;
}

int peer_locks_ready(struct prune *p, const char *folder, struct err *err)
{
    int         target_fd = p->store->target_fd, there;
    struct stat st;
    char        locks[300];

    snprintf(locks, sizeof(locks), ".locks/%s", folder);
    there = fs_exists_at(target_fd, locks, &st, err);
    if (there)
        return there < 0 ? -1 : 0;
    if (make_folder(target_fd, ".locks", ".", err) || make_folder(target_fd, locks, folder, err))
        return -1;
    return 1;
}

static void lock_name(const struct peer_lock *lock, char name[400])
{
    snprintf(name, 400, ".locks/%s/%s.lock", lock->folder, lock->blob);
}

int peer_lock_take(struct prune *p, const char *folder, const char *blob, struct peer_lock *lock,
                   struct err *err)
{
    int  target_fd = p->store->target_fd;
    bool locked;
    char name[400];

    *lock = (struct peer_lock){.fd = -1, .folder = folder, .blob = blob};
    lock_name(lock, name);
    lock->fd = fs_open_at(target_fd, name, O_RDWR, 0, err);
    if (lock->fd < 0 && err->sys_errno == ENOENT) {
        lock->fd = fs_open_at(target_fd, name, O_RDWR | O_CREAT | O_EXCL, 0664, err);
        lock->made = lock->fd >= 0;
    }
    if (lock->fd < 0)
        return err->sys_errno == EEXIST ? 0 : -1;
    locked = try_flock(lock->fd, LOCK_EX);
    lock->is_first = locked && lock->made;
    if (!locked && lock->made) /* where flock is missing, to make the file is to lock */
        locked = errno != EWOULDBLOCK;
    if (locked && fs_names_open_at(lock->fd, target_fd, name))
        return 1;
    lock->made &= locked; /* whoever was faster locked the file that we made: it keeps its name */
    peer_lock_drop(p, lock);
    return 0;
}

/* One that we made goes again, while we have it: whoever waits for it sees that it has no name any
 * more, and tries anew. Where flock is missing, a file that stays would be a lock for ever. */
void peer_lock_drop(struct prune *p, struct peer_lock *lock)
{
    struct err ignored;
    char       name[400];

    if (lock->made) {
        lock_name(lock, name);
        if (fs_names_open_at(lock->fd, p->store->target_fd, name))
            fs_unlink_at(p->store->target_fd, name, &ignored);
    }
    fs_close(&lock->fd);
    lock->made = false;
}
