/* seams.h: where tests take hold of hf-init from outside: allocation, time, locks.
 *
 * `make seams` links the very objects of the product once more, as build/seams/hf-init, and lets the
 * linker lead the calls listed in `wrap`, of ours and of every library in it, through this folder.
 * lib/ and cmd/ know nothing of it. Variables choose what happens; without them, nothing does. A
 * value that makes no sense ends the process with 99.
 *
 *   HF_SEAM_ALLOC=N      the Nth allocation of the process fails, once; N+: that and all after it
 *   HF_SEAM_COUNT=FILE   holds the number of allocations, 8 bytes of this machine's order
 *   HF_SEAM_CLOCK=ITEM,… virtual    waits cost no time: seam_wait.c
 *                        +S, -S     the wall clock is wrong by S seconds
 *                        +S@T, -S@T from T seconds after the start on
 *                        sleep+S@T  T seconds after the start the machine sleeps for S: the wall
 *                                   clock and CLOCK_BOOTTIME go on, CLOCK_MONOTONIC does not
 *   HF_SEAM_OFFSET=FILE  holds by how many ns virtual time is ahead, as a number of 8 bytes
 *   HF_SEAM_QUIET=MS     how long virtual time waits for an answer; 500
 *   HF_SEAM_LOCKS=noop   every flock succeeds and keeps nobody out
 *                 stop   the process stops before each, as by SIGSTOP, until SIGCONT comes
 *   HF_SEAM_REMOVAL=N:term  as it removes its Nth name, the process gets SIGTERM and goes on once it has
 *                        taken note of it
 *                   N:+S it stands still for S seconds there, by all of its clocks
 *                   N:stop it stops there, as by SIGSTOP, until SIGCONT comes
 *                   N:+S:stop  the same, and S seconds will have gone by
 *   HF_SEAM_SYNC=N:…     the same as it calls fsync for the Nth time: folders, and what replaces state */
#ifndef SEAMS_H
#define SEAMS_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEAM_SECOND_NS 1000000000ll

struct seam_moment {
    uint64_t         nth; /* 0: nothing happens at any */
    int64_t          still_ns;
    bool             stops; /* else, if it does not stand still either, SIGTERM comes */
    _Atomic uint64_t passed;
};

struct seams {
    uint64_t           fail_at; /* 0: no allocation fails */
    bool               fail_on; /* and all after it */
    _Atomic uint64_t  *allocations;
    bool               is_virtual;
    _Atomic int64_t   *offset_ns; /* virtual time is ahead of real time by it */
    int64_t            quiet_ns;
    int64_t            wall_ns, wall_after_ns, sleep_ns, sleep_after_ns;
    int64_t            started_ns;
    bool               locks_lie, locks_stop;
    struct seam_moment removal, sync;
};
extern struct seams seams;           /* read before main() runs, then only read */
extern _Atomic bool seam_stop_heard; /* who waits for signals has acted on the first */

bool seam_failed(void);
/* CLOCK_MONOTONIC as the kernel has it, and as the process sees it. */
int64_t seam_real_ns(void);
int64_t seam_now_ns(void);
/* Before main(): starts the thread that moves virtual time on. */
void seam_wait_start(void);

/* What the linker put in our place, and where the originals went. */
#define SEAM(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __real_##name(__VA_ARGS__)

SEAM(void *, malloc, size_t size);
SEAM(void *, calloc, size_t count, size_t size);
SEAM(void *, realloc, void *p, size_t size);
SEAM(const char *, gcry_check_version, const char *wanted);
SEAM(char *, gcry_get_config, int mode, const char *what);
SEAM(int, mbedtls_ctr_drbg_seed, void *drbg, void *get_entropy, void *from,
     const unsigned char *custom, size_t size);
SEAM(int, clock_gettime, clockid_t id, struct timespec *ts);
SEAM(time_t, time, time_t *t);
SEAM(int, poll, struct pollfd *fds, nfds_t count, int timeout_ms);
SEAM(int, nanosleep, const struct timespec *ts, struct timespec *left);
SEAM(int, usleep, unsigned us);
SEAM(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *mutex);
SEAM(int, pthread_cond_timedwait, pthread_cond_t *cond, pthread_mutex_t *mutex,
     const struct timespec *until);
SEAM(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
     void *arg);
SEAM(int, pthread_join, pthread_t thread, void **result);
SEAM(int, sigwait, const sigset_t *set, int *signal);
SEAM(int, sigtimedwait, const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
SEAM(int, connect, int fd, const struct sockaddr *address, socklen_t size);
SEAM(ssize_t, send, int fd, const void *data, size_t size, int flags);
SEAM(ssize_t, sendto, int fd, const void *data, size_t size, int flags,
     const struct sockaddr *address, socklen_t address_size);
SEAM(int, flock, int fd, int operation);
SEAM(int, unlinkat, int dir_fd, const char *path, int flags);
SEAM(int, fsync, int fd);

#endif
