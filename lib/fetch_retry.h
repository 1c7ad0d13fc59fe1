/* fetch_retry.h: when to try again, as pure functions; and the gate that holds everybody back. */
#ifndef HFI_FETCH_RETRY_H
#define HFI_FETCH_RETRY_H

#include <pthread.h>

#include "clock.h"
#include "err.h"
#include "hub.h"
#include "log.h"

struct retry_policy {
    uint32_t attempts;    /* failures in a row without progress that are forgiven */
    uint64_t max_wait_ms; /* ceiling of our own backoff; a wait the server names may be longer */
};

struct retry_verdict {
    bool     again;
    uint64_t wait_ms;
};

/* Of a kind that is tried again once (err_again): nonsense rarely gets better, but a proxy that has no way
 * at this moment mostly does, and is no such. */
bool retry_is_odd(const struct err *err);

/* `failures`: in a row without progress, this one included (1 at first). `odd`: how many of them, this
 * one included, were odd. Jitter over a ceiling that doubles from 1 s: full at first; of long waits half
 * is certain, so that the eight attempts of the default outlive a minute of failures however the dice
 * fall. A wait the server named is kept (up to 5 minutes), plus up to a tenth of it at random, so that a
 * fleet released by one window does not return in one second. */
struct retry_verdict retry_decide(const struct retry_policy *policy, const struct err *err,
                                  uint32_t failures, uint32_t odd, const struct clock *clock);

/* The wait that the server named, as it is kept; 0: it named none. */
uint64_t retry_named_ms(const struct err *err, const struct clock *clock);

/* One per process: per rate-limit bucket, the moment before which nobody asks. */
enum gate_bucket { GATE_API, GATE_RESOLVERS, GATE_BUCKETS };

struct gate {
    pthread_mutex_t lock;
    uint64_t        closed_until_ms[GATE_BUCKETS];
};

void gate_init(struct gate *gate);
void gate_release(struct gate *gate);
/* 0: open; else the moment (of clock) at which to ask again. */
uint64_t gate_opens_at(struct gate *gate, enum gate_bucket bucket, uint64_t now_ms);
/* Learns from an answer of the Hub: an exhausted bucket (r=0) or a 429 closes it. Returns the wait
 * in ms if it closed the gate now, else 0. */
uint64_t gate_learn(struct gate *gate, enum gate_bucket bucket, const struct http_reply *reply,
                    const struct clock *clock);

#endif
