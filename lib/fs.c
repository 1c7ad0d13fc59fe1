/* fs.c: names and folders: open, make, stat, rename, link, list. */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs_name.h"

int fs_open_dir(const char *path, struct err *err)
{
    int fd;

    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && errno == ENOTDIR)
        return err_set(err, ERR_IO, "open %s: it is not a folder", path);
    return fd < 0 ? fs_name_failed(AT_FDCWD, path, "open", errno, err) : fd;
}

const char *fs_kind_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "regular file";
    case S_IFDIR: return "folder";
    case S_IFLNK: return "symbolic link";
    case S_IFIFO: return "FIFO";
    case S_IFSOCK: return "socket";
    case S_IFBLK:
    case S_IFCHR: return "device";
    default: return "special file";
    }
}

int fs_open_at(int dir_fd, const char *rel, int flags, mode_t mode, struct err *err)
{
    struct stat st;
    int         fd;

    if (fs_name_check(rel, err))
        return -1;
    fd = fs_name_open(dir_fd, rel, flags | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0)
        return fs_name_failed(dir_fd, rel, "open", errno, err);
    if (fstat(fd, &st) != 0) {
        fs_name_failed(dir_fd, rel, "stat", errno, err);
        fs_close(&fd);
    } else if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s is a %s, not a regular file", rel, fs_kind_name(st.st_mode));
        fs_close(&fd);
    } else if (flags & O_CREAT) { /* whatever the umask said */
        if ((flags & O_EXCL) && (st.st_mode & 0777) != (mode & 0777))
            fs_set_mode(fd, mode);
    }
    return fd;
}

int fs_open_dir_at(int dir_fd, const char *rel, struct err *err)
{
    int fd;

    if (fs_name_check(rel, err))
        return -1;
    fd = fs_name_open(dir_fd, rel, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? fs_name_failed(dir_fd, rel, "open", errno, err) : fd;
}

/* mkdir of one segment; an existing folder is fine. 1 made, 0 was there, -1 errno. */
static int make_dir(int dir_fd, const char *name, mode_t mode)
{
    struct stat st;
    int         fd;

    if (mkdirat(dir_fd, name, mode & 0777) != 0)
        return errno == EEXIST ? 0 : -1;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode) ||
        (st.st_mode & 0777) == (mode & 0777))
        return 1;
    /* The umask took something away; what the parent's setgid gave stays. */
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        fs_set_mode(fd, (mode & 0777) | (st.st_mode & S_ISGID));
        close(fd);
    }
    return 1;
}

int fs_make_dirs_at(int dir_fd, const char *rel, mode_t mode, struct err *err)
{
    char   folder[4096];
    size_t len = strlen(rel), at = 0;
    int    fd;

    if (fs_name_check(rel, err))
        return -1;
    if (strcmp(rel, ".") == 0)
        return 0;
    if (len >= sizeof(folder))
        return fs_name_failed(dir_fd, rel, "create", ENAMETOOLONG, err);
    while (at < len) {
        struct fs_parent parent;
        int              made, sys_errno;

        at += strcspn(rel + at, "/");
        memcpy(folder, rel, at);
        folder[at++] = '\0';
        if (fs_parent_open(dir_fd, folder, &parent, err))
            return -1;
        made = make_dir(parent.fd, parent.base, mode);
        sys_errno = errno;
        fs_parent_close(&parent);
        if (made < 0)
            return fs_name_failed(dir_fd, folder, "create folder", sys_errno, err);
    }
    fd = fs_open_dir_at(dir_fd, rel, err); /* what was there may be a link or a file */
    if (fd < 0)
        return -1;
    fs_close(&fd);
    return 0;
}

int fs_make_dirs(const char *path, mode_t mode, struct err *err)
{
    char        folder[4096];
    size_t      len = strlen(path), at = 0;
    struct stat st;

    if (len == 0 || len >= sizeof(folder))
        return fs_name_failed(AT_FDCWD, path, "create", len ? ENAMETOOLONG : ENOENT, err);
    while (at < len) {
        at += strspn(path + at, "/");
        at += strcspn(path + at, "/");
        memcpy(folder, path, at);
        folder[at] = '\0';
        /* Asking first: mkdir of an existing folder on a read-only root says EROFS, not EEXIST. */
        if (stat(folder, &st) != 0 && make_dir(AT_FDCWD, folder, mode) < 0)
            return fs_name_failed(AT_FDCWD, folder, "create folder", errno, err);
    }
    if (stat(path, &st) != 0)
        return fs_name_failed(AT_FDCWD, path, "create folder", errno, err);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s is a %s, not a folder", path, fs_kind_name(st.st_mode));
    return 0;
}

void fs_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int fs_exists_at(int dir_fd, const char *rel, struct stat *st, struct err *err)
{
    struct fs_parent parent;
    int              rc, sys_errno;

    if (fs_parent_open(dir_fd, rel, &parent, err))
        return err->sys_errno == ENOENT || err->sys_errno == ENOTDIR ? 0 : -1;
    rc = fstatat(parent.fd, parent.base, st, AT_SYMLINK_NOFOLLOW);
    sys_errno = errno;
    fs_parent_close(&parent);
    if (rc == 0)
        return 1;
    if (sys_errno == ENOENT || sys_errno == ENOTDIR)
        return 0;
    return fs_name_failed(dir_fd, rel, "stat", sys_errno, err);
}

int fs_stat_at(int dir_fd, const char *rel, struct stat *st, struct err *err)
{
    int there = fs_exists_at(dir_fd, rel, st, err);

    if (there == 0)
        return fs_name_failed(dir_fd, rel, "stat", ENOENT, err);
    return there < 0 ? -1 : 0;
}

static struct str folder_of(struct str name)
{
    ptrdiff_t slash = str_rfind_char(name, '/');

    return str_sub(name, 0, slash < 0 ? 0 : (size_t)slash);
}

/* Puts what the text of a link leads to in place of the link's name. False: that is outside, or cannot be
 * told from the text alone, as it goes up again from what may be a link. */
static bool follow_text(struct buf *name, struct str text)
{
    struct str folder = folder_of(buf_view(name));
    struct buf next = {0};
    struct err ignored;

    for (; folder.len && str_has_prefix(text, STR("../")); text = str_sub(text, 3, text.len))
        folder = folder_of(folder);
    buf_printf(&next, "%.*s%s%.*s", STR_ARG(folder), folder.len ? "/" : "", STR_ARG(text));
    buf_release(name);
    *name = next;
    return fs_name_check(buf_cstr(name), &ignored) == 0;
}

/* Without openat2: links in the last place of a name alone, as those of a cache are, one after the other.
 * The kernel is never asked to follow one, so all of it stays below dir_fd whatever changes meanwhile. */
static int follow_links(int dir_fd, const char *rel, int flags)
{
    enum { LINKS_MAX = 40 };
    struct buf name = {0}, text = {0};
    struct err err;
    int        fd = -1, sys_errno = 0, links = 0, is_link = 1;

    buf_add_str(&name, str_from(rel));
    while (!sys_errno && (is_link = fs_read_link_at(dir_fd, buf_cstr(&name), &text, &err)) == 1)
        if (++links > LINKS_MAX)
            sys_errno = ELOOP;
        else if (!follow_text(&name, buf_view(&text)))
            sys_errno = EXDEV; /* as openat2 says it */
    if (is_link == 0) {
        fd = fs_name_open(dir_fd, buf_cstr(&name), flags, 0);
        sys_errno = errno;
    } else if (is_link < 0) {
        sys_errno = err.sys_errno;
    }
    buf_release(&name);
    buf_release(&text);
    errno = sys_errno;
    return fd;
}

/* Follows links as long as they stay below dir_fd. */
static int open_resolved(int dir_fd, const char *rel, int flags)
{
    struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    long            fd;

    do
        fd = syscall(SYS_openat2, dir_fd, rel, &how, sizeof(how));
    while (fd < 0 && errno == EINTR);
    /* As in fs_name_open; and EAGAIN comes of any rename on the machine while the kernel goes through the
     * link's "..", when it does not know whether that leads out. openat2(2) */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN))
        return follow_links(dir_fd, rel, flags);
    return (int)fd;
}

int fs_resolve_at(int dir_fd, const char *rel, struct stat *st, struct err *err)
{
    int fd, rc;

    if (fs_name_check(rel, err))
        return -1;
    fd = open_resolved(dir_fd, rel, O_PATH);
    if (fd < 0)
        return 0;
    rc = fstat(fd, st) == 0 ? 1 : err_sys(err, errno, "stat %s", rel);
    close(fd);
    return rc;
}

int fs_open_resolved_at(int dir_fd, const char *rel, struct err *err)
{
    struct stat st;
    int         fd;

    if (fs_name_check(rel, err))
        return -1;
    fd = open_resolved(dir_fd, rel, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fs_name_failed(dir_fd, rel, "open", errno, err);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s leads to something that is not a regular file", rel);
        fs_close(&fd);
    }
    return fd;
}

int fs_sync_dir_at(int dir_fd, const char *rel, struct err *err)
{
    int fd = fs_open_dir_at(dir_fd, rel, err), rc;

    if (fd < 0)
        return -1;
    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    /* Some network and FUSE file systems know no fsync of a folder. */
    if (rc != 0 && (errno == EINVAL || errno == ENOTSUP || errno == ENOSYS))
        rc = 0;
    if (rc != 0)
        fs_name_failed(dir_fd, rel, "sync folder", errno, err);
    fs_close(&fd);
    return rc;
}

static int rename_failed(int to_dir, const char *from, const char *to, int sys_errno,
                         struct err *err)
{
    struct stat st;

    if (sys_errno == EXDEV)
        err_sys(err, sys_errno, "rename %s to %s", from, to);
    else if ((sys_errno == EISDIR || sys_errno == ENOTEMPTY || sys_errno == EEXIST) &&
             fs_exists_at(to_dir, to, &st, err) == 1) {
        err_set(err, ERR_IO, "%s is a %s, and a file must go there", to, fs_kind_name(st.st_mode));
        err_hint(err, "remove or rename it");
    } else {
        fs_name_failed(to_dir, to, "rename to", sys_errno, err);
    }
    err->sys_errno = sys_errno;
    return -1;
}

typedef int two_names_fn(int from_dir, const char *from, int to_dir, const char *to);

static int hard_link(int from_dir, const char *from, int to_dir, const char *to)
{
    return linkat(from_dir, from, to_dir, to, 0);
}

/* Opens the folders of both names and makes the call. 0, the call's errno, or -1 with err. */
static int with_two_names(int from_dir, const char *from, int to_dir, const char *to,
                          two_names_fn *call, struct err *err)
{
    struct fs_parent source, target;
    int              sys_errno = 0;

    if (fs_parent_open(from_dir, from, &source, err))
        return -1;
    if (fs_parent_open(to_dir, to, &target, err)) {
        fs_parent_close(&source);
        return -1;
    }
    if (call(source.fd, source.base, target.fd, target.base))
        sys_errno = errno;
    fs_parent_close(&source);
    fs_parent_close(&target);
    return sys_errno;
}

int fs_rename_at(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
    int sys_errno = with_two_names(from_dir, from, to_dir, to, renameat, err);

    return sys_errno > 0 ? rename_failed(to_dir, from, to, sys_errno, err) : sys_errno;
}

bool fs_names_open_at(int fd, int dir_fd, const char *rel)
{
    struct stat opened, named;
    struct err  ignored;

    return fstat(fd, &opened) == 0 && fs_exists_at(dir_fd, rel, &named, &ignored) == 1 &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

int fs_rename_open_at(int fd, int from_dir, const char *from, int to_dir, const char *to,
                      struct err *err)
{
    if (fs_rename_at(from_dir, from, to_dir, to, err) == 0)
        return 0;
    return err->sys_errno == ENOENT && fs_names_open_at(fd, to_dir, to) ? 0 : -1;
}

int fs_unlink_at(int dir_fd, const char *rel, struct err *err)
{
    struct fs_parent parent;
    int              rc, sys_errno;

    if (fs_parent_open(dir_fd, rel, &parent, err))
        return err->sys_errno == ENOENT ? 0 : -1;
    rc = unlinkat(parent.fd, parent.base, 0);
    sys_errno = errno;
    fs_parent_close(&parent);
    return rc && sys_errno != ENOENT ? fs_name_failed(dir_fd, rel, "delete", sys_errno, err) : 0;
}

int fs_link_at(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
    int sys_errno = with_two_names(from_dir, from, to_dir, to, hard_link, err);

    if (sys_errno <= 0)
        return sys_errno == 0 ? 1 : -1;
    if (sys_errno == EEXIST)
        return 0;
    return err_sys(err, sys_errno, "link %s to %s", to, from);
}

int fs_symlink_at(const char *text, int dir_fd, const char *rel, struct err *err)
{
    struct fs_parent parent;
    int              rc, sys_errno;

    if (fs_parent_open(dir_fd, rel, &parent, err))
        return -1;
    rc = symlinkat(text, parent.fd, parent.base);
    sys_errno = errno;
    fs_parent_close(&parent);
    if (rc == 0)
        return 1;
    return sys_errno == EEXIST ? 0 : fs_name_failed(dir_fd, rel, "create link", sys_errno, err);
}

int fs_read_link_at(int dir_fd, const char *rel, struct buf *out, struct err *err)
{
    struct fs_parent parent;
    char             text[4096];
    ssize_t          len;
    int              sys_errno;

    if (fs_parent_open(dir_fd, rel, &parent, err))
        return err->sys_errno == ENOENT || err->sys_errno == ENOTDIR ? 0 : -1;
    len = readlinkat(parent.fd, parent.base, text, sizeof(text));
    sys_errno = errno;
    fs_parent_close(&parent);
    if (len >= 0) {
        buf_clear(out);
        buf_add(out, text, (size_t)len);
        return 1;
    }
    if (sys_errno == ENOENT || sys_errno == EINVAL || sys_errno == ENOTDIR)
        return 0;
    return fs_name_failed(dir_fd, rel, "read link", sys_errno, err);
}

int fs_list_at(int dir_fd, const char *rel, fs_visit_fn *visit, void *user, struct err *err)
{
    int            fd = fs_open_dir_at(dir_fd, rel, err), rc = 0;
    DIR           *dir;
    struct dirent *entry;

    if (fd < 0)
        return err->sys_errno == ENOENT ? 0 : -1;
    dir = fdopendir(fd);
    if (!dir) {
        fs_name_failed(dir_fd, rel, "list", errno, err);
        fs_close(&fd);
        return -1;
    }
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = visit(entry->d_name, user, err);
    if (rc == 0 && errno != 0)
        rc = fs_name_failed(dir_fd, rel, "list", errno, err);
    closedir(dir);
    return rc;
}
