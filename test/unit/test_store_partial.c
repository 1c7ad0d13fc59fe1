/* A partial survives its process, is resumed by exactly one, and is never taken for a file. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "store_lease.h"
#include "store_partial.h"
#include "volume.h"

enum { PART = 1 << 20, SIZE = 4 * PART };

static struct err err;
static char       data[SIZE];

static struct store_file big_file(const char *path)
{
    return file_of(path, data, SIZE, DIGEST_SHA256);
}

static const char *stem_of(const struct store_file *file, const char *instance, const char *suffix)
{
    static char name[4][200];
    static int  next;
    char        hex[DIGEST_HEX_MAX], *p = name[next++ % 4];

    digest_to_hex(&file->digest, hex);
    snprintf(p, 200, ".hf-init/partials/%s.%s%s", hex, instance, suffix);
    return p;
}

/* What a process does before it is killed. */
struct life {
    unsigned    parts_marked; /* bits */
    unsigned    parts_synced;
    const char *boot_id;
    bool        takes_lease;
    int         tell_fd; /* its instance goes there */
    bool        stays;   /* until killed */
};

static int live(void *user)
{
    struct life              *life = user;
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_repo        *repo;
    struct store_lease       *lease = NULL;
    struct store_lease_holder holder;
    struct store_partial     *p;
    struct store_file         file = big_file("model.bin");

    options.boot_id = life->boot_id;
    if (store_new(&options, &store, &err))
        return 1;
    repo = open_repo(store, false, COMMIT_A);
    if (life->takes_lease &&
        store_lease_try(store, STR("key"), "default.status.json", &lease, &holder, &err) != 1)
        return 2;
    if (store_partial_open(repo, &file, &p, &err))
        return 3;
    for (unsigned i = 0; i < 4; i++) {
        struct range r = {i * PART, (i + 1) * PART};

        if (!((life->parts_marked | life->parts_synced) & (1u << i)))
            continue;
        if (store_partial_write(p, data + r.begin, PART, r.begin, &err) ||
            store_partial_mark(p, r, &err))
            return 4;
        if ((life->parts_synced & (1u << i)) && store_partial_sync(p, &err))
            return 5;
    }
    if (life->tell_fd > 0 && write(life->tell_fd, store_instance(store), 17) != 17)
        return 6;
    while (life->stays)
        pause();
    return 0; /* without closing anything */
}

static void resumed_exactly_where_it_was_killed(void)
{
    struct life           life = {.parts_marked = 5};
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");
    struct store_view     view;

    volume_new();
    CHECK(in_child(live, &life) == 0);
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    view = look_at(repo, &file);
    CHECK(view.state == STORE_PARTIAL);
    CHECK_U64(view.have_bytes, 2 * PART);
    CHECK(view.allocated_bytes >= 2 * PART);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), 2 * PART);
    CHECK(range_set_covers(store_partial_done(p), (struct range){2 * PART, 3 * PART}));
    CHECK(count_names(".hf-init/partials") == 2);
    CHECK(is_there(stem_of(&file, store_instance(store), ".part")));
    CHECK(store_partial_write(p, data + PART, PART, PART, &err) == 0);
    CHECK(store_partial_write(p, data + 3 * PART, PART, 3 * PART, &err) == 0);
    CHECK(store_partial_publish(p, &err) == 0);
    CHECK(memcmp(text_of("models/tiny/model.bin"), data, SIZE) == 0);
    CHECK(count_names(".hf-init/partials") == 0);
    store_repo_close(repo);
    store_free(store);
}

static void after_a_reboot_only_what_was_synced_counts(void)
{
    struct life          life = {.parts_synced = 1, .parts_marked = 6, .boot_id = "before"};
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    file = big_file("model.bin");

    volume_new();
    CHECK(in_child(live, &life) == 0);
    options.boot_id = "after";
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK_U64(look_at(repo, &file).have_bytes, PART);
    store_repo_close(repo);
    store_free(store);
    options.boot_id = "before";
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK_U64(look_at(repo, &file).have_bytes, 3 * PART);
    store_repo_close(repo);
    store_free(store);
}

/* test/faults/test_order.py looks on: a new journal is on disk before it takes the place of the old. */
static void a_long_journal_is_written_anew_and_forgets_nothing(void)
{
    enum { LONGEST = 1 << 20, MARKS = 80000 };
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");
    struct stat           st = {0};
    bool                  ok = true;

    volume_new();
    options.boot_id = "before";
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK(store_partial_write(p, data, 2 * PART, 0, &err) == 0);
    CHECK(store_partial_mark(p, (struct range){0, PART}, &err) == 0);
    CHECK(store_partial_sync(p, &err) == 0);
    for (uint64_t i = 0; i < MARKS && ok; i++)
        ok = store_partial_mark(p, (struct range){PART, PART + 1 + i % PART}, &err) == 0;
    CHECK(ok);
    CHECK(stat(at(stem_of(&file, store_instance(store), ".journal")), &st) == 0);
    CHECK(st.st_size > 0 && st.st_size < LONGEST);
    store_partial_close(p);
    store_repo_close(repo);
    store_free(store);
    options.boot_id = "after";
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK_U64(look_at(repo, &file).have_bytes, PART);
    store_repo_close(repo);
    store_free(store);
    options.boot_id = "before";
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK_U64(look_at(repo, &file).have_bytes, PART + MARKS);
    store_repo_close(repo);
    store_free(store);
}

/* --- the running hash --- */

enum { LONG = 48 << 20, NOTED = 32 << 20 };

/* Byte `at` of the long file; no two MiB of it are alike. */
static void fill_long(char *out, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)((at + i) * 7 + (at + i) / PART);
}

static struct store_file long_file(void)
{
    struct store_file file = {.path = STR("long.bin"), .size_bytes = LONG};
    struct digest_run run;

    digest_begin(&run, DIGEST_SHA256, LONG);
    for (uint64_t at = 0; at < LONG; at += SIZE) {
        fill_long(data, at, SIZE);
        digest_add(&run, data, SIZE);
    }
    digest_end(&run, &file.digest);
    return file;
}

/* Writes, marks and hashes [begin, end) as a lane does. */
static int bring(struct store_partial *p, struct digest_run *run, uint64_t begin, uint64_t end)
{
    for (uint64_t at = begin; at < end; at += SIZE) {
        struct range r = {at, at + SIZE};

        fill_long(data, at, SIZE);
        if (store_partial_write(p, data, SIZE, at, &err) || store_partial_mark(p, r, &err))
            return -1;
        digest_add(run, data, SIZE);
        if (store_partial_hashed(p, run, &err))
            return -1;
    }
    return 0;
}

/* NOTED bytes on disk, 8 MiB more that are only written. */
static int live_long(void *user)
{
    struct store_options  options = volume_options();
    struct store_file     file = long_file();
    struct store         *store = open_store(&options);
    struct store_partial *p;
    struct digest_run     run;

    (void)user;
    if (store_partial_open(open_repo(store, false, COMMIT_A), &file, &p, &err))
        return 1;
    if (store_partial_hash(p, &run))
        return 2;
    digest_begin(&run, DIGEST_SHA256, LONG);
    if (bring(p, &run, 0, NOTED) || store_partial_sync(p, &err) ||
        bring(p, &run, NOTED, NOTED + 2 * SIZE))
        return 3;
    return 0; /* without closing anything */
}

static const char *the_partial(const char *suffix)
{
    static char    path[2][2048];
    static int     next;
    DIR           *dir = opendir(at(".hf-init/partials"));
    struct dirent *entry;
    char          *out = path[next++ % 2];

    out[0] = '\0';
    while (dir && (entry = readdir(dir)))
        if (strstr(entry->d_name, suffix))
            snprintf(out, sizeof(path[0]), "%s/%s", at(".hf-init/partials"), entry->d_name);
    if (dir)
        closedir(dir);
    return out;
}

/* Opens the long file anew; how far its hash is restored, and if `whole`, does it come out right? */
static uint64_t resumed_hash(bool whole)
{
    struct store_options  options = volume_options();
    struct store_file     file = long_file();
    struct store         *store = open_store(&options);
    struct store_repo    *repo = open_repo(store, false, COMMIT_A);
    struct store_partial *p;
    struct digest_run     run = {0};
    struct digest         got;
    uint64_t              from;

    if (!CHECK(store_partial_open(repo, &file, &p, &err) == 0))
        exit(2);
    CHECK_U64(range_set_front(store_partial_done(p), 0), NOTED + 2 * SIZE);
    if (!store_partial_hash(p, &run))
        digest_begin(&run, DIGEST_SHA256, LONG);
    from = run.hashed_bytes;
    if (whole) {
        CHECK(bring(p, &run, from, LONG) == 0);
        digest_end(&run, &got);
        CHECK(digest_equal(&got, &file.digest));
    }
    digest_release(&run);
    store_partial_close(p);
    store_repo_close(repo);
    store_free(store);
    return from;
}

static void the_hash_is_resumed_where_its_bytes_are_on_disk(void)
{
    volume_new();
    CHECK(in_child(live_long, NULL) == 0);
    CHECK_U64(resumed_hash(false), NOTED); /* takes it over */
    CHECK_U64(resumed_hash(true), NOTED);  /* and again, from the journal that was rewritten */
}

/* The time of a file below the volume, so many seconds from now. */
static void set_time(const char *path, time_t seconds)
{
    struct timespec times[2] = {{time(NULL) + seconds, 0}, {time(NULL) + seconds, 0}};

    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static void a_partial_that_was_changed_later_is_hashed_from_the_start(void)
{
    volume_new();
    CHECK(in_child(live_long, NULL) == 0);
    set_time(the_partial(".part"), 60);
    CHECK_U64(resumed_hash(false), 0);
    set_time(the_partial(".part"), -60); /* what was seen once is not forgotten */
    CHECK_U64(resumed_hash(false), 0);
    volume_new();
    CHECK(in_child(live_long, NULL) == 0);
    set_time(the_partial(".part"), 0); /* a chown at mount time, or a late write */
    CHECK_U64(resumed_hash(false), NOTED);
}

/* The journal torn all over (test_journal.c does every byte): what is resumed was written. */
static void a_torn_journal_is_never_believed_too_much(void)
{
    struct life          life = {.parts_marked = 15};
    struct store_options options = volume_options();
    struct store_file    file = big_file("model.bin");
    size_t               len = 1;

    for (size_t cut = 0; cut < len; cut += 5) {
        struct store         *store;
        struct store_repo    *repo;
        char                  instance[17], journal[600];
        int                   tell[2];
        struct stat           st;
        struct store_partial *p;

        volume_new();
        if (pipe(tell) != 0)
            exit(2);
        life.tell_fd = tell[1];
        CHECK(in_child(live, &life) == 0);
        CHECK(read(tell[0], instance, 17) == 17);
        close(tell[0]);
        close(tell[1]);
        snprintf(journal, sizeof(journal), "%s", at(stem_of(&file, instance, ".journal")));
        CHECK(stat(journal, &st) == 0);
        len = (size_t)st.st_size;
        CHECK(truncate(journal, (off_t)cut) == 0);
        store = open_store(&options);
        repo = open_repo(store, false, COMMIT_A);
        CHECK(look_at(repo, &file).have_bytes <= 3 * PART);
        CHECK(store_partial_open(repo, &file, &p, &err) == 0);
        CHECK(count_names(".hf-init/partials") <= 2); /* the useless one made room */
        store_partial_close(p);
        store_repo_close(repo);
        store_free(store);
    }
}

static void an_unfit_partial_is_not_resumed(void)
{
    struct life          life = {.parts_marked = 15};
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    file = big_file("model.bin");
    char                 instance[17];
    int                  tell[2];

    volume_new();
    if (pipe(tell) != 0)
        exit(2);
    life.tell_fd = tell[1];
    CHECK(in_child(live, &life) == 0);
    CHECK(read(tell[0], instance, 17) == 17);
    close(tell[0]);
    close(tell[1]);
    CHECK(truncate(at(stem_of(&file, instance, ".part")), SIZE - 1) == 0);
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(look_at(repo, &file).state == STORE_MISSING);
    CHECK(truncate(at(stem_of(&file, instance, ".part")), SIZE) == 0);
    CHECK(look_at(repo, &file).state == STORE_PARTIAL);
    file.size_bytes--; /* same digest, another size: a listing that lies */
    CHECK(look_at(repo, &file).state == STORE_MISSING);
    store_repo_close(repo);
    store_free(store);
}

static void a_living_ones_partial_is_left_alone(void)
{
    struct life           life = {.parts_marked = 3, .takes_lease = true, .stays = true};
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");
    char                  instance[17];
    int                   tell[2];
    pid_t                 pid;

    volume_new();
    if (pipe(tell) != 0)
        exit(2);
    life.tell_fd = tell[1];
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(live(&life));
    CHECK(read(tell[0], instance, 17) == 17);
    close(tell[0]);
    close(tell[1]);
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(look_at(repo, &file).state == STORE_MISSING);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), 0);
    CHECK(is_there(stem_of(&file, instance, ".part")));
    CHECK(store_sweep(store, NULL, NULL, &err) == 0);
    CHECK(is_there(stem_of(&file, instance, ".part")));
    CHECK(is_there(stem_of(&file, store_instance(store), ".part")));
    store_partial_discard(p);
    CHECK(count_names(".hf-init/partials") == 2);
    store_repo_close(repo);
    store_free(store);

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(look_at(repo, &file).state == STORE_PARTIAL);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), 2 * PART);
    store_partial_close(p);
    store_repo_close(repo);
    store_free(store);
}

static uint64_t fake_now_ms = 1000;
static uint64_t fake_now(void *user)
{
    (void)user;
    return fake_now_ms;
}

/* Stopped for ten minutes, its partial taken over; then it wakes up. */
static void who_wakes_up_too_late_stops(void)
{
    struct store_options  options = volume_options();
    struct store         *sleeper, *taker;
    struct store_repo    *a, *b;
    struct store_partial *p, *q;
    struct store_file     file = big_file("model.bin");

    volume_new();
    options.clock.now_ms = fake_now;
    sleeper = open_store(&options);
    a = open_repo(sleeper, false, COMMIT_A);
    CHECK(store_partial_open(a, &file, &p, &err) == 0);
    CHECK(store_partial_write(p, data, PART, 0, &err) == 0);
    CHECK(store_partial_mark(p, (struct range){0, PART}, &err) == 0);

    taker = open_store(&options); /* sleeper has no lease, so it counts as dead */
    b = open_repo(taker, false, COMMIT_A);
    CHECK(store_partial_open(b, &file, &q, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(q)), PART);

    fake_now_ms += 600000;
    CHECK(store_partial_write(p, data, PART, 0, &err) == -1 && err.kind == ERR_LOCKED);
    CHECK(store_partial_publish(p, &err) == -1 && err.kind == ERR_LOCKED);
    CHECK(store_partial_write(q, data, SIZE, 0, &err) == 0);
    CHECK(store_partial_publish(q, &err) == 0);
    CHECK(memcmp(text_of("models/tiny/model.bin"), data, SIZE) == 0);
    store_repo_close(a);
    store_repo_close(b);
    store_free(sleeper);
    store_free(taker);
}

static void a_closed_one_is_resumed_in_the_same_process(void)
{
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p, *q;
    struct store_file     file = big_file("model.bin");

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK(store_partial_open(repo, &file, &q, &err) == 0); /* another repo's same file */
    CHECK(store_partial_write(p, data, PART, 0, &err) == 0);
    CHECK(store_partial_mark(p, (struct range){0, PART}, &err) == 0);
    store_partial_close(p);
    store_partial_discard(q);
    CHECK(look_at(repo, &file).state == STORE_PARTIAL);
    store_sweep(store, NULL, NULL, &err);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), PART);
    store_partial_discard(p);
    CHECK(look_at(repo, &file).state == STORE_MISSING);
    CHECK(count_names(".hf-init/partials") == 0);
    store_repo_close(repo);
    store_free(store);
}

/* Else bytes written from 0 on would lie under a journal, and a hash, of other bytes. */
static void what_begins_anew_takes_over_nothing(void)
{
    struct life           life = {.parts_marked = 15};
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");

    volume_new();
    CHECK(in_child(live, &life) == 0);
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(store_partial_begin(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), 0);
    CHECK(count_names(".hf-init/partials") == 1); /* and the disk is not needed twice */
    CHECK(store_partial_write(p, data, PART, 0, &err) == 0);
    CHECK(store_partial_mark(p, (struct range){0, PART}, &err) == 0);
    store_partial_close(p);
    CHECK_U64(look_at(repo, &file).have_bytes, PART);
    store_repo_close(repo);
    store_free(store);
}

static void sweeping_takes_what_nobody_can_want(void)
{
    static const char *const stray[] = {
        ".hf-init/partials/8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d.0123456789abcdef.part",
        ".hf-init/partials/8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d.0123456789abcdee-2.journal",
        ".hf-init/temp/0123456789abcdef.12",
    };
    static const char *const foreign[] = {
        ".hf-init/partials/notes.txt",
        ".hf-init/partials/8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d.0123456789abcdef.part2",
        ".hf-init/temp/readme",
    };
    struct life               life = {.parts_marked = 1};
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_repo        *repo, *other;
    struct timespec           last_week[2] = {{1000000000, 0}, {1000000000, 0}};
    struct store_file         file = big_file("model.bin");
    char                      instance[17];
    int                       tell[2];
    struct store_repo_options wish = {
        .id = STR("acme/other"), .path = STR("other"), .revision = STR("main"), .commit = COMMIT_A};

    volume_new();
    if (pipe(tell) != 0)
        exit(2);
    life.tell_fd = tell[1];
    CHECK(in_child(live, &life) == 0); /* a partial of models/tiny */
    CHECK(read(tell[0], instance, 17) == 17);
    close(tell[0]);
    close(tell[1]);
    for (size_t i = 0; i < CHECK_COUNT(stray); i++)
        put_text(stray[i], "x");
    for (size_t i = 0; i < CHECK_COUNT(foreign); i++)
        put_text(foreign[i], "x");

    store = open_store(&options); /* a run of another repo */
    CHECK(store_repo_open(store, &wish, &other, &err) == 0);
    CHECK(store_sweep(store, NULL, NULL, &err) > 0);
    for (size_t i = 0; i < CHECK_COUNT(stray); i++)
        CHECK(!is_there(stray[i]));
    for (size_t i = 0; i < CHECK_COUNT(foreign); i++)
        CHECK(is_there(foreign[i]));
    CHECK(is_there(stem_of(&file, instance, ".part"))); /* its pod may be starting again */
    CHECK(utimensat(AT_FDCWD, at(stem_of(&file, instance, ".part")), last_week, 0) == 0);
    store_sweep(store, NULL, NULL, &err);
    CHECK(!is_there(stem_of(&file, instance, ".part")));
    CHECK(!is_there(stem_of(&file, instance, ".journal")));
    store_repo_close(other);
    store_free(store);

    volume_new();
    CHECK(pipe(tell) == 0);
    life.tell_fd = tell[1];
    CHECK(in_child(live, &life) == 0);
    close(tell[0]);
    close(tell[1]);
    store = open_store(&options); /* a run of the same repo that did not want it any more */
    repo = open_repo(store, false, COMMIT_B);
    CHECK(store_sweep(store, NULL, NULL, &err) >= PART);
    CHECK(count_names(".hf-init/partials") == 0);
    store_repo_close(repo);
    store_free(store);
}

/* --- threads --- */

struct writer {
    struct store_partial *p;
    unsigned              index;
};

static void *write_stripes(void *user)
{
    struct writer *w = user;
    struct err     e = {0};

    for (uint64_t at_byte = w->index * 16384; at_byte < SIZE; at_byte += 4 * 16384) {
        struct range r = {at_byte, at_byte + 16384};

        if (store_partial_write(w->p, data + at_byte, 16384, at_byte, &e) ||
            store_partial_mark(w->p, r, &e) ||
            (at_byte % PART == 0 && store_partial_sync(w->p, &e)))
            return w;
    }
    return NULL;
}

static void many_threads_write_one_partial(void)
{
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");
    struct writer         writer[4];
    pthread_t             thread[4];
    void                 *failed;

    volume_new();
    options.drop_cache = true;
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    for (unsigned i = 0; i < 4; i++) {
        writer[i] = (struct writer){p, i};
        pthread_create(&thread[i], NULL, write_stripes, &writer[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(thread[i], &failed);
        CHECK(failed == NULL);
    }
    store_partial_close(p);
    CHECK_U64(look_at(repo, &file).have_bytes, SIZE);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), SIZE);
    CHECK(store_partial_publish(p, &err) == 0);
    CHECK(memcmp(text_of("models/tiny/model.bin"), data, SIZE) == 0);
    store_repo_close(repo);
    store_free(store);
}

struct small {
    struct store_repo *repo;
    unsigned           index;
};

static void *publish_many(void *user)
{
    struct small *s = user;
    struct err    e = {0};
    char          path[64], text[64];

    for (unsigned i = 0; i < 50; i++) {
        snprintf(path, sizeof(path), "d%u/%u.txt", i % 7, s->index * 1000 + i);
        snprintf(text, sizeof(text), "text %u", i); /* the same in every thread */
        if (publish_text(s->repo, path, text, &e))
            return s;
    }
    return NULL;
}

static void many_threads_publish_small_files(bool is_cache)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct small         small[4];
    pthread_t            thread[4];
    void                *failed;

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, is_cache, COMMIT_A);
    for (unsigned i = 0; i < 4; i++) {
        small[i] = (struct small){repo, i};
        pthread_create(&thread[i], NULL, publish_many, &small[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(thread[i], &failed);
        CHECK(failed == NULL);
    }
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    for (unsigned i = 0; i < 200; i++) {
        char              path[64], text[64];
        struct store_file file;

        snprintf(path, sizeof(path), "d%u/%u.txt", i % 50 % 7, i / 50 * 1000 + i % 50);
        snprintf(text, sizeof(text), "text %u", i % 50);
        file = text_file(path, text);
        CHECK(look_at(repo, &file).state == STORE_PRESENT);
    }
    CHECK(count_names(".hf-init/partials") == 0 && count_names(".hf-init/temp") == 0);
    store_repo_close(repo);
    store_free(store);
}

static void a_full_disk_leaves_no_partial(void)
{
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    file.size_bytes = 1ull << 45; /* no such disk here */
    CHECK(store_partial_open(repo, &file, &p, &err) == -1);
    CHECK(err.kind == ERR_DISK_FULL || err.kind == ERR_TOO_LARGE);
    CHECK(count_names(".hf-init/partials") == 0);
    file.size_bytes = 10;
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK(store_partial_write(p, data, 11, 0, &err) == -1 && err.kind == ERR_INTERNAL);
    CHECK(store_partial_write(p, data, 1, UINT64_MAX, &err) == -1);
    store_partial_discard(p);
    store_repo_close(repo);
    store_free(store);
}

/* The error of a write-back is told once; whoever heard it may have had nobody to tell. */
static void what_the_disk_lost_is_not_published_though_a_later_sync_succeeds(void)
{
    struct store_options  options = volume_options();
    struct store         *store;
    struct store_repo    *repo;
    struct store_partial *p;
    struct store_file     file = big_file("model.bin");

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK(store_partial_write(p, data, SIZE, 0, &err) == 0);
    atomic_store(&p->is_damaged, true);
    CHECK(store_partial_publish(p, &err) == -1 && err.kind == ERR_IO);
    CHECK(count_names(".hf-init/partials") == 0);
    CHECK(store_partial_open(repo, &file, &p, &err) == 0);
    CHECK_U64(range_set_bytes(store_partial_done(p)), 0);
    CHECK(store_partial_write(p, data, SIZE, 0, &err) == 0);
    CHECK(store_partial_publish(p, &err) == 0);
    store_repo_close(repo);
    store_free(store);
}

int main(void)
{
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    resumed_exactly_where_it_was_killed();
    after_a_reboot_only_what_was_synced_counts();
    a_long_journal_is_written_anew_and_forgets_nothing();
    the_hash_is_resumed_where_its_bytes_are_on_disk();
    a_partial_that_was_changed_later_is_hashed_from_the_start();
    a_torn_journal_is_never_believed_too_much();
    an_unfit_partial_is_not_resumed();
    a_living_ones_partial_is_left_alone();
    who_wakes_up_too_late_stops();
    a_closed_one_is_resumed_in_the_same_process();
    what_begins_anew_takes_over_nothing();
    sweeping_takes_what_nobody_can_want();
    many_threads_write_one_partial();
    many_threads_publish_small_files(false);
    many_threads_publish_small_files(true);
    a_full_disk_leaves_no_partial();
    what_the_disk_lost_is_not_published_though_a_later_sync_succeeds();
    volume_remove();
    return check_end("test_store_partial");
}
