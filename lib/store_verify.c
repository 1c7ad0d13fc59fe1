/* store_verify.c: what a reader of a file gets, whatever is known of it. */
#include <errno.h>

#include "fs.h"
#include "store_internal.h"

int store_verify(struct store_repo *repo, const struct store_file *file,
                 int (*on_bytes)(void *user, uint64_t n), void *user, struct err *err)
{
    struct buf  path = {0};
    struct stat st;
    int         fd = -1, rc = -1;

    if (store_repo_check_name(repo, file, err))
        return -1;
    if (repo->root_fd < 0) /* not even the folder is there */
        return err_set(err, ERR_IO, "missing"), 0;
    repo->layout->reader(repo, file, &path);
    fd = store_repo_open_content(repo, buf_cstr(&path), err);
    if (fd < 0)
        rc = err->sys_errno == ENOENT ? (err_set(err, ERR_IO, "missing"), 0) : -1;
    else if (fstat(fd, &st) != 0)
        err_sys(err, errno, "stat %s", buf_cstr(&path));
    else if ((uint64_t)st.st_size != file->size_bytes)
        rc = (err_set(err, ERR_IO, "has another size"), 0);
    else
        rc = store_hash(fd, file->size_bytes, &file->digest, repo->store->options.drop_cache,
                        on_bytes, user, err);
    if (rc == 0 && fd >= 0 && (uint64_t)st.st_size == file->size_bytes)
        err_set(err, ERR_INTEGRITY, "does not match its hash");
    if (rc < 0)
        err_wrap(err, "%s", buf_cstr(&path));
    fs_close(&fd);
    buf_release(&path);
    return rc;
}
