/* sandbox.c: Landlock. Facts: Linux, Documentation/userspace-api/landlock.rst. */
#include "sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER /* headers of 5.18 and older */
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* 6.1 and older */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/* Before the second version no rename from one folder to another is possible, and ours are. */
enum { OLDEST_VERSION = 2, TRUNCATE_VERSION = 3 };

static const uint64_t into_a_file = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
static const uint64_t into_folders = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                                     LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_MAKE_REG |
                                     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR;
static const uint64_t for_a_swap = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                                   LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
static const uint64_t for_nobody = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                   LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                   LANDLOCK_ACCESS_FS_MAKE_SOCK;

static int allow(int rules, int fd, uint64_t access)
{
    const struct landlock_path_beneath_attr beneath = {.allowed_access = access, .parent_fd = fd};

    return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
}

/* A termination message that does not exist yet is not written either. */
static int allow_termination_message(int rules, const char *path, uint64_t known)
{
    int fd, rc;

    if (!path || !path[0])
        return 0;
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    rc = allow(rules, fd, into_a_file & known);
    close(fd);
    return rc;
}

/* A file is replaced by renaming in its folder, so it is the folder that must be allowed. */
static int allow_folder_of(int rules, const char *path, uint64_t known)
{
    const char *slash = strrchr(path, '/');
    char        folder[PATH_MAX];
    int         fd, rc;

    if (!path[0] || strlen(path) >= sizeof(folder))
        return 0;
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    rc = allow(rules, fd, for_a_swap & known);
    close(fd);
    return rc;
}

/* A build that counts its lines (make coverage) writes the counts down as it ends. */
static int allow_counts(int rules, uint64_t known)
{
#ifdef COUNTS_FOLDER
    return allow_folder_of(rules, COUNTS_FOLDER "/", known);
#else
    (void)rules, (void)known;
    return 0;
#endif
}

void sandbox_enter(int volume_fd, void *user)
{
    struct landlock_ruleset_attr handled = {0};
    uint64_t                     known = ~0ULL;
    long                         version;
    int                          rules;

#ifdef __SANITIZE_ADDRESS__ /* its leak check could not stop the thread that is not confined */
    return;
#endif
    version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < OLDEST_VERSION)
        return;
    if (version < TRUNCATE_VERSION)
        known &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
    handled.handled_access_fs = (into_folders | for_nobody) & known;
    rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    if (rules < 0)
        return;
    /* A rule that could not be made must not become a run that cannot write. */
    if ((volume_fd < 0 || allow(rules, volume_fd, into_folders & known) == 0) &&
        allow_termination_message(rules, hfinit_termination_path(user), known) == 0 &&
        allow_folder_of(rules, hfinit_metrics_path(user), known) == 0 &&
        allow_counts(rules, known) == 0)
        syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
}
