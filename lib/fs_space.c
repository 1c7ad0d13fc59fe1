/* fs_space.c: how much may this process still write here? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs.h"
#include "fs_name.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* the same on every architecture; Linux 5.14 */
#endif

#define FUSE_TYPE 0x65735546u

/* f_type values, linux/magic.h and the file systems' own sources. */
static const uint32_t network_type[] = {
    0x00006969, /* NFS */
    0x0000517B, /* SMB */
    0xFE534D42, /* SMB2 */
    0xFF534D42, /* CIFS */
    FUSE_TYPE,  /* FUSE, virtiofs */
    0x0BD00BD0, /* Lustre */
    0x00C36400, /* CephFS */
    0x01021997, /* 9p */
    0x47504653, /* GPFS */
    0x5346414F, /* AFS */
    0x6B414653, /* kAFS */
    0x19830326, /* BeeGFS */
    0xAAD7AAEA, /* PanFS */
    0x013111A8, /* IBRIX */
};
static const uint32_t memory_type[] = {
    0x01021994, /* tmpfs */
    0x858458F6, /* ramfs */
};

static bool is_one_of(uint32_t type, const uint32_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == type)
            return true;
    return false;
}

bool fs_type_is_network(uint32_t type)
{
    return is_one_of(type, network_type, sizeof(network_type) / sizeof(network_type[0]));
}

bool fs_is_network(int fd)
{
    struct statfs kind;

    return fstatfs(fd, &kind) == 0 && fs_type_is_network((uint32_t)kind.f_type);
}

uint64_t fs_lock_mount(int fd)
{
    struct statfs kind;
    struct stat   st;

    if (fstatfs(fd, &kind) != 0 || (uint32_t)kind.f_type != FUSE_TYPE || fstat(fd, &st) != 0)
        return 0;
    return (uint64_t)st.st_dev;
}

/* The hard limit, else the soft one, less what is used; 0 limit: none. */
static uint64_t quota_left(uint64_t hard, uint64_t soft, uint64_t used)
{
    uint64_t limit = hard ? hard : soft;

    if (limit == 0)
        return UINT64_MAX;
    return used >= limit ? 0 : limit - used;
}

/* A quota of our own uid, where kernel and file system tell. They mostly do not: then nothing. */
static void apply_quota(int fd, struct fs_space *out)
{
    struct dqblk quota;
    uint64_t     bytes, inodes;
    int          folder; /* the call wants a real descriptor, not one of O_PATH */
    unsigned     command = (unsigned)Q_GETQUOTA << SUBCMDSHIFT | USRQUOTA; /* QCMD overflows int */

    memset(&quota, 0, sizeof(quota));
    folder = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    if (syscall(SYS_quotactl_fd, folder, command, geteuid(), &quota) == 0) {
        uint64_t hard = quota.dqb_bhardlimit, soft = quota.dqb_bsoftlimit;

        bytes = quota_left(hard * 1024, soft * 1024, quota.dqb_curspace);
        inodes = quota_left(quota.dqb_ihardlimit, quota.dqb_isoftlimit, quota.dqb_curinodes);
        if (bytes < out->free_bytes) {
            out->free_bytes = bytes;
            out->by_quota = true;
        }
        if (inodes < out->free_inodes)
            out->free_inodes = inodes;
    }
    close(folder);
}

int fs_space(int fd, struct fs_space *out, struct err *err)
{
    struct fs_space space = {0};
    struct statvfs  volume;
    struct statfs   kind;
    struct stat     st;

    if (fstat(fd, &st) != 0)
        return err_sys(err, errno, "ask the volume for its free space");
    if (fstatvfs(fd, &volume) != 0 || fstatfs(fd, &kind) != 0) {
        if (errno != ENOSYS && errno != ENOTSUP && errno != EPERM)
            return err_sys(err, errno, "ask the volume for its free space");
        memset(&volume, 0, sizeof(volume));
        memset(&kind, 0, sizeof(kind));
    }
    space.device = (uint64_t)st.st_dev;
    if (volume.f_blocks == 0) { /* tmpfs without a size, ramfs, FUSE: it does not count */
        volume.f_bavail = volume.f_blocks = UINT64_MAX;
        volume.f_frsize = 1;
    }
    if (__builtin_mul_overflow((uint64_t)volume.f_bavail, (uint64_t)volume.f_frsize,
                               &space.free_bytes))
        space.free_bytes = UINT64_MAX; /* object stores name huge constants */
    if (__builtin_mul_overflow((uint64_t)volume.f_blocks, (uint64_t)volume.f_frsize,
                               &space.total_bytes))
        space.total_bytes = UINT64_MAX;
    space.free_inodes = volume.f_files == 0 ? UINT64_MAX : (uint64_t)volume.f_favail;
    space.is_memory =
        is_one_of((uint32_t)kind.f_type, memory_type, sizeof(memory_type) / sizeof(memory_type[0]));
    space.is_network = fs_type_is_network((uint32_t)kind.f_type);
    apply_quota(fd, &space);
    *out = space;
    return 0;
}
