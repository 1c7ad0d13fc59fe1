/* What memory is left is read from whatever cgroups and /proc there are. */
#include "cgroup.h"
#include "volume.h"

#define MIB (UINT64_C(1) << 20)

struct fake {
    const char *file, *text;
};

static const struct {
    const char *name;
    uint64_t    limit_mib, left_mib; /* 0: none */
    struct fake file[8];
} rows[] = {
    {"nothing to read", 0, 0, {{0}}},
    {"no limit: what the node has left",
     0,
     300,
     {{"proc/meminfo", "MemTotal: 9 kB\nMemAvailable:  307200 kB\n"}}},
    {"v2, a container that sees only itself",
     64,
     63,
     {{"proc/self/cgroup", "0::/\n"},
      {"proc/meminfo", "MemAvailable: 9999999 kB\n"},
      {"sys/fs/cgroup/memory.max", "67108864\n"},
      {"sys/fs/cgroup/memory.current", "1048576\n"}}},
    {"what is cached already makes room",
     64,
     62,
     {{"proc/self/cgroup", "0::/\n"},
      {"sys/fs/cgroup/memory.max", "67108864\n"},
      {"sys/fs/cgroup/memory.current", "23068672\n"},
      {"sys/fs/cgroup/memory.stat",
       "anon 1\ninactive_anon 9\ninactive_file 20447232\nactive_file 524288\n"}}},
    {"a group above is smaller",
     100,
     40,
     {{"proc/self/cgroup", "0::/kubepods/pod1/main\n"},
      {"sys/fs/cgroup/memory.max", "max\n"},
      {"sys/fs/cgroup/kubepods/pod1/main/memory.max", "1073741824\n"},
      {"sys/fs/cgroup/kubepods/pod1/main/memory.current", "0\n"},
      {"sys/fs/cgroup/kubepods/pod1/memory.max", "104857600\n"},
      {"sys/fs/cgroup/kubepods/pod1/memory.current", "62914560\n"}}},
    {"the node is fuller than the group",
     1024,
     10,
     {{"proc/self/cgroup", "0::/\n"},
      {"proc/meminfo", "MemAvailable: 10240 kB\n"},
      {"sys/fs/cgroup/memory.max", "1073741824\n"},
      {"sys/fs/cgroup/memory.current", "0\n"}}},
    {"v1, beside other controllers",
     64,
     48,
     {{"proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/kubepods/pod1\n0::/\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
      {"sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes", "67108864\n"},
      {"sys/fs/cgroup/memory/kubepods/pod1/memory.usage_in_bytes", "33554432\n"},
      {"sys/fs/cgroup/memory/kubepods/pod1/memory.stat",
       "inactive_file 1\ntotal_inactive_file 8388608\ntotal_active_file 8388608\n"}}},
    {"v1, unlimited",
     0,
     0,
     {{"proc/self/cgroup", "4:memory:/\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}}},
    {"more used than allowed",
     1,
     UINT64_MAX,
     {{"proc/self/cgroup", "0::/\n"},
      {"sys/fs/cgroup/memory.max", "1048576\n"},
      {"sys/fs/cgroup/memory.current", "2097152\n"}}},
    {"garbage is no limit",
     0,
     0,
     {{"proc/self/cgroup", "garbage\n::\n"},
      {"proc/meminfo", "MemAvailable: many\n"},
      {"sys/fs/cgroup/memory.max", "-1\n"}}},
};

static void put_fake(const struct fake *fake)
{
    struct err err = {0};
    char       folder[512];

    snprintf(folder, sizeof(folder), "%s", at(fake->file));
    *strrchr(folder, '/') = '\0';
    CHECK(fs_make_dirs(folder, 0755, &err) == 0);
    put_text(fake->file, fake->text);
}

static uint64_t in_bytes(uint64_t mib)
{
    return mib == 0 ? UINT64_MAX : mib == UINT64_MAX ? 0 : mib * MIB;
}

int main(void)
{
    struct cgroup_memory memory;

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].name);
        volume_new();
        for (size_t k = 0; k < CHECK_COUNT(rows[i].file) && rows[i].file[k].file; k++)
            put_fake(&rows[i].file[k]);
        cgroup_memory(volume, &memory);
        CHECK_U64(memory.limit_bytes, in_bytes(rows[i].limit_mib));
        CHECK_U64(memory.left_bytes, in_bytes(rows[i].left_mib));
    }
    check_row(NULL);
    volume_remove();
    return check_end("test_cgroup");
}
