/* http_edges_internal.h: the table, as its files and their test share it.
 *
 *   http_edges.c       the table: who is in it, who is chosen
 *   http_edges_rate.c  what a connection to an address brings, and what follows from it
 *   http_edges_name.c  asking for the addresses of a host, in a thread of its own */
#ifndef HFI_HTTP_EDGES_INTERNAL_H
#define HFI_HTTP_EDGES_INTERNAL_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http_edges.h"

enum {
    EDGES_HOSTS_MAX = 16, /* a run meets a handful; what comes later is asked for by name */
    EDGES_PER_HOST_MAX = 16,
    EDGES_LANES = 8,
    EDGES_WINDOWS = 10,
    EDGES_WINDOW_MS = 1000,
};

/* The last windows; what a fall is measured against. */
struct edges_rates {
    uint64_t bytes_per_s[EDGES_WINDOWS];
    unsigned next;
};

struct http_edge {
    char               address[INET6_ADDRSTRLEN];
    struct edges_host *host;
    bool               is_ipv6;
    bool               listed; /* in the latest answer of the name server */
    unsigned           active;
    unsigned           idle[EDGES_LANES]; /* connections a lane probably still has */
    unsigned           cap;               /* UINT_MAX: none */
    uint64_t           cool_until_ms;     /* no growth before */
    uint64_t           grown_at_ms;
    uint64_t           out_until_ms; /* not chosen before */
    unsigned           refusals;     /* in a row */
    uint64_t           window_bytes, window_busy_ms;
    uint64_t           rate;           /* of one connection, bytes/s, smoothed … */
    uint64_t           measured_at_ms; /* … until then; 0: never */
    struct edges_rates best;
    unsigned           low_windows; /* in a row … */
    unsigned           low_active;  /* … and the requests when that began */
};

struct edges_host {
    struct http_edges *edges;
    char               name[256];
    uint16_t           port;
    bool               reached_ipv4, reached_ipv6;
    bool               looking;
    uint64_t           looked_at_ms, look_again_at_ms;
    struct http_edge   edge[EDGES_PER_HOST_MAX];
    unsigned           count;
    uint64_t           window_bytes;
    struct edges_rates total;
};

/* Starts a look-up that ends in edges_learn; false: it could not be started. */
typedef bool edges_look_up_fn(struct edges_host *host);

struct http_edges {
    _Atomic bool       has_caps; /* for asking without the lock */
    pthread_mutex_t    lock;     /* guards everything below, and the hosts */
    struct clock       clock;
    const struct log  *log;
    edges_look_up_fn  *look_up;
    struct edges_host *host[EDGES_HOSTS_MAX]; /* owned */
    unsigned           host_count, lane_count;
    uint64_t           window_at_ms;
    unsigned           looking; /* threads under way; the last one frees a closed table */
    bool               closed;
};

/* Whoever calls these has the lock, except for edges_learn and edges_look_up's thread. */
bool edges_is_usable(const struct http_edge *e, uint64_t now_ms);
void edges_ask_again(struct edges_host *h, uint64_t now_ms);

/* http_edges_rate.c: judges every address of the host by the window that ends now. */
void edges_judge(struct edges_host *h, uint64_t now_ms, uint64_t window_ms);

/* http_edges_name.c */
edges_look_up_fn edges_look_up;

/* The end of a look-up; no address at all: it failed, what was known stays. */
void edges_learn(struct edges_host *h, const char (*address)[INET6_ADDRSTRLEN], unsigned count);

#endif
