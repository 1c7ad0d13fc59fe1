/* Promises of report.h: what is written can be read, whatever was in the names. */
#include "report.h"

#include <stdlib.h>

#include "check.h"
#include "json.h"

#define COMMIT      "0123456789abcdef0123456789abcdef01234567"
#define DIGEST      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SPEC_DIGEST "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct report_repo two_repos[2] = {
    {.id = "org/one",
     .type = "model",
     .revision = "main",
     .path = "one",
     .commit = COMMIT,
     .file_count = 12,
     .bytes = 5000000000,
     .list_digest = DIGEST,
     .folder = {"/models/one", 11}},
    {.id = "org/two", .type = "dataset", .revision = "v1", .path = "two", .optional = true},
};

static const struct report_run run = {
    .spec_name = "default",
    .spec_digest = SPEC_DIGEST,
    .target = "/models",
    .version = "0.1.0",
    .instance = "00112233445566ff",
    .repo = two_repos,
    .repo_count = 2,
};

/* 20:12:17 UTC on 2026-11-22 */
enum { WALL_S = 1795378337 };
static const int64_t wall_ms = (int64_t)WALL_S * 1000;

static struct progress_view view_of(enum progress_phase phase, struct progress_view_repo *repo)
{
    struct progress_view v = {
        .phase = phase,
        .now_wall_ms = wall_ms,
        .started_wall_ms = wall_ms - 38000,
        .phase_since_wall_ms = wall_ms - 30000,
        .changed_wall_ms = wall_ms,
        .elapsed_ms = 38000,
        .phase_ms = {[PHASE_RESOLVING] = 8000, [PHASE_DOWNLOADING] = 30000},
        .totals = {.files_planned = 40,
                   .files_present = 4,
                   .files_done = 10,
                   .bytes_planned = 14066089164,
                   .bytes_present = 1073741824,
                   .bytes_done = 1503238553},
        .received_bytes = 1503238553,
        .bytes_per_s_now = 220200960,
        .bytes_per_s_mean = 50107951,
        .eta_ms = 52000,
        .requests = 30,
        .repo = repo,
        .repo_count = 2,
    };

    return v;
}

static void test_numbers_for_people(void)
{
    static const struct {
        uint64_t    bytes;
        const char *want;
    } sizes[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1048575, "1.0 MiB"},
        {220200960, "210 MiB"},
        {14066089164, "13.1 GiB"},
        {104752742, "99.9 MiB"},
        {104857600, "100 MiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    static const struct {
        uint64_t    ms;
        const char *want;
    } times[] = {
        {0, "0ms"},          {999, "999ms"},        {1000, "1.0s"},
        {9999, "9.9s"},      {38000, "38s"},        {72000, "1m 12s"},
        {7500000, "2h 05m"}, {270000000, "3d 03h"}, {UINT64_MAX, "213503982334d 14h"},
    };
    char text[48];

    for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
        check_row(sizes[i].want);
        report_bytes(sizes[i].bytes, text);
        CHECK_STR(text, sizes[i].want);
    }
    for (size_t i = 0; i < CHECK_COUNT(times); i++) {
        check_row(times[i].want);
        report_duration(times[i].ms, text);
        CHECK_STR(text, times[i].want);
    }
    check_row("both in the unit of the whole");
    report_bytes_of(2576980377, 14066089164, text);
    CHECK_STR(text, "2.4 of 13.1 GiB");
    report_bytes_of(UINT64_MAX, UINT64_MAX, text);
    CHECK_STR(text, "16.0 of 16.0 EiB");
}

static void test_heartbeat(void)
{
    struct progress_view_repo repo[2] = {{.complete = false}};
    struct progress_view      v = view_of(PHASE_DOWNLOADING, repo);
    struct buf                line = {0};

    check_row("percent, bytes, rate, time left, files");
    report_heartbeat(&v, &line);
    CHECK_STR(buf_cstr(&line),
              "downloading 18%: 2.4 of 13.1 GiB, 210 MiB/s, 52s left, 14 of 40 files");
    buf_clear(&line);

    check_row("a quiet file is named, with since when and from where");
    v.slot_count = 2;
    snprintf(v.slot[0].path, sizeof(v.slot[0].path), "fine.bin");
    v.slot[0].quiet_ms = 9000;
    snprintf(v.slot[1].path, sizeof(v.slot[1].path), "model-3.safetensors\x1b[2J");
    snprintf(v.slot[1].host, sizeof(v.slot[1].host), "cdn.example");
    v.slot[1].quiet_ms = 23400;
    v.retries = 1;
    v.eta_ms = UINT64_MAX;
    report_heartbeat(&v, &line);
    CHECK_STR(buf_cstr(&line),
              "downloading 18%: 2.4 of 13.1 GiB, 210 MiB/s, 14 of 40 files, 1 retry; quiet for "
              "23s: model-3.safetensors?[2J from cdn.example since 20:11:53 UTC");
    buf_clear(&line);

    check_row("a wait names what and until when");
    v.slot_count = 0;
    snprintf(v.waiting_for, sizeof(v.waiting_for), "429 from huggingface.co");
    v.waiting_until_wall_ms = wall_ms + 12000;
    report_heartbeat(&v, &line);
    CHECK_HAS(buf_cstr(&line), "; waiting for 429 from huggingface.co until 20:12:29 UTC (in 12s)");
    buf_clear(&line);

    check_row("waiting for another pod");
    v.phase = PHASE_WAITING;
    v.phase_ms[PHASE_WAITING] = 40500;
    v.waiting_until_wall_ms = 0;
    snprintf(v.waiting_for, sizeof(v.waiting_for), "pod llm-0 on node-a, which is at 18%%");
    report_heartbeat(&v, &line);
    CHECK_STR(buf_cstr(&line), "waiting for 40s: pod llm-0 on node-a, which is at 18%");
    buf_release(&line);
}

static void test_verdict(void)
{
    struct progress_view_repo repo[2] = {{.complete = true}, {.failed = true}};
    struct progress_view      v = view_of(PHASE_COMPLETE, repo);
    struct buf                line = {0};
    struct err                err;

    err_set(&repo[1].err, ERR_GATED, "gated");
    v.totals.files_done = 36;
    v.totals.bytes_done = v.totals.bytes_planned - v.totals.bytes_present;
    check_row("success tells what was fetched and what was left out");
    report_verdict(&run, &v, NULL, &line);
    CHECK_STR(
        buf_cstr(&line),
        "complete: 40 files, 13.1 GiB in /models; fetched 1.4 GiB in 38s, 47.8 MiB/s; 1.0 GiB "
        "was there; without the optional org/two (Gated) (8.0s resolving, 30s downloading)");
    buf_clear(&line);

    check_row("so does failure, with what was tried again");
    v.phase = PHASE_FAILED;
    v.retries = 8;
    err_set(&err, ERR_STALLED, "cdn.example sent nothing for 30 s");
    err_hint(&err, "check the network path");
    report_verdict(&run, &v, &err, &line);
    CHECK_STR(
        buf_cstr(&line),
        "failed Stalled (exit 30): cdn.example sent nothing for 30 s. Next: check the network "
        "path; after 8 retries (8.0s resolving, 30s downloading)");
    buf_clear(&line);

    check_row("a marker that fits: the numbers come from the repos");
    v = (struct progress_view){.phase = PHASE_COMPLETE, .elapsed_ms = 40};
    report_verdict(&run, &v, NULL, &line);
    CHECK_STR(buf_cstr(&line), "already complete: 12 files, 4.7 GiB in /models; checked in 40ms");
    buf_clear(&line);

    check_row("failure names reason, exit code and the next step; queries are cut");
    err_set(&err, ERR_GATED, "org/one@main is gated\nsee https://user:pw@hf.co/org/one?sig=SECRET");
    err_hint(&err, "accept the terms at https://hf.co/org/one");
    report_verdict(&run, NULL, &err, &line);
    CHECK_STR(
        buf_cstr(&line),
        "failed Gated (exit 11): org/one@main is gated see https://hf.co/org/one Next: accept "
        "the terms at https://hf.co/org/one");
    buf_clear(&line);

    check_row("no run at all");
    err_set(&err, ERR_SPEC, "spec.yaml:3:1: unknown key");
    report_verdict_line(NULL, NULL, &err, wall_ms, true, &line);
    CHECK_HAS(buf_cstr(&line), "\"level\":\"error\"");
    CHECK_HAS(buf_cstr(&line), "\"exit_code\":2");
    buf_release(&line);
}

static void fill(char *out, size_t size, const char *piece)
{
    size_t len = strlen(piece), at = 0;

    for (; at + len < size; at += len)
        memcpy(out + at, piece, len);
    out[at] = '\0';
}

static void test_limits_hold_for_any_input(void)
{
    static const char *const piece[] = {"\x01", "\"\\", "\xff", "é", "\U0001F600", "a", "?://x@"};
    char                     id[1000];

    for (size_t i = 0; i < CHECK_COUNT(piece); i++) {
        struct report_repo   repo = {.id = id, .type = "model", .revision = id, .commit = COMMIT};
        struct report_run    big = {.target = id, .version = id, .repo = &repo, .repo_count = 1};
        struct progress_view v = {.elapsed_ms = UINT64_MAX,
                                  .received_bytes = UINT64_MAX,
                                  .retries = UINT64_MAX,
                                  .requests = UINT64_MAX};
        struct buf           out = {0};
        struct json         *json = NULL;
        struct err           err = {.kind = ERR_DISK_FULL,
                                    .http_status = 999,
                                    .need_bytes = UINT64_MAX,
                                    .have_bytes = UINT64_MAX};
        struct err           parsed;

        check_row(piece[i]);
        v.totals.files_planned = v.totals.bytes_planned = UINT64_MAX;
        memset(v.phase_ms, 0xff, sizeof(v.phase_ms));
        fill(id, sizeof(id), piece[i]);
        fill(err.text, sizeof(err.text), piece[i]);
        fill(err.hint, sizeof(err.hint), piece[i]);
        fill(err.repo, sizeof(err.repo), piece[i]);
        fill(err.file, sizeof(err.file), piece[i]);
        fill(err.request_id, sizeof(err.request_id), piece[i]);

        report_termination(&big, &v, &err, &out);
        CHECK(out.len <= REPORT_TERMINATION_MAX);
        CHECK(str_has_prefix(buf_view(&out), STR("{\"message\":\"")));
        /* Numbers over 2^53 are refused by our reader only when asked for: parsing is the test. */
        CHECK(json_parse(buf_view(&out), &json, &parsed) == 0);
        json_free(json);
        buf_clear(&out);
        report_termination(&big, &v, NULL, &out);
        CHECK(out.len <= REPORT_TERMINATION_MAX);
        buf_clear(&out);

        report_verdict_line(&big, &v, &err, wall_ms, true, &out);
        CHECK(out.len < 2048);
        CHECK(json_parse(buf_view(&out), &json, &parsed) == 0);
        json_free(json);
        buf_clear(&out);
        report_verdict_line(&big, &v, &err, wall_ms, false, &out);
        CHECK(out.len < 2048);
        CHECK(str_is_utf8(buf_view(&out)));
        CHECK(str_find_char(buf_view(&out), '\x01', 0) < 0);
        buf_release(&out);
    }
}

static void test_termination_message(void)
{
    struct progress_view_repo repo[2] = {{.complete = true}};
    struct progress_view      v = view_of(PHASE_FAILED, repo);
    struct buf                out = {0};
    struct err                err;

    check_row("message first, readable alone");
    err_set(&err, ERR_DISK_FULL, "/models: 13.1 GiB to fetch, 9.0 GiB free");
    err.need_bytes = 100;
    err.have_bytes = 0;
    snprintf(err.repo, sizeof(err.repo), "org/one");
    report_termination(&run, &v, &err, &out);
    CHECK_STR(
        buf_cstr(&out),
        "{\"message\":\"/models: 13.1 GiB to fetch, 9.0 GiB free. Enlarge the volume or narrow "
        "the selection.\",\"reason\":\"InsufficientDisk\",\"exitCode\":20,\"retryable\":false,"
        "\"repo\":\"org/one\",\"revision\":\"main\",\"commit\":\"" COMMIT "\","
        "\"bytesDone\":2576980377,\"bytesTotal\":14066089164,\"seconds\":38,\"need\":100,"
        "\"have\":0,\"hint\":\"enlarge the volume or narrow the selection\","
        "\"version\":\"0.1.0\"}");
    buf_clear(&out);

    check_row("success too, so that an old failure does not stick");
    report_termination(&run, &v, NULL, &out);
    CHECK_HAS(buf_cstr(&out), "\"reason\":\"Complete\",\"exitCode\":0,\"retryable\":false");
    buf_release(&out);
}

static void test_marker(void)
{
    struct report_repo read[2] = {two_repos[0], two_repos[1]};
    struct buf         marker = {0}, broken = {0};

    read[0].commit[0] = read[0].list_digest[0] = '\0';
    read[0].file_count = read[0].bytes = 0;
    snprintf(read[1].commit, sizeof(read[1].commit), COMMIT);

    check_row("a marker reads back as it was written");
    report_marker(&run, wall_ms, &marker);
    CHECK(report_read_marker(buf_view(&marker), SPEC_DIGEST, read, 2) == 1);
    CHECK_STR(read[0].commit, COMMIT);
    CHECK_STR(read[0].list_digest, DIGEST);
    CHECK_U64(read[0].file_count, 12);
    CHECK_U64(read[0].bytes, 5000000000);
    CHECK_STR(read[1].commit, "");

    check_row("another spec's marker is none, and fills nothing");
    read[0].commit[0] = '\0';
    CHECK(report_read_marker(buf_view(&marker), DIGEST, read, 2) == 0);
    CHECK_STR(read[0].commit, "");

    check_row("a pinned repo cannot be at another commit");
    read[0].revision = "ffffffffffffffffffffffffffffffffffffffff";
    CHECK(report_read_marker(buf_view(&marker), SPEC_DIGEST, read, 2) == 0);
    read[0].revision = "main";

    check_row("a repo that must be there cannot be missing");
    read[1].optional = false;
    CHECK(report_read_marker(buf_view(&marker), SPEC_DIGEST, read, 2) == 0);
    read[1].optional = true;

    check_row("every truncation is no marker");
    for (size_t len = 0; len < marker.len - 2; len++)
        CHECK(report_read_marker(str_sub(buf_view(&marker), 0, len), SPEC_DIGEST, read, 2) == 0);
    check_row("every flipped byte is survived");
    for (size_t i = 0; i < marker.len; i++) {
        buf_clear(&broken);
        buf_add_str(&broken, buf_view(&marker));
        broken.p[i] ^= 0x11;
        report_read_marker(buf_view(&broken), SPEC_DIGEST, read, 2);
    }
    check_row("other JSON is no marker");
    CHECK(report_read_marker(STR("[]"), SPEC_DIGEST, read, 2) == 0);
    CHECK(report_read_marker(STR("{\"schema\":\"hf-init/complete/v1\",\"repos\":{}}"), SPEC_DIGEST,
                             read, 2) == 0);
    buf_release(&marker);
    buf_release(&broken);
}

static void test_status(void)
{
    struct progress_view_repo repo[2] = {
        {.totals = {.files_planned = 40, .files_present = 14, .bytes_planned = 14066089164}}};
    struct progress_view v = view_of(PHASE_DOWNLOADING, repo);
    struct buf           json = {0}, text = {0};
    struct err           err;

    v.slot_count = 1;
    snprintf(v.slot[0].path, sizeof(v.slot[0].path), "a \"quoted\" name");
    v.slot[0].quiet_ms = 40000;
    check_row("a running status: not yet, and told to people");
    report_status(&run, &v, NULL, &json);
    CHECK(report_status_exit_code(buf_view(&json)) == 3);
    CHECK(report_status_text(buf_view(&json), wall_ms + 60000, &text, &err) == 0);
    CHECK_HAS(buf_cstr(&text),
              "downloading 18%: 2.4 of 13.1 GiB, 14 of 40 files, 210 MiB/s, 52s left");
    CHECK_HAS(buf_cstr(&text), "last sign of life 1m 00s ago: it is gone");
    CHECK_HAS(buf_cstr(&text), "a \"quoted\" name, no byte for 40s");
    buf_clear(&json);

    check_row("a failed status: the failure's code");
    v.phase = PHASE_FAILED;
    err_set(&err, ERR_GATED, "gated");
    report_status(&run, &v, &err, &json);
    CHECK(report_status_exit_code(buf_view(&json)) == 11);
    buf_clear(&json);

    check_row("a complete status: 0");
    v.phase = PHASE_COMPLETE;
    report_status(&run, &v, NULL, &json);
    CHECK(report_status_exit_code(buf_view(&json)) == 0);

    check_row("not a status at all");
    CHECK(report_status_exit_code(STR("")) == 3);
    CHECK(report_status_exit_code(STR("{\"schema\":\"hf-init/status/v1\",\"phase\":7}")) == 3);
    CHECK(report_status_text(STR("{}"), wall_ms, &text, &err) == -1);
    check_row("an empty status tells what it can");
    CHECK(report_status_text(STR("{\"schema\":\"hf-init/status/v1\"}"), wall_ms, &text, &err) == 0);

    check_row("who writes to the volume does not write to the terminal");
    buf_clear(&text);
    CHECK(report_status_text(STR("{\"schema\":\"hf-init/status/v1\",\"phase\":\"\\u202efailed\","
                                 "\"error\":{\"reason\":\"a\\u001b[2J\\nb\"}}"),
                             wall_ms, &text, &err) == 0);
    CHECK_HAS(buf_cstr(&text), "?failed\n");
    CHECK_HAS(buf_cstr(&text), "error a?[2J b (exit 0)\n");
    buf_release(&json);
    buf_release(&text);
}

static void test_env(void)
{
    struct report_repo repos[2] = {two_repos[1], two_repos[0]};
    struct report_run  cache = run;
    struct buf         env = {0};

    check_row("quotes cannot be left, a failed optional repo leaves its number out");
    repos[1].folder = STR("/mo'dels/$(x)`y`");
    cache.repo = repos;
    cache.is_cache = true;
    report_env(&cache, &env);
    CHECK_STR(buf_cstr(&env), "# Written by hf-init. In a shell: set -a; . FILE; set +a\n"
                              "HF_INIT_TARGET='/models'\n"
                              "HF_INIT_MODEL_PATH='/mo'\\''dels/$(x)`y`'\n"
                              "HF_INIT_COMMIT='" COMMIT "'\n"
                              "HF_INIT_MODEL_PATH_1='/mo'\\''dels/$(x)`y`'\n"
                              "HF_INIT_COMMIT_1='" COMMIT "'\n"
                              "HF_HUB_CACHE='/models'\n"
                              "HF_HUB_OFFLINE='1'\n");
    buf_release(&env);
}

int main(void)
{
    test_numbers_for_people();
    test_heartbeat();
    test_verdict();
    test_limits_hold_for_any_input();
    test_termination_message();
    test_marker();
    test_status();
    test_env();
    return check_end("report");
}
