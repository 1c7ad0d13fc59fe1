/* One holds, the others wait; the dead are replaced; where locks lie, it still comes right. */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "store_lease.h"
#include "volume.h"

#define KEY STR("dir:models/tiny#0/1")

static struct err err;

static struct store *store_with(enum store_lock_mode mode, const char *boot_id)
{
    struct store_options options = volume_options();

    options.lock_mode = mode;
    options.boot_id = boot_id;
    return open_store(&options);
}

static int try_key(struct store *store, struct store_lease **lease,
                   struct store_lease_holder *holder)
{
    int rc = store_lease_try(store, KEY, "default.status.json", lease, holder, &err);

    if (rc < 0)
        printf("# %s\n", err.text);
    return rc;
}

static const char *lease_path(void)
{
    static char   rel[128];
    struct digest d;
    char          hex[DIGEST_HEX_MAX];

    digest_of_text(KEY, &d);
    digest_to_hex(&d, hex);
    snprintf(rel, sizeof(rel), ".hf-init/leases/%.32s.lease", hex);
    return rel;
}

static void age_lease(int seconds)
{
    struct timespec now, times[2];

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= seconds;
    times[0] = times[1] = now;
    CHECK(utimensat(AT_FDCWD, at(lease_path()), times, 0) == 0);
}

static void one_holds_and_the_other_sees_who(enum store_lock_mode mode)
{
    struct store             *a, *b;
    struct store_lease       *mine = NULL, *yours = NULL;
    struct store_lease_holder holder;

    volume_new();
    setenv("HOSTNAME", "pod-\"7\"", 1);
    a = store_with(mode, NULL);
    b = store_with(mode, NULL);
    CHECK(try_key(a, &mine, &holder) == 1);
    CHECK(try_key(b, &yours, &holder) == 0);
    CHECK_STR(holder.instance, store_instance(a));
    CHECK_STR(holder.pod, "pod-\"7\"");
    CHECK_STR(holder.status, "default.status.json");
    CHECK(holder.idle_ms < 60000);
    CHECK(store_lease_renew(mine, &err) == 0);
    store_lease_release(mine);
    CHECK(!is_there(lease_path()));
    CHECK(try_key(b, &yours, &holder) == 1);
    store_lease_release(yours);
    store_lease_release(NULL);
    CHECK(count_names(".hf-init/leases") == 0 && count_names(".hf-init/temp") == 0);
    store_free(a);
    store_free(b);
}

static int die_holding(void *user)
{
    struct store_options     *options = user;
    struct store             *store;
    struct store_lease       *lease;
    struct store_lease_holder holder;

    if (store_new(options, &store, &err))
        return 2;
    return try_key(store, &lease, &holder) == 1 ? 0 : 1;
}

static void the_dead_are_replaced(void)
{
    static const struct {
        const char          *name;
        enum store_lock_mode mode;
        const char          *its_boot, *our_boot;
        int                  idle_s;
        int                  want;
    } rows[] = {
        {"same kernel, locks work: at once", STORE_LOCKS_AUTO, NULL, NULL, 0, 1},
        {"another node, fresh", STORE_LOCKS_AUTO, "elsewhere", NULL, 0, 0},
        {"another node, 100 s idle", STORE_LOCKS_AUTO, "elsewhere", NULL, 100, 0},
        {"another node, 121 s idle", STORE_LOCKS_AUTO, "elsewhere", NULL, 121, 1},
        {"locks lie: nothing is known before two minutes", STORE_LOCKS_LIE, NULL, NULL, 100, 0},
        {"locks lie, 121 s idle", STORE_LOCKS_LIE, NULL, NULL, 121, 1},
        {"no locks, fresh", STORE_LOCKS_NONE, NULL, NULL, 0, 0},
        {"no locks, 121 s idle", STORE_LOCKS_NONE, NULL, NULL, 121, 1},
        {"a kernel without a name is never the same", STORE_LOCKS_AUTO, "", "", 0, 0},
        {"from the future", STORE_LOCKS_AUTO, "elsewhere", NULL, -3600, 0},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct store_options      options = volume_options();
        struct store             *store;
        struct store_lease       *lease;
        struct store_lease_holder holder;

        check_row(rows[i].name);
        volume_new();
        options.lock_mode = rows[i].mode;
        options.boot_id = rows[i].its_boot;
        CHECK(in_child(die_holding, &options) == 0);
        if (rows[i].idle_s)
            age_lease(rows[i].idle_s);
        store = store_with(rows[i].mode, rows[i].our_boot);
        CHECK(try_key(store, &lease, &holder) == rows[i].want);
        if (rows[i].want)
            store_lease_release(lease);
        else
            CHECK(strlen(holder.instance) == 16);
        store_free(store);
    }
    check_row(NULL);
}

static void who_was_replaced_learns_it(void)
{
    struct store             *a, *b;
    struct store_lease       *mine, *yours;
    struct store_lease_holder holder;

    volume_new();
    a = store_with(STORE_LOCKS_AUTO, NULL);
    b = store_with(STORE_LOCKS_AUTO, NULL);
    CHECK(try_key(a, &mine, &holder) == 1);
    age_lease(600); /* stopped for ten minutes, lock and all */
    CHECK(try_key(b, &yours, &holder) == 1);
    CHECK(store_lease_renew(mine, &err) == -1 && err.kind == ERR_LOCKED);
    store_lease_release(mine); /* must not delete the other's */
    CHECK(is_there(lease_path()));
    CHECK(store_lease_renew(yours, &err) == 0);
    store_lease_release(yours);
    store_free(a);
    store_free(b);
}

static void renewing_keeps_it_alive(void)
{
    struct store             *a, *b;
    struct store_lease       *mine, *yours;
    struct store_lease_holder holder;

    volume_new();
    a = store_with(STORE_LOCKS_LIE, NULL);
    b = store_with(STORE_LOCKS_LIE, NULL);
    CHECK(try_key(a, &mine, &holder) == 1);
    age_lease(119);
    CHECK(try_key(b, &yours, &holder) == 0 && holder.idle_ms >= 110000);
    CHECK(store_lease_renew(mine, &err) == 0);
    age_lease(0);
    CHECK(try_key(b, &yours, &holder) == 0 && holder.idle_ms < 60000);
    store_lease_release(mine);
    store_free(a);
    store_free(b);
}

/* Somebody else's program wrote there, or a disk error did. */
static void garbage_is_waited_out(void)
{
    static const char *const rows[] = {"", "{", "{}", "[1]", "{\"instance\":7}", "\xff\xfe"};

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct store             *store;
        struct store_lease       *lease;
        struct store_lease_holder holder;

        volume_new();
        store = store_with(STORE_LOCKS_AUTO, NULL);
        mkdir(at(".hf-init/leases"), 0755);
        put_text(lease_path(), rows[i]);
        CHECK(try_key(store, &lease, &holder) == 0);
        age_lease(121);
        CHECK(try_key(store, &lease, &holder) == 1);
        store_lease_release(lease);
        store_free(store);
    }
}

/* --- races --- */

struct race {
    enum store_lock_mode mode;
    int                  start_fd; /* closed: go */
    int                  hold_ms;
};

static void sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

/* 10: had it, and had it to the end; 11: had it and lost it; 12: somebody else has it. */
static int runner(struct race *race)
{
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_lease       *lease;
    struct store_lease_holder holder;
    char                      byte;
    int                       rc;

    options.lock_mode = race->mode;
    if (store_new(&options, &store, &err))
        return 2;
    if (read(race->start_fd, &byte, 1) != 0)
        return 3;
    rc = store_lease_try(store, KEY, "s", &lease, &holder, &err);
    if (rc < 0)
        return 4;
    if (rc == 0)
        return 12;
    sleep_ms(race->hold_ms);
    return store_lease_renew(lease, &err) == 0 ? 10 : 11; /* and dies with it */
}

static void run_race(enum store_lock_mode mode, bool after_a_dead_one)
{
    enum { RUNNERS = 6 };
    struct store_options options = volume_options();
    struct race          race = {.mode = mode, .hold_ms = 400};
    int                  start[2], outcome[3] = {0}, other = 0, status;

    volume_new();
    options.lock_mode = mode;
    options.boot_id = "elsewhere";
    if (after_a_dead_one) {
        CHECK(in_child(die_holding, &options) == 0);
        age_lease(500);
    }
    if (pipe(start) != 0)
        exit(2);
    race.start_fd = start[0];
    fflush(stdout);
    for (int i = 0; i < RUNNERS; i++)
        if (fork() == 0) {
            close(start[1]);
            _exit(runner(&race));
        }
    close(start[0]);
    close(start[1]);
    while (wait(&status) > 0)
        if (WIFEXITED(status) && WEXITSTATUS(status) >= 10 && WEXITSTATUS(status) <= 12)
            outcome[WEXITSTATUS(status) - 10]++;
        else
            other++;
    CHECK(outcome[0] == 1);
    /* Without locks a rival that the scheduler kept for long may push out the first: it learns. */
    CHECK(outcome[1] == 0 || (after_a_dead_one && mode != STORE_LOCKS_AUTO));
    CHECK(outcome[1] + outcome[2] == RUNNERS - 1);
    CHECK(other == 0);
}

static void of_many_that_start_together_one_holds(void)
{
    static const struct {
        const char          *name;
        enum store_lock_mode mode;
        bool                 after_a_dead_one;
    } rows[] = {
        {"free, locks work", STORE_LOCKS_AUTO, false}, {"free, locks lie", STORE_LOCKS_LIE, false},
        {"free, no locks", STORE_LOCKS_NONE, false},   {"dead, locks work", STORE_LOCKS_AUTO, true},
        {"dead, locks lie", STORE_LOCKS_LIE, true},    {"dead, no locks", STORE_LOCKS_NONE, true},
    };

    for (int round = 0; round < 1; round++)
        for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
            check_row(rows[i].name);
            run_race(rows[i].mode, rows[i].after_a_dead_one);
        }
    check_row(NULL);
}

int main(void)
{
    one_holds_and_the_other_sees_who(STORE_LOCKS_AUTO);
    one_holds_and_the_other_sees_who(STORE_LOCKS_NONE);
    one_holds_and_the_other_sees_who(STORE_LOCKS_LIE);
    the_dead_are_replaced();
    who_was_replaced_learns_it();
    renewing_keeps_it_alive();
    garbage_is_waited_out();
    of_many_that_start_together_one_holds();
    volume_remove();
    return check_end("test_lease");
}
