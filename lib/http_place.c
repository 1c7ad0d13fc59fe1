/* http_place.c: at which address of its host a request goes, and what it brings there: between the
 * requests of a lane and the table of edges that all lanes share. */
#include <string.h>

#include "http_internal.h"

enum {
    COUNT_EVERY_MS = 100,
    /* A lane that did not turn for longer was kept from reading, by a disk or a busy CPU: that
     * time is not the address's. */
    COUNT_MAX_MS = 500,
    /* What the server thinks about before its answer is not counted, up to this. */
    PATIENCE_MS = 5000,
    /* Smaller answers are all latency: their rate says nothing about the address. */
    BULK_BYTES = 1024 * 1024,
};

bool http_place(struct request *r)
{
    enum http_place place = HTTP_BY_NAME;

    if (r->may_spread)
        place = http_edges_choose(r->http->config.edges, buf_view(&r->host), r->port, r->http->lane,
                                  &r->edge);
    if (place == HTTP_NO_ROOM)
        return false;
    r->edge_chosen = place == HTTP_AT_EDGE;
    r->placed_at_ms = clock_now_ms(&r->http->config.clock);
    http_set_connect_to(r);
    return true;
}

void http_note_peer(struct request *r)
{
    char *ip = NULL;

    if (r->may_spread && !r->edge &&
        curl_easy_getinfo(r->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip)
        r->edge = http_edges_reached(r->http->config.edges, buf_view(&r->host), r->port, ip);
}

static bool is_connecting(const struct request *r)
{
    curl_off_t connected_us = 0;

    curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    return connected_us == 0;
}

bool http_may_go_elsewhere(const struct request *r)
{
    return r->edge_chosen && !r->replied &&
           (r->code == CURLE_COULDNT_CONNECT ||
            (r->code == CURLE_OPERATION_TIMEDOUT && is_connecting(r)));
}

/* Says that a connection brings bytes, or should. */
static bool is_busy(const struct request *r, uint64_t now_ms)
{
    curl_off_t length = -1;

    if (!r->replied)
        return now_ms - r->placed_at_ms >= PATIENCE_MS;
    curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length < 0 || length >= BULK_BYTES;
}

static void count(struct request *r, uint64_t now_ms)
{
    uint64_t since =
        r->http->counted_at_ms > r->placed_at_ms ? r->http->counted_at_ms : r->placed_at_ms;
    uint64_t ms = now_ms - since;

    if (is_busy(r, now_ms))
        http_edges_add(r->http->config.edges, r->edge, r->body_bytes - r->counted_bytes,
                       ms < COUNT_MAX_MS ? ms : COUNT_MAX_MS);
    r->counted_bytes = r->body_bytes;
}

void http_count(struct http *http)
{
    uint64_t now_ms;

    if (!http->config.edges)
        return;
    now_ms = clock_now_ms(&http->config.clock);
    if (now_ms - http->counted_at_ms < COUNT_EVERY_MS)
        return;
    for (struct request *r = http->active; r; r = r->next)
        if (r->edge)
            count(r, now_ms);
    http->counted_at_ms = now_ms;
    http_edges_tick(http->config.edges);
}

void http_leave_place(struct request *r)
{
    enum http_edge_end end = HTTP_EDGE_CLOSED;

    if (!r->edge)
        return;
    count(r, clock_now_ms(&r->http->config.clock));
    if (r->is_over && r->edge_chosen && !r->replied)
        end = HTTP_EDGE_REFUSED;
    else if (r->is_over && r->edge_chosen && r->code == CURLE_OK)
        end = HTTP_EDGE_IDLE;
    http_edges_end(r->http->config.edges, r->edge, r->http->lane, end);
    r->edge = NULL;
    r->edge_chosen = false;
}
