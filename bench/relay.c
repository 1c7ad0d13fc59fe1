/* relay.c: a CDN edge that gives each connection so much and no more, and collapses in a crowd.
 *
 *     relay UPSTREAM:PORT PORT CAP CROWD CROWDED ADDRESS...
 *
 * Accepts on every ADDRESS:PORT and carries bytes to and from UPSTREAM:PORT. A connection gets CAP bytes per second
 * (0: any number); while an address has more than CROWD connections (0: never), each of them gets CROWDED.
 * The kernel paces (SO_MAX_PACING_RATE) and moves the bytes (splice), so that the relay costs next to nothing.
 * nginx's limit_rate is no such cap: it counts per request and lets every one begin with a second's worth of bytes,
 * so that a client that asks for small ranges never feels it.
 * Prints "ready". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20, EDGES_MAX = 16, LINKS_MAX = 4096 };

/* One direction of a link: socket -> pipe -> socket. */
struct flow {
    int    from, to, pipe[2];
    size_t held;        /* bytes in the pipe */
    bool   ended, told; /* the source is at its end; the sink knows */
};

struct link {
    struct edge *edge; /* NULL: a free slot */
    struct flow  down, up;
    bool         done;
};

struct edge {
    int      fd;
    unsigned links;
    bool     crowded;
};

static struct edge        edges[EDGES_MAX];
static struct link        links[LINKS_MAX];
static int                edge_count, epoll_fd;
static struct sockaddr_in upstream;
static unsigned long      cap, crowd, crowded;

static void die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void pace(struct link *l)
{
    unsigned long rate = l->edge->crowded ? crowded : cap ? cap : ~0ul;

    setsockopt(l->down.to, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
}

static void count(struct edge *e, int change)
{
    bool is_crowd;

    e->links += (unsigned)change;
    is_crowd = crowd && e->links > crowd;
    if (is_crowd == e->crowded)
        return;
    e->crowded = is_crowd;
    for (int i = 0; i < LINKS_MAX; i++)
        if (links[i].edge == e)
            pace(&links[i]);
}

static void watch(int fd, struct link *l)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = l};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static void open_flow(struct flow *f, int from, int to)
{
    *f = (struct flow){.from = from, .to = to};
    if (pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC))
        die("pipe2");
    fcntl(f->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
}

static void close_flow(struct flow *f)
{
    close(f->pipe[0]);
    close(f->pipe[1]);
}

static void accept_link(struct edge *e)
{
    int          one = 1, client = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), server;
    struct link *l = links;

    if (client < 0)
        return;
    while (l < links + LINKS_MAX && l->edge)
        l++;
    server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l == links + LINKS_MAX || connect(server, (struct sockaddr *)&upstream, sizeof(upstream))) {
        close(client);
        close(server);
        return;
    }
    fcntl(server, F_SETFL, O_NONBLOCK);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *l = (struct link){.edge = e};
    open_flow(&l->down, server, client);
    open_flow(&l->up, client, server);
    count(e, 1);
    pace(l);
    watch(client, l);
    watch(server, l);
}

/* Moves what can be moved; false when the connection is broken. */
static bool move(struct flow *f)
{
    for (;;) {
        ssize_t in = 0, out = 0;

        if (!f->ended && f->held < PIPE_BYTES) {
            in = splice(f->from, NULL, f->pipe[1], NULL, PIPE_BYTES - f->held,
                        SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (in == 0)
                f->ended = true;
            if (in < 0 && errno != EAGAIN)
                return false;
            f->held += in > 0 ? (size_t)in : 0;
        }
        if (f->held > 0) {
            out = splice(f->pipe[0], NULL, f->to, NULL, f->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (out < 0 && errno != EAGAIN)
                return false;
            f->held -= out > 0 ? (size_t)out : 0;
        }
        if (f->ended && f->held == 0 && !f->told) {
            shutdown(f->to, SHUT_WR);
            f->told = true;
        }
        if (in <= 0 && out <= 0)
            return true;
    }
}

static void serve(struct link *l)
{
    if (l->done ||
        (move(&l->down) && move(&l->up) && !(l->down.told && (l->up.told || l->down.ended))))
        return;
    l->done = true;
}

static void close_link(struct link *l)
{
    close(l->down.from);
    close(l->down.to);
    close_flow(&l->down);
    close_flow(&l->up);
    count(l->edge, -1);
    l->edge = NULL;
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
        die(host);
    return a;
}

static void open_edge(const char *host, const char *port)
{
    struct edge       *e = &edges[edge_count++];
    struct sockaddr_in a = address_of(host, port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
    int                one = 1;

    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(e->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(e->fd, (struct sockaddr *)&a, sizeof(a)) || listen(e->fd, 1024) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, e->fd, &event))
        die(host);
}

int main(int argc, char **argv)
{
    char              *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
    struct epoll_event events[256];

    if (argc < 7 || argc > 6 + EDGES_MAX || !colon)
        return 2;
    *colon = '\0';
    signal(SIGPIPE, SIG_IGN); /* splice raises it */
    upstream = address_of(argv[1], colon + 1);
    cap = strtoul(argv[3], NULL, 10);
    crowd = strtoul(argv[4], NULL, 10);
    crowded = strtoul(argv[5], NULL, 10);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 6; i < argc; i++)
        open_edge(argv[i], argv[2]);
    printf("ready\n");
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);

        for (int i = 0; i < n; i++) {
            struct edge *e = events[i].data.ptr;

            if (e >= edges && e < edges + EDGES_MAX)
                accept_link(e);
            else if (((struct link *)events[i].data.ptr)->edge)
                serve(events[i].data.ptr);
        }
        for (int i = 0; i < n; i++) { /* only now: an earlier event may speak of the same link */
            struct link *l = events[i].data.ptr;

            if (l >= links && l < links + LINKS_MAX && l->edge && l->done)
                close_link(l);
        }
    }
}
