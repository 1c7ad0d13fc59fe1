/* http.h: many requests at once over one libcurl multi handle; one `struct http` per lane.
 *
 * No redirects are followed and nothing is retried here: one request, one answer. Callbacks only
 * record and write; they never start, stop or free a request. */
#ifndef HFI_HTTP_H
#define HFI_HTTP_H

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "err.h"
#include "http_edges.h"
#include "secret.h"
#include "str.h"

struct tls;

struct http_header {
    struct str name, value; /* name as sent; HTTP/2 sends lower case */
};

struct http_reply {
    long                status;
    struct http_header *header; /* of the final answer only, not of 1xx */
    size_t              header_count;
    struct arena        storage; /* owns the headers */
    bool                is_http2;
};

/* First value of that name (without case), or the empty string with p == NULL. */
struct str http_reply_header(const struct http_reply *reply, struct str name);
void       http_reply_release(struct http_reply *reply);

/* One request, for whoever answers it in place of the network. Lent for the call. */
struct http_question {
    struct str url;
    struct str range; /* "bytes=a-b" or empty */
    struct str token; /* or empty */
    struct str user_agent;
};
struct http_answer;
/* Puts the answer together, whole, and returns. Called by http_turn, for one request a turn. */
typedef void http_hook_fn(const struct http_question *ask, struct http_answer *answer, void *user);

/* What every lane has in common; borrowed, outlives the lanes. */
struct http_config {
    const struct tls *tls;
    struct str        user_agent;
    struct str        https_proxy, http_proxy, all_proxy, no_proxy; /* empty: none */
    struct str        client_cert, client_key;                      /* paths; empty: none */
    uint64_t          connect_timeout_ms;
    uint64_t          stall_timeout_ms;
    uint32_t          max_connections; /* of one lane */
    /* Spreads what asks for HTTP/1.1 over a host's addresses; NULL: libcurl takes the first. */
    struct http_edges *edges;
    struct clock       clock;
    http_hook_fn      *hook; /* NULL: the network */
    void              *hook_user;
    bool               verbose; /* for debugging only: no headers are ever shown */
};

/* The receiver of one answer. `owner` is the request's. */
struct http_sink {
    /* Status and headers are complete, no body byte was delivered yet. Non-zero refuses the body:
     * the request ends with the error the callee put into err. */
    int (*on_reply)(void *owner, const struct http_reply *reply, struct err *err);
    /* len > 0 bytes of the body. Non-zero ends the request likewise. */
    int (*on_body)(void *owner, const void *data, size_t len, struct err *err);
};

struct http_request {
    struct str              url;
    const struct secret    *token;       /* NULL: none. Sent as Authorization: Bearer */
    struct str              range;       /* "bytes=a-b" or empty */
    struct str              put;         /* sent by PUT; p NULL: a GET. Borrowed until the result */
    const char             *put_type;    /* its Content-Type */
    bool                    may_http2;   /* else HTTP/1.1 */
    bool                    accept_gzip; /* for API answers; files ask for identity */
    uint64_t                total_timeout_ms; /* 0: none */
    const struct http_sink *sink;
    void                   *owner;
};

struct http_result {
    void             *owner;
    bool              is_error; /* err says why; else the whole answer arrived */
    struct err        err;
    uint64_t          body_bytes;
    struct http_reply reply;    /* moved to the caller, who releases it */
    char              peer[64]; /* address that answered, "" unknown */
};

struct http;

int  http_new(const struct http_config *config, struct http **out, struct err *err);
void http_free(struct http *http); /* drops what is still running */

/* Starts a request; everything in it is copied or borrowed until its result was taken. The handle
 * identifies the request for http_cancel. While no address of its host may have one more, it waits
 * here, without a connection and without its times running. */
int http_start(struct http *http, const struct http_request *request, uint64_t *handle,
               struct err *err);
/* Ends a request without a result. */
void http_cancel(struct http *http, uint64_t handle);

/* Has its address more requests than it may have, since its rate collapsed? Then cancel this one
 * and begin it anew, elsewhere, before asking about the next. False for what is not running. */
bool http_is_surplus(struct http *http, uint64_t handle);

/* Does it still wait for room at an address of its host? */
bool http_is_held(const struct http *http, uint64_t handle);

/* One turn: moves bytes, waits up to timeout_ms for more, for stop_fd (-1: none) to become
 * readable, or for http_wake. */
int  http_turn(struct http *http, int stop_fd, uint64_t timeout_ms, struct err *err);
bool http_next_result(struct http *http, struct http_result *out);
void http_wake(struct http *http); /* from any thread */
/* How long its turns have waited in all, with nothing to do. From any thread. */
uint64_t http_idle_ms(const struct http *http);
/* Ceiling for each request from now on, the running ones included; 0: none. */
void http_set_speed(struct http *http, uint64_t bytes_per_s);

/* For a hook. First the status, then headers, then the body, in as many pieces as one likes; what
 * comes out of this order is ignored. */
void http_answer_status(struct http_answer *answer, long status);
void http_answer_header(struct http_answer *answer, struct str name, struct str value);
/* -1: no more of it is wanted. */
int http_answer_body(struct http_answer *answer, const void *data, size_t len);
/* There is no answer, or no more of it. */
void http_answer_fail(struct http_answer *answer, enum err_kind kind, const char *why);

/* Must the process call this once, before the first http_new: libcurl's own set-up. Thread-safe
 * and counted. */
int  http_global_init(struct err *err);
void http_global_release(void);

#endif
