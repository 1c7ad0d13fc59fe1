/* cgroup.h: what the container may use, from cgroup v2 or v1 and the affinity mask. */
#ifndef HFI_CGROUP_H
#define HFI_CGROUP_H

#include <stdint.h>

/* Whole processors worth of CPU time, rounded up; at least 1. */
unsigned cgroup_cpus(void);
/* The memory limit in bytes, page cache included; UINT64_MAX if there is none. */
uint64_t cgroup_memory_limit(void);

#endif
