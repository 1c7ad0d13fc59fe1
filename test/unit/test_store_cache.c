/* Layout cache: what huggingface_hub makes and reads, byte for byte where it matters. */
#include "store_prune.h"
#include "volume.h"

#define REPO "models--acme--tiny"

static struct err err;

static const char model_text[] = "weights";

static struct store_file model_file(const char *path)
{
    return file_of(path, model_text, strlen(model_text), DIGEST_SHA256);
}

static const char *blob_of(const struct store_file *file)
{
    static char rel[128];
    char        hex[DIGEST_HEX_MAX];

    digest_to_hex(&file->digest, hex);
    snprintf(rel, sizeof(rel), REPO "/blobs/%s", hex);
    return rel;
}

/* --- the tree file --- */

static const struct tree_row tree[] = {
    {"model.safetensors", 1000, "41bd3f0a7be51d4c2f8a6e0b1d2c3e4f50617283",
     "8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d",
     "5f0c5844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d"},
    {"config.json", 18, "8e07cfc20f2c66d26f8295d573a91a16deb27710", NULL, NULL},
    {"d/\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80 \"q\"\\ .txt", 0,
     "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", NULL, NULL},
};

/* Written by Python 3: json.dump({"format_version": 1, "files": {…}}, f, indent=1). */
static const char tree_want[] =
    "{\n \"format_version\": 1,\n \"files\": {\n"
    "  \"config.json\": {\n   \"size\": 18,\n   \"blob_id\": \"8e07cfc20f2c66d26f8295d573a91a16deb27710\"\n  },\n"
    "  \"d/\\u00e9\\u4e2d\\ud83d\\ude00 \\\"q\\\"\\\\ .txt\": {\n   \"size\": 0,\n"
    "   \"blob_id\": \"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\"\n  },\n"
    "  \"model.safetensors\": {\n   \"size\": 1000,\n   \"blob_id\": \"41bd3f0a7be51d4c2f8a6e0b1d2c3e4f50617283\",\n"
    "   \"lfs_sha256\": \"8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d\",\n"
    "   \"lfs_size\": 1000,\n"
    "   \"xet_hash\": \"5f0c5844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d\"\n  }\n }\n}";

struct seen {
    unsigned right, voids;
};

static bool same_bytes(const unsigned char *a, const unsigned char *b, size_t len)
{
    return a && b ? memcmp(a, b, len) == 0 : a == b;
}

static int count_entry(const struct store_tree_entry *entry, void *user, struct err *e)
{
    struct seen *seen = user;

    (void)e;
    if (!entry) {
        seen->voids++;
        seen->right = 0;
        return 0;
    }
    for (size_t i = 0; i < CHECK_COUNT(tree); i++) {
        struct store_tree_entry want;

        tree_row_entry(tree, i, &want);
        seen->right += str_eq(entry->path, want.path) && entry->size_bytes == want.size_bytes &&
                       entry->is_lfs == want.is_lfs && same_bytes(entry->oid, want.oid, 20) &&
                       digest_equal(&entry->digest, &want.digest) &&
                       same_bytes(entry->xet_hash, want.xet_hash, 32);
    }
    return 0;
}

static void tree_files_are_pythons(void)
{
    struct store_options options = volume_options();
    struct store_tree    all = tree_of_rows(tree, CHECK_COUNT(tree), true);
    struct store        *store;
    struct store_repo   *repo;
    struct seen          seen = {0};

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(store_repo_finish(repo, &all, &err) == 0);
    CHECK_STR(text_of(REPO "/trees/" COMMIT_A ".json"), tree_want);
    CHECK(store_read_tree(repo, count_entry, &seen, &err) == 1);
    CHECK_U64(seen.right, CHECK_COUNT(tree));
    store_repo_close(repo);

    repo = open_repo(store, true, COMMIT_B); /* one that would mislead Python is kept from it */
    seen = (struct seen){0};
    all.is_public = false;
    CHECK(store_repo_finish(repo, &all, &err) == 0);
    CHECK(access(at(REPO "/trees/" COMMIT_B ".json"), F_OK) != 0);
    CHECK(store_read_tree(repo, count_entry, &seen, &err) == 1);
    CHECK_U64(seen.right, CHECK_COUNT(tree));

    /* What stands where Python looks is read first; half of one is no listing, and what it told is
     * taken back before our own is read. */
    seen = (struct seen){0};
    put_text(REPO "/trees/" COMMIT_B ".json", tree_want);
    CHECK(truncate(at(REPO "/trees/" COMMIT_B ".json"), (off_t)strlen(tree_want) - 9) == 0);
    CHECK(store_read_tree(repo, count_entry, &seen, &err) == 1);
    CHECK_U64(seen.right, CHECK_COUNT(tree));
    CHECK_U64(seen.voids, 1);
    store_repo_close(repo);
    store_free(store);
}

static void own_listings_of_two_revisions_lie_side_by_side(void)
{
    struct store_options options = volume_options();
    struct store_tree    all = tree_of_rows(tree, CHECK_COUNT(tree), false);
    struct store        *store;
    struct store_repo   *a, *b;

    volume_new();
    store = open_store(&options);
    a = open_repo(store, true, COMMIT_A);
    b = open_repo(store, true, COMMIT_B);
    CHECK(store_repo_finish(a, &all, &err) == 0 && store_repo_finish(b, &all, &err) == 0);
    CHECK(store_read_tree(a, NULL, NULL, &err) == 1 && store_read_tree(b, NULL, NULL, &err) == 1);
    CHECK(rmdir(at(REPO "/snapshots/" COMMIT_A)) ==
          0); /* the revision is gone: so is its listing */
    all.count--;
    CHECK(store_repo_finish(b, &all, &err) == 0);
    CHECK(store_read_tree(a, NULL, NULL, &err) == 0 && store_read_tree(b, NULL, NULL, &err) == 1);
    store_repo_close(a);
    store_repo_close(b);
    store_free(store);
}

/* More than is ever held at once, going out and coming in. */
static void a_long_tree_goes_out_and_comes_in_by_pieces(void)
{
    enum { FILES = 3000 };
    static char            path[FILES][32];
    static struct tree_row row[FILES];
    struct store_options   options = volume_options();
    struct store_tree      all = tree_of_rows(row, FILES, true);
    struct store          *store;
    struct store_repo     *repo;
    struct stat            first, second;
    struct seen            seen = {0};

    for (unsigned i = 0; i < FILES; i++) { /* not in order */
        snprintf(path[i], sizeof(path[i]), "d/%05u", (i * 1009) % FILES);
        row[i] = tree[1];
        row[i].path = path[i];
    }
    snprintf(path[7], sizeof(path[7]), "config.json");
    volume_new();
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(store_repo_finish(repo, &all, &err) == 0);
    CHECK(store_read_tree(repo, count_entry, &seen, &err) == 1);
    CHECK_U64(seen.right, 1);
    CHECK(stat(at(REPO "/trees/" COMMIT_A ".json"), &first) == 0 && first.st_size > FILES * 90);
    CHECK(store_repo_finish(repo, &all, &err) == 0); /* the same again: left as it is */
    CHECK(stat(at(REPO "/trees/" COMMIT_A ".json"), &second) == 0);
    CHECK_U64(second.st_ino, first.st_ino);
    row[FILES - 1].size_bytes = 19;
    CHECK(store_repo_finish(repo, &all, &err) == 0);
    CHECK(stat(at(REPO "/trees/" COMMIT_A ".json"), &second) == 0);
    CHECK(second.st_ino != first.st_ino);
    store_repo_close(repo);
    store_free(store);
}

static void damaged_trees_are_no_listing(void)
{
    static const char *const rows[] = {
        "",
        "{",
        "[]",
        "{\"format_version\": 2, \"files\": {}}",
        "{\"format_version\": 1}",
        "{\"format_version\": 1, \"files\": []}",
        "{\"format_version\": 1, \"files\": {\"a\": 1}}",
        "{\"format_version\": 1, \"files\": {\"a\": {\"size\": -1, \"blob_id\": \"8e07cfc20f2c66d26f8295d573a91a16deb27710\"}}}",
        "{\"format_version\": 1, \"files\": {\"a\": {\"size\": 1, \"blob_id\": \"8e07\"}}}",
        "{\"files\": {\"a\": {\"size\": 1, \"blob_id\": \"8e07cfc20f2c66d26f8295d573a91a16deb27710\"}}}",
        "{\"format_version\": 1, \"files\": {\"a\": {\"size\": 1, \"blob_id\": \"8e07cfc20f2c66d26f8295d573a91a16deb27710\"}}",
        "{\"format_version\": 1, \"files\": {\"a\": {\"size\": 1, \"blob_id\": \"8e07cfc20f2c66d26f8295d573a91a16deb27710\", \"xet_hash\": \"****\"}}}",
        "{\"format_version\": 1, \"files\": {\"../a\": {\"size\": 1, \"blob_id\": \"8e07cfc20f2c66d26f8295d573a91a16deb27710\"}}}",
    };
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;

    volume_new();
    mkdir(at(REPO), 0755);
    mkdir(at(REPO "/trees"), 0755);
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i]);
        put_text(REPO "/trees/" COMMIT_A ".json", rows[i]);
        CHECK(store_read_tree(repo, count_entry, &(struct seen){0}, &err) == 0);
    }
    check_row(NULL);
    store_repo_close(repo);
    store_free(store);
}

/* --- blobs, links, refs --- */

static void a_snapshot_is_links_to_blobs(void)
{
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_repo        *repo;
    struct store_file         model = model_file("model.bin"), deep = model_file("a/b/again.bin");
    char                      want[256], hex[DIGEST_HEX_MAX], commit[41];
    struct str                alias[] = {STR("main"), STR("stable"), STR(COMMIT_B)};
    struct store_repo_options wish = {.is_cache = true,
                                      .type = REPO_MODEL,
                                      .id = STR("acme/tiny"),
                                      .revision = STR("refs/pr/7"),
                                      .commit = COMMIT_A,
                                      .ref_alias = alias,
                                      .ref_alias_count = 3};

    volume_new();
    store = open_store(&options);
    CHECK(store_local_commit(store, &wish, commit, &err) == 0);
    CHECK(store_repo_open(store, &wish, &repo, &err) == 0);
    CHECK(publish(repo, &model, model_text, &err) == 0);
    CHECK(store_publish_copy(repo, &deep, repo, &model, &err) == 0);
    CHECK(!is_there(REPO "/refs"));
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    digest_to_hex(&model.digest, hex);
    snprintf(want, sizeof(want), "../../blobs/%s", hex);
    CHECK_STR(link_of(REPO "/snapshots/" COMMIT_A "/model.bin"), want);
    snprintf(want, sizeof(want), "../../../../blobs/%s", hex);
    CHECK_STR(link_of(REPO "/snapshots/" COMMIT_A "/a/b/again.bin"), want);
    CHECK_STR(text_of(REPO "/snapshots/" COMMIT_A "/a/b/again.bin"), model_text);
    CHECK(count_names(REPO "/blobs") == 1);
    CHECK_STR(text_of(REPO "/refs/refs/pr/7"), COMMIT_A);
    CHECK_STR(text_of(REPO "/refs/main"), COMMIT_A);
    CHECK_STR(text_of(REPO "/refs/stable"), COMMIT_A);
    CHECK(count_names(REPO "/refs") == 3); /* a commit is no ref */
    CHECK_U64(strlen(text_of("CACHEDIR.TAG")), 191);
    CHECK(look_at(repo, &deep).state == STORE_PRESENT);
    store_repo_close(repo);
    CHECK(store_local_commit(store, &wish, commit, &err) == 1);
    CHECK_STR(commit, COMMIT_A);
    wish.revision = STR("main");
    CHECK(store_local_commit(store, &wish, commit, &err) == 1);
    store_free(store);
}

/* The same content under a new commit needs its link, and nothing else. */
static void a_new_commit_links_what_it_kept(void)
{
    struct store_options options = volume_options();
    struct store        *store = open_store(&options);
    struct store_repo   *repo = open_repo(store, true, COMMIT_B);
    struct store_file    model = model_file("model.bin");

    CHECK(look_at(repo, &model).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    CHECK_STR(text_of(REPO "/snapshots/" COMMIT_B "/model.bin"), model_text);
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    CHECK_STR(text_of(REPO "/refs/main"), COMMIT_B);
    /* A link that leads elsewhere is put right. */
    unlink(at(REPO "/snapshots/" COMMIT_B "/model.bin"));
    CHECK(symlink("/etc/passwd", at(REPO "/snapshots/" COMMIT_B "/model.bin")) == 0);
    CHECK(look_at(repo, &model).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK_STR(text_of(REPO "/snapshots/" COMMIT_B "/model.bin"), model_text);
    store_repo_close(repo);
    store_free(store);
}

/* Of two revisions in one run the one that gives the blob its name last is not the one that is finished
 * last: still what is on the volume is what the inventory says, and the references of both are there. */
static void two_revisions_in_one_run_keep_one_inventory(void)
{
    struct store_options      options = volume_options();
    struct store             *store;
    struct store_repo        *a, *b;
    struct store_file         model = model_file("model.bin");
    struct store_repo_options wish = {.is_cache = true,
                                      .type = REPO_MODEL,
                                      .id = STR("acme/tiny"),
                                      .revision = STR("v1"),
                                      .commit = COMMIT_B};

    for (int last = 0; last < 2; last++) {
        char commit[41];

        volume_new();
        store = open_store(&options);
        a = open_repo(store, true, COMMIT_A);
        CHECK(store_repo_open(store, &wish, &b, &err) == 0);
        CHECK(publish(last ? a : b, &model, model_text, &err) == 0);
        CHECK(publish(last ? b : a, &model, model_text, &err) == 0);
        CHECK(store_repo_finish(a, NULL, &err) == 0 && store_repo_finish(b, NULL, &err) == 0);
        store_repo_close(a);
        store_repo_close(b);
        a = open_repo(store, true, COMMIT_A);
        CHECK(store_repo_open(store, &wish, &b, &err) == 0);
        CHECK(look_at(a, &model).state == STORE_PRESENT);
        CHECK(look_at(b, &model).state == STORE_PRESENT);
        store_repo_close(a);
        store_repo_close(b);
        CHECK(unlink(at(REPO "/refs/main")) == 0 && unlink(at(REPO "/refs/v1")) == 0);
        CHECK(store_local_commit(store, &wish, commit, &err) == 1);
        CHECK_STR(commit, COMMIT_B);
        wish.revision = STR("main");
        CHECK(store_local_commit(store, &wish, commit, &err) == 1);
        CHECK_STR(commit, COMMIT_A);
        wish.revision = STR("v1");
        store_free(store);
    }
}

static void make_python_cache(const struct store_file *model, const char *content)
{
    char link[256], hex[DIGEST_HEX_MAX];

    volume_new();
    mkdir(at(REPO), 0755);
    mkdir(at(REPO "/blobs"), 0755);
    mkdir(at(REPO "/snapshots"), 0755);
    mkdir(at(REPO "/snapshots/" COMMIT_A), 0755);
    mkdir(at(REPO "/refs"), 0755);
    put_text(REPO "/refs/main", COMMIT_A);
    put_text(blob_of(model), content);
    digest_to_hex(&model->digest, hex);
    snprintf(link, sizeof(link), "../../blobs/%s", hex);
    CHECK(symlink(link, at(REPO "/snapshots/" COMMIT_A "/model.bin")) == 0);
}

static void a_cache_made_by_python_is_adopted(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    model = model_file("model.bin");

    make_python_cache(&model, model_text);
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(look_at(repo, &model).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    store_repo_close(repo);
    store_free(store);

    make_python_cache(&model, "WEIGHTS"); /* right size, wrong bytes: Python would not notice */
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 0);
    CHECK(publish(repo, &model, model_text, &err) == 0);
    CHECK_STR(text_of(REPO "/snapshots/" COMMIT_A "/model.bin"), model_text);
    store_repo_close(repo);
    store_free(store);
}

/* A blob that is a link to a store shared by all repos of the cache. */
static void shared_blobs_count_but_links_out_do_not(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    model = model_file("model.bin");

    make_python_cache(&model, model_text);
    mkdir(at("blobs"), 0755);
    CHECK(rename(at(blob_of(&model)), at("blobs/xx")) == 0);
    CHECK(symlink("../../blobs/xx", at(blob_of(&model))) == 0);
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(look_at(repo, &model).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    unlink(at(blob_of(&model)));
    CHECK(symlink("/etc/passwd", at(blob_of(&model))) == 0);
    CHECK(look_at(repo, &model).state == STORE_MISSING);
    CHECK(publish(repo, &model, model_text, &err) == 0);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    store_repo_close(repo);
    store_free(store);
}

static void without_symlinks_names_are_hard_links(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    model = model_file("model.bin"), again = model_file("d/again.bin");
    struct stat          blob, name;

    volume_new();
    options.disable_symlinks = true;
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(publish(repo, &model, model_text, &err) == 0);
    CHECK(store_publish_copy(repo, &again, repo, &model, &err) == 0);
    CHECK(lstat(at(blob_of(&model)), &blob) == 0);
    CHECK(lstat(at(REPO "/snapshots/" COMMIT_A "/d/again.bin"), &name) == 0);
    CHECK(S_ISREG(name.st_mode) && name.st_ino == blob.st_ino && name.st_nlink == 3);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK(publish(repo, &model, model_text, &err) == 0); /* over itself */
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    CHECK(count_names(".hf-init/temp") == 0);
    store_repo_close(repo);
    repo = open_repo(store, true, COMMIT_B);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    store_repo_close(repo);
    store_free(store);
}

/* Python's own way without links: the file itself in snapshots/, blobs/ empty. */
static void plain_files_in_snapshots_are_adopted(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;
    struct store_file    model = model_file("model.bin");

    make_python_cache(&model, model_text);
    CHECK(rename(at(blob_of(&model)), at(REPO "/snapshots/" COMMIT_A "/model.bin")) == 0);
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(look_at(repo, &model).state == STORE_UNVERIFIED);
    CHECK(store_adopt(repo, &model, true, NULL, NULL, &err) == 1);
    CHECK(look_at(repo, &model).state == STORE_PRESENT);
    CHECK(count_names(REPO "/blobs") == 0);
    store_repo_close(repo);
    store_free(store);
}

static void readers_never_see_a_ref_without_its_files(void)
{
    struct store_options options = volume_options();
    struct store        *store;
    struct store_repo   *repo;

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    mkdir(at(REPO), 0755);
    mkdir(at(REPO "/refs"), 0755);
    put_text(REPO "/refs/main", COMMIT_B "\n");
    CHECK(publish_text(repo, "f", "1", &err) == 0);
    CHECK(store_repo_finish(repo, NULL, &err) == 0);
    CHECK_STR(text_of(REPO "/refs/main"), COMMIT_A);
    CHECK(count_names(REPO "/refs") == 1);
    unlink(at(REPO "/refs/main"));
    mkdir(at(REPO "/refs/main"), 0755);
    mkdir(at(REPO "/refs/main/x"), 0755);
    CHECK(store_repo_finish(repo, NULL, &err) == -1 && err.kind == ERR_IO);
    CHECK_HAS(err.text, "refs/main");
    store_repo_close(repo);
    store_free(store);
}

/* A prune, as its caller sees it. */
struct pruning {
    unsigned ticks, stop_at, revisions;
};

static int on_tick(void *user, struct err *e)
{
    struct pruning *p = user;

    return ++p->ticks == p->stop_at ? err_set(e, ERR_TERMINATED, "stopped") : 0;
}

static void on_told(const struct store_pruned *what, void *user)
{
    struct pruning *p = user;

    p->revisions += !what->kept_because && strcmp(what->kind, "revision") == 0;
}

/* Each of them may take a millisecond, and a lease is renewed by the ticks. */
static void a_prune_gives_signs_of_life_while_it_looks_who_is_at_work(void)
{
    enum { LOCKS = 200 };
    struct store_options       options = volume_options();
    struct store_named         named = {.is_cache = true, .folder = REPO, .commit = COMMIT_B};
    struct pruning             p = {0};
    struct store_prune_options wish = {
        .named = &named, .named_count = 1, .tick = on_tick, .told = on_told, .user = &p};
    struct store      *store;
    struct store_repo *repo;

    volume_new();
    store = open_store(&options);
    repo = open_repo(store, true, COMMIT_A);
    CHECK(publish_text(repo, "f", "1", &err) == 0 && store_repo_finish(repo, NULL, &err) == 0);
    store_repo_close(repo);
    mkdir(at(".locks"), 0755);
    mkdir(at(".locks/" REPO), 0755);
    for (unsigned i = 0; i < LOCKS; i++) {
        char name[64];

        snprintf(name, sizeof(name), ".locks/" REPO "/%u.lock", i);
        put_text(name, "");
    }
    CHECK(store_prune(store, &wish, &err) == 0);
    CHECK_U64(p.revisions, 1);
    CHECK(!is_there(REPO "/snapshots/" COMMIT_A) && p.ticks >= LOCKS);
    store_free(store);
}

/* Also while it takes a revision apart; whoever stops it there has seen it go. */
static void a_prune_gives_signs_of_life_while_a_revision_goes(void)
{
    enum { LINKS = 200 };
    struct store_options       options = volume_options();
    struct store_named         named = {.is_cache = true, .folder = REPO, .commit = COMMIT_B};
    struct pruning             p = {0};
    struct store_prune_options wish = {
        .named = &named, .named_count = 1, .tick = on_tick, .told = on_told, .user = &p};
    struct store_file  file = text_file("f", "1");
    struct store      *store;
    struct store_repo *repo;

    for (unsigned stop = 0; stop < 2; stop++) {
        volume_new();
        store = open_store(&options);
        repo = open_repo(store, true, COMMIT_A);
        CHECK(publish(repo, &file, "1", &err) == 0 && store_repo_finish(repo, NULL, &err) == 0);
        store_repo_close(repo);
        for (unsigned i = 0; i < LINKS; i++) {
            char name[128], text[160];

            snprintf(name, sizeof(name), REPO "/snapshots/" COMMIT_A "/%u", i);
            snprintf(text, sizeof(text), "../../%s", blob_of(&file) + strlen(REPO "/"));
            CHECK(symlink(text, at(name)) == 0);
        }
        p = (struct pruning){.stop_at = stop * (LINKS + LINKS / 2)}; /* one each to look at it */
        CHECK(store_prune(store, &wish, &err) == (stop ? -1 : 0));
        CHECK(!is_there(REPO "/snapshots/" COMMIT_A) && p.revisions == 1);
        CHECK(stop ? p.ticks == p.stop_at && err.kind == ERR_TERMINATED : p.ticks >= 2 * LINKS);
        CHECK(is_there(blob_of(&file)) == (stop == 1));
        store_free(store);
    }
}

int main(void)
{
    tree_files_are_pythons();
    own_listings_of_two_revisions_lie_side_by_side();
    a_long_tree_goes_out_and_comes_in_by_pieces();
    damaged_trees_are_no_listing();
    a_snapshot_is_links_to_blobs();
    a_new_commit_links_what_it_kept();
    two_revisions_in_one_run_keep_one_inventory();
    a_cache_made_by_python_is_adopted();
    shared_blobs_count_but_links_out_do_not();
    without_symlinks_names_are_hard_links();
    plain_files_in_snapshots_are_adopted();
    readers_never_see_a_ref_without_its_files();
    a_prune_gives_signs_of_life_while_it_looks_who_is_at_work();
    a_prune_gives_signs_of_life_while_a_revision_goes();
    volume_remove();
    return check_end("test_store_cache");
}
