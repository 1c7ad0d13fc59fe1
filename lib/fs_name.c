/* fs_name.c: from a name below a directory to a descriptor, without ever following a link.
 *
 * Invariant: no call here or above resolves more than one segment by itself, unless the kernel
 * promised to stay beneath the directory. */
#include "fs_name.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs.h"

int fs_name_check(const char *rel, struct err *err)
{
    const char *at = rel;

    if (strcmp(rel, ".") == 0)
        return 0;
    for (;;) {
        size_t len = strcspn(at, "/");

        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return err_set(err, ERR_UNSAFE_NAME, "\"%s\" is not a plain path below a folder", rel);
        if (at[len] == '\0')
            return 0;
        at += len + 1;
    }
}

/* openat of one segment. A link where a folder is wanted says ENOTDIR; we call it what it is. */
static int step(int dir_fd, const char *segment, int flags, mode_t mode)
{
    struct stat st;
    int         fd = openat(dir_fd, segment, flags | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0 && errno == ENOTDIR) {
        if (fstatat(dir_fd, segment, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
            errno = ELOOP;
        else
            errno = ENOTDIR;
    }
    return fd;
}

/* The way without openat2. O_PATH needs no read permission on the way. */
static int walk_open(int dir_fd, const char *rel, int flags, mode_t mode)
{
    char        segment[256];
    const char *at = rel;
    int         fd = dir_fd;

    for (;;) {
        size_t len = strcspn(at, "/");
        bool   last = at[len] == '\0';
        int    next;

        if (len >= sizeof(segment)) {
            errno = ENAMETOOLONG;
            next = -1;
        } else {
            memcpy(segment, at, len);
            segment[len] = '\0';
            next =
                last ? step(fd, segment, flags, mode) : step(fd, segment, O_PATH | O_DIRECTORY, 0);
        }
        if (fd != dir_fd) {
            int saved = errno;
            close(fd);
            errno = saved;
        }
        if (next < 0 || last)
            return next;
        fd = next;
        at += len + 1;
    }
}

int fs_name_open(int dir_fd, const char *rel, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
        .mode = (flags & O_CREAT) ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };

    for (;;) {
        long fd = syscall(SYS_openat2, dir_fd, rel, &how, sizeof(how));

        if (fd >= 0)
            return (int)fd;
        if (errno == EINTR)
            continue;
        /* ENOSYS before Linux 5.6; EPERM from old seccomp profiles and gVisor; EAGAIN when folders
         * moved under the lookup; ENOTDIR hides whether it was a link. The walk tells. */
        if (errno != ENOSYS && errno != EPERM && errno != EAGAIN && errno != ENOTDIR)
            return -1;
        break;
    }
    for (;;) {
        int fd = walk_open(dir_fd, rel, flags, mode);

        if (fd >= 0 || errno != EINTR)
            return fd;
    }
}

int fs_parent_open(int dir_fd, const char *rel, struct fs_parent *out, struct err *err)
{
    const char *slash = strrchr(rel, '/');
    char        folder[4096];
    int         fd;

    if (fs_name_check(rel, err))
        return -1;
    if (!slash) {
        *out = (struct fs_parent){dir_fd, rel, false};
        return 0;
    }
    if ((size_t)(slash - rel) >= sizeof(folder))
        return fs_name_failed(dir_fd, rel, "open", ENAMETOOLONG, err);
    memcpy(folder, rel, (size_t)(slash - rel));
    folder[slash - rel] = '\0';
    fd = fs_name_open(dir_fd, folder, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fs_name_failed(dir_fd, rel, "open the folder of", errno, err);
    *out = (struct fs_parent){fd, slash + 1, true};
    return 0;
}

void fs_parent_close(struct fs_parent *parent)
{
    if (parent->owned)
        fs_close(&parent->fd);
    parent->owned = false;
}

/* Whose folder refused us? Looks at the nearest one that exists. */
static void explain_refusal(int dir_fd, const char *rel, struct err *err)
{
    char        folder[4096];
    struct stat st;
    size_t      len = strlen(err->text);
    char       *slash;
    bool        found;

    snprintf(folder, sizeof(folder), "%s", rel);
    do { /* the name itself is not asked: its folder decides */
        slash = strrchr(folder, '/');
        if (slash)
            slash[slash == folder] = '\0'; /* "/name" leaves "/" */
        else
            snprintf(folder, sizeof(folder), ".");
        found = fstatat(dir_fd, folder, &st, AT_SYMLINK_NOFOLLOW) == 0;
    } while (!found && slash && slash != folder);
    if (!found)
        return;
    snprintf(err->text + len, sizeof(err->text) - len,
             " (this process is uid %u, gid %u; the folder %s belongs to %u:%u with mode %04o)",
             (unsigned)geteuid(), (unsigned)getegid(), strcmp(folder, ".") == 0 ? "itself" : folder,
             (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)(st.st_mode & 07777));
    if (err->kind == ERR_PERMISSION)
        err_hint(err,
                 "set securityContext.fsGroup on the pod, or make the folder writable for uid %u "
                 "(hostPath volumes ignore fsGroup)",
                 (unsigned)geteuid());
}

int fs_name_failed(int dir_fd, const char *rel, const char *verb, int sys_errno, struct err *err)
{
    switch (sys_errno) {
    case ELOOP:
    case EXDEV: /* openat2's word for a way out of the folder */
        err_set(err, ERR_IO,
                "%s %s: a symbolic link stands in the way; links on the volume are not followed",
                verb, rel);
        err_hint(err, "remove the link from the volume");
        err->sys_errno = sys_errno;
        break;
    case ENOTDIR:
        err_set(err, ERR_IO, "%s %s: something that is not a folder stands in the way", verb, rel);
        err_hint(err, "remove or rename what stands where a folder must be");
        err->sys_errno = sys_errno;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        err_sys(err, sys_errno, "%s %s", verb, rel);
        explain_refusal(dir_fd, rel, err);
        break;
    default: err_sys(err, sys_errno, "%s %s", verb, rel);
    }
    return -1;
}
