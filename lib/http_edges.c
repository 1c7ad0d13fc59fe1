/* http_edges.c: see http_edges.h.
 *
 * Invariant: while an address has active requests, its slot keeps the address. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "http_edges_internal.h"

enum {
    LOOK_EVERY_MS = 60 * 1000,
    LOOK_PAUSE_MS = 10 * 1000,
    OUT_MS = 30 * 1000,
    OUT_DOUBLINGS_MAX = 4,
};

struct http_edges *http_edges_new(const struct clock *clock, const struct log *log)
{
    struct http_edges *edges = mem_alloc(sizeof(*edges));

    pthread_mutex_init(&edges->lock, NULL);
    edges->clock = *clock;
    edges->log = log;
    edges->look_up = edges_look_up;
    edges->window_at_ms = clock_now_ms(clock);
    return edges;
}

static void destroy(struct http_edges *edges)
{
    for (unsigned i = 0; i < edges->host_count; i++)
        free(edges->host[i]);
    pthread_mutex_destroy(&edges->lock);
    free(edges);
}

void http_edges_free(struct http_edges *edges)
{
    bool is_last;

    if (!edges)
        return;
    pthread_mutex_lock(&edges->lock);
    edges->closed = true;
    is_last = edges->looking == 0;
    pthread_mutex_unlock(&edges->lock);
    if (is_last)
        destroy(edges);
}

unsigned http_edges_join(struct http_edges *edges)
{
    unsigned lane;

    pthread_mutex_lock(&edges->lock);
    lane = edges->lane_count++ % EDGES_LANES;
    pthread_mutex_unlock(&edges->lock);
    return lane;
}

/* --- hosts and their addresses --- */

static struct edges_host *find_host(struct http_edges *edges, struct str host, uint16_t port)
{
    for (unsigned i = 0; i < edges->host_count; i++)
        if (edges->host[i]->port == port && str_eq_nocase(str_from(edges->host[i]->name), host))
            return edges->host[i];
    return NULL;
}

static struct edges_host *add_host(struct http_edges *edges, struct str host, uint16_t port)
{
    struct edges_host *h;

    if (edges->host_count == EDGES_HOSTS_MAX || host.len >= sizeof(h->name))
        return NULL;
    h = mem_alloc(sizeof(*h));
    h->edges = edges;
    snprintf(h->name, sizeof(h->name), "%.*s", STR_ARG(host));
    h->port = port;
    edges->host[edges->host_count++] = h;
    return h;
}

static struct http_edge *find_address(struct edges_host *h, const char *address)
{
    for (unsigned i = 0; i < h->count; i++)
        if (strcmp(h->edge[i].address, address) == 0)
            return &h->edge[i];
    return NULL;
}

/* A slot for a new address: a fresh one, or that of one nobody uses or names any more; what was
 * found out about an address is kept as long as it matters. */
static struct http_edge *free_slot(struct edges_host *h, uint64_t now_ms)
{
    if (h->count < EDGES_PER_HOST_MAX)
        return &h->edge[h->count++];
    for (unsigned i = 0; i < h->count; i++) {
        struct http_edge *e = &h->edge[i];

        if (!e->listed && e->active == 0 && e->cool_until_ms <= now_ms && e->out_until_ms <= now_ms)
            return e;
    }
    return NULL;
}

static void look_up_when_due(struct edges_host *h, uint64_t now_ms)
{
    if (h->looking || now_ms < h->look_again_at_ms)
        return;
    h->look_again_at_ms = now_ms + LOOK_EVERY_MS;
    h->looked_at_ms = now_ms;
    h->looking = true;
    h->edges->looking++;
    if (!h->edges->look_up(h)) {
        h->looking = false;
        h->edges->looking--;
    }
}

void edges_ask_again(struct edges_host *h, uint64_t now_ms)
{
    uint64_t soonest = h->looked_at_ms + LOOK_PAUSE_MS;

    h->look_again_at_ms = soonest > now_ms ? soonest : now_ms;
}

/* A fleet of pods that all get the same answer must not all begin at its first address. */
static void shuffle_from(struct edges_host *h, unsigned first)
{
    for (unsigned i = h->count; i > first + 1; i--) {
        unsigned j = first + (unsigned)clock_random_below(&h->edges->clock, (uint64_t)i - first);
        struct http_edge swap = h->edge[j];

        h->edge[j] = h->edge[i - 1];
        h->edge[i - 1] = swap;
    }
}

static void take_answer(struct edges_host *h, const char (*address)[INET6_ADDRSTRLEN],
                        unsigned           count)
{
    uint64_t now_ms = clock_now_ms(&h->edges->clock);
    unsigned old_count = h->count;

    for (unsigned i = 0; count && i < h->count; i++)
        h->edge[i].listed = false;
    for (unsigned i = 0; i < count; i++) {
        struct http_edge *e = find_address(h, address[i]);

        if (!e && (e = free_slot(h, now_ms)) != NULL) {
            *e = (struct http_edge){.host = h, .cap = UINT_MAX};
            snprintf(e->address, sizeof(e->address), "%s", address[i]);
            e->is_ipv6 = strchr(e->address, ':') != NULL;
        }
        if (e)
            e->listed = true;
    }
    shuffle_from(h, old_count);
    log_write(h->edges->log, LOG_DEBUG, "addresses of a host", LOG_CSTR("host", h->name),
              LOG_NUM("addresses", count));
}

void edges_learn(struct edges_host *h, const char (*address)[INET6_ADDRSTRLEN], unsigned count)
{
    struct http_edges *edges = h->edges;
    bool               is_last;

    pthread_mutex_lock(&edges->lock);
    h->looking = false;
    edges->looking--;
    if (!edges->closed)
        take_answer(h, address, count);
    is_last = edges->closed && edges->looking == 0;
    pthread_mutex_unlock(&edges->lock);
    if (is_last)
        destroy(edges);
}

/* --- choosing --- */

static bool is_candidate(const struct http_edge *e)
{
    return e->listed && (e->is_ipv6 ? e->host->reached_ipv6 : e->host->reached_ipv4);
}

bool edges_is_usable(const struct http_edge *e, uint64_t now_ms)
{
    return is_candidate(e) && e->out_until_ms <= now_ms;
}

/* An idle connection is worth one request more: a handshake costs round trips and CPU. */
static bool is_better(const struct http_edge *a, const struct http_edge *b, unsigned lane)
{
    unsigned a_cost = 2 * a->active + (a->idle[lane] ? 0 : 3);
    unsigned b_cost = 2 * b->active + (b->idle[lane] ? 0 : 3);

    return a_cost < b_cost;
}

struct survey {
    struct http_edge *best, *any; /* below its cap; whatever its cap */
    unsigned          candidates, usable, active;
};

static struct survey survey_host(struct edges_host *h, unsigned lane, uint64_t now_ms)
{
    struct survey s = {0};

    for (unsigned i = 0; i < h->count; i++) {
        struct http_edge *e = &h->edge[i];

        s.candidates += is_candidate(e);
        if (!edges_is_usable(e, now_ms))
            continue;
        s.usable++;
        s.active += e->active;
        if (e->active < e->cap && (!s.best || is_better(e, s.best, lane)))
            s.best = e;
        if (!s.any || e->cap > s.any->cap)
            s.any = e;
    }
    return s;
}

static enum http_place choose_locked(struct edges_host *h, unsigned lane, uint64_t now_ms,
                                     struct http_edge **out)
{
    struct survey s = survey_host(h, lane, now_ms);

    if (s.candidates < 2 || s.usable == 0)
        return HTTP_BY_NAME;
    if (!s.best && s.active > 0)
        return HTTP_NO_ROOM;
    *out = s.best ? s.best : s.any; /* a host always gets one */
    (*out)->active++;
    if ((*out)->idle[lane])
        (*out)->idle[lane]--;
    return HTTP_AT_EDGE;
}

enum http_place http_edges_choose(struct http_edges *edges, struct str host, uint16_t port,
                                  unsigned lane, struct http_edge **out)
{
    uint64_t           now_ms = clock_now_ms(&edges->clock);
    enum http_place    place = HTTP_BY_NAME;
    struct edges_host *h;

    pthread_mutex_lock(&edges->lock);
    h = find_host(edges, host, port);
    if (!h)
        h = add_host(edges, host, port);
    if (h) {
        look_up_when_due(h, now_ms);
        place = choose_locked(h, lane, now_ms, out);
    }
    pthread_mutex_unlock(&edges->lock);
    return place;
}

struct http_edge *http_edges_reached(struct http_edges *edges, struct str host, uint16_t port,
                                     const char *ip)
{
    struct edges_host *h;
    struct http_edge  *e = NULL;

    pthread_mutex_lock(&edges->lock);
    h = find_host(edges, host, port);
    if (h) {
        *(strchr(ip, ':') ? &h->reached_ipv6 : &h->reached_ipv4) = true;
        e = find_address(h, ip);
    }
    if (e) {
        e->active++;
        e->out_until_ms = 0;
    }
    pthread_mutex_unlock(&edges->lock);
    return e;
}

const char *http_edge_address(const struct http_edge *edge)
{
    return edge->address;
}

/* --- what comes of it --- */

static void put_out(struct http_edge *e, uint64_t now_ms)
{
    unsigned doublings = e->refusals < OUT_DOUBLINGS_MAX ? e->refusals : OUT_DOUBLINGS_MAX;

    if (e->out_until_ms > now_ms)
        return; /* one of several that were on their way */
    e->refusals++;
    e->out_until_ms = now_ms + ((uint64_t)OUT_MS << doublings);
    edges_ask_again(e->host, now_ms);
    log_write(e->host->edges->log, LOG_INFO, "an address does not answer, others are used",
              LOG_CSTR("host", e->host->name), LOG_CSTR("address", e->address),
              LOG_NUM("wait_ms", e->out_until_ms - now_ms));
}

void http_edges_end(struct http_edges *edges, struct http_edge *edge, unsigned lane,
                    enum http_edge_end end)
{
    uint64_t now_ms = clock_now_ms(&edges->clock);

    pthread_mutex_lock(&edges->lock);
    edge->active--;
    if (end == HTTP_EDGE_IDLE) {
        edge->idle[lane]++;
        edge->refusals = 0;
    }
    if (end == HTTP_EDGE_REFUSED)
        put_out(edge, now_ms);
    pthread_mutex_unlock(&edges->lock);
}

void http_edges_add(struct http_edges *edges, struct http_edge *edge, uint64_t bytes,
                    uint64_t busy_ms)
{
    pthread_mutex_lock(&edges->lock);
    edge->window_bytes += bytes;
    edge->window_busy_ms += busy_ms;
    edge->host->window_bytes += bytes;
    pthread_mutex_unlock(&edges->lock);
}

void http_edges_tick(struct http_edges *edges)
{
    uint64_t now_ms = clock_now_ms(&edges->clock);

    pthread_mutex_lock(&edges->lock);
    if (now_ms - edges->window_at_ms >= EDGES_WINDOW_MS) {
        for (unsigned i = 0; i < edges->host_count; i++)
            edges_judge(edges->host[i], now_ms, now_ms - edges->window_at_ms);
        edges->window_at_ms = now_ms;
    }
    pthread_mutex_unlock(&edges->lock);
}

bool http_edges_have_ceilings(struct http_edges *edges)
{
    return atomic_load(&edges->has_caps);
}

bool http_edges_is_surplus(struct http_edges *edges, const struct http_edge *edge)
{
    uint64_t      now_ms = clock_now_ms(&edges->clock);
    struct survey s;
    bool          is_surplus;

    pthread_mutex_lock(&edges->lock);
    s = survey_host(edge->host, 0, now_ms);
    /* Not where it would only be started again: by name, or as the one that a host always gets. */
    is_surplus =
        edge->active > edge->cap && s.candidates >= 2 && s.usable > 0 && (s.best || s.active > 1);
    pthread_mutex_unlock(&edges->lock);
    return is_surplus;
}

static unsigned room_at(struct edges_host *h, uint64_t now_ms)
{
    struct survey s = survey_host(h, 0, now_ms);
    unsigned      room = 0;

    if (s.candidates < 2 || s.usable == 0)
        return UINT_MAX;
    for (unsigned i = 0; i < h->count; i++) {
        const struct http_edge *e = &h->edge[i];

        if (!edges_is_usable(e, now_ms) || e->active >= e->cap)
            continue;
        if (e->cap == UINT_MAX)
            return UINT_MAX;
        room += e->cap - e->active;
    }
    return room == 0 && s.active == 0 ? 1 : room;
}

unsigned http_edges_room(struct http_edges *edges, struct str host)
{
    uint64_t now_ms = clock_now_ms(&edges->clock);
    unsigned room = 0, asked = 0;

    pthread_mutex_lock(&edges->lock);
    for (unsigned i = 0; i < edges->host_count && room != UINT_MAX; i++) {
        struct edges_host *h = edges->host[i];
        unsigned           here;

        if (host.len ? !str_eq_nocase(str_from(h->name), host)
                     : survey_host(h, 0, now_ms).active == 0)
            continue;
        here = room_at(h, now_ms);
        room = here == UINT_MAX ? UINT_MAX : room + here;
        asked++;
    }
    pthread_mutex_unlock(&edges->lock);
    return asked ? room : UINT_MAX;
}
