/* fs_data.c: bytes: read, write, allocate, sync, copy, whole small files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "fs.h"
#include "fs_name.h"

enum { COPY_BYTES = 1 << 20, PIECE_BYTES = 64 << 10 };

int fs_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *err)
{
    const char *at = data;

    while (len) {
        ssize_t n = pwrite(fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, errno, "write at offset %llu", (unsigned long long)offset);
        if (n == 0)
            return err_set(err, ERR_IO, "write at offset %llu: the volume takes no bytes",
                           (unsigned long long)offset);
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

ssize_t fs_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)data + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, errno, "read at offset %llu", (unsigned long long)(offset + done));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int fs_allocate(int fd, uint64_t size_bytes, struct err *err)
{
    int rc;

    if (size_bytes == 0)
        return 0;
    do /* the system call: musl's and glibc's posix_fallocate differ where it is not supported */
        rc = fallocate(fd, 0, 0, (off_t)size_bytes);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EROFS)
        return err_sys(err, errno, "allocate %llu bytes", (unsigned long long)size_bytes);
    do
        rc = ftruncate(fd, (off_t)size_bytes);
    while (rc != 0 && errno == EINTR);
    return rc ? err_sys(err, errno, "extend to %llu bytes", (unsigned long long)size_bytes) : 0;
}

void fs_set_mode(int fd, mode_t mode)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || (st.st_mode & 07777) == mode)
        return;
    if (fchmod(fd, mode) != 0)
        return; /* SMB, vfat, another owner: the Hub's own client only warns, too */
}

int fs_sync_data(int fd, struct err *err)
{
    int rc;

    do
        rc = fdatasync(fd);
    while (rc != 0 && errno == EINTR);
    if (rc == 0 || errno == EINVAL || errno == ENOTSUP || errno == ENOSYS)
        return 0;
    return err_sys(err, errno, "sync to disk");
}

int fs_copy(int from, int to, uint64_t size_bytes, int (*on_bytes)(void *user, uint64_t n),
            void *user, struct err *err)
{
    char    *block;
    uint64_t at = 0;
    int      rc = 0;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    block = mem_alloc(COPY_BYTES);
    while (rc == 0 && at < size_bytes) {
        size_t  want = size_bytes - at < COPY_BYTES ? (size_t)(size_bytes - at) : COPY_BYTES;
        ssize_t n = fs_pread_full(from, block, want, at, err);

        if (n < 0)
            rc = -1;
        else if ((size_t)n < want)
            rc = err_set(err, ERR_IO, "the source of a copy shrank to %llu bytes",
                         (unsigned long long)(at + (uint64_t)n));
        else
            rc = fs_pwrite_full(to, block, want, at, err);
        at += want;
        if (rc == 0 && on_bytes && on_bytes(user, want))
            rc = err_set(err, ERR_TERMINATED, "stopped while copying");
    }
    free(block);
    return rc;
}

/* Reads to the end of fd. The size that stat tells is only a hint: procfs says 0. */
static int read_all(int fd, const char *name, size_t max, struct buf *out, struct err *err)
{
    char block[16384];

    buf_clear(out);
    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, errno, "read %s", name);
        if (n == 0)
            return 1;
        if ((size_t)n > max - out->len || !buf_add(out, block, (size_t)n))
            return err_set(err, ERR_TOO_LARGE, "%s has more than the %zu bytes it may have", name,
                           max);
    }
}

/* NFS: a rename on another node puts a new file in the place of the one that we have open, whose handle is
 * stale from then on. Files that are replaced every second are met so within minutes. */
int fs_read_small_at(int dir_fd, const char *rel, size_t max, struct buf *out, struct err *err)
{
    enum { TRIES = 4 };
    int rc = -1;

    for (int i = 0; i < TRIES && rc < 0; i++) {
        int fd = fs_open_at(dir_fd, rel, O_RDONLY, 0, err);

        if (fd >= 0)
            rc = read_all(fd, rel, max, out, err);
        else if (err->sys_errno == ENOENT || err->sys_errno == ENOTDIR)
            rc = 0;
        fs_close(&fd);
        if (rc < 0 && err->sys_errno != ESTALE)
            break;
    }
    return rc;
}

int fs_read_file(const char *path, size_t max, struct buf *out, struct err *err)
{
    struct stat st;
    int         fd, rc;

    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", max, out, err);
    do /* O_NONBLOCK: a FIFO without a writer must not hang us */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0)
        return err_sys(err, errno, "open %s", path);
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        rc = err_set(err, ERR_IO, "%s is a %s, not a regular file", path, fs_kind_name(st.st_mode));
    else
        rc = read_all(fd, path, max, out, err);
    fs_close(&fd);
    return rc;
}

bool fs_text_source(void *user, struct buf *out)
{
    if (out)
        buf_add_str(out, *(const struct str *)user);
    return false;
}

static int write_pieces(int fd, fs_source_fn *source, void *user, struct err *err)
{
    struct buf piece = {0};
    uint64_t   at = 0;
    bool       more = true;
    int        rc = 0;

    source(user, NULL);
    while (more && rc == 0) {
        buf_clear(&piece);
        more = source(user, &piece);
        rc = fs_pwrite_full(fd, piece.p, piece.len, at, err);
        at += piece.len;
    }
    buf_release(&piece);
    return rc;
}

int fs_write_new_from_at(int dir_fd, const char *rel, fs_source_fn *source, void *user, mode_t mode,
                         bool durable, struct err *err)
{
    struct err ignored;
    int        fd = fs_open_at(dir_fd, rel, O_WRONLY | O_CREAT | O_EXCL, mode, err), rc;

    if (fd < 0)
        return -1;
    rc = write_pieces(fd, source, user, err);
    if (rc == 0 && durable)
        rc = fs_sync_data(fd, err);
    if (close(fd) != 0 && rc == 0 && errno != EINTR) /* NFS and quota report here */
        rc = err_sys(err, errno, "close");
    if (rc) {
        err_wrap(err, "write %s", rel);
        fs_unlink_at(dir_fd, rel, &ignored);
    }
    return rc;
}

int fs_is_same_at(int dir_fd, const char *rel, fs_source_fn *source, void *user)
{
    struct err  ignored;
    struct stat st;
    struct buf  want = {0}, got = {0};
    uint64_t    at = 0;
    bool        more = true, same = true;
    int         fd = fs_open_at(dir_fd, rel, O_RDONLY, 0, &ignored);

    if (fd < 0)
        return 0;
    source(user, NULL);
    while (more && same) {
        buf_clear(&want);
        buf_clear(&got);
        more = source(user, &want);
        buf_add_str(&got, buf_view(&want)); /* room for as much */
        same = fs_pread_full(fd, got.p, want.len, at, &ignored) == (ssize_t)want.len &&
               str_eq(buf_view(&got), buf_view(&want));
        at += want.len;
    }
    same = same && fstat(fd, &st) == 0 && (uint64_t)st.st_size == at;
    buf_release(&want);
    buf_release(&got);
    fs_close(&fd);
    return same;
}

int fs_read_pieces_at(int dir_fd, const char *rel, fs_piece_fn *piece, void *user, struct err *err)
{
    int      fd = fs_open_at(dir_fd, rel, O_RDONLY, 0, err), rc = 0;
    uint64_t at = 0;
    ssize_t  n = PIECE_BYTES;
    char    *block;

    if (fd < 0)
        return err->sys_errno == ENOENT || err->sys_errno == ENOTDIR ? 0 : -1;
    block = mem_alloc(PIECE_BYTES);
    while (rc == 0 && n == PIECE_BYTES) {
        n = fs_pread_full(fd, block, PIECE_BYTES, at, err);
        rc = n <= 0 ? (int)n : piece(block, (size_t)n, user, err);
        at += PIECE_BYTES;
    }
    free(block);
    fs_close(&fd);
    return rc ? -1 : 1;
}

int fs_replace_at(int dir_fd, const char *rel, struct str content, mode_t mode, struct err *err)
{
    const char *slash = strrchr(rel, '/');
    size_t      folder_len = slash ? (size_t)(slash - rel) + 1 : 0;
    struct err  ignored;
    struct buf  temp = {0};
    uint64_t    random = 0;
    int         rc = -1;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = (uint64_t)(uintptr_t)&temp ^ (uint64_t)getpid() << 32;
    /* The base name is shortened, since name plus suffix may pass NAME_MAX. */
    buf_printf(&temp, "%.*s.%.200s.%016llx.tmp", (int)folder_len, rel, rel + folder_len,
               (unsigned long long)random);
    if (fs_write_new_from_at(dir_fd, buf_cstr(&temp), fs_text_source, &content, mode, false, err))
        goto out;
    if (fs_rename_at(dir_fd, buf_cstr(&temp), dir_fd, rel, err)) {
        fs_unlink_at(dir_fd, buf_cstr(&temp), &ignored);
        goto out;
    }
    rc = 0;
out:
    buf_release(&temp);
    return rc;
}

/* Not of the bytes, but of the call: no such call here, or not for this kind of file. */
static bool is_no_such_call(int sys_errno)
{
    return sys_errno == ENOSYS || sys_errno == EINVAL || sys_errno == ENOTSUP ||
           sys_errno == ESPIPE || sys_errno == EPERM || sys_errno == ENOMEM || sys_errno == EINTR;
}

int fs_write_behind(int fd, uint64_t begin, uint64_t end, bool drop, struct err *err)
{
    off_t    at = (off_t)begin, len = (off_t)(end - begin);
    unsigned wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;

    if (begin >= end)
        return 0;
    if (sync_file_range(fd, at, len, SYNC_FILE_RANGE_WRITE | (drop ? wait : 0)) != 0 &&
        !is_no_such_call(errno))
        return err_sys(err, errno, "write back from offset %llu", (unsigned long long)begin);
    if (drop)
        (void)posix_fadvise(fd, at, len, POSIX_FADV_DONTNEED);
    return 0;
}
