/* Layout dir: plain files that appear whole, and the metadata that `hf download` reads. */
#include <errno.h>

#include "store_prune.h"
#include "volume.h"

static struct err err;

/* A commit's files come and are known again without reading them. */
static void published_files_are_present_in_the_next_run(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    config = text_file("config.json", "{}"),
                      deep = text_file("a/b/ü c.txt", "deep"), empty = text_file("empty.txt", "");
    struct stat st;
    mode_t      old;

    volume_new();
    old = umask(077);
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(look_at(repo, &config).state == STORE_MISSING);
    CHECK(publish(repo, &config, "{}", &err) == 0);
    CHECK(publish(repo, &deep, "deep", &err) == 0);
    CHECK(publish(repo, &empty, "", &err) == 0);
    CHECK(look_at(repo, &config).state == STORE_PRESENT);
    CHECK(look_at(repo, &config).have_bytes == 2);
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    store_repo_close(repo);
    store_free(store);
    umask(old);

    CHECK_STR(text_of("models/tiny/a/b/ü c.txt"), "deep");
    CHECK(stat(at("models/tiny/config.json"), &st) == 0 && (st.st_mode & 07777) == 0644);
    CHECK(stat(at("models/tiny/a/b"), &st) == 0 && (st.st_mode & 07777) == 0755);
    CHECK(count_names(".hf-init/partials") == 0 && count_names(".hf-init/temp") == 0);

    options.read_only = true;
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(look_at(repo, &config).state == STORE_PRESENT);
    CHECK(look_at(repo, &deep).state == STORE_PRESENT);
    CHECK(look_at(repo, &empty).state == STORE_PRESENT);
    store_repo_close(repo);
    store_free(store);
}

static void a_changed_file_must_be_proven_again(void)
{
    struct store_options options = volume_options();
    struct store        *store = open_store(&options);
    struct store_repo   *repo = open_repo(store, false, COMMIT_A);
    struct store_file    config = text_file("config.json", "{}");
    struct timespec      long_ago[2] = {{1000000000, 5}, {1000000000, 5}};

    CHECK(utimensat(AT_FDCWD, at("models/tiny/config.json"), long_ago, 0) == 0);
    CHECK(look_at(repo, &config).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &config, true, NULL, NULL, &err) == 1);
    CHECK(look_at(repo, &config).state == STORE_PRESENT);
    put_text("models/tiny/config.json", "[]"); /* same size */
    CHECK(look_at(repo, &config).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &config, true, NULL, NULL, &err) == 0);
    CHECK(store_adopt(repo, &config, false, NULL, NULL, &err) == 1); /* verify: size */
    put_text("models/tiny/config.json", "longer");
    CHECK(look_at(repo, &config).state == STORE_MISSING);
    CHECK(publish(repo, &config, "{}", &err) == 0);
    CHECK_STR(text_of("models/tiny/config.json"), "{}");
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    store_repo_close(repo);
    store_free(store);
}

static int stop_at_once(void *user, uint64_t n)
{
    *(uint64_t *)user += n;
    return 1;
}

static void hashing_can_be_stopped(void)
{
    struct store_options options = volume_options();
    struct store        *store = open_store(&options);
    struct store_repo   *repo = open_repo(store, false, COMMIT_A);
    struct store_file    file = text_file("new.txt", "12345");
    uint64_t             seen = 0;

    put_text("models/tiny/new.txt", "12345");
    CHECK(store_adopt(repo, &file, true, stop_at_once, &seen, &err) == -1);
    CHECK(err.kind == ERR_TERMINATED && seen == 5);
    store_repo_close(repo);
    store_free(store);
}

/* The three lines: commit, etag, a time that is not before the file's mtime - 1. */
static void metadata_is_what_python_reads(void)
{
    static const char want[] = COMMIT_A "\n9e26dfeeb6e641a33dae4961196235bdb965b21b\n";
    const char *text = text_of("models/tiny/.cache/huggingface/download/config.json.metadata");
    struct stat st;
    char       *end;
    double      when;

    CHECK(strncmp(text, want, strlen(want)) == 0);
    when = strtod(text + strlen(want), &end);
    CHECK_STR(end, "\n");
    CHECK(stat(at("models/tiny/config.json"), &st) == 0);
    CHECK((double)st.st_mtim.tv_sec - 1 <= when && when < (double)st.st_mtim.tv_sec + 100);
    CHECK_STR(text_of("models/tiny/.cache/huggingface/.gitignore"), "*");
    CHECK_U64(strlen(text_of("models/tiny/.cache/huggingface/CACHEDIR.TAG")), 191);
    CHECK(is_there("models/tiny/.cache/huggingface/download/a/b/ü c.txt.metadata"));
}

static int64_t fixed_wall_ms(void *user)
{
    return *(int64_t *)user;
}

static void metadata_time_is_exact_and_never_before_the_file(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    file = text_file("f", "{}");
    struct stat          st;
    int64_t              future_ms = 4000000000123, past_ms = 1000;
    double               when;

    volume_new();
    options.clock.wall_ms = fixed_wall_ms;
    options.clock.user = &future_ms;
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(publish(repo, &file, "{}", &err) == 0);
    CHECK_STR(text_of("models/tiny/.cache/huggingface/download/f.metadata"),
              COMMIT_A "\n9e26dfeeb6e641a33dae4961196235bdb965b21b\n4000000000.123000\n");
    store_repo_close(repo);
    store_free(store);

    options.clock.user = &past_ms; /* our clock is behind the server's */
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_B);
    CHECK(publish(repo, &file, "{}", &err) == 0);
    when = strtod(text_of("models/tiny/.cache/huggingface/download/f.metadata") + 82, NULL);
    CHECK(stat(at("models/tiny/f"), &st) == 0 && when >= (double)st.st_mtim.tv_sec);
    store_repo_close(repo);
    store_free(store);
}

static void kept_files_get_the_new_commit(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    same = text_file("same", "1"), changed = text_file("changed", "old"),
                      newer = text_file("changed", "newer");
    char                      commit[41];
    struct store_repo_options wish = {
        .id = STR("acme/tiny"), .path = STR("models/tiny"), .revision = STR("main")};

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(publish(repo, &same, "1", &err) == 0 && publish(repo, &changed, "old", &err) == 0);
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    store_repo_close(repo);
    CHECK(store_local_commit(store, &wish, commit, &err) == 1);
    CHECK_STR(commit, COMMIT_A);

    repo = open_repo(store, false, COMMIT_B);
    CHECK(look_at(repo, &same).state == STORE_PRESENT);
    CHECK(look_at(repo, &newer).state == STORE_MISSING);
    CHECK_STR(text_of("models/tiny/changed"), "old"); /* until the new one is proven */
    CHECK(publish(repo, &newer, "newer", &err) == 0);
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    store_repo_close(repo);
    CHECK(strncmp(text_of("models/tiny/.cache/huggingface/download/same.metadata"), COMMIT_B, 40) ==
          0);
    CHECK(store_local_commit(store, &wish, commit, &err) == 1);
    CHECK_STR(commit, COMMIT_B);
    wish.revision = STR(COMMIT_A); /* gone from the folder */
    CHECK(store_local_commit(store, &wish, commit, &err) == 0);
    wish.revision = STR(COMMIT_B);
    CHECK(store_local_commit(store, &wish, commit, &err) == 1);
    wish.revision = STR("main"); /* which other repos have, too */
    wish.id = STR("acme/other");
    CHECK(store_local_commit(store, &wish, commit, &err) == 0);
    wish.id = STR("acme/tiny");
    wish.type = REPO_DATASET;
    CHECK(store_local_commit(store, &wish, commit, &err) == 0);
    store_free(store);
}

/* Counts the file changes of a run by the mtimes and inodes of everything below the volume. */
static uint64_t fingerprint_sum;
static int      fingerprint_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)path;
    (void)type;
    (void)f;
    if (!S_ISDIR(s->st_mode))
        fingerprint_sum +=
            (uint64_t)s->st_ino * 31 + (uint64_t)s->st_ctim.tv_nsec + (uint64_t)s->st_ctim.tv_sec;
    return 0;
}
static uint64_t fingerprint(void)
{
    fingerprint_sum = 0;
    nftw(volume, fingerprint_one, 16, FTW_PHYS);
    return fingerprint_sum;
}

static void a_second_run_writes_nothing(bool is_cache)
{
    struct store_options options = volume_options();
    struct store_file    file = text_file("d/same", "1");
    struct tree_row   row = {"d/same", 1, "56a6051ca2b02b04ef92d5150c9ef600403cb1de", NULL, NULL};
    struct store_tree tree = tree_of_rows(&row, 1, true);
    uint64_t          before = 0;

    volume_new();
    for (int run = 0; run < 2; run++) {
        struct store      *store = open_store(&options);
        struct store_repo *repo = open_repo(store, is_cache, COMMIT_A);

        if (run == 0)
            CHECK(publish(repo, &file, "1", &err) == 0);
        CHECK(look_at(repo, &file).state == STORE_PRESENT);
        CHECK(store_repo_finish(repo, &tree, &err) == 0);
        store_repo_close(repo);
        store_free(store);
        if (run == 0)
            before = fingerprint();
    }
    CHECK_U64(fingerprint(), before);
}

static int count_entry(const struct store_tree_entry *entry, void *user, struct err *e)
{
    (void)e;
    *(unsigned *)user += entry != NULL;
    return 0;
}

static void without_hub_metadata_nothing_lies_beside_the_files(void)
{
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_repo        *repo;
    struct store_repo_options wish = {
        .id = STR("acme/tiny"), .path = STR("m"), .revision = STR("main"), .commit = COMMIT_A};
    struct tree_row   row = {"f", 1, "56a6051ca2b02b04ef92d5150c9ef600403cb1de", NULL, NULL};
    struct store_tree tree = tree_of_rows(&row, 1, true);
    unsigned          seen = 0;

    volume_new();
    store = open_store(&options);
    CHECK(store_repo_open(store, &wish, &repo, &err) == 0);
    CHECK(publish_text(repo, "f", "1", &err) == 0);
    CHECK(store_repo_finish(repo, &tree, &err) == 0);
    CHECK(store_read_tree(repo, count_entry, &seen, &err) == 1 && seen == 1);
    CHECK(count_names("m") == 1);
    store_repo_close(repo);
    store_free(store);
}

static void what_stands_in_the_way_is_named(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_view    view;
    struct store_file    file;

    volume_new();
    store = open_store(&options);
    mkdir(at("models"), 0755);
    mkdir(at("models/tiny"), 0755);
    repo = open_repo(store, false, COMMIT_A);
    mkdir(at("models/tiny/folder"), 0755);
    mkfifo(at("models/tiny/fifo"), 0644);
    CHECK(symlink("/etc/passwd", at("models/tiny/link")) == 0);
    CHECK(symlink("..", at("models/tiny/way")) == 0);
    put_text("models/tiny/file", "x");
    static const struct {
        const char *path, *word;
    } rows[] = {
        {"folder", "folder"}, {"fifo", "FIFO"}, {"link", "symbolic link"}, {"way/x", "link"}};

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].path);
        file = text_file(rows[i].path, "text");
        CHECK(store_look(repo, &file, &view, &err) == -1 && err.kind == ERR_IO);
        CHECK(strstr(err.text, rows[i].word) && strstr(err.text, rows[i].path));
        CHECK(publish(repo, &file, "text", &err) == -1 && err.kind == ERR_IO);
        CHECK(strstr(err.text, rows[i].word) != NULL);
    }
    check_row(NULL);
    CHECK(publish_text(repo, "file/below", "text", &err) == -1 && err.kind == ERR_IO);
    CHECK_STR(link_of("models/tiny/link"), "/etc/passwd");
    static const char *const names[] = {
        ".hf-init/x", "a/.hf-init/x", ".HF-Init", ".cache/huggingface/x", "../x", "/x", "a//b"};
    for (size_t i = 0; i < CHECK_COUNT(names); i++) {
        check_row(names[i]);
        file = text_file(names[i], "text");
        CHECK(store_look(repo, &file, &view, &err) == -1 && err.kind == ERR_UNSAFE_NAME);
        CHECK(publish(repo, &file, "text", &err) == -1);
    }
    check_row(NULL);
    store_repo_close(repo);
    store_free(store);
}

static void the_target_itself_may_be_the_repo(void)
{
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_repo        *repo;
    struct buf                folder = {0};
    struct fs_space           space;
    struct store_repo_options wish = {
        .id = STR("acme/tiny"), .path = STR("."), .revision = STR("main"), .commit = COMMIT_A};

    volume_new();
    store = open_store(&options);
    CHECK(store_repo_open(store, &wish, &repo, &err) == 0);
    CHECK(publish_text(repo, "a/f", "1", &err) == 0);
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    store_repo_folder(repo, &folder);
    CHECK_STR(buf_cstr(&folder), volume);
    CHECK(store_repo_space(repo, &space, &err) == 0);
    CHECK_STR(text_of("a/f"), "1");
    buf_release(&folder);
    store_repo_close(repo);
    store_free(store);
}

static void planning_creates_nothing(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct fs_space      space;
    struct buf           text = {0};
    char                 target[600];
    struct store_file    file = text_file("f", "x");

    volume_new();
    snprintf(target, sizeof(target), "%s/not/there/yet", volume);
    options.target = target;
    options.read_only = true;
    for (int is_cache = 0; is_cache < 2; is_cache++) {
        store = open_store(&options);
        CHECK(store_target_fd(store) == -1);
        repo = open_repo(store, is_cache, COMMIT_A);
        CHECK(look_at(repo, &file).state == STORE_MISSING);
        CHECK(store_repo_space(repo, &space, &err) == 0 && space.total_bytes > 0);
        CHECK(store_read_tree(repo, count_entry, NULL, &err) == 0);
        CHECK(store_read_state(store, "default.complete.json", 100, &text, &err) == 0);
        CHECK(store_sweep(store, NULL, NULL, &err) == 0);
        store_repo_close(repo);
        store_free(store);
    }
    CHECK(count_names(".") == 0);
    options.target = volume; /* there, but empty */
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(look_at(repo, &file).state == STORE_MISSING);
    store_repo_close(repo);
    store_free(store);
    CHECK(count_names(".") == 0);
    buf_release(&text);
}

static void same_bytes_are_copied_not_fetched(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    a = text_file("a", "same"), b = text_file("d/b", "same");

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    CHECK(publish(repo, &a, "same", &err) == 0);
    CHECK(store_publish_copy(repo, &b, repo, &a, &err) == 0);
    CHECK_STR(text_of("models/tiny/d/b"), "same");
    CHECK(look_at(repo, &b).state == STORE_PRESENT);
    put_text("models/tiny/a", "SAME"); /* somebody spoilt the source */
    b.path = STR("d/c");
    CHECK(store_publish_copy(repo, &b, repo, &a, &err) == -1 && err.kind == ERR_INTEGRITY);
    CHECK(!is_there("models/tiny/d/c"));
    CHECK(count_names(".hf-init/temp") == 0);
    store_repo_close(repo);
    store_free(store);
}

static void state_files_come_and_go(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct buf           text = {0};

    volume_new();
    store = open_store(&options);
    CHECK(strlen(store_instance(store)) == 16);
    CHECK(store_read_state(store, "default.status.json", 100, &text, &err) == 0);
    CHECK(store_write_state(store, "default.status.json", STR("{}\n"), false, &err) == 0);
    CHECK(store_write_state(store, "default.status.json", STR("{1}\n"), true, &err) == 0);
    CHECK(store_read_state(store, "default.status.json", 100, &text, &err) == 1);
    CHECK_STR(buf_cstr(&text), "{1}\n");
    CHECK(store_remove_state(store, "default.status.json", true, &err) == 0);
    CHECK(store_remove_state(store, "default.status.json", true, &err) == 0);
    CHECK(!is_there(".hf-init/default.status.json"));
    buf_release(&text);
    store_free(store);
}

static void an_inventory_full_of_garbage_only_costs_a_hash(void)
{
    struct store_options options = volume_options();
    struct store_file    file = text_file("f", "x");
    struct buf           name = {0}, text = {0};

    volume_new();
    for (size_t cut = 0; cut < 400; cut += 7) {
        struct store      *store = open_store(&options);
        struct store_repo *repo = open_repo(store, false, COMMIT_A);
        int                fd;

        if (look_at(repo, &file).state == STORE_UNVERIFIED)
            CHECK(store_adopt(repo, &file, true, NULL, NULL, &err) == 1);
        else if (look_at(repo, &file).state == STORE_MISSING)
            CHECK(publish(repo, &file, "x", &err) == 0);
        CHECK(look_at(repo, &file).state == STORE_PRESENT);
        if (cut % 2)
            CHECK(store_repo_finish(repo, NULL, &err) == 0);
        store_repo_close(repo);
        store_free(store);
        fd = fs_open_dir(at(".hf-init/inventory"), &err);
        if (system(NULL)) { /* cut the file short, in the middle of a line mostly */
            char command[700];

            snprintf(command, sizeof(command), "cd '%s/.hf-init/inventory' && truncate -s %zu *",
                     volume, cut);
            CHECK(system(command) == 0);
        }
        fs_close(&fd);
    }
    buf_release(&name);
    buf_release(&text);
}

/* Each shard notes its own files; the one that finishes last must not forget the others'. */
static void shards_share_one_inventory(void)
{
    struct store_options options = volume_options();
    struct store        *first, *last;
    struct store_repo   *a, *b;
    struct store_file    one = text_file("one", "1"), two = text_file("two", "2"),
                      three = text_file("three", "3");

    volume_new();
    first = open_store(&options);
    last = open_store(&options);
    a = open_repo(first, false, COMMIT_A);
    b = open_repo(last, false, COMMIT_A);
    CHECK(publish(a, &one, "1", &err) == 0 && publish(b, &two, "2", &err) == 0);
    CHECK(store_repo_sync(a, &err) == 0);
    CHECK(store_repo_finish(b, NULL, &err) == 0);
    CHECK(publish(a, &three, "3", &err) == 0);
    store_repo_close(a);
    store_repo_close(b);
    a = open_repo(first, false, COMMIT_A);
    CHECK(look_at(a, &one).state == STORE_PRESENT);
    CHECK(look_at(a, &two).state == STORE_PRESENT);
    CHECK(look_at(a, &three).state == STORE_PRESENT);
    store_repo_close(a);
    store_free(first);
    store_free(last);
}

/* A prune, as its caller sees it. */
struct pruning {
    unsigned ticks, stop_at;
};

static int on_tick(void *user, struct err *e)
{
    struct pruning *p = user;

    return ++p->ticks == p->stop_at ? err_set(e, ERR_LOCKED, "stood still") : 0;
}

static void on_told(const struct store_pruned *what, void *user)
{
    (void)what;
    (void)user;
}

/* Who stood still is too late for each further file, not for the next hundred. */
static void a_prune_looks_before_each_file_whether_it_may_go_on(void)
{
    enum { FILES = 50, LEFT = 10 };
    struct store_options       options = volume_options();
    struct pruning             p = {0};
    struct store_prune_options wish = {
        .dry_run = true, .tick = on_tick, .told = on_told, .user = &p};
    struct store      *store;
    struct store_repo *repo;

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, false, COMMIT_A);
    for (unsigned i = 0; i < FILES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "f%u", i);
        CHECK(publish_text(repo, name, "text", &err) == 0);
    }
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    store_repo_close(repo);
    CHECK(store_prune(store, &wish, &err) == 0 && p.ticks > FILES);
    wish.dry_run = false;
    p = (struct pruning){.stop_at = p.ticks - LEFT + 1};
    CHECK(store_prune(store, &wish, &err) == -1 && err.kind == ERR_LOCKED);
    CHECK_U64((unsigned)count_names("models/tiny"), LEFT + 1); /* and .cache */
    store_free(store);
}

int main(void)
{
    published_files_are_present_in_the_next_run();
    a_changed_file_must_be_proven_again();
    hashing_can_be_stopped();
    metadata_is_what_python_reads();
    metadata_time_is_exact_and_never_before_the_file();
    kept_files_get_the_new_commit();
    a_second_run_writes_nothing(false);
    a_second_run_writes_nothing(true);
    without_hub_metadata_nothing_lies_beside_the_files();
    what_stands_in_the_way_is_named();
    the_target_itself_may_be_the_repo();
    planning_creates_nothing();
    same_bytes_are_copied_not_fetched();
    state_files_come_and_go();
    an_inventory_full_of_garbage_only_costs_a_hash();
    shards_share_one_inventory();
    a_prune_looks_before_each_file_whether_it_may_go_on();
    volume_remove();
    return check_end("test_store_dir");
}
