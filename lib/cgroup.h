/* cgroup.h: what the container may use, from cgroup v2 or v1 and the affinity mask. */
#ifndef HFI_CGROUP_H
#define HFI_CGROUP_H

#include <stdint.h>

/* Whole processors worth of CPU time, rounded up; at least 1. */
unsigned cgroup_cpus(void);

struct cgroup_memory {
    uint64_t limit_bytes; /* page cache included; UINT64_MAX if there is none */
    uint64_t
        left_bytes; /* what a cache may grow to: less what the group, or the node, cannot give back */
};
/* The smallest of the process's own group, those above it as far as they can be seen, and what the
 * node has left. `root` is put before every path: "", or where a test has its files. */
void cgroup_memory(const char *root, struct cgroup_memory *out);

#endif
