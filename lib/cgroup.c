/* cgroup.c: see cgroup.h. A container normally sees its own group at the root of the mount; on a
 * host the process's group is named in /proc/self/cgroup. Both are looked at, the smaller wins. */
#include "cgroup.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "str.h"

/* Reads the file's first line; false if there is none. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    bool  ok;

    if (!f)
        return false;
    ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    return ok;
}

/* In "cpu,cpuacct", but not in "cpuset". */
static bool has_word(struct str list, struct str word)
{
    struct str item;

    while (str_cut(&list, ',', &item))
        if (str_eq(item, word))
            return true;
    return false;
}

/* This process's group for a controller ("" for v2), as in "4:memory:/kubepods/pod1". */
static bool own_group(const char *controller, char *out, size_t size)
{
    char  line[1024];
    FILE *f = fopen("/proc/self/cgroup", "re");
    bool  found = false;

    if (!f)
        return false;
    while (!found && fgets(line, sizeof(line), f)) {
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        found = *controller ? has_word(str_from(list + 1), str_from(controller)) : list[1] == '\0';
        if (found)
            snprintf(out, size, "%s", path);
    }
    fclose(f);
    return found;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t read_limit(const char *root, const char *group, const char *file)
{
    char     path[2048], line[64];
    uint64_t value;

    snprintf(path, sizeof(path), "%s%s/%s", root, strcmp(group, "/") == 0 ? "" : group, file);
    if (!read_line(path, line, sizeof(line)) || !str_to_u64(str_from(line), &value))
        return UINT64_MAX; /* "max", or not there */
    /* v1 says "no limit" with the largest page-aligned number. */
    return value >= (UINT64_C(1) << 62) ? UINT64_MAX : value;
}

uint64_t cgroup_memory_limit(void)
{
    char     group[1024];
    uint64_t limit = smaller(read_limit("/sys/fs/cgroup", "", "memory.max"),
                             read_limit("/sys/fs/cgroup/memory", "", "memory.limit_in_bytes"));

    if (own_group("", group, sizeof(group)))
        limit = smaller(limit, read_limit("/sys/fs/cgroup", group, "memory.max"));
    if (own_group("memory", group, sizeof(group)))
        limit = smaller(limit, read_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    return limit;
}

/* "max 100000" or "150000 100000" (v2). */
static uint64_t cpus_v2(const char *group)
{
    char       path[2048], line[64];
    struct str rest, quota_text, period_text;
    uint64_t   quota, period;

    snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", strcmp(group, "/") == 0 ? "" : group);
    if (!read_line(path, line, sizeof(line)))
        return UINT64_MAX;
    rest = str_from(line);
    if (!str_cut(&rest, ' ', &quota_text) || !str_cut(&rest, ' ', &period_text) ||
        !str_to_u64(quota_text, &quota) || !str_to_u64(period_text, &period) || period == 0)
        return UINT64_MAX;
    return (quota + period - 1) / period;
}

static uint64_t cpus_v1(const char *group)
{
    uint64_t quota = read_limit("/sys/fs/cgroup/cpu", group, "cpu.cfs_quota_us");
    uint64_t period = read_limit("/sys/fs/cgroup/cpu", group, "cpu.cfs_period_us");

    if (quota == UINT64_MAX || period == UINT64_MAX || period == 0)
        return UINT64_MAX;
    return (quota + period - 1) / period;
}

unsigned cgroup_cpus(void)
{
    cpu_set_t set;
    char      group[1024];
    uint64_t  cpus = UINT64_MAX;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cpus = (uint64_t)CPU_COUNT(&set);
    cpus = smaller(cpus, smaller(cpus_v2(""), cpus_v1("")));
    if (own_group("", group, sizeof(group)))
        cpus = smaller(cpus, cpus_v2(group));
    if (own_group("cpu", group, sizeof(group)))
        cpus = smaller(cpus, cpus_v1(group));
    return cpus == 0 || cpus > 1024 ? 1 : (unsigned)cpus;
}
