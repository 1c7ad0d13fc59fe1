/* http_edges_rate.c: what a connection to an address brings, and what follows from it.
 *
 * Two signs of a collapse, each to be seen in several windows in a row:
 *   - far below the siblings: the address is throttled, overloaded or broken. Halved, and halved
 *     again while it lasts, down to none, for the siblings take over.
 *   - far below its own best while the whole host brings less than half of its best: all addresses
 *     suffer at once, perhaps from our number. Halved once per cool-down, and never to none. Whoever
 *     decides about the number of all connections sees that as well, and goes first.
 * Where fewer connections run than when the fall began, that is given time to work.
 * Without the second half of the second sign, our own growth would look like a fall: the more
 * connections share a line, the less each of them brings. Where no address brings a byte the network is
 * gone, and that is no fall. */
#include "http_edges_internal.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    FALL = 5,       /* a fifth of what it is measured against … */
    TOTAL_FALL = 2, /* … and half of what the host brought */
    LOW_WINDOWS = 3,
    LOW_TOGETHER_WINDOWS = 6,
    COOL_MS = 30 * 1000,
    GROW_EVERY_MS = 5 * 1000,
    BUSY_MIN_MS = 500, /* of connection time in a window, or it says nothing */
    WINDOW_MAX_MS = 5 * EDGES_WINDOW_MS,
    BEST_MS = EDGES_WINDOWS * EDGES_WINDOW_MS,
    REMEMBERED_MS = 30 * 1000, /* what siblings that have nothing left to do brought at last */
};

static uint64_t best_of(const struct edges_rates *r)
{
    uint64_t best = 0;

    for (unsigned i = 0; i < EDGES_WINDOWS; i++)
        if (r->bytes_per_s[i] > best)
            best = r->bytes_per_s[i];
    return best;
}

static void push(struct edges_rates *r, uint64_t bytes_per_s)
{
    r->bytes_per_s[r->next] = bytes_per_s;
    r->next = (r->next + 1) % EDGES_WINDOWS;
}

/* Takes in the window; an address that was silent for as long as its best lasts begins anew. */
static void measure(struct http_edge *e, uint64_t now_ms)
{
    if (e->window_busy_ms >= BUSY_MIN_MS) {
        uint64_t rate = e->window_bytes * 1000 / e->window_busy_ms;
        bool     is_new = e->measured_at_ms == 0 || now_ms - e->measured_at_ms > BEST_MS;

        if (is_new)
            e->best = (struct edges_rates){0};
        e->rate = is_new ? rate : (e->rate + rate) / 2;
        e->measured_at_ms = now_ms;
        push(&e->best, e->rate);
    }
    e->window_bytes = e->window_busy_ms = 0;
}

static int by_rate(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The upper median of the others: one address that is fast beyond all others does not condemn them,
 * and two that are broken do not excuse each other. 0: there are none to compare with. */
static uint64_t sibling_rate(const struct http_edge *of, uint64_t now_ms)
{
    const struct edges_host *h = of->host;
    uint64_t                 rate[EDGES_PER_HOST_MAX];
    size_t                   count = 0;

    for (unsigned i = 0; i < h->count; i++) {
        const struct http_edge *e = &h->edge[i];

        if (e != of && e->measured_at_ms && now_ms - e->measured_at_ms <= REMEMBERED_MS)
            rate[count++] = e->rate;
    }
    if (count == 0)
        return 0;
    qsort(rate, count, sizeof(rate[0]), by_rate);
    return rate[count / 2];
}

static bool has_other_way(const struct http_edge *of, uint64_t now_ms)
{
    for (unsigned i = 0; i < of->host->count; i++) {
        const struct http_edge *e = &of->host->edge[i];

        if (e != of && edges_is_usable(e, now_ms) && e->cap > 0)
            return true;
    }
    return false;
}

static void halve(struct http_edge *e, bool by_siblings, uint64_t against, uint64_t now_ms)
{
    unsigned cap = (e->active < e->cap ? e->active : e->cap) / 2;

    if (cap == 0 && !(by_siblings && has_other_way(e, now_ms)))
        cap = 1;
    e->cap = cap;
    atomic_store(&e->host->edges->has_caps, true);
    e->cool_until_ms = now_ms + COOL_MS;
    e->low_windows = 0;
    edges_ask_again(e->host, now_ms);
    log_write(e->host->edges->log, LOG_INFO, "an address collapsed, it gets fewer connections",
              LOG_CSTR("host", e->host->name), LOG_CSTR("address", e->address),
              LOG_NUM("bytes_per_second", e->rate), LOG_NUM("expected_bytes_per_second", against),
              LOG_NUM("connections", e->active), LOG_NUM("ceiling", e->cap));
}

static void grow(struct http_edge *e, uint64_t now_ms)
{
    if (e->cap == UINT_MAX || e->active < e->cap || e->low_windows > 0 ||
        now_ms < e->cool_until_ms || now_ms - e->grown_at_ms < GROW_EVERY_MS)
        return;
    e->cap++;
    e->grown_at_ms = now_ms;
    log_write(e->host->edges->log, LOG_DEBUG, "an address may have one more connection",
              LOG_CSTR("host", e->host->name), LOG_CSTR("address", e->address),
              LOG_NUM("bytes_per_second", e->rate), LOG_NUM("ceiling", e->cap));
}

static void judge(struct http_edge *e, bool host_fell, uint64_t now_ms)
{
    uint64_t sibling = sibling_rate(e, now_ms), best = best_of(&e->best);
    bool     is_measured = e->measured_at_ms == now_ms;
    bool     below_siblings = is_measured && e->rate < sibling / FALL;
    bool     below_itself = is_measured && host_fell && e->rate < best / FALL;

    if (below_siblings || below_itself)
        e->low_windows++;
    else if (is_measured || e->active == 0)
        e->low_windows = 0;
    if (e->low_windows == 0 || e->active < e->low_active - e->low_active / 4) {
        e->low_windows = e->low_windows > 0;
        e->low_active = e->active;
    }
    if (below_siblings && e->low_windows >= LOW_WINDOWS)
        halve(e, true, sibling, now_ms);
    else if (e->low_windows >= LOW_TOGETHER_WINDOWS && now_ms >= e->cool_until_ms)
        halve(e, false, best, now_ms);
    else
        grow(e, now_ms);
}

void edges_judge(struct edges_host *h, uint64_t now_ms, uint64_t window_ms)
{
    uint64_t total = h->window_bytes * 1000 / window_ms;
    bool     host_fell = total > 0 && total < best_of(&h->total) / TOTAL_FALL;

    h->window_bytes = 0;
    for (unsigned i = 0; i < h->count; i++)
        measure(&h->edge[i], now_ms);
    if (window_ms > WINDOW_MAX_MS) { /* nobody looked for long: that window says nothing */
        h->total = (struct edges_rates){0};
        return;
    }
    push(&h->total, total);
    for (unsigned i = 0; i < h->count; i++)
        judge(&h->edge[i], host_fell, now_ms);
}
