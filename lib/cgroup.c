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
static bool own_group(const char *root, const char *controller, char *out, size_t size)
{
    char  line[1024];
    bool  found = false;
    FILE *f;

    snprintf(line, sizeof(line), "%s/proc/self/cgroup", root);
    f = fopen(line, "re");

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

/* The number behind a name, in lines such as "total_inactive_file 4096" or "MemAvailable: 99 kB". */
static bool read_named(const char *path, const char *name, uint64_t *value)
{
    char  line[256];
    FILE *f = fopen(path, "re");
    bool  found = false;

    if (!f)
        return false;
    while (!found && fgets(line, sizeof(line), f)) {
        struct str rest = str_from(line), word, number;

        line[strcspn(line, "\n")] = '\0';
        rest = str_from(line);
        if (!str_cut(&rest, ' ', &word) || !str_eq(word, str_from(name)))
            continue;
        while (rest.len && rest.p[0] == ' ')
            rest = str_sub(rest, 1, rest.len);
        found = str_cut(&rest, ' ', &number) && str_to_u64(number, value);
    }
    fclose(f);
    return found;
}

/* How one version of cgroups names what we read. */
struct memory_names {
    const char *controller, *base, *limit, *usage, *inactive, *active;
};

static const struct memory_names memory_names[] = {
    {"", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", "active_file"},
    {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "total_inactive_file", "total_active_file"},
};

/* One group's share of the answer. Cached file pages count as left: they make room for others. */
static void add_group(const char *root, const struct memory_names *names, const char *group,
                      struct cgroup_memory *out)
{
    char     base[1024], path[2048 + 64];
    uint64_t limit, usage, inactive = 0, active = 0;

    snprintf(base, sizeof(base), "%s%s", root, names->base);
    limit = read_limit(base, group, names->limit);
    if (limit == UINT64_MAX)
        return;
    usage = read_limit(base, group, names->usage);
    snprintf(path, sizeof(path), "%s%s/memory.stat", base, strcmp(group, "/") == 0 ? "" : group);
    read_named(path, names->inactive, &inactive);
    read_named(path, names->active, &active);
    usage = usage == UINT64_MAX ? 0 : usage;
    usage -= smaller(usage, inactive + active);
    out->limit_bytes = smaller(out->limit_bytes, limit);
    out->left_bytes = smaller(out->left_bytes, limit - smaller(limit, usage));
}

void cgroup_memory(const char *root, struct cgroup_memory *out)
{
    char     path[1024], group[1024];
    uint64_t available_kib;

    *out = (struct cgroup_memory){UINT64_MAX, UINT64_MAX};
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (read_named(path, "MemAvailable:", &available_kib))
        out->left_bytes = available_kib * 1024;
    for (size_t i = 0; i < sizeof(memory_names) / sizeof(memory_names[0]); i++) {
        const struct memory_names *names = &memory_names[i];

        add_group(root, names, "", out);
        if (!own_group(root, names->controller, group, sizeof(group)))
            continue;
        while (group[0] != '\0' && strcmp(group, "/") != 0) {
            char *slash = strrchr(group, '/');

            add_group(root, names, group, out);
            if (!slash)
                break;
            *slash = '\0';
        }
    }
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
    if (own_group("", "", group, sizeof(group)))
        cpus = smaller(cpus, cpus_v2(group));
    if (own_group("", "cpu", group, sizeof(group)))
        cpus = smaller(cpus, cpus_v1(group));
    return cpus == 0 || cpus > 1024 ? 1 : (unsigned)cpus;
}
