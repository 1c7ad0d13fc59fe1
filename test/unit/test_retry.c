/* test_retry.c: a failure is tried again when that can help, no more often than promised, and no
 * sooner than the server asked. */
#include "check.h"
#include "fetch_retry.h"

static uint64_t now_ms_value = 1000;
static uint32_t random_value;

static uint64_t fake_now_ms(void *user)
{
    (void)user;
    return now_ms_value;
}

static int64_t fake_wall_ms(void *user)
{
    (void)user;
    return 1790000000000;
}

static uint32_t fake_random(void *user)
{
    (void)user;
    return random_value;
}

static const struct clock test_clock = {fake_now_ms, fake_wall_ms, fake_random, NULL};

static const struct {
    const char   *name;
    enum err_kind kind;
    uint32_t      failures;
    uint64_t      retry_after_ms;
    uint32_t      random;
    bool          again;
    uint64_t      wait_ms;
    uint32_t      odd;
} rows[] = {
    {"the first wait is at most a second", ERR_UNREACHABLE, 1, 0, UINT32_MAX, true, 1000, 0},
    {"jitter reaches down to nothing", ERR_UNREACHABLE, 1, 0, 0, true, 0, 0},
    {"the ceiling doubles", ERR_UNREACHABLE, 4, 0, UINT32_MAX, true, 8000, 0},
    {"short waits may be nothing", ERR_UNREACHABLE, 3, 0, 0, true, 0, 0},
    {"of a long wait half is certain", ERR_UNREACHABLE, 4, 0, 0, true, 4000, 0},
    {"the ceiling ends at maxWait", ERR_UNREACHABLE, 8, 0, UINT32_MAX, true, 60000, 0},
    {"patience ends after the attempts", ERR_UNREACHABLE, 9, 0, 0, false, 0, 0},
    {"a wait the server named is kept", ERR_RATE_LIMITED, 1, 20000, 0, true, 20000, 0},
    {"and spread by a tenth", ERR_RATE_LIMITED, 1, 20000, UINT32_MAX, true, 22000, 0},
    {"and no longer than five minutes", ERR_RATE_LIMITED, 1, 10000000, 0, true, 300000, 0},
    {"what will not change is not tried again", ERR_GATED, 1, 0, 0, false, 0, 0},
    {"nor is a full disk", ERR_DISK_FULL, 1, 0, 0, false, 0, 0},
    {"nonsense is asked for once more", ERR_BAD_ANSWER, 1, 0, 0, true, 0, 1},
    {"but only once", ERR_BAD_ANSWER, 2, 0, 0, false, 0, 2},
    {"also among other failures", ERR_BAD_ANSWER, 5, 0, 0, true, 8000, 1},
    {"where it is once as well", ERR_BAD_ANSWER, 6, 0, 0, false, 0, 2},
    {"and which then go on", ERR_UNREACHABLE, 6, 0, 0, true, 16000, 2},
    {"up to the attempts", ERR_BAD_ANSWER, 9, 0, 0, false, 0, 1},
};

static void verdicts(void)
{
    const struct retry_policy policy = {.attempts = 8, .max_wait_ms = 60000};

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct err           err = {.kind = rows[i].kind, .retry_after_ms = rows[i].retry_after_ms};
        struct retry_verdict verdict;

        check_row(rows[i].name);
        random_value = rows[i].random;
        verdict = retry_decide(&policy, &err, rows[i].failures, rows[i].odd, &test_clock);
        CHECK(verdict.again == rows[i].again);
        CHECK_U64(verdict.wait_ms, rows[i].wait_ms);
    }
    check_row(NULL);
}

static void a_proxy_is_asked_again_while_it_has_no_way_but_not_for_leave(void)
{
    const struct retry_policy policy = {.attempts = 8, .max_wait_ms = 60000};
    struct err                err = {.kind = ERR_PROXY, .http_status = 503};

    CHECK(retry_decide(&policy, &err, 8, 0, &test_clock).again);
    CHECK(!retry_decide(&policy, &err, 9, 0, &test_clock).again);
    err.http_status = 407;
    CHECK(!retry_decide(&policy, &err, 2, 2, &test_clock).again);
    err.http_status = 511;
    CHECK(!retry_decide(&policy, &err, 2, 2, &test_clock).again);
    err.http_status = 200;
    CHECK(!retry_decide(&policy, &err, 2, 2, &test_clock).again);
}

static void a_minute_of_failures_is_outlived_however_the_dice_fall(void)
{
    const struct retry_policy policy = {.attempts = 8, .max_wait_ms = 60000}; /* the defaults */
    struct err                err = {.kind = ERR_SERVER};
    uint64_t                  waited_ms = 0;

    random_value = 0;
    for (uint32_t failures = 1; failures <= policy.attempts; failures++)
        waited_ms += retry_decide(&policy, &err, failures, 0, &test_clock).wait_ms;
    CHECK(waited_ms > 60000);
}

static uint64_t learn(struct gate *gate, long status, const char *name, const char *value)
{
    struct http_header header = {str_from(name), str_from(value)};
    struct http_reply  reply = {.status = status, .header = &header, .header_count = 1};

    return gate_learn(gate, GATE_RESOLVERS, &reply, &test_clock);
}

static void gates(void)
{
    struct gate gate;

    gate_init(&gate);
    random_value = 0;
    CHECK_U64(learn(&gate, 200, "RateLimit", "\"resolvers\";r=7;t=60"), 0);
    CHECK_U64(gate_opens_at(&gate, GATE_RESOLVERS, now_ms_value), 0);

    check_row("an exhausted bucket closes, and only that one");
    CHECK_U64(learn(&gate, 200, "RateLimit", "\"api\";r=0;t=60"), 61000);
    CHECK_U64(gate_opens_at(&gate, GATE_API, now_ms_value), now_ms_value + 61000);
    CHECK_U64(gate_opens_at(&gate, GATE_RESOLVERS, now_ms_value), 0);

    check_row("a 429 closes the bucket that was asked");
    CHECK_U64(learn(&gate, 429, "Retry-After", "5"), 5000);
    CHECK_U64(gate_opens_at(&gate, GATE_RESOLVERS, now_ms_value), now_ms_value + 5000);

    check_row("a shorter wait does not open it early");
    CHECK_U64(learn(&gate, 429, "Retry-After", "1"), 0);
    CHECK_U64(gate_opens_at(&gate, GATE_RESOLVERS, now_ms_value), now_ms_value + 5000);

    check_row("it opens when the time has come");
    CHECK_U64(gate_opens_at(&gate, GATE_RESOLVERS, now_ms_value + 5000), 0);

    check_row("a 429 without a wait is left to backoff");
    CHECK_U64(learn(&gate, 429, "Server", "x"), 0);
    check_row(NULL);
    gate_release(&gate);
}

int main(void)
{
    verdicts();
    a_proxy_is_asked_again_while_it_has_no_way_but_not_for_leave();
    a_minute_of_failures_is_outlived_however_the_dice_fall();
    gates();
    return check_end("test_retry");
}
