/* fs_name.h: how fs finds the place of a name, shared by the fs_*.c files only. */
#ifndef HFI_FS_NAME_H
#define HFI_FS_NAME_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

/* Is rel "." or a path of plain segments below a directory? Sets ERR_UNSAFE_NAME if not. */
int fs_name_check(const char *rel, struct err *err);

/* open() of rel below dir_fd that never follows a link, not even the last one. errno on -1. */
int fs_name_open(int dir_fd, const char *rel, int flags, mode_t mode);

/* The folder that holds rel, for the calls that take a folder and one name. */
struct fs_parent {
    int         fd;
    const char *base;  /* last segment, inside rel */
    bool        owned; /* fd is ours to close; otherwise it is dir_fd */
};
int  fs_parent_open(int dir_fd, const char *rel, struct fs_parent *out, struct err *err);
void fs_parent_close(struct fs_parent *parent);

/* Fills err for a failed call on rel below dir_fd. Refusals (EACCES, EPERM, EROFS) say who we are
 * and whose folder it is; links in the way are called by their name. Returns -1. */
int fs_name_failed(int dir_fd, const char *rel, const char *verb, int sys_errno, struct err *err);

#endif
