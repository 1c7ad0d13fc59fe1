/* wan.c: a long wire between two network namespaces: IP packets wait, and some are lost.
 *
 *     wan NETNS DEVICE DELAY_US LOSS_PPM SEED packets|segments
 *
 * Makes a TUN device of that name in this namespace and in NETNS and carries packets between them, each DELAY_US
 * later (one way), in order. Of those that go from here to NETNS, LOSS_PPM of a million are dropped, by a generator
 * started with SEED. TCP at both ends is the kernel's: round trip times, retransmits and windows are real.
 *   packets   one read, one write a packet of at most the MTU: what loss needs
 *   segments  TCP segments of up to 64 KB pass as one (virtio-net header, TSO): a fraction of the CPU
 * Prints "ready", and when terminated one line: packets and bytes each way, packets lost, packets dropped as the
 * store was full, and the CPU seconds spent. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    STORE_BYTES = 256 << 20, /* of packets on their way in one direction: 2.5 GB/s at 100 ms */
    FRAME_MAX = 10 + 65535,  /* struct virtio_net_hdr and the largest IP packet */
    BATCH = 64,              /* reads before the other direction gets its turn */
};

/* A stored packet: this, then `len` bytes; the next one is 8-aligned. Where the largest frame would not
 * fit before the end of the store, reader and writer both go to its start. */
struct frame {
    uint64_t due_ns;
    uint32_t len;
    uint32_t unused;
};

struct lane {
    int            in, out;
    uint32_t       loss_ppm;
    unsigned char *store;
    size_t         head, tail, used; /* bytes; head is read, tail is written */
    uint64_t       packets, bytes, lost, dropped;
};

static volatile sig_atomic_t stop;
static uint64_t              random_state;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "wan: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*: good enough to lose packets by. */
static bool is_unlucky(uint32_t ppm)
{
    if (ppm == 0)
        return false;
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * 2685821657736338717u >> 32) % 1000000u < ppm;
}

static int open_tun(const char *device, bool segments)
{
    struct ifreq request = {.ifr_flags =
                                (short)(IFF_TUN | IFF_NO_PI | (segments ? IFF_VNET_HDR : 0))};
    int          fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
        die("/dev/net/tun");
    if (segments && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))
        die("TUNSETOFFLOAD");
    return fd;
}

static size_t room_for(size_t len)
{
    return (sizeof(struct frame) + len + 7) & ~(size_t)7;
}

/* Reads what has come, up to BATCH packets; true if there may be more. */
static bool take_in(struct lane *l, uint64_t delay_ns)
{
    static unsigned char spill[FRAME_MAX];
    uint64_t             due = now_ns() + delay_ns;

    for (int i = 0; i < BATCH; i++) {
        struct frame *f;
        ssize_t       got;

        if (STORE_BYTES - l->tail < room_for(FRAME_MAX)) { /* the end of the store is left empty */
            l->used += STORE_BYTES - l->tail;
            l->tail = 0;
        }
        f = (struct frame *)(void *)(l->store + l->tail);
        if (l->used + room_for(FRAME_MAX) > STORE_BYTES) {
            if (read(l->in, spill, sizeof(spill)) < 0)
                return false;
            l->dropped++;
            continue;
        }
        got = read(l->in, f + 1, FRAME_MAX);
        if (got <= 0)
            return false;
        if (is_unlucky(l->loss_ppm)) {
            l->lost++;
            continue;
        }
        f->due_ns = due;
        f->len = (uint32_t)got;
        l->tail += room_for((size_t)got);
        l->used += room_for((size_t)got);
        l->packets++;
        l->bytes += (uint64_t)got;
    }
    return true;
}

/* Writes what is due; the moment the next one is, UINT64_MAX if there is none. */
static uint64_t let_out(struct lane *l)
{
    uint64_t now = now_ns();

    while (l->used > 0) {
        struct frame *f = (struct frame *)(void *)(l->store + l->head);

        if (STORE_BYTES - l->head < room_for(FRAME_MAX)) {
            l->used -= STORE_BYTES - l->head;
            l->head = 0;
            continue;
        }
        if (f->due_ns > now)
            return f->due_ns;
        if (write(l->out, f + 1, f->len) < 0)
            l->dropped++;
        l->head += room_for(f->len);
        l->used -= room_for(f->len);
    }
    l->head = l->tail = 0; /* start anew in memory that is warm */
    return UINT64_MAX;
}

static void carry(struct lane lanes[2], uint64_t delay_ns)
{
    struct pollfd fds[2] = {{.fd = lanes[0].in, .events = POLLIN},
                            {.fd = lanes[1].in, .events = POLLIN}};

    while (!stop) {
        bool            more = false;
        uint64_t        next = UINT64_MAX, now;
        struct timespec wait = {3600, 0};

        for (int i = 0; i < 2; i++) {
            uint64_t due;

            more |= take_in(&lanes[i], delay_ns);
            due = let_out(&lanes[i]);
            next = due < next ? due : next;
        }
        if (more)
            continue;
        now = now_ns();
        if (next != UINT64_MAX) {
            uint64_t left = next > now ? next - now : 0;

            wait = (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                                     .tv_nsec = (long)(left % 1000000000u)};
        }
        ppoll(fds, 2, &wait, NULL);
    }
}

int main(int argc, char **argv)
{
    struct lane   lanes[2] = {{0}};
    struct rusage used;
    int           here, there, home, other;
    bool          segments;
    uint64_t      delay_ns;

    if (argc != 7)
        return 2;
    delay_ns = strtoull(argv[3], NULL, 10) * 1000;
    lanes[0].loss_ppm = (uint32_t)strtoul(argv[4], NULL, 10);
    random_state = strtoull(argv[5], NULL, 10) * 2654435769u + 1;
    segments = strcmp(argv[6], "segments") == 0;

    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    other = open(argv[1], O_RDONLY | O_CLOEXEC);
    here = open_tun(argv[2], segments);
    if (home < 0 || other < 0 || setns(other, CLONE_NEWNET))
        die(argv[1]);
    there = open_tun(argv[2], segments);
    if (setns(home, CLONE_NEWNET))
        die("setns");
    lanes[0].in = lanes[1].out = here;
    lanes[0].out = lanes[1].in = there;
    for (int i = 0; i < 2; i++) {
        lanes[i].store = malloc(STORE_BYTES);
        if (!lanes[i].store)
            die("malloc");
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
    printf("ready\n");
    fflush(stdout);
    carry(lanes, delay_ns);

    getrusage(RUSAGE_SELF, &used);
    for (int i = 0; i < 2; i++)
        printf("%s %" PRIu64 " packets %" PRIu64 " bytes %" PRIu64 " lost %" PRIu64 " dropped\n",
               i ? "back" : "there", lanes[i].packets, lanes[i].bytes, lanes[i].lost,
               lanes[i].dropped);
    printf("cpu %.2f s\n", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
    return 0;
}
