/* fetch_retry.c: see fetch_retry.h. */
#include "fetch_retry.h"

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_LONG_MS = 8000, /* of waits from here on, half is certain */
    SERVER_WAIT_MAX_MS = 300 * 1000,
    SPREAD_MAX_MS = 30 * 1000,
};

static uint64_t spread(uint64_t wait_ms, const struct clock *clock)
{
    uint64_t extra = wait_ms / 10 < SPREAD_MAX_MS ? wait_ms / 10 : SPREAD_MAX_MS;

    return wait_ms + clock_random_below(clock, extra + 1);
}

uint64_t retry_named_ms(const struct err *err, const struct clock *clock)
{
    uint64_t named =
        err->retry_after_ms < SERVER_WAIT_MAX_MS ? err->retry_after_ms : SERVER_WAIT_MAX_MS;

    return named ? spread(named, clock) : 0;
}

bool retry_is_odd(const struct err *err)
{
    return err_again(err->kind) == ERR_AGAIN_ONCE &&
           !(err->kind == ERR_PROXY && err->http_status >= 500 && err->http_status <= 504);
}

struct retry_verdict retry_decide(const struct retry_policy *policy, const struct err *err,
                                  uint32_t failures, uint32_t odd, const struct clock *clock)
{
    uint64_t ceiling = BACKOFF_FIRST_MS, least;

    if (err_again(err->kind) == ERR_AGAIN_NO)
        return (struct retry_verdict){false, 0};
    if (failures > policy->attempts || (retry_is_odd(err) && odd > 1))
        return (struct retry_verdict){false, 0};
    if (err->retry_after_ms)
        return (struct retry_verdict){true, retry_named_ms(err, clock)};
    for (uint32_t i = 1; i < failures && ceiling < policy->max_wait_ms; i++)
        ceiling *= 2;
    if (ceiling > policy->max_wait_ms)
        ceiling = policy->max_wait_ms;
    least = ceiling >= BACKOFF_LONG_MS ? ceiling / 2 : 0;
    return (struct retry_verdict){true, least + clock_random_below(clock, ceiling - least + 1)};
}

void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    pthread_mutex_init(&gate->lock, NULL);
}

void gate_release(struct gate *gate)
{
    pthread_mutex_destroy(&gate->lock);
}

uint64_t gate_opens_at(struct gate *gate, enum gate_bucket bucket, uint64_t now_ms)
{
    uint64_t at;

    pthread_mutex_lock(&gate->lock);
    at = gate->closed_until_ms[bucket];
    pthread_mutex_unlock(&gate->lock);
    return at > now_ms ? at : 0;
}

static bool bucket_of_name(const char *name, enum gate_bucket *out)
{
    struct str s = str_from(name);

    if (str_eq(s, STR("api")))
        *out = GATE_API;
    else if (str_eq(s, STR("resolvers")))
        *out = GATE_RESOLVERS;
    else
        return false;
    return true;
}

uint64_t gate_learn(struct gate *gate, enum gate_bucket bucket, const struct http_reply *reply,
                    const struct clock *clock)
{
    struct hub_rate rate = {0};
    uint64_t        wait_ms = 0, named_ms;
    bool            has_rate = hub_read_rate(reply, &rate);

    if (has_rate && rate.remaining == 0) {
        bucket_of_name(rate.bucket, &bucket);
        wait_ms = rate.reset_ms + 1000; /* the header counts whole seconds, rounded down */
    }
    if (reply->status == 429 && wait_ms == 0 &&
        hub_read_retry_after(reply, clock_wall_ms(clock), &named_ms))
        wait_ms = named_ms;
    if (wait_ms == 0)
        return 0;
    if (wait_ms > SERVER_WAIT_MAX_MS)
        wait_ms = SERVER_WAIT_MAX_MS;
    wait_ms = spread(wait_ms, clock);
    pthread_mutex_lock(&gate->lock);
    if (clock_now_ms(clock) + wait_ms > gate->closed_until_ms[bucket])
        gate->closed_until_ms[bucket] = clock_now_ms(clock) + wait_ms;
    else
        wait_ms = 0;
    pthread_mutex_unlock(&gate->lock);
    return wait_ms;
}
