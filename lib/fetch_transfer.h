/* fetch_transfer.h: the life of one request to the Hub, from its first hop to its end.
 *
 *      WAITING ──start──> ACTIVE ──2xx, all there──────────────> (on_end, no error)
 *         ^                 │ 3xx: next hop, at once
 *         └──due────────────┤ retryable, a fresh URL or a closed gate
 *                           └ fatal, or patience spent─────────> (on_end, error)
 *
 * A transfer belongs to one loop and one thread. It follows redirects itself: the token goes only
 * to the origin of the endpoint, a signed URL that stopped working is asked for again. */
#ifndef HFI_FETCH_TRANSFER_H
#define HFI_FETCH_TRANSFER_H

#include <stdatomic.h>

#include "fetch_retry.h"
#include "http.h"
#include "progress.h"
#include "spec.h"

/* What all loops of one fetch share. */
struct transfer_env {
    struct spec    *spec;
    pthread_mutex_t token_lock;    /* guards spec->token* once several lanes run, and … */
    unsigned        token_version; /* … how often it was found changed */
    struct gate     gate;
    /* The Hub's own host sends large bodies itself (a mirror): it may refuse connections as storage
     * does … */
    _Atomic bool hub_serves_bulk;
    /* … and does so over HTTP/2: one connection would be the bottleneck. Where it only redirects,
     * asking over HTTP/2 saves connections. */
    _Atomic bool      bulk_over_http2;
    struct clock      clock;
    const struct log *log;
    struct progress  *progress;
};

struct transfer;

struct transfer_ops {
    /* Appends where the request starts at this endpoint. */
    void (*make_url)(void *owner, struct str endpoint, struct buf *out);
    /* The bytes wanted in the attempt that begins now; false: the whole, without a Range header.
     * Optional; without it every attempt begins anew, so that bytes are no progress. */
    bool (*wanted)(void *owner, struct range *range);
    /* Nothing is missing, however the connection ended. Comes with wanted. */
    bool (*has_all)(void *owner);
    /* A URL learnt from a redirect, that serves this file until it expires; false: there is none.
     * lost: that one is of no more use. Optional: all three or none. */
    bool (*direct_url)(void *owner, struct buf *out);
    void (*learnt_url)(void *owner, struct str url);
    void (*lost_url)(void *owner, struct str url);
    /* A 2xx answer: accept it before its first byte; then its bytes; then, when it is over, check
     * that nothing is missing. */
    int (*on_reply)(void *owner, const struct http_reply *reply, struct err *err);
    int (*on_body)(void *owner, const void *data, size_t len, struct err *err);
    int (*on_complete)(void *owner, const struct http_reply *reply, struct err *err);
    /* It will be tried again after wait_ms. Optional. */
    void (*on_retry)(void *owner, const struct err *err, uint64_t wait_ms, bool at_hub);
    /* The end; err is NULL on success. The transfer is out of the loop already and may be freed. */
    void (*on_end)(void *owner, const struct err *err);
};

struct transfer {
    /* Set by the owner before transfer_start. */
    const struct transfer_ops *ops;
    void                      *owner;
    enum repo_type             type;
    struct str       id, revision, path; /* for messages; borrowed. path empty: an API call */
    enum gate_bucket bucket;
    bool             is_bulk; /* many bytes: over HTTP/1.1, unless the Hub only redirects */
    bool             accept_gzip;
    size_t           endpoint;         /* first one to ask */
    bool             stay_on_endpoint; /* the owner goes on to the next one, with all of it */
    uint64_t         timeout_ms;       /* of one attempt; 0 none */

    /* The loop's. */
    struct transfer_loop *loop;
    struct transfer      *next;
    bool                  active;
    uint64_t              handle;
    uint64_t              due_at_ms;
    struct buf            url; /* of the current hop; empty: start over */
    unsigned              hops;
    uint32_t              failures, renewals; /* in a row without progress */
    uint32_t              odd_failures;       /* of them; see retry_decide */
    bool                  token_reread;
    unsigned              token_version; /* of the token it sent */
    uint64_t              new_bytes;     /* of accepted bodies, since failures were last forgiven */
    uint64_t              sent_at_ms, heard_at_ms; /* of the attempt that runs */
    uint64_t              answered_at_ms;          /* its head was complete; 0: not yet */
    bool                  quiet_told;              /* its silence was logged */
    bool                  sent_token, accepted;
    const char           *token_form; /* what may be shown of the token it sent */
    bool       failed_at_hub; /* the last failure came from the endpoint, not from storage */
    struct buf error_body;
};

struct transfer_loop {
    struct transfer_env *env;
    struct http         *http;
    struct transfer     *list;
    size_t               count, active_count;
};

void transfer_env_init(struct transfer_env *env, struct spec *spec, const struct clock *clock,
                       const struct log *log, struct progress *progress);
void transfer_env_release(struct transfer_env *env);

void transfer_start(struct transfer_loop *loop, struct transfer *t);
/* Takes it out without on_end. */
void transfer_cancel(struct transfer *t);
/* Starts what is due, moves bytes, ends what is over; waits up to max_wait_ms. */
int transfer_turn(struct transfer_loop *loop, int stop_fd, uint64_t max_wait_ms, struct err *err);

#endif
