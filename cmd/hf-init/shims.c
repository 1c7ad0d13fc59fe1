/* shims.c: see shims.h. */
#include "shims.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int complain(const char *name, const char *what)
{
    fprintf(stderr, "hf-init as %s: %s\n", name, what);
    return 2;
}

/* As process 1 of a container it would not even notice a signal it has no handler for. */
static int sleep_until_told(void)
{
    sigset_t wanted;
    int      signal_number = 0;

    signal(SIGCHLD, SIG_IGN); /* leaves no zombies of what was started in the container */
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    while (sigwait(&wanted, &signal_number) != 0)
        ;
    return 128 + signal_number;
}

/* ---- rm ---- */

static int remove_at(int folder, const char *name);

static int remove_inside(int folder)
{
    DIR           *dir = fdopendir(folder);
    struct dirent *entry;
    int            rc = dir ? 0 : -1;

    if (!dir)
        close(folder);
    while (rc == 0 && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = remove_at(folder, entry->d_name);
    if (dir)
        closedir(dir);
    return rc;
}

/* Links are removed, not followed. What is gone already is fine. */
static int remove_at(int folder, const char *name)
{
    int fd;

    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    /* Some file systems skip entries of a folder that is being emptied: another look finds them. */
    for (int look = 0; look < 8; look++) {
        fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? 0 : -1;
        if (remove_inside(fd))
            return -1;
        if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return -1;
    }
    return -1;
}

/* "/models/NAME": the folder and the name; false if it is anything else. */
static bool split_folder(const char *path, const char **root, const char **name)
{
    static const char *const roots[] = {"/models", "/adapters"};

    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(roots[i]);

        if (strncmp(path, roots[i], len) != 0 || path[len] != '/' ||
            !isalnum((unsigned char)path[len + 1]))
            continue;
        *root = roots[i];
        *name = path + len + 1;
        for (const char *p = *name; *p; p++)
            if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr("._-", *p)))
                return false;
        return true;
    }
    return false;
}

static int remove_folder(const char *as, const char *path)
{
    const char *root, *name;
    int         fd, rc;

    if (!split_folder(path, &root, &name))
        return complain(as, "only /models/NAME and /adapters/NAME are removed, one at a time");
    fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    rc = fd < 0 ? -1 : remove_at(fd, name);
    if (rc)
        fprintf(stderr, "hf-init as %s: %s: %s\n", as, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc ? 1 : 0;
}

bool shim_run(int argc, char *const *argv, int *code)
{
    const char *slash = strrchr(argv[0], '/'), *as = slash ? slash + 1 : argv[0];

    if (strcmp(as, "sleep") == 0)
        *code = argc == 2 && strcmp(argv[1], "infinity") == 0
                    ? sleep_until_told()
                    : complain(as, "only \"sleep infinity\" is known");
    else if (strcmp(as, "rm") == 0)
        *code = argc == 3 && strcmp(argv[1], "-rf") == 0
                    ? remove_folder(as, argv[2])
                    : complain(as, "only \"rm -rf FOLDER\" is known");
    else if (strcmp(as, "bash") == 0)
        *code = argc == 3 && strcmp(argv[1], "-c") == 0 && strncmp(argv[2], "rm -rf ", 7) == 0
                    ? remove_folder(as, argv[2] + 7)
                    : complain(as, "this is no shell; only bash -c \"rm -rf FOLDER\" is known");
    else
        return false;
    return true;
}
