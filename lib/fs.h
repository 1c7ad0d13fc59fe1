/* fs.h: the wall around file system calls.
 *
 * Every call retries EINTR, finishes short writes and turns errno into a struct err that names the
 * path. Names below a directory are opened with openat2(RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS), or,
 * where the kernel or a seccomp profile refuses that, segment by segment with O_NOFOLLOW: a link
 * planted on the volume never leads a write outside. Descriptors are close-on-exec. */
#ifndef HFI_FS_H
#define HFI_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "buf.h"
#include "err.h"
#include "str.h"

/* `rel` is always relative, '/'-separated and below dir_fd; "." is the directory itself. Empty, "."
 * and ".." segments are ERR_UNSAFE_NAME. */
int fs_open_dir(const char *path, struct err *err); /* follows links: the target itself */
/* Regular files only: a FIFO, device or folder at the name is ERR_IO, and never waited for. */
int fs_open_at(int dir_fd, const char *rel, int flags, mode_t mode, struct err *err);
int fs_open_dir_at(int dir_fd, const char *rel, struct err *err);
/* Creates the folders of rel that are missing, like mkdir -p below dir_fd; setgid is kept. */
int  fs_make_dirs_at(int dir_fd, const char *rel, mode_t mode, struct err *err);
int  fs_make_dirs(const char *path, mode_t mode, struct err *err); /* the target, links followed */
void fs_close(int *fd); /* fine on -1, leaves -1 behind */

int fs_stat_at(int dir_fd, const char *rel, struct stat *st, struct err *err); /* lstat */
/* 1 there, 0 not there (ENOENT, ENOTDIR), -1 error */
int fs_exists_at(int dir_fd, const char *rel, struct stat *st, struct err *err);
/* Like fs_exists_at, but follows links that stay below dir_fd; 0 for one that leads elsewhere. Where
 * openat2 is refused only those in the last place of a name, which are all that a cache has. */
int fs_resolve_at(int dir_fd, const char *rel, struct stat *st, struct err *err);
/* Opens such a one for reading; regular files only. */
int fs_open_resolved_at(int dir_fd, const char *rel, struct err *err);
/* "folder", "symbolic link", "FIFO" …, for messages. */
const char *fs_kind_name(mode_t mode);

int fs_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *err);
/* Bytes read, less than len only at the end of the file; -1 error. */
ssize_t fs_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *err);
/* fallocate, else ftruncate where the file system has none. ENOSPC is an error. */
int fs_allocate(int fd, uint64_t size_bytes, struct err *err);
/* File systems without modes, or whose owner we are not, keep what they have. */
void fs_set_mode(int fd, mode_t mode);
int  fs_sync_data(int fd, struct err *err); /* fdatasync; EINVAL and ENOTSUP count as done */
int  fs_sync_dir_at(int dir_fd, const char *rel, struct err *err);
int  fs_rename_at(int from_dir, const char *from, int to_dir, const char *to, struct err *err);
/* The same for a file that is open as fd: ENOENT for what was done already, the answer of an NFS
 * server whose first reply was lost, counts as done. */
int fs_rename_open_at(int fd, int from_dir, const char *from, int to_dir, const char *to,
                      struct err *err);
int fs_unlink_at(int dir_fd, const char *rel, struct err *err); /* missing is fine */
/* Is what has this name the file that is open as fd? */
bool fs_names_open_at(int fd, int dir_fd, const char *rel);
/* 1 made, 0 the name is taken, -1 error; err->sys_errno tells whether the volume has such links. */
int fs_link_at(int from_dir, const char *from, int to_dir, const char *to, struct err *err);
int fs_symlink_at(const char *text, int dir_fd, const char *rel, struct err *err);
/* 1 read, 0 not there or not a link, -1 error. */
int fs_read_link_at(int dir_fd, const char *rel, struct buf *out, struct err *err);
/* Copies all of `from` to the start of `to`: shared blocks where the volume can, else bytes. on_bytes
 * (or NULL) is told of each MiB; non-zero ends it: ERR_TERMINATED. */
int fs_copy(int from, int to, uint64_t size_bytes, int (*on_bytes)(void *user, uint64_t n),
            void *user, struct err *err);
/* Calls visit for each name but "." and ".."; a missing folder has none. visit returns non-zero to
 * stop, which is then returned. */
typedef int fs_visit_fn(const char *name, void *user, struct err *err);
int fs_list_at(int dir_fd, const char *rel, fs_visit_fn *visit, void *user, struct err *err);

/* Calls visit for everything below rel, a folder after what is in it; a missing folder has nothing. Links
 * are visited, not followed. What visit returns is as with fs_list_at; it may remove what it is told of. */
typedef int fs_walk_fn(const char *rel, const struct stat *st, void *user, struct err *err);
int         fs_walk_at(int dir_fd, const char *rel, fs_walk_fn *visit, void *user, struct err *err);
/* 1 removed, or it was not there; 0 something is in it, or it is a mount; -1. */
int fs_remove_dir_at(int dir_fd, const char *rel, struct err *err);
/* A folder with all that is in it; adds what that frees. tick, which may be NULL, is called before each
 * name and ends it with non-zero. */
typedef int fs_tick_fn(void *user, struct err *err);
int         fs_remove_tree_at(int dir_fd, const char *rel, fs_tick_fn *tick, void *user,
                              uint64_t *freed_bytes, struct err *err);
/* What the disk gets back when a name of this file goes. */
uint64_t fs_freed_bytes(const struct stat *st);

/* Whole small files. Reading refuses more than max bytes (ERR_TOO_LARGE) and, with NUL-free
 * callers in mind, hands back exact bytes. 1 read, 0 not there, -1 error. */
int fs_read_small_at(int dir_fd, const char *rel, size_t max, struct buf *out, struct err *err);
/* Writes under a temporary name in the same folder and renames: old or new for every reader, but not
 * synced, so for what a power cut may take. */
int fs_replace_at(int dir_fd, const char *rel, struct str content, mode_t mode, struct err *err);
/* Creates rel, which must not exist, of content that may be too long to be held at once. A source
 * appends its next piece to `out` and returns false when that was the last; with NULL for out it
 * starts over. */
typedef bool fs_source_fn(void *user, struct buf *out);
bool         fs_text_source(void *user, struct buf *out); /* user: a struct str, in one piece */
int fs_write_new_from_at(int dir_fd, const char *rel, fs_source_fn *source, void *user, mode_t mode,
                         bool durable, struct err *err);
/* Does the file hold exactly that? 1, 0 (also if it is not there or cannot be read). */
int fs_is_same_at(int dir_fd, const char *rel, fs_source_fn *source, void *user);
/* Hands over a file piece by piece. 1 read, 0 not there, -1 error, also what `piece` said. */
typedef int fs_piece_fn(const void *data, size_t len, void *user, struct err *err);
int fs_read_pieces_at(int dir_fd, const char *rel, fs_piece_fn *piece, void *user, struct err *err);
/* Any path, links followed (secrets, config maps). "-" is standard input. */
int fs_read_file(const char *path, size_t max, struct buf *out, struct err *err);

/* Starts writing back [begin, end) and, with drop, waits for it and lets the page cache go. Where the
 * volume cannot, nothing happens. An error is of bytes that did not get to the disk, and the kernel
 * tells it once: the fdatasync that comes after says that all is well. */
int fs_write_behind(int fd, uint64_t begin, uint64_t end, bool drop, struct err *err);

struct fs_space {
    uint64_t device;     /* st_dev: equal means the same file system */
    uint64_t free_bytes; /* for this uid; the smaller of statvfs and a user quota */
    uint64_t total_bytes;
    uint64_t free_inodes; /* UINT64_MAX where the file system does not count them */
    bool     by_quota;    /* the quota was the smaller one */
    bool     is_memory;   /* tmpfs, ramfs */
    bool     is_network;  /* NFS, CIFS, FUSE, Lustre, CephFS, 9p … by f_type */
};
/* NFS, CIFS, FUSE …, by statfs's f_type. */
bool fs_type_is_network(uint32_t type);
bool fs_is_network(int fd);
/* Two mounts of one volume in user space do not see each other's file locks, unless its server passes them
 * on: what tells this mount from others on this kernel. 0: there the locks of all mounts meet. */
uint64_t fs_lock_mount(int fd);
int      fs_space(int fd, struct fs_space *out, struct err *err);

#endif
