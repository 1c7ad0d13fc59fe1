/* test_hfinit.c: the library as a C programmer meets it, with a Hub and a clock of his own. */
#include <glob.h>

#include "check.h"
#include "fake_hub.h"
#include "volume.h"

static hfinit *open_client(struct fake_hub *hub)
{
    hfinit *h = hfinit_new();

    hfinit_set_transport(h, fake_serve, hub);
    CHECK(hfinit_set(h, "endpoint", "https://hub.test", NULL) == 0);
    CHECK(hfinit_set(h, "disk.reserve", "0", NULL) == 0);
    CHECK(hfinit_set(h, "target", volume, NULL) == 0);
    return h;
}

static const hfinit_repo tiny = {.id = "acme/tiny"};

/* --- fetching --- */

static void test_one_file_comes_alone_and_only_once(void)
{
    struct fake_hub hub;
    hfinit         *h;
    hfinit_error    error;
    hfinit_file     file;
    hfinit_repo     repo = {0};
    char           *path = NULL;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    CHECK(hfinit_fetch_file(h, &tiny, "sub/tokenizer.json", &path, &error) == 0);
    CHECK_STR(path, at("acme/tiny/sub/tokenizer.json"));
    CHECK_STR(text_of("acme/tiny/sub/tokenizer.json"), fake_files[2].content);
    CHECK(!is_there("acme/tiny/config.json"));
    CHECK_HAS(hub.user_agent, "hf-init/" HFINIT_VERSION);
    free(path);
    CHECK(hfinit_fetch_file(h, &tiny, "sub/tokenizer.json", &path, &error) == 0);
    CHECK_U64(hub.files, 1);
    free(path);
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, &error) == 0);
    repo.id = file.repo; /* what is lent may be what is asked for next */
    CHECK(hfinit_fetch_file(h, &repo, file.path, &path, &error) == 0);
    CHECK_STR(path, at("acme/tiny/config.json"));
    free(path);
    hfinit_free(h);
}

static void test_what_is_said_of_all_repos_does_not_widen_one_file(void)
{
    struct fake_hub hub;
    hfinit         *h;
    char           *path = NULL;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    hfinit_set(h, "repos", "acme/other", NULL);
    hfinit_set(h, "allow", "*.safetensors", NULL);
    hfinit_set_environment(h, (const char *const[]){"HF_INIT_ALLOW=*", NULL});
    CHECK(hfinit_fetch_file(h, &tiny, "config.json", &path, NULL) == 0);
    CHECK_U64(hub.files, 1);
    CHECK(!is_there("acme/other"));
    free(path);
    hfinit_free(h);
}

static void test_a_snapshot_is_what_the_patterns_select(void)
{
    static const char *const json[] = {"*.json", NULL}, *const sub[] = {"sub/", NULL};
    const hfinit_repo repo = {.id = "acme/tiny", .allow = json, .ignore = sub, .path = "."};
    struct fake_hub   hub;
    hfinit           *h;
    char             *folder = NULL;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    CHECK(hfinit_fetch_snapshot(h, &repo, &folder, NULL) == 0);
    CHECK_STR(folder, volume);
    CHECK(is_there("config.json") && !is_there("sub") && !is_there("model.safetensors"));
    free(folder);
    hfinit_free(h);
}

static void test_a_large_file_comes_in_ranges_and_is_whole(void)
{
    struct fake_hub hub;
    hfinit         *h;
    char           *folder = NULL;
    struct stat     st;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    hfinit_set(h, "concurrency.part-size", "1MiB", NULL);
    CHECK(hfinit_fetch_snapshot(h, &tiny, &folder, NULL) == 0);
    CHECK(hub.ranges >= 2);
    CHECK(stat(at("acme/tiny/model.safetensors"), &st) == 0 && st.st_size == FAKE_LARGE_BYTES);
    CHECK(hfinit_verify(h, NULL, NULL, NULL) == 0);
    free(folder);
    hfinit_free(h);
}

static void test_layout_cache_is_that_of_the_home(void)
{
    struct fake_hub hub;
    hfinit         *h = hfinit_new();
    char            home[600], *folder = NULL;

    volume_new();
    fake_hub_init(&hub);
    snprintf(home, sizeof(home), "HOME=%s", volume);
    hfinit_set_transport(h, fake_serve, &hub);
    hfinit_set_environment(h, (const char *const[]){home, "HF_ENDPOINT=https://hub.test", NULL});
    hfinit_set(h, "layout", "cache", NULL);
    CHECK(hfinit_fetch_snapshot(h, &tiny, &folder, NULL) == 0);
    CHECK_STR(folder, at(".cache/huggingface/hub/models--acme--tiny/snapshots/" FAKE_COMMIT));
    free(folder);
    hfinit_free(h);
}

static void test_every_repo_keeps_its_own_marker(void)
{
    struct fake_hub hub;
    hfinit         *h;
    char           *path = NULL;
    glob_t          markers;
    unsigned        asked;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    CHECK(hfinit_fetch_file(h, &tiny, "config.json", &path, NULL) == 0);
    free(path);
    CHECK(hfinit_fetch_file(h, &(hfinit_repo){.id = "acme/other"}, "config.json", &path, NULL) ==
          0);
    free(path);
    CHECK(glob(at(".hf-init/acme-*.complete.json"), 0, NULL, &markers) == 0 &&
          markers.gl_pathc == 2);
    globfree(&markers);
    asked = hub.requests;
    CHECK(hfinit_fetch_file(h, &tiny, "config.json", &path, NULL) == 0);
    CHECK_U64(hub.requests, asked + 1); /* its revision; the marker says the rest */
    free(path);
    hfinit_free(h);
}

/* --- asking --- */

static void count_file(const hfinit_file *file, void *user)
{
    CHECK_STR(file->repo, "acme/tiny");
    CHECK_STR(file->commit, FAKE_COMMIT);
    *(uint64_t *)user += file->bytes;
}

static void test_a_file_is_known_without_a_volume(void)
{
    struct fake_hub hub;
    hfinit         *h = hfinit_new();
    hfinit_error    error;
    hfinit_file     file;
    char            sha256[DIGEST_HEX_MAX];
    uint64_t        bytes = 0;

    fake_hub_init(&hub);
    hfinit_set_transport(h, fake_serve, &hub);
    hfinit_set(h, "endpoint", "https://hub.test", NULL);
    CHECK(hfinit_stat_file(h, &tiny, "model.safetensors", &file, &error) == 0);
    fake_digest(&fake_files[1], DIGEST_SHA256, sha256);
    CHECK_STR(file.hash, sha256);
    CHECK_STR(file.kind, "lfs");
    CHECK_STR(file.path, "model.safetensors");
    CHECK_STR(file.commit, FAKE_COMMIT);
    CHECK_U64(file.bytes, FAKE_LARGE_BYTES);
    CHECK(hfinit_list(h, count_file, &bytes, &error) == 0);
    CHECK(bytes >= FAKE_LARGE_BYTES);

    CHECK(hfinit_stat_file(h, &tiny, "model.bin", &file, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_ENTRY_NOT_FOUND);
    CHECK_STR(error.repo, "acme/tiny");
    CHECK_STR(error.type, "model");
    CHECK_STR(error.revision, "main");
    CHECK_STR(error.file, "model.bin");
    CHECK(hfinit_stat_file(h, &tiny, "model.bin", &file, NULL) == -1);
    hfinit_free(h);
}

static void test_a_plan_says_what_does_not_fit(void)
{
    struct fake_hub hub;
    hfinit         *h;
    hfinit_plan     plan;
    hfinit_error    error;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    CHECK(hfinit_load_repo(h, &tiny, NULL) == 0);
    CHECK(hfinit_make_plan(h, &plan, &error) == 0);
    CHECK(plan.files == FAKE_FILES && plan.bytes > FAKE_LARGE_BYTES && plan.volume[0].fits);
    CHECK_U64(plan.bytes_to_fetch, plan.bytes);
    hfinit_plan_release(&plan);
    hfinit_set(h, "disk.reserve", "1000TiB", NULL);
    CHECK(hfinit_load_repo(h, &tiny, NULL) == 0);
    CHECK(hfinit_make_plan(h, &plan, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_DISK_FULL);
    CHECK(error.need_bytes > error.have_bytes);
    CHECK(plan.volume_count == 1 && !plan.volume[0].fits);
    hfinit_plan_release(&plan);
    CHECK_U64(hub.files, 0);
    hfinit_free(h);
}

static void note_bad(const char *repo, const char *path, const char *what, void *user)
{
    (void)what;
    CHECK_STR(repo, "acme/tiny");
    snprintf(user, 64, "%s", path);
}

static void test_what_went_bad_is_named_and_mended(void)
{
    struct fake_hub hub;
    hfinit         *h;
    hfinit_error    error;
    char           *folder = NULL, bad[64] = "";
    unsigned        asked;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    CHECK(hfinit_fetch_snapshot(h, &tiny, &folder, NULL) == 0);
    free(folder);
    put_text("acme/tiny/config.json", "[]\n");
    CHECK(hfinit_verify(h, note_bad, bad, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_INTEGRITY);
    CHECK_STR(bad, "config.json");
    asked = hub.files;
    CHECK(hfinit_repair(h, NULL) == 0);
    CHECK_U64(hub.files, asked + 1);
    CHECK_STR(text_of("acme/tiny/config.json"), fake_files[0].content);
    CHECK(hfinit_verify(h, note_bad, bad, NULL) == 0);
    hfinit_free(h);
}

/* --- errors --- */

/* clang-format off */
static const struct {
    const char *name, *path;
    int         status;
    const char *header, *value, *body;
    hfinit_code fails_as; /* status 0 */
    hfinit_code want;
    int         exit_code;
    bool        retryable;
} failures[] = {
    {"no such repo", "/revision/", 404, "X-Error-Code", "RepoNotFound", "", 0, HFINIT_ERR_REPO_NOT_FOUND, 12, false},
    {"no such revision", "/revision/", 404, "X-Error-Code", "RevisionNotFound", "", 0, HFINIT_ERR_REVISION_NOT_FOUND, 12, false},
    {"no such entry", "/tree/", 404, "X-Error-Code", "EntryNotFound", "", 0, HFINIT_ERR_ENTRY_NOT_FOUND, 12, false},
    {"terms not accepted", "/revision/", 403, "X-Error-Code", "GatedRepo", "", 0, HFINIT_ERR_GATED, 11, false},
    {"no access", "/revision/", 403, NULL, NULL, "", 0, HFINIT_ERR_FORBIDDEN, 11, false},
    {"disabled", "/revision/", 403, "X-Error-Message", "Access to this resource is disabled.", "", 0, HFINIT_ERR_DISABLED, 11, false},
    {"a bad token", "/revision/", 401, "X-Error-Message", "Invalid credentials in Authorization header", "", 0, HFINIT_ERR_UNAUTHORIZED, 10, false},
    {"too many requests", "/revision/", 429, "Retry-After", "7", "", 0, HFINIT_ERR_RATE_LIMITED, 31, true},
    {"a broken server", "/tree/", 503, NULL, NULL, "", 0, HFINIT_ERR_SERVER, 32, true},
    {"no JSON", "/revision/", 200, NULL, NULL, "nonsense", 0, HFINIT_ERR_BAD_ANSWER, 32, true},
    {"a page of a proxy", "/revision/", 200, "Content-Type", "text/html", "<html>", 0, HFINIT_ERR_PROXY, 32, true},
    {"a listing that is cut", "/tree/", 200, "Content-Length", "99", "[]", 0, HFINIT_ERR_UNREACHABLE, 30, true},
    {"no status", "/revision/", 9, NULL, NULL, "", 0, HFINIT_ERR_BAD_ANSWER, 32, true},
    {"a redirect to elsewhere", "/revision/", 302, "Location", "http://169.254.0.1/", "", 0, HFINIT_ERR_BAD_ANSWER, 32, true},
    {"no name", "/revision/", 0, NULL, NULL, NULL, HFINIT_ERR_DNS, HFINIT_ERR_DNS, 30, true},
    {"no way there", "/revision/", 0, NULL, NULL, NULL, HFINIT_ERR_UNREACHABLE, HFINIT_ERR_UNREACHABLE, 30, true},
    {"silence", "/tree/", 0, NULL, NULL, NULL, HFINIT_ERR_STALLED, HFINIT_ERR_STALLED, 30, true},
    {"a certificate of nobody", "/revision/", 0, NULL, NULL, NULL, HFINIT_ERR_TLS_UNTRUSTED, HFINIT_ERR_TLS_UNTRUSTED, 13, false},
};
/* clang-format on */

static void check_failure(const hfinit_error *error, size_t i)
{
    CHECK_U64(error->code, failures[i].want);
    CHECK_U64((uint64_t)error->exit_code, (uint64_t)failures[i].exit_code);
    CHECK(error->retryable == failures[i].retryable);
    CHECK_HAS(error->message, "acme/tiny");
    CHECK(error->hint[0] && error->reason[0]);
    CHECK_STR(error->repo, "acme/tiny");
    CHECK_STR(error->revision, "main");
    if (failures[i].status >= 400) {
        CHECK_U64((uint64_t)error->http_status, (uint64_t)failures[i].status);
        CHECK_STR(error->request_id, "req-1");
        CHECK_HAS(error->url, "https://hub.test/api/models/acme/tiny/");
    }
    if (failures[i].status == 9)
        CHECK_HAS(error->message, "the transport gave 9");
    if (error->code == HFINIT_ERR_RATE_LIMITED)
        CHECK_U64(error->retry_after_ms, 7000);
    CHECK(!strstr(error->message, "hf_secret") && !strstr(error->hint, "hf_secret"));
}

static void test_every_failure_has_its_code(void)
{
    for (size_t i = 0; i < CHECK_COUNT(failures); i++) {
        struct fake_hub hub;
        hfinit         *h = hfinit_new();
        hfinit_error    error;

        check_row(failures[i].name);
        fake_hub_init(&hub);
        hub.spoil = failures[i].path;
        hub.spoil_times = 1000;
        hub.status = failures[i].status;
        hub.header = failures[i].header;
        hub.header_value = failures[i].value;
        hub.body = failures[i].body;
        hub.fail_code = failures[i].fails_as;
        hfinit_set_transport(h, fake_serve, &hub);
        hfinit_set_clock(h, &(hfinit_clock){.now_ms = fake_now_ms, .user = &hub});
        hfinit_set_token(h, "hf_secretsecretsecret");
        hfinit_set(h, "endpoint", "https://hub.test", NULL);
        hfinit_set(h, "retry.attempts", "2", NULL);
        CHECK(hfinit_load_repo(h, &tiny, &error) == -1 && error.code == HFINIT_ERR_SPEC);
        CHECK(hfinit_set(h, "target", "/nowhere", NULL) == 0);
        CHECK(hfinit_load_repo(h, &tiny, NULL) == 0);
        CHECK(hfinit_list(h, NULL, NULL, &error) == -1);
        check_failure(&error, i);
        hfinit_free(h);
    }
    check_row(NULL);
}

static void test_misuse_is_told_and_null_takes_no_error(void)
{
    hfinit      *h = hfinit_new();
    hfinit_error error;
    uint64_t     ms;

    CHECK(hfinit_set(h, "targte", "/x", &error) == -1 && error.code == HFINIT_ERR_USAGE);
    CHECK_HAS(error.message, "target");
    CHECK(hfinit_set(h, "targte", "/x", NULL) == -1);
    CHECK(hfinit_run(h, &error) == -1 && error.code == HFINIT_ERR_INTERNAL);
    CHECK(hfinit_load(h, "/nowhere/spec.yaml", NULL, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_SPEC);
    CHECK(hfinit_load_repo(h, &(hfinit_repo){.id = "a/b/c/d"}, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_SPEC);
    CHECK(hfinit_parse_duration("soon", &ms, &error) == -1 && error.code == HFINIT_ERR_USAGE);
    CHECK(hfinit_parse_duration("soon", &ms, NULL) == -1);
    hfinit_free(h);
}

static void test_one_repo_is_never_optional(void)
{
    struct fake_hub hub;
    hfinit         *h;
    hfinit_error    error;
    char           *path = NULL;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    hfinit_set(h, "optional", "true", NULL);
    CHECK(hfinit_fetch_file(h, &(hfinit_repo){.id = "acme/nothing"}, "a.txt", &path, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_REPO_NOT_FOUND);
    CHECK(path == NULL);
    hfinit_free(h);
}

static void test_an_error_keeps_its_reason_on_its_way_to_the_termination_message(void)
{
    const hfinit_error gated = {.exit_code = 11,
                                .reason = "Gated",
                                .code = HFINIT_ERR_GATED,
                                .message = "the writer's own"};
    hfinit            *h = hfinit_new();
    const char        *text = hfinit_termination_text(h, &gated); /* as hfinit_wait hands it on */

    CHECK_HAS(text, "\"message\":\"the writer's own.");
    CHECK_HAS(text, "\"reason\":\"Gated\",\"exitCode\":11,");
    hfinit_free(h);
}

static void test_a_prune_tells_nobody_if_nobody_asks(void)
{
    struct fake_hub hub;
    hfinit         *h;
    uint64_t        freed = 1;
    char           *folder = NULL;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    CHECK(hfinit_fetch_snapshot(h, &tiny, &folder, NULL) == 0);
    free(folder);
    CHECK(hfinit_load_as(h, NULL, NULL, HFINIT_WITHOUT_TOKEN | HFINIT_WITHOUT_REPOS, NULL) == 0);
    CHECK(hfinit_prune(h, true, NULL, NULL, NULL, NULL) == 0);
    CHECK(hfinit_prune(h, false, NULL, NULL, &freed, NULL) == 0);
    CHECK_U64(freed, 0);
    hfinit_free(h);
}

static void test_wrong_bytes_are_never_published(void)
{
    struct fake_hub hub;
    hfinit         *h;
    hfinit_error    error;
    char           *path = NULL;

    volume_new();
    fake_hub_init(&hub);
    hub.flip = true;
    h = open_client(&hub);
    CHECK(hfinit_fetch_file(h, &tiny, "config.json", &path, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_INTEGRITY);
    CHECK_STR(error.file, "config.json");
    CHECK(!path && !is_there("acme/tiny/config.json"));
    hfinit_free(h);
}

static void test_an_answer_that_is_cut_is_completed(void)
{
    struct fake_hub hub;
    hfinit         *h;
    char           *path = NULL;

    volume_new();
    fake_hub_init(&hub);
    hub.cut = true;
    h = open_client(&hub);
    CHECK(hfinit_fetch_file(h, &tiny, "config.json", &path, NULL) == 0);
    CHECK_STR(text_of("acme/tiny/config.json"), fake_files[0].content);
    CHECK(hub.files >= 2);
    free(path);
    hfinit_free(h);
}

/* --- hooks --- */

static void test_the_token_is_the_last_word(void)
{
    const char *const env[] = {"HF_TOKEN=hf_of_the_environment", NULL};
    struct fake_hub   hub;
    hfinit           *h = hfinit_new();
    hfinit_error      error;
    hfinit_file       file;

    fake_hub_init(&hub);
    hfinit_set_transport(h, fake_serve, &hub);
    hfinit_set(h, "endpoint", "https://hub.test", NULL);
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, NULL) == 0);
    CHECK_STR(hub.token, "");
    hfinit_set_environment(h, env);
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, NULL) == 0);
    CHECK_STR(hub.token, "hf_of_the_environment");
    hfinit_set_token(h, "hf_of_the_program");
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, NULL) == 0);
    CHECK_STR(hub.token, "hf_of_the_program");
    hfinit_set_token(h, "");
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, NULL) == 0);
    CHECK_STR(hub.token, "");
    hfinit_set_token(h, NULL);
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, NULL) == 0);
    CHECK_STR(hub.token, "hf_of_the_environment");
    hfinit_set_token(h, "two words");
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_SPEC);
    CHECK(!strstr(error.message, "two words"));
    hfinit_free(h);
}

static void keep_line(hfinit_level level, const char *line, size_t len, void *user)
{
    (void)level;
    CHECK(line[len] == '\0');
    buf_printf(user, "%s\n", line);
}

static void test_time_is_the_clock_s(void)
{
    struct fake_hub hub;
    struct buf      log = {0};
    hfinit         *h = hfinit_new();
    hfinit_file     file;

    fake_hub_init(&hub);
    hub.spoil = "/revision/";
    hub.spoil_times = 1;
    hub.status = 429;
    hub.header = "Retry-After";
    hub.header_value = "250"; /* seconds: nobody waits them */
    hfinit_set_transport(h, fake_serve, &hub);
    hfinit_set_clock(h, &(hfinit_clock){fake_now_ms, fake_wall_ms, NULL, &hub});
    hfinit_set_log(h, keep_line, &log);
    hfinit_set(h, "endpoint", "https://hub.test", NULL);
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, NULL) == 0);
    CHECK(hub.now_ms >= 250 * 1000);
    CHECK_HAS(buf_cstr(&log), "\"ts\":\"2001-09-09T01:46:40.000Z\"");
    buf_release(&log);
    hfinit_free(h);
}

static void test_a_deadline_is_the_clock_s(void)
{
    struct fake_hub hub;
    hfinit         *h = hfinit_new();
    hfinit_error    error;
    hfinit_file     file;

    fake_hub_init(&hub);
    hub.spoil = "/revision/";
    hub.spoil_times = 1;
    hub.fail_code = HFINIT_ERR_UNREACHABLE;
    hub.leap_ms = 2 * 3600 * 1000;
    hfinit_set_transport(h, fake_serve, &hub);
    hfinit_set_clock(h, &(hfinit_clock){.now_ms = fake_now_ms, .user = &hub});
    hfinit_set(h, "endpoint", "https://hub.test", NULL);
    hfinit_set(h, "timeouts.total", "1h", NULL);
    CHECK(hfinit_stat_file(h, &tiny, "config.json", &file, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_DEADLINE);
    hfinit_free(h);
}

struct watched {
    unsigned calls, ends;
    uint64_t bytes_done, files_done;
    bool     fell;
};

static void watch(const hfinit_progress *now, void *user)
{
    struct watched *w = user;

    w->calls++;
    w->ends += now->is_over;
    w->fell |= now->bytes_done > now->bytes || now->bytes_done < w->bytes_done;
    w->bytes_done = now->bytes_done;
    w->files_done = now->files_done;
}

static void test_progress_comes_to_its_end(void)
{
    struct fake_hub hub;
    struct watched  watched = {0};
    hfinit         *h;
    char           *folder = NULL;

    volume_new();
    fake_hub_init(&hub);
    h = open_client(&hub);
    hfinit_set_progress(h, watch, &watched);
    CHECK(hfinit_fetch_snapshot(h, &tiny, &folder, NULL) == 0);
    CHECK(watched.calls >= 1 && watched.ends == 1 && !watched.fell);
    CHECK_U64(watched.files_done, FAKE_FILES);
    CHECK(watched.bytes_done > FAKE_LARGE_BYTES);
    free(folder);
    hfinit_free(h);
}

/* --- threads --- */

struct canceller {
    struct fake_hub *hub;
    hfinit          *client;
};

static void *cancel_when_held(void *user)
{
    struct canceller *c = user;

    pthread_mutex_lock(&c->hub->lock);
    while (!c->hub->is_held)
        pthread_cond_wait(&c->hub->changed, &c->hub->lock);
    hfinit_cancel(c->client, false);
    c->hub->hold = false;
    pthread_cond_broadcast(&c->hub->changed);
    pthread_mutex_unlock(&c->hub->lock);
    return NULL;
}

static void test_another_thread_may_cancel(void)
{
    struct fake_hub  hub;
    struct canceller canceller = {.hub = &hub};
    hfinit_error     error;
    pthread_t        thread;
    char            *folder = NULL;

    volume_new();
    fake_hub_init(&hub);
    hub.hold = true;
    canceller.client = open_client(&hub);
    CHECK(pthread_create(&thread, NULL, cancel_when_held, &canceller) == 0);
    CHECK(hfinit_fetch_snapshot(canceller.client, &tiny, &folder, &error) == -1);
    pthread_join(thread, NULL);
    CHECK_U64(error.code, HFINIT_ERR_TERMINATED);
    CHECK_U64((uint64_t)error.exit_code, 143);
    CHECK(error.retryable && !folder);
    CHECK(!is_there("acme/tiny/model.safetensors"));
    hfinit_cancel(canceller.client, true); /* for good */
    CHECK(hfinit_run(canceller.client, &error) == -1);
    CHECK_U64(error.code, HFINIT_ERR_INTERRUPTED);
    hfinit_free(canceller.client);
    canceller.client = open_client(&hub); /* another one goes on where that was */
    CHECK(hfinit_fetch_snapshot(canceller.client, &tiny, &folder, &error) == 0);
    free(folder);
    hfinit_free(canceller.client);
}

static void *fetch_other(void *user)
{
    char *folder = NULL;
    int   rc = hfinit_fetch_snapshot(user, &(hfinit_repo){.id = "acme/other"}, &folder, NULL);

    free(folder);
    return rc == 0 ? user : NULL;
}

static void test_two_clients_at_once(void)
{
    struct fake_hub hub[2];
    pthread_t       thread;
    hfinit         *h[2];
    void           *other = NULL;
    char           *folder = NULL;

    volume_new();
    for (size_t i = 0; i < 2; i++) {
        fake_hub_init(&hub[i]);
        h[i] = open_client(&hub[i]);
    }
    CHECK(pthread_create(&thread, NULL, fetch_other, h[1]) == 0);
    CHECK(hfinit_fetch_snapshot(h[0], &tiny, &folder, NULL) == 0);
    pthread_join(thread, &other);
    CHECK(other == h[1]);
    CHECK(is_there("acme/tiny/config.json") && is_there("acme/other/config.json"));
    free(folder);
    hfinit_free(h[0]);
    hfinit_free(h[1]);
}

/* --- small things --- */

static void test_patterns_are_python_s(void)
{
    static const char *const allow[] = {"*.json", "sub/", NULL}, *const ignore[] = {"*x*", NULL},
                             *const nothing[] = {NULL};

    CHECK(hfinit_match("*.json", "a/b.json") && !hfinit_match("*.json", "a.JSON"));
    CHECK(hfinit_match("[!a]?", "bc") && !hfinit_match("[!a]?", "ac"));
    CHECK(hfinit_match("sub/", "sub/deep/file"));
    CHECK(hfinit_selects(allow, ignore, "a.json") && !hfinit_selects(allow, ignore, "x.json"));
    CHECK(hfinit_selects(NULL, NULL, "any") && !hfinit_selects(nothing, NULL, "any"));
    CHECK(!hfinit_selects(NULL, ignore, "axe"));
}

static void test_the_header_is_of_this_version(void)
{
    char version[32];

    snprintf(version, sizeof(version), "%d.%d.%d", HFINIT_VERSION_MAJOR, HFINIT_VERSION_MINOR,
             HFINIT_VERSION_PATCH);
    CHECK_STR(HFINIT_VERSION, version);
    CHECK_STR(hfinit_version(), HFINIT_VERSION);
}

int main(void)
{
    test_one_file_comes_alone_and_only_once();
    test_what_is_said_of_all_repos_does_not_widen_one_file();
    test_a_snapshot_is_what_the_patterns_select();
    test_a_large_file_comes_in_ranges_and_is_whole();
    test_layout_cache_is_that_of_the_home();
    test_every_repo_keeps_its_own_marker();
    test_a_file_is_known_without_a_volume();
    test_a_plan_says_what_does_not_fit();
    test_what_went_bad_is_named_and_mended();
    test_every_failure_has_its_code();
    test_misuse_is_told_and_null_takes_no_error();
    test_one_repo_is_never_optional();
    test_an_error_keeps_its_reason_on_its_way_to_the_termination_message();
    test_a_prune_tells_nobody_if_nobody_asks();
    test_wrong_bytes_are_never_published();
    test_an_answer_that_is_cut_is_completed();
    test_the_token_is_the_last_word();
    test_time_is_the_clock_s();
    test_a_deadline_is_the_clock_s();
    test_progress_comes_to_its_end();
    test_another_thread_may_cancel();
    test_two_clients_at_once();
    test_patterns_are_python_s();
    test_the_header_is_of_this_version();
    volume_remove();
    return check_end("hfinit");
}
