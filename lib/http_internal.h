/* http_internal.h: a request and its loop, as the files of http share them.
 *
 *   http.c          the loop: callbacks, results
 *   http_hook.c     who answers in place of the network
 *   http_place.c    at which address of its host a request goes, and what it brings there
 *   http_setup.c    what a request asks libcurl for: names, proxy, TLS, headers, limits
 *   http_explain.c  from libcurl's codes to our errors
 *   http_proxy.c    which proxy (pure) */
#ifndef HFI_HTTP_INTERNAL_H
#define HFI_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "http.h"
#include "url.h"

struct request {
    struct http            *http;
    uint64_t                id;
    CURL                   *easy;
    struct curl_slist      *header;
    struct curl_slist      *connect_to;
    char                    error_text[CURL_ERROR_SIZE];
    struct tls_verdict     *verdict;
    struct buf              url, host, range;
    struct secret           token; /* with `range`, for a hook */
    uint16_t                port;
    bool                    absolute_name; /* the host was looked up with a trailing dot */
    bool                    via_proxy;
    bool                    may_share;   /* its connection, over HTTP/2 */
    bool                    may_spread;  /* over the addresses of its host */
    bool                    held;        /* no address has room, or a hook answers: not in the
                                          * multi handle */
    struct http_edge       *edge;        /* the address that counts it, or NULL */
    bool                    edge_chosen; /* by us: the connection goes to the edge, not to a name */
    uint64_t                placed_at_ms;
    uint64_t                counted_bytes; /* of body_bytes, told to the table of edges */
    bool                    replied;       /* on_reply was called */
    bool                    refused;       /* a callback said no, err says why */
    uint64_t                header_bytes, body_bytes;
    struct http_reply       reply;
    struct err              err;
    const struct http_sink *sink;
    void                   *owner;
    uint64_t                started_at_ms, total_timeout_ms;
    bool                    is_over;
    CURLcode                code; /* once it is over */
    struct request         *next;
};

struct http {
    struct http_config config; /* strings borrowed */
    CURLM             *multi;
    struct request    *active;
    struct request    *done_head, **done_tail;
    size_t             active_count;
    uint64_t           last_id;
    unsigned           lane;              /* of config.edges */
    uint64_t           counted_at_ms;     /* when http_count last told the table of edges */
    uint64_t           speed_bytes_per_s; /* per request, 0: no ceiling */
    uint64_t           turn_bytes;        /* of bodies, in this turn */
    uint64_t           heard_at_ms; /* when the last bytes came that may have shared a connection */
    _Atomic uint64_t   idle_ns;     /* spent waiting in http_turn */
    struct buf         relative_hosts; /* "\nhost\n…": names to look up by the search list */
};

/* http.c */
/* -1: too many, refused; r->err says so. */
int http_add_header(struct request *r, struct str name, struct str value);
/* The headers are complete; then the body. -1: refused, r->err says why. */
int http_deliver_reply(struct request *r);
int http_deliver_body(struct request *r, const void *data, size_t len);
int http_refuse(struct request *r); /* ends it with r->err; -1 */
/* Makes it a result. */
void http_end(struct request *r);

/* http_hook.c */
/* Copies what the hook will be told: the token may be another one by then. */
void http_keep_question(struct request *r, const struct http_request *request);
/* Has the hook answer the oldest request, if there is one. */
void http_hook_turn(struct http *http);

/* http_setup.c */
/* Sets everything but the callbacks; `url` is request->url, taken apart. */
void http_set_up(struct request *r, const struct http_request *request, const struct url *url);
/* Sets what it connects to: its edge, or its host by the absolute or the relative name. */
void http_set_connect_to(struct request *r);
/* Is this host to be looked up as an absolute name at first? Not for addresses. */
bool http_is_absolute_name(struct str host);
bool http_is_address(struct str host);

/* http_place.c */
/* Chooses where the request goes and sets it up for that; false: nowhere for now. */
bool http_place(struct request *r);
/* It was answered: by whom? */
void http_note_peer(struct request *r);
/* It is over, or goes elsewhere. */
void http_leave_place(struct request *r);
/* Its address let no connection come up: may it be tried at another one? */
bool http_may_go_elsewhere(const struct request *r);
/* Tells the table of edges what came since the last time. */
void http_count(struct http *http);

/* http_explain.c */
/* Fills r->err from r->code. */
int http_explain(struct request *r);
/* Was there no answer about its name, or a bad one? */
bool http_name_failed(const struct request *r);
/* The name was not even asked for: libcurl had no thread to do it in. */
bool http_lacks_thread(const struct request *r);

#endif
