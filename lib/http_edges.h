/* http_edges.h: over which addresses of a host the bulk requests of a run are spread.
 *
 * libcurl takes the first address of an answer, so that all connections meet at one edge of a CDN.
 * This table, which all lanes share, knows every address of the hosts that bulk requests go to,
 * gives each request the address with fewest of ours, and watches what a connection to it brings:
 *
 *   FREE ──rate collapsed──> CAPPED (half of what ran; cooling) ──later──> one more, and one more
 *     │                         └──still far below its siblings──> half again, down to none
 *     └──refuses connections──> OUT for a while, longer each time
 *
 * Only addresses of a family over which libcurl, left alone, has reached the host are used: that
 * keeps the outcome of its race between IPv6 and IPv4. A host is asked for by name as long as
 * there is no other choice: until its addresses are known, when it has only one, when all are out.
 *
 * Every function is thread-safe; none waits for a name server. */
#ifndef HFI_HTTP_EDGES_H
#define HFI_HTTP_EDGES_H

#include <limits.h>

#include "clock.h"
#include "log.h"
#include "str.h"

struct http_edges;
struct http_edge; /* one address; its slot lives as long as the table */

/* Heap; both are borrowed, the log gets a line per decision. */
struct http_edges *http_edges_new(const struct clock *clock, const struct log *log);
/* After the last http that uses it; NULL is fine. A look-up that is still under way is not waited
 * for: it takes what it needs along and ends by itself. */
void http_edges_free(struct http_edges *edges);

/* How many more bulk requests that host (without case, any port; empty: all hosts in use together)
 * may get now. UINT_MAX: no ceiling is known. 0: none, what is started waits. */
unsigned http_edges_room(struct http_edges *edges, struct str host);

/* --- the side of http: a request and its address --- */

enum http_place {
    HTTP_BY_NAME, /* leave the choice to libcurl */
    HTTP_AT_EDGE, /* at *out, which counts it from now on: http_edges_end must follow */
    HTTP_NO_ROOM, /* all addresses have as many as they may: ask again later */
};

/* `lane` (http_edges_join) tells whose idle connections may be used again. */
unsigned        http_edges_join(struct http_edges *edges);
enum http_place http_edges_choose(struct http_edges *edges, struct str host, uint16_t port,
                                  unsigned lane, struct http_edge **out);
/* libcurl, left alone, reached the host at `ip`: that family works. Returns the address, which
 * counts the request from now on, or NULL if the table does not have it. */
struct http_edge *http_edges_reached(struct http_edges *edges, struct str host, uint16_t port,
                                     const char *ip);
/* As inet_ntop writes it; valid until http_edges_end. */
const char *http_edge_address(const struct http_edge *edge);
/* A request received so many bytes while it was expected to for busy_ms. */
void http_edges_add(struct http_edges *edges, struct http_edge *edge, uint64_t bytes,
                    uint64_t busy_ms);
/* Once a second or more often, by any lane: judges what was added. */
void http_edges_tick(struct http_edges *edges);
/* Did any address ever collapse? Costs next to nothing. */
bool http_edges_have_ceilings(struct http_edges *edges);
/* It has more requests than it may have: end one, then ask again. */
bool http_edges_is_surplus(struct http_edges *edges, const struct http_edge *edge);

enum http_edge_end {
    HTTP_EDGE_IDLE,    /* answered whole; the connection may be used again */
    HTTP_EDGE_CLOSED,  /* ended for any other reason */
    HTTP_EDGE_REFUSED, /* no connection came up, or no answer on it */
};
void http_edges_end(struct http_edges *edges, struct http_edge *edge, unsigned lane,
                    enum http_edge_end end);

#endif
