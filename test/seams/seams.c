/* seams.c: reads the variables, and the seams that need no more than a few lines. */
#include "seams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic uint64_t no_count;
static _Atomic int64_t  no_offset;

struct seams seams = {
    .allocations = &no_count,
    .offset_ns = &no_offset,
    .quiet_ns = SEAM_SECOND_NS / 2,
};

static _Noreturn void refuse(const char *what, const char *value)
{
    dprintf(STDERR_FILENO, "seams: %s: %s makes no sense\n", what, value);
    _exit(99);
}

/* 8 bytes that whoever started us can watch. */
static void *share(const char *path)
{
    int   fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    void *p = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, sizeof(uint64_t)) == 0)
        p = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        refuse("file", path);
    close(fd);
    return p;
}

static int64_t read_seconds(const char *text, char **end)
{
    double seconds = strtod(text, end);

    if (*end == text)
        refuse("HF_SEAM_CLOCK", text);
    return (int64_t)(seconds * SEAM_SECOND_NS);
}

/* "+3600", "-3600@2.5" */
static void read_leap(const char *text, int64_t *leap_ns, int64_t *after_ns)
{
    char *end;

    *leap_ns = read_seconds(text, &end);
    *after_ns = *end == '@' ? read_seconds(end + 1, &end) : 0;
    if (*end)
        refuse("HF_SEAM_CLOCK", text);
}

static void read_clock(const char *value)
{
    char copy[200], *rest = copy, *item;

    snprintf(copy, sizeof(copy), "%s", value);
    while ((item = strsep(&rest, ",")) != NULL) {
        if (strcmp(item, "virtual") == 0)
            seams.is_virtual = true;
        else if (strncmp(item, "sleep+", 6) == 0)
            read_leap(item + 5, &seams.sleep_ns, &seams.sleep_after_ns);
        else if (*item == '+' || *item == '-')
            read_leap(item, &seams.wall_ns, &seams.wall_after_ns);
        else
            refuse("HF_SEAM_CLOCK", item);
    }
}

static void read_allocations(const char *value)
{
    char *end;

    seams.fail_at = strtoull(value, &end, 10);
    seams.fail_on = *end == '+';
    if (seams.fail_at == 0 || end[seams.fail_on])
        refuse("HF_SEAM_ALLOC", value);
}

/* "3:term", "3:+61", "3:stop", "3:+61:stop" */
static void read_moment(const char *name, struct seam_moment *moment)
{
    const char *value = getenv(name);
    char       *end;

    if (!value)
        return;
    moment->nth = strtoull(value, &end, 10);
    if (strncmp(end, ":+", 2) == 0)
        moment->still_ns = read_seconds(end + 2, &end);
    moment->stops = strcmp(end, ":stop") == 0;
    if (moment->stops || (moment->still_ns == 0 && strcmp(end, ":term") == 0))
        end += strlen(end);
    if (moment->nth == 0 || *end)
        refuse(name, value);
}

__attribute__((constructor)) static void read_variables(void)
{
    const char *alloc = getenv("HF_SEAM_ALLOC"), *count = getenv("HF_SEAM_COUNT"),
               *clock = getenv("HF_SEAM_CLOCK"), *offset = getenv("HF_SEAM_OFFSET"),
               *quiet = getenv("HF_SEAM_QUIET"), *locks = getenv("HF_SEAM_LOCKS");

    seams.started_ns = seam_real_ns();
    if (alloc)
        read_allocations(alloc);
    if (count)
        seams.allocations = share(count);
    if (offset)
        seams.offset_ns = share(offset);
    if (quiet)
        seams.quiet_ns = strtoll(quiet, NULL, 10) * (SEAM_SECOND_NS / 1000);
    if (clock)
        read_clock(clock);
    seams.locks_lie = locks && strcmp(locks, "noop") == 0;
    seams.locks_stop = locks && strcmp(locks, "stop") == 0;
    if (locks && !seams.locks_lie && !seams.locks_stop)
        refuse("HF_SEAM_LOCKS", locks);
    read_moment("HF_SEAM_REMOVAL", &seams.removal);
    read_moment("HF_SEAM_SYNC", &seams.sync);
    atomic_store(seams.allocations, 0);
    atomic_store(seams.offset_ns, 0);
    if (seams.is_virtual)
        seam_wait_start();
}

/* --- allocation --- */

/* A place for a debugger to stop at: which allocation was it? */
__attribute__((noinline)) bool seam_failed(void)
{
    errno = ENOMEM;
    return true;
}

static _Thread_local bool sheltered;

static bool must_fail(void)
{
    uint64_t n;

    if (sheltered)
        return false;
    n = atomic_fetch_add(seams.allocations, 1) + 1;
    if (n != seams.fail_at && !(seams.fail_on && n > seams.fail_at))
        return false;
    return seam_failed();
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

/* Not by way of the original: musl's calls malloc, and would be counted twice. */
void *__wrap_calloc(size_t count, size_t size)
{
    size_t all;
    void  *p;

    if (must_fail())
        return NULL;
    if (__builtin_mul_overflow(count, size, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    p = __real_malloc(all);
    if (p)
        memset(p, 0, all);
    return p;
}

void *__wrap_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : __real_realloc(p, size);
}

/* What cannot stand it: libgpg-error ends the process, or frees what it never had, and mbedTLS 3.6 follows
 * a null pointer into its pool of entropy. These few small allocations are not counted. */
const char *__wrap_gcry_check_version(const char *wanted)
{
    const char *version;

    sheltered = true;
    version = __real_gcry_check_version(wanted);
    sheltered = false;
    return version;
}

char *__wrap_gcry_get_config(int mode, const char *what)
{
    char *config;

    sheltered = true;
    config = __real_gcry_get_config(mode, what);
    sheltered = false;
    return config;
}

int __wrap_mbedtls_ctr_drbg_seed(void *drbg, void *get_entropy, void *from,
                                 const unsigned char *custom, size_t size)
{
    int rc;

    sheltered = true;
    rc = __real_mbedtls_ctr_drbg_seed(drbg, get_entropy, from, custom, size);
    sheltered = false;
    return rc;
}

/* --- locks --- */

int __wrap_flock(int fd, int operation)
{
    if (seams.locks_stop)
        kill(getpid(), SIGSTOP);
    return seams.locks_lie ? 0 : __real_flock(fd, operation);
}

/* --- removals, syncs --- */

_Atomic bool seam_stop_heard;

/* Not by raise(): that would leave it with this thread, which does not wait for it. */
static void stop_and_be_heard(void)
{
    kill(getpid(), SIGTERM);
    while (!atomic_load(&seam_stop_heard))
        __real_nanosleep(&(struct timespec){.tv_nsec = SEAM_SECOND_NS / 1000}, NULL);
}

static void pass(struct seam_moment *moment)
{
    if (moment->nth == 0 || atomic_fetch_add(&moment->passed, 1) + 1 != moment->nth)
        return;
    atomic_fetch_add(seams.offset_ns, moment->still_ns);
    if (moment->stops)
        kill(getpid(), SIGSTOP);
    else if (moment->still_ns == 0)
        stop_and_be_heard();
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
    pass(&seams.removal);
    return __real_unlinkat(dir_fd, path, flags);
}

int __wrap_fsync(int fd)
{
    pass(&seams.sync);
    return __real_fsync(fd);
}

/* --- clocks --- */

static int64_t to_ns(const struct timespec *ts)
{
    return ts->tv_sec * SEAM_SECOND_NS + ts->tv_nsec;
}

int64_t seam_real_ns(void)
{
    struct timespec ts;

    __real_clock_gettime(CLOCK_MONOTONIC, &ts);
    return to_ns(&ts);
}

int64_t seam_now_ns(void)
{
    return seam_real_ns() + atomic_load(seams.offset_ns);
}

/* By how much this clock of the process is ahead of the kernel's. */
static int64_t lead_of(clockid_t id)
{
    bool    is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    int64_t lead_ns = atomic_load(seams.offset_ns), spent_ns = seam_now_ns() - seams.started_ns;

    if (is_wall && spent_ns >= seams.wall_after_ns)
        lead_ns += seams.wall_ns;
    if ((is_wall || id == CLOCK_BOOTTIME) && spent_ns >= seams.sleep_after_ns)
        lead_ns += seams.sleep_ns;
    return lead_ns;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    int     rc = __real_clock_gettime(id, ts);
    int64_t ns;

    if (rc || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
        return rc;
    ns = to_ns(ts) + lead_of(id);
    *ts = (struct timespec){ns / SEAM_SECOND_NS, (long)(ns % SEAM_SECOND_NS)};
    return 0;
}

time_t __wrap_time(time_t *t)
{
    struct timespec ts;

    __wrap_clock_gettime(CLOCK_REALTIME, &ts);
    if (t)
        *t = ts.tv_sec;
    return ts.tv_sec;
}
