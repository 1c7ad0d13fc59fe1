/* limits.c: what this machine can do at best, one JSON line a limit.
 *
 *     limits FOLDER [GB]       FOLDER: on a disk, has GB (default 2) of room
 *
 * L1  raw TCP over loopback, sender on CPU 0, recv of 64 KiB on CPU 1
 * L4  pwrite of 1 MiB into a file with fallocate, page cache, the pages used once before
 * L5  the same, durable: O_DIRECT, 4 MiB, fdatasync at the end
 * L7  reading it again from the page cache, 256 KiB at a time
 * Each is the best of three. "cpu_s_per_gb" is the time of the calling thread; a GB is 10^9 bytes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 3, BLOCK_MAX = 4 << 20 };

static unsigned char *block;
static uint64_t       total_bytes;
static char           path[4096];

static void die(const char *what)
{
    fprintf(stderr, "limits: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double thread_cpu_s(void)
{
    struct rusage r;

    getrusage(RUSAGE_THREAD, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static void pin(size_t cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* a machine with one processor keeps what it has */
}

static void *send_all(void *arg)
{
    int      fd = *(int *)arg;
    uint64_t left = total_bytes;

    pin(0);
    while (left > 0) {
        ssize_t n = send(fd, block, left < 1 << 20 ? (size_t)left : 1 << 20, 0);

        if (n <= 0)
            die("send");
        left -= (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void tcp_sink(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          len = sizeof(a);
    int       listener = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0), in;
    pthread_t sender;

    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&a, &len) ||
        connect(out, (struct sockaddr *)&a, len))
        die("loopback");
    in = accept(listener, NULL, NULL);
    pin(1);
    if (pthread_create(&sender, NULL, send_all, &out))
        die("thread");
    while (recv(in, block + BLOCK_MAX / 2, 64 << 10, 0) > 0)
        ;
    pthread_join(sender, NULL);
    close(in);
    close(out);
    close(listener);
}

static int open_file(int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        die(path);
    return fd;
}

static void write_file(int flags, size_t each)
{
    int fd = open_file(O_CREAT | O_TRUNC | O_WRONLY | flags);

    if (fallocate(fd, 0, 0, (off_t)total_bytes) && errno != EOPNOTSUPP)
        die("fallocate");
    for (uint64_t at = 0; at < total_bytes; at += each)
        if (pwrite(fd, block, each, (off_t)at) != (ssize_t)each)
            die("pwrite");
    if ((flags & O_DIRECT) && fdatasync(fd))
        die("fdatasync");
    close(fd);
}

static void write_cached(void)
{
    write_file(0, 1 << 20);
}

static void write_durable(void)
{
    write_file(O_DIRECT, 4 << 20);
}

static void read_again(void)
{
    int fd = open_file(O_RDONLY);

    for (uint64_t at = 0; at < total_bytes; at += 256 << 10)
        if (pread(fd, block, 256 << 10, (off_t)at) != 256 << 10)
            die("pread");
    close(fd);
}

/* Runs it ROUNDS times, after one that does not count, and prints the best. */
static void best_of(const char *name, const char *what, void (*run)(void))
{
    double best_s = 1e9, best_cpu_s = 0;

    for (int i = 0; i <= ROUNDS; i++) {
        double began = now_s(), cpu = thread_cpu_s(), took;

        run();
        took = now_s() - began;
        if (i > 0 && took < best_s) {
            best_s = took;
            best_cpu_s = thread_cpu_s() - cpu;
        }
    }
    printf("{\"limit\": \"%s\", \"what\": \"%s\", \"gb_per_s\": %.3f, \"cpu_s_per_gb\": %.4f}\n",
           name, what, (double)total_bytes * 1e-9 / best_s,
           best_cpu_s / ((double)total_bytes * 1e-9));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double gb = argc > 2 ? strtod(argv[2], NULL) : 2;

    if (argc < 2 || snprintf(path, sizeof(path), "%s/limits.tmp", argv[1]) >= (int)sizeof(path))
        return 2;
    total_bytes = (uint64_t)(gb * 1e9) / BLOCK_MAX * BLOCK_MAX;
    if (posix_memalign((void **)&block, 4096, BLOCK_MAX))
        die("memory");
    memset(block, 'x', BLOCK_MAX);
    best_of("L1", "TCP over loopback, recv 64 KiB", tcp_sink);
    best_of("L4", "pwrite 1 MiB, page cache", write_cached);
    best_of("L7", "read 256 KiB, page cache", read_again);
    best_of("L5", "pwrite 4 MiB, O_DIRECT, fdatasync", write_durable);
    unlink(path);
    return 0;
}
