/* The pace finds the number of connections that brings most, and the cheapest of equals, on paths
 * that behave in known ways. Time is simulated. */
#include "check.h"
#include "fetch_pace.h"

enum { TICK_MS = 100 };

typedef uint64_t path_fn(unsigned connections, uint64_t now_ms); /* bytes per second in all */

struct world {
    struct pace pace;
    path_fn    *path;
    uint64_t    now_ms, bytes, idle_ms;
    unsigned    idle_percent;
    unsigned    highest;
};

static void begin(struct world *w, path_fn *path, unsigned cap)
{
    *w = (struct world){.path = path, .now_ms = 5000, .idle_percent = 50};
    pace_init(&w->pace, 4, cap, false, w->now_ms);
}

static void pass(struct world *w, uint64_t ms)
{
    for (uint64_t end = w->now_ms + ms; w->now_ms < end; w->now_ms += TICK_MS) {
        w->bytes += w->path(w->pace.target, w->now_ms) * TICK_MS / 1000;
        w->idle_ms += TICK_MS * w->idle_percent / 100;
        pace_tick(&w->pace, w->now_ms, (struct pace_counts){w->bytes, w->idle_ms}, w->pace.target);
        if (w->pace.target > w->highest)
            w->highest = w->pace.target;
    }
}

/* Bytes of the next ms, against those of the best fixed number. In percent. */
static uint64_t percent_of_best(struct world *w, uint64_t ms)
{
    uint64_t before = w->bytes, from = w->now_ms, best = 0;

    pass(w, ms);
    for (unsigned n = 1; n <= w->pace.most; n++) {
        uint64_t sum = 0;

        for (uint64_t at = from; at < w->now_ms; at += TICK_MS)
            sum += w->path(n, at) * TICK_MS / 1000;
        best = sum > best ? sum : best;
    }
    return (w->bytes - before) * 100 / best;
}

enum { MB = 1000 * 1000 };

static uint64_t capped_each(unsigned n, uint64_t now_ms) /* 20 MB/s per connection, no other end */
{
    (void)now_ms;
    return 20ull * MB * n;
}

static uint64_t thin_link(unsigned n, uint64_t now_ms) /* two connections fill it */
{
    (void)now_ms;
    return n >= 2 ? 100ull * MB : 50ull * MB;
}

static uint64_t collapsing(unsigned n, uint64_t now_ms) /* three addresses, each for sixteen */
{
    (void)now_ms;
    return n <= 48 ? 10ull * MB * n : 1ull * MB * n;
}

static uint64_t collapsing_at_once(unsigned n, uint64_t now_ms)
{
    (void)now_ms;
    return n <= 4 ? 75ull * MB * n : MB / 2 * (uint64_t)n;
}

static uint64_t falling(unsigned n,
                        uint64_t now_ms) /* after a minute more than 8 get nearly nothing */
{
    if (now_ms < 65000)
        return 10ull * MB * n;
    return n <= 8 ? 10ull * MB * n : 2ull * MB * 8;
}

static uint64_t slower(unsigned n, uint64_t now_ms) /* the path itself gets slower */
{
    return (now_ms < 65000 ? 10ull : 3ull) * MB * n;
}

static uint64_t silent(unsigned n, uint64_t now_ms)
{
    (void)n;
    (void)now_ms;
    return 0;
}

static uint64_t gone_for_a_while(unsigned n, uint64_t now_ms)
{
    return now_ms >= 65000 && now_ms < 85000 ? 0 : 10ull * MB * n;
}

static uint64_t silent_above_ten(unsigned n, uint64_t now_ms) /* as a full table of flows is */
{
    (void)now_ms;
    return n > 10 ? 0 : 10ull * MB * n;
}

static void connections_grow_while_they_bring_more(void)
{
    struct world w;

    begin(&w, capped_each, 64);
    pass(&w, 9000);
    CHECK(w.pace.target == 64);
    CHECK(percent_of_best(&w, 60000) >= 95);
}

static void what_brings_no_more_is_not_kept(void)
{
    struct world w;

    begin(&w, thin_link, 64);
    pass(&w, 120000);
    CHECK(w.pace.good <= 4);
    CHECK(w.highest <= 8);
    CHECK(percent_of_best(&w, 60000) >= 95);
}

static void more_connections_than_a_path_bears_are_given_up(void)
{
    struct world w;

    begin(&w, collapsing, 64);
    pass(&w, 15000);
    CHECK(w.pace.good >= 40 && w.pace.good <= 48);
    CHECK(percent_of_best(&w, 120000) >= 80);
    begin(&w, collapsing_at_once, 64);
    pass(&w, 30000);
    CHECK(w.pace.good == 4);
    CHECK(percent_of_best(&w, 120000) >= 80);
}

static void a_fall_is_answered_with_fewer_connections(void)
{
    struct world w;

    begin(&w, falling, 64);
    pass(&w, 60000);
    CHECK(w.pace.good >= 56);
    pass(&w, 20000);
    CHECK(w.pace.good == 8);
    CHECK(percent_of_best(&w, 60000) >= 80);
}

static void a_slower_path_keeps_its_connections(void)
{
    struct world w;

    begin(&w, slower, 64);
    pass(&w, 60000);
    pass(&w, 30000);
    CHECK(w.pace.target >= 48);
    CHECK(percent_of_best(&w, 60000) >= 85);
}

static void lanes_without_time_get_no_more_connections(void)
{
    struct world w;

    begin(&w, capped_each, 64);
    w.idle_percent = 2;
    pass(&w, 60000);
    CHECK(w.highest == 4);
    w.idle_percent = 60;
    pass(&w, 120000);
    CHECK(w.pace.good > 8);
}

static void silence_teaches_nothing(void)
{
    struct world w;

    begin(&w, silent, 64);
    pass(&w, 60000);
    CHECK(w.pace.target == 4);
}

/* Half of them went every second, for fewer were as good as many: none brought anything. */
static void an_outage_leaves_the_connections(void)
{
    struct world w;

    begin(&w, gone_for_a_while, 64);
    pass(&w, 80000);
    CHECK(w.pace.target >= 48);
    CHECK(percent_of_best(&w, 10000) >= 85);
}

static void what_silences_the_way_is_taken_back(void)
{
    struct world w;

    begin(&w, silent_above_ten, 64);
    pass(&w, 60000);
    CHECK(w.highest > 10);
    CHECK(percent_of_best(&w, 60000) >= 70);
}

static void refusals_go_down_to_one_and_forgive_slowly(void)
{
    struct world w;

    begin(&w, capped_each, 64);
    pass(&w, 10000);
    for (int i = 0; i < 10; i++) {
        pace_refused(&w.pace, w.now_ms, 1);
        pass(&w, 1100);
    }
    CHECK(w.pace.target == 1);
    pass(&w, 30000);
    CHECK(w.pace.target == 1);
    pass(&w, 200000);
    CHECK(w.pace.target > 1 && w.pace.cap <= 5);
}

static void refusals_of_one_moment_are_one(void)
{
    struct world w;

    begin(&w, capped_each, 64);
    pass(&w, 10000);
    for (int i = 0; i < 60; i++)
        pace_refused(&w.pace, w.now_ms, 4);
    CHECK(w.pace.target == 32);
}

static void those_that_are_served_are_kept(void)
{
    struct world w;

    begin(&w, capped_each, 64);
    pass(&w, 10000);
    CHECK(!pace_refused(&w.pace, w.now_ms, 64));
    CHECK(pace_refused(&w.pace, w.now_ms + 2000, 60));
    CHECK(w.pace.target == 60);
}

static void a_number_the_user_named_is_kept(void)
{
    struct world w = {.path = collapsing, .now_ms = 1, .idle_percent = 50};

    pace_init(&w.pace, 4, 60, true, w.now_ms);
    pass(&w, 60000);
    CHECK(w.pace.target == 60);
    CHECK(pace_refused(&w.pace, w.now_ms, 10));
    CHECK(w.pace.target == 30 && w.pace.ceiling == 30);
    pass(&w, 59000);
    CHECK(w.pace.target == 30);
    pass(&w, 2000);
    CHECK(w.pace.target == 31);
    CHECK(w.pace.ceiling >= 31); /* or the new one would end as soon as it begins */
}

int main(void)
{
    connections_grow_while_they_bring_more();
    what_brings_no_more_is_not_kept();
    more_connections_than_a_path_bears_are_given_up();
    a_fall_is_answered_with_fewer_connections();
    a_slower_path_keeps_its_connections();
    lanes_without_time_get_no_more_connections();
    silence_teaches_nothing();
    an_outage_leaves_the_connections();
    what_silences_the_way_is_taken_back();
    refusals_go_down_to_one_and_forgive_slowly();
    refusals_of_one_moment_are_one();
    those_that_are_served_are_kept();
    a_number_the_user_named_is_kept();
    return check_end("test_pace");
}
