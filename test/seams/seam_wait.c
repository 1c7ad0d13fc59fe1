/* seam_wait.c: virtual time. With HF_SEAM_CLOCK=virtual a wait of an hour costs milliseconds.
 *
 * Virtual time runs like real time, and leaps when nothing could happen before the next deadline
 * anyway: when every thread of the process sits in one of the waits below. Then it is set to the
 * earliest deadline, whose waiter is woken and finds its time used up. A thread that is in no wait
 * known here, for the disk, a mutex or the CPU, counts as busy, and time does not leap.
 *
 * While somebody waits for the network (or for a reader of a pipe), an answer may be on its way: then
 * time stands by for HF_SEAM_QUIET of real time after the last sign of life in either direction
 * before it leaps, so that nothing a server on this machine sends in good time looks late. Once that
 * is over it leaps on and on, until something arrives. */
#include "seams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define NEVER         INT64_MAX
#define KICK_AGAIN_NS 100000 /* a waiter that was just about to wait is woken again */

struct waiter {
    struct waiter  *next, **at;
    int64_t         until_ns; /* virtual time, or NEVER */
    bool            outside;  /* waits for somebody who is not of this process */
    int             wake_fd;  /* one of both wakes it; a wait without deadline needs none */
    pthread_cond_t *cond;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all of these */
static pthread_cond_t  changed;                          /* for the governor */
static struct waiter  *waiters;
static unsigned        busy = 1; /* threads in no wait; main is one */
static _Atomic int64_t heard_ns; /* the last sign of life to or from outside, in real time */

static _Thread_local int  wake_fd = -1;
static _Thread_local bool nested; /* a wait that an original makes is part of that one */

static bool is_real(void)
{
    return !seams.is_virtual || nested;
}

static void sign_of_life(void)
{
    if (seams.is_virtual)
        atomic_store(&heard_ns, seam_real_ns());
}

static void wait_begins(struct waiter *w)
{
    pthread_mutex_lock(&lock);
    w->next = waiters;
    w->at = &waiters;
    if (waiters)
        waiters->at = &w->next;
    waiters = w;
    if (--busy == 0)
        pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    nested = true;
}

static void wait_ends(struct waiter *w)
{
    int error = errno;

    nested = false;
    pthread_mutex_lock(&lock);
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    busy++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    errno = error;
}

/* --- the governor --- */

static void wait_for_change(int64_t ns)
{
    struct timespec until;
    int64_t         at_ns = seam_real_ns() + ns;

    until = (struct timespec){at_ns / SEAM_SECOND_NS, (long)(at_ns % SEAM_SECOND_NS)};
    __real_pthread_cond_timedwait(&changed, &lock, &until);
}

static void kick_due(int64_t now_ns)
{
    uint64_t one = 1;

    for (struct waiter *w = waiters; w; w = w->next) {
        if (w->until_ns > now_ns)
            continue;
        if (w->cond)
            pthread_cond_broadcast(w->cond);
        else if (write(w->wake_fd, &one, sizeof(one)) < 0)
            continue; /* full: it was kicked already */
    }
}

static void *govern(void *unused)
{
    (void)unused;
    nested = true;
    pthread_mutex_lock(&lock);
    for (;;) {
        int64_t earliest_ns = NEVER, left_ns;
        bool    outside = false;

        for (const struct waiter *w = waiters; w; w = w->next) {
            earliest_ns = w->until_ns < earliest_ns ? w->until_ns : earliest_ns;
            outside |= w->outside;
        }
        left_ns = outside ? atomic_load(&heard_ns) + seams.quiet_ns - seam_real_ns() : 0;
        if (busy > 0 || earliest_ns == NEVER) {
            __real_pthread_cond_wait(&changed, &lock);
        } else if (left_ns > 0) {
            wait_for_change(left_ns);
        } else {
            int64_t leap_ns = earliest_ns - seam_now_ns();

            if (leap_ns > 0)
                atomic_fetch_add(seams.offset_ns, leap_ns);
            kick_due(seam_now_ns());
            wait_for_change(KICK_AGAIN_NS);
        }
    }
    return NULL;
}

void seam_wait_start(void)
{
    pthread_condattr_t attr;
    pthread_t          thread;
    sigset_t           all, before;

    atomic_store(&heard_ns, seam_real_ns());
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    sigfillset(&all); /* signals are the process's own affair */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (__real_pthread_create(&thread, NULL, govern, NULL) != 0)
        _exit(99);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- waits for descriptors, and for nothing --- */

/* The process's own wake-ups are eventfds, pipes and socket pairs. */
static bool is_network(const struct pollfd *fd)
{
    struct sockaddr_storage address;
    socklen_t               size = sizeof(address);

    return fd->fd >= 0 && fd->events &&
           getsockname(fd->fd, (struct sockaddr *)&address, &size) == 0 &&
           (address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

/* Does it wait for somebody else: the network, or who reads our output? */
static bool is_outside(const struct pollfd *fd)
{
    return (fd->fd >= 0 && (fd->events & POLLOUT)) || is_network(fd);
}

static void hear(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].revents && is_network(&fds[i]))
            sign_of_life();
}

static int own_wake_fd(void)
{
    if (wake_fd < 0)
        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wake_fd;
}

/* How long the original may wait: rounded up, so that it never ends before the deadline. */
static int left_ms(int64_t until_ns)
{
    int64_t ns = until_ns - seam_now_ns();

    if (until_ns == NEVER)
        return -1;
    return ns <= 0 ? 0 : (int)((ns + 999999) / 1000000);
}

static int wait_for(struct pollfd *fds, nfds_t count, int64_t until_ns)
{
    struct waiter  w = {.until_ns = until_ns, .wake_fd = own_wake_fd()};
    struct pollfd *all = __real_malloc((count + 1) * sizeof(*all));
    uint64_t       kicks;
    int            rc = __real_poll(fds, count, 0);

    if (rc != 0) { /* it was there already */
        hear(fds, count);
        free(all);
        return rc;
    }
    if (!all || w.wake_fd < 0)
        _exit(99);
    for (nfds_t i = 0; i < count; i++) {
        all[i] = fds[i];
        w.outside |= is_outside(&fds[i]);
    }
    all[count] = (struct pollfd){.fd = w.wake_fd, .events = POLLIN};
    wait_begins(&w);
    do {
        rc = __real_poll(all, count + 1, left_ms(until_ns));
        if (rc > 0 && all[count].revents && read(w.wake_fd, &kicks, sizeof(kicks)) > 0)
            rc--; /* a kick, perhaps one for the wait before */
    } while (rc == 0 && seam_now_ns() < until_ns);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = all[i].revents;
    hear(fds, count);
    wait_ends(&w);
    free(all);
    return rc;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (is_real() || timeout_ms == 0)
        return __real_poll(fds, count, timeout_ms);
    return wait_for(fds, count,
                    timeout_ms < 0 ? NEVER : seam_now_ns() + timeout_ms * (SEAM_SECOND_NS / 1000));
}

int __wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
    if (is_real())
        return __real_nanosleep(ts, left);
    return wait_for(NULL, 0, seam_now_ns() + ts->tv_sec * SEAM_SECOND_NS + ts->tv_nsec);
}

int __wrap_usleep(unsigned us)
{
    return __wrap_nanosleep(&(struct timespec){us / 1000000, (long)(us % 1000000) * 1000}, NULL);
}

/* --- waits for other threads --- */

/* Deadlines of both clocks occur; those of the wall clock are the large numbers. */
static clockid_t clock_of(const struct timespec *until)
{
    return until->tv_sec < 1000000000 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int64_t distance_ns(clockid_t clock, const struct timespec *until)
{
    struct timespec now;

    __wrap_clock_gettime(clock, &now);
    return (until->tv_sec - now.tv_sec) * SEAM_SECOND_NS + until->tv_nsec - now.tv_nsec;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct waiter w = {.until_ns = NEVER, .cond = cond};
    int           rc;

    if (is_real())
        return __real_pthread_cond_wait(cond, mutex);
    wait_begins(&w);
    rc = __real_pthread_cond_wait(cond, mutex);
    wait_ends(&w);
    return rc;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    struct waiter   w = {.cond = cond};
    struct timespec at;
    int64_t         left_ns, at_ns;
    int             rc;

    if (is_real() || !until)
        return __real_pthread_cond_timedwait(cond, mutex, until);
    left_ns = distance_ns(clock_of(until), until);
    w.until_ns = seam_now_ns() + left_ns;
    __real_clock_gettime(clock_of(until), &at);
    at_ns = at.tv_sec * SEAM_SECOND_NS + at.tv_nsec + (left_ns > 0 ? left_ns : 0);
    at = (struct timespec){at_ns / SEAM_SECOND_NS, (long)(at_ns % SEAM_SECOND_NS)};
    wait_begins(&w);
    rc = __real_pthread_cond_timedwait(cond, mutex, &at);
    wait_ends(&w);
    return rc; /* 0 for a kick, too: whoever waits looks at the clock again */
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    struct waiter w = {.until_ns = NEVER};
    int           rc;

    if (is_real())
        return __real_pthread_join(thread, result);
    wait_begins(&w);
    rc = __real_pthread_join(thread, result);
    wait_ends(&w);
    return rc;
}

/* Signals come in real time, and so does the patience of whoever waits for the next one: he has seen to
 * the first. */
int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    struct waiter w = {.until_ns = NEVER};
    int           rc;

    if (timeout)
        atomic_store(&seam_stop_heard, true);
    if (is_real())
        return __real_sigtimedwait(set, info, timeout);
    wait_begins(&w);
    rc = __real_sigtimedwait(set, info, timeout);
    wait_ends(&w);
    return rc;
}

int __wrap_sigwait(const sigset_t *set, int *signal)
{
    struct waiter w = {.until_ns = NEVER};
    int           rc;

    if (is_real())
        return __real_sigwait(set, signal);
    wait_begins(&w);
    rc = __real_sigwait(set, signal);
    wait_ends(&w);
    return rc;
}

/* --- threads come and go --- */

struct beginning {
    void *(*run)(void *);
    void *arg;
};

static void count_thread(bool begins)
{
    pthread_mutex_lock(&lock);
    busy += begins ? 1u : -1u;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void *thread_main(void *arg)
{
    struct beginning begin = *(struct beginning *)arg;
    void            *result;

    free(arg);
    result = begin.run(begin.arg);
    if (wake_fd >= 0)
        close(wake_fd);
    count_thread(false);
    return result;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    struct beginning *begin;
    int               rc;

    if (is_real())
        return __real_pthread_create(thread, attr, run, arg);
    begin = __real_malloc(sizeof(*begin));
    if (!begin)
        return EAGAIN;
    *begin = (struct beginning){run, arg};
    count_thread(true);
    rc = __real_pthread_create(thread, attr, thread_main, begin);
    if (rc) {
        count_thread(false);
        free(begin);
    }
    return rc;
}

/* --- signs of life --- */

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    sign_of_life();
    return __real_connect(fd, address, size);
}

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    sign_of_life();
    return __real_send(fd, data, size, flags);
}

ssize_t __wrap_sendto(int fd, const void *data, size_t size, int flags,
                      const struct sockaddr *address, socklen_t address_size)
{
    sign_of_life();
    return __real_sendto(fd, data, size, flags, address, address_size);
}
