/* Promises of progress.h, with a clock that the test turns. */
#include "progress.h"

#include <pthread.h>

#include "check.h"
#include "str.h"

struct hands {
    uint64_t now_ms;
    int64_t  wall_ms;
};

static uint64_t read_now(void *user)
{
    return ((struct hands *)user)->now_ms;
}

static int64_t read_wall(void *user)
{
    return ((struct hands *)user)->wall_ms;
}

static uint32_t read_random(void *user)
{
    (void)user;
    return 4;
}

static struct clock clock_of(struct hands *hands)
{
    return (struct clock){read_now, read_wall, read_random, hands};
}

static void pass(struct hands *hands, uint64_t ms)
{
    hands->now_ms += ms;
    hands->wall_ms += (int64_t)ms;
}

static void test_totals_add_up_over_repos(void)
{
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(2, &clock);
    struct progress_view v;

    check_row("totals add up over repos");
    progress_plan_file(p, 0, 100, 0, true);
    progress_plan_file(p, 0, 200, 50, false);
    progress_plan_file(p, 1, 650, 0, false);
    progress_add_bytes(p, 0, 150);
    progress_file_done(p, 0);
    progress_look(p, &v);
    CHECK_U64(v.totals.files_planned, 3);
    CHECK_U64(v.totals.files_present, 1);
    CHECK_U64(v.totals.files_done, 1);
    CHECK_U64(v.totals.bytes_planned, 950);
    CHECK_U64(v.totals.bytes_present, 150);
    CHECK_U64(v.totals.bytes_done, 150);
    CHECK_U64(v.remaining_bytes, 650);
    CHECK_U64(progress_percent(&v), 31);
    CHECK_U64(v.repo_count, 2);
    CHECK_U64(v.repo[1].totals.bytes_planned, 650);
    progress_view_release(&v);
    progress_free(p);
}

static void test_lost_bytes_never_wrap(void)
{
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(1, &clock);
    struct progress_view v;

    check_row("a bad partial from an earlier run is taken off present");
    progress_plan_file(p, 0, 1000, 900, false);
    progress_add_bytes(p, 0, 100);
    progress_lose_bytes(p, 0, 1000);
    progress_look(p, &v);
    CHECK_U64(v.totals.bytes_done, 0);
    CHECK_U64(v.totals.bytes_present, 0);
    CHECK_U64(v.remaining_bytes, 1000);
    CHECK_U64(v.received_bytes, 100);
    progress_view_release(&v);

    check_row("losing more than there is stops at zero");
    progress_lose_bytes(p, 0, 5000);
    progress_look(p, &v);
    CHECK_U64(v.totals.bytes_done, 0);
    progress_view_release(&v);

    check_row("what the volume held already was not received");
    progress_reuse_bytes(p, 0, 70);
    progress_look(p, &v);
    CHECK_U64(v.totals.bytes_done, 70);
    CHECK_U64(v.received_bytes, 100);
    progress_view_release(&v);

    check_row("planning again counts from zero, the network's sum stays");
    progress_replan(p);
    progress_plan_file(p, 0, 1000, 0, true);
    progress_look(p, &v);
    CHECK_U64(v.totals.bytes_planned, 1000);
    CHECK_U64(v.totals.bytes_present, 1000);
    CHECK_U64(v.received_bytes, 100);
    progress_view_release(&v);
    progress_free(p);
}

static void test_percent_says_100_only_at_the_end(void)
{
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(1, &clock);
    struct progress_view v;

    check_row("all bytes but unpublished files: 99");
    progress_plan_file(p, 0, 10, 0, false);
    progress_add_bytes(p, 0, 10);
    progress_look(p, &v);
    CHECK_U64(progress_percent(&v), 99);
    progress_view_release(&v);
    check_row("published: 100");
    progress_file_done(p, 0);
    progress_look(p, &v);
    CHECK_U64(progress_percent(&v), 100);
    progress_view_release(&v);
    progress_free(p);
}

static void test_rates(void)
{
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(1, &clock);
    struct progress_view v;

    progress_enter(p, PHASE_RESOLVING);
    pass(&hands, 60000);
    progress_plan_file(p, 0, 100000000, 0, false);
    progress_enter(p, PHASE_DOWNLOADING);
    check_row("no guess at the beginning");
    progress_look(p, &v);
    CHECK(v.eta_ms == UINT64_MAX);
    CHECK_U64(v.bytes_per_s_now, 0);
    progress_view_release(&v);

    check_row("20 s at 1 MB/s: the minute of resolving does not count");
    for (int i = 0; i < 20; i++) {
        pass(&hands, 1000);
        progress_add_bytes(p, 0, 1000000);
        progress_look(p, &v);
        progress_view_release(&v);
    }
    progress_look(p, &v);
    CHECK_U64(v.bytes_per_s_now, 1000000);
    CHECK_U64(v.bytes_per_s_mean, 1000000);
    CHECK_U64(v.eta_ms, 80000);
    CHECK_U64(v.elapsed_ms, 80000);
    CHECK_U64(v.phase_ms[PHASE_RESOLVING], 60000);
    CHECK_U64(v.phase_ms[PHASE_DOWNLOADING], 20000);
    progress_view_release(&v);

    check_row("10 s of silence: now is 0, the mean remembers, the estimate grows");
    for (int i = 0; i < 10; i++) {
        pass(&hands, 1000);
        progress_look(p, &v);
        progress_view_release(&v);
    }
    progress_look(p, &v);
    CHECK_U64(v.bytes_per_s_now, 0);
    CHECK_U64(v.bytes_per_s_mean, 666666);
    CHECK(v.eta_ms > 80000 && v.eta_ms < UINT64_MAX);
    CHECK(v.now_wall_ms - v.changed_wall_ms == 10000);
    progress_view_release(&v);

    check_row("a reader who comes every 10 s sees the rate since its last visit");
    pass(&hands, 10000);
    progress_add_bytes(p, 0, 50000000);
    progress_look(p, &v);
    CHECK_U64(v.bytes_per_s_now, 5000000);
    progress_view_release(&v);
    progress_free(p);
}

static void test_optional_failure_leaves_the_estimate(void)
{
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(2, &clock);
    struct progress_view v;
    struct err           err;

    check_row("a failed optional repo is no longer waited for");
    progress_plan_file(p, 0, 100, 0, false);
    progress_plan_file(p, 1, 900, 0, false);
    err_set(&err, ERR_GATED, "gated");
    progress_repo_failed(p, 1, &err);
    progress_look(p, &v);
    CHECK_U64(v.remaining_bytes, 100);
    CHECK(v.repo[1].failed && v.repo[1].err.kind == ERR_GATED);
    progress_view_release(&v);
    progress_free(p);
}

static void test_slots(void)
{
    static const char long_path[] =
        "first/folder/of/the/path/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "éééééééééééééééééééééééééééééééééééééééé"
        "éééééééééééééééééééééééééééééééééééééééé"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/model-00001-of-00002.safetensors";
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(1, &clock);
    struct progress_view v;
    int                  slot = progress_slot_take(p, 0, long_path, 1000, 400);

    check_row("a slot shows bytes, rate, host and silence");
    progress_slot_host(p, slot, "cdn.example");
    pass(&hands, 2000);
    progress_slot_bytes(p, slot, 100);
    pass(&hands, 3000);
    progress_look(p, &v);
    CHECK_U64(v.slot_count, 1);
    CHECK_U64(v.slot[0].done_bytes, 500);
    CHECK_U64(v.slot[0].bytes_per_s, 20);
    CHECK_U64(v.slot[0].quiet_ms, 3000);
    CHECK_STR(v.slot[0].host, "cdn.example");
    check_row("a long path is cut in the middle, not in a character");
    CHECK(strlen(v.slot[0].path) < sizeof(v.slot[0].path));
    CHECK(str_is_utf8(str_from(v.slot[0].path)));
    CHECK(str_has_prefix(str_from(v.slot[0].path), STR("first/folder/")));
    CHECK(str_has_suffix(str_from(v.slot[0].path), STR("/model-00001-of-00002.safetensors")));
    progress_view_release(&v);
    progress_slot_free(p, slot);

    check_row("the 65th file is just not shown");
    for (int i = 0; i < PROGRESS_SLOTS; i++)
        CHECK(progress_slot_take(p, 0, "f", 1, 0) >= 0);
    slot = progress_slot_take(p, 0, "f", 1, 0);
    CHECK(slot == -1);
    progress_slot_bytes(p, slot, 1);
    progress_slot_host(p, slot, "h");
    progress_slot_free(p, slot);
    progress_look(p, &v);
    CHECK_U64(v.slot_count, PROGRESS_SLOTS);
    progress_view_release(&v);
    progress_free(p);
}

static void test_waits_and_phases(void)
{
    struct hands         hands = {1000, 1700000000000};
    struct clock         clock = clock_of(&hands);
    struct progress     *p = progress_new(0, &clock);
    struct progress_view v;

    check_row("a wait names its reason and its end");
    progress_enter(p, PHASE_DOWNLOADING);
    progress_wait(p, "429 from huggingface.co", 1700000030000);
    progress_look(p, &v);
    CHECK_STR(v.waiting_for, "429 from huggingface.co");
    CHECK(v.waiting_until_wall_ms == 1700000030000);
    progress_view_release(&v);
    check_row("when its end has come it is over");
    hands.wall_ms = 1700000030000;
    progress_look(p, &v);
    CHECK_STR(v.waiting_for, "");
    CHECK(v.waiting_until_wall_ms == 0);
    progress_view_release(&v);
    check_row("one without a known end goes on");
    progress_wait(p, "huggingface.co to list acme/tiny", 0);
    progress_look(p, &v);
    CHECK_STR(v.waiting_for, "huggingface.co to list acme/tiny");
    progress_view_release(&v);
    check_row("the next phase ends it");
    pass(&hands, 500);
    progress_enter(p, PHASE_COMPLETE);
    pass(&hands, 99999);
    progress_look(p, &v);
    CHECK_STR(v.waiting_for, "");
    CHECK_STR(progress_phase_name(v.phase), "complete");
    check_row("a finished run's clock stands still");
    CHECK_U64(v.elapsed_ms, 500);
    CHECK_U64(v.eta_ms, 0);
    CHECK_U64(progress_percent(&v), 100);
    progress_view_release(&v);
    progress_free(p);
}

static void *add_many(void *user)
{
    struct progress *p = user;
    int              slot = progress_slot_take(p, 0, "f", 1, 0);

    for (int i = 0; i < 20000; i++) {
        progress_add_bytes(p, 0, 3);
        progress_lose_bytes(p, 0, 1);
        progress_slot_bytes(p, slot, 1);
    }
    progress_slot_free(p, slot);
    return NULL;
}

static void test_lanes_lose_nothing(void)
{
    struct clock         clock = clock_system();
    struct progress     *p = progress_new(1, &clock);
    struct progress_view v;
    pthread_t            lane[4];

    check_row("four lanes and a reader lose no count");
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&lane[i], NULL, add_many, p) == 0);
    for (int i = 0; i < 100; i++) {
        progress_look(p, &v);
        progress_view_release(&v);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(lane[i], NULL);
    progress_look(p, &v);
    CHECK_U64(v.totals.bytes_done, 4u * 20000u * 2u);
    CHECK_U64(v.received_bytes, 4u * 20000u * 3u);
    progress_view_release(&v);
    progress_free(p);
}

int main(void)
{
    test_totals_add_up_over_repos();
    test_lost_bytes_never_wrap();
    test_percent_says_100_only_at_the_end();
    test_rates();
    test_optional_failure_leaves_the_estimate();
    test_slots();
    test_waits_and_phases();
    test_lanes_lose_nothing();
    return check_end("progress");
}
