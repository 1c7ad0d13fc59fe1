/* http_internal.h: a request and its loop, as the files of http share them.
 *
 *   http.c          the loop: callbacks, results
 *   http_setup.c    what a request asks libcurl for: names, proxy, TLS, headers, limits
 *   http_explain.c  from libcurl's codes to our errors
 *   http_proxy.c    which proxy (pure) */
#ifndef HFI_HTTP_INTERNAL_H
#define HFI_HTTP_INTERNAL_H

#include <curl/curl.h>

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
    struct buf              url, host;
    bool                    absolute_name; /* the host was looked up with a trailing dot */
    bool                    via_proxy;
    bool                    replied; /* on_reply was called */
    bool                    refused; /* a callback said no, err says why */
    uint64_t                header_bytes, body_bytes;
    struct http_reply       reply;
    struct err              err;
    const struct http_sink *sink;
    void                   *owner;
    uint64_t                started_at_ms, total_timeout_ms;
    CURLcode                code; /* once it is in the queue of results */
    struct request         *next;
};

struct http {
    struct http_config config; /* strings borrowed */
    CURLM             *multi;
    struct request    *active;
    struct request    *done_head, **done_tail;
    size_t             active_count;
    uint64_t           last_id;
    uint64_t           speed_bytes_per_s; /* per request, 0: no ceiling */
    struct buf         relative_hosts; /* "\nhost\n…": names that exist only with a search domain */
};

/* http_setup.c */
/* Sets everything but the callbacks; `url` is request->url, taken apart. */
void http_set_up(struct request *r, const struct http_request *request, const struct url *url);
/* Decides anew between the absolute and the relative name. */
void http_set_connect_to(struct request *r, const struct url *url);

/* http_explain.c: fills r->err from r->code. */
int http_explain(struct request *r);

#endif
