/* A page of metrics: labels that are safe whatever a name holds, buckets that add up, two dialects. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "report.h"

static bool has_line(const struct buf *page, const char *line)
{
    struct buf want = {0};
    bool       found;

    buf_printf(&want, "\n%s\n", line);
    found = str_find(buf_view(page), buf_view(&want), 0) >= 0;
    buf_release(&want);
    return found;
}

static void render(const char *id, struct progress_stats *stats, const struct err *err,
                   enum report_dialect dialect, struct buf *out)
{
    struct progress_view_repo seen = {.totals = {.files_planned = 7, .bytes_planned = 70}};
    struct report_repo        repo = {.id = id, .type = "model", .revision = "main"};
    struct report_run         run = {
                .spec_name = "default", .version = "1.2.3", .repo = &repo, .repo_count = 1};
    struct progress_view view = {.repo = &seen, .repo_count = 1, .eta_ms = 61500};

    view.phase = err ? PHASE_FAILED : PHASE_DOWNLOADING;
    report_metrics(&(struct report_metrics){&run, &view, stats, err}, dialect, out);
}

static const struct {
    const char *name, *id, *shown;
} labels[] = {
    {"a plain name", "org/a", "org/a"},
    {"a quote and a backslash", "a\"b\\c", "a\\\"b\\\\c"},
    {"a line break cannot begin a line", "a\nhf_init_ready 1", "a hf_init_ready 1"},
    {"control characters", "a\x1b[2Jb", "a?[2Jb"},
    {"bytes that are no UTF-8", "a\xff\xc3z", "a??z"},
    {"UTF-8", "mod\xc3\xa8le", "mod\xc3\xa8le"},
};

static void test_labels(void)
{
    for (size_t i = 0; i < CHECK_COUNT(labels); i++) {
        struct progress_stats stats = {0};
        struct buf            page = {0}, want = {0};

        check_row(labels[i].name);
        render(labels[i].id, &stats, NULL, REPORT_OPENMETRICS, &page);
        buf_printf(&want,
                   "hf_init_files{spec=\"default\",repo=\"%s\",type=\"model\",revision=\"main\","
                   "state=\"planned\"} 7",
                   labels[i].shown);
        CHECK(has_line(&page, buf_cstr(&want)));
        buf_release(&page);
        buf_release(&want);
    }
}

static void test_buckets(void)
{
    static const char     file[] = "hf_init_file_duration_seconds";
    struct progress_stats stats = {0};
    struct buf            page = {0}, line = {0};
    static const struct {
        const char *tail;
    } want[] = {
        {"_bucket{spec=\"default\",le=\"0.05\"} 1"}, /* the bound itself belongs to it */
        {"_bucket{spec=\"default\",le=\"0.1\"} 2"},  {"_bucket{spec=\"default\",le=\"7200.0\"} 2"},
        {"_bucket{spec=\"default\",le=\"+Inf\"} 3"}, {"_count{spec=\"default\"} 3"},
        {"_sum{spec=\"default\"} 7200.102"},
    };

    check_row("buckets add up");
    progress_stats_time(&stats, TIME_FILE, 50);
    progress_stats_time(&stats, TIME_FILE, 51);
    progress_stats_time(&stats, TIME_FILE, 7200001);
    render("org/a", &stats, NULL, REPORT_OPENMETRICS, &page);
    for (size_t i = 0; i < CHECK_COUNT(want); i++) {
        buf_clear(&line);
        buf_printf(&line, "%s%s", file, want[i].tail);
        CHECK(has_line(&page, buf_cstr(&line)));
    }
    buf_release(&page);
    buf_release(&line);
}

static void test_dialects(void)
{
    struct progress_stats stats = {0};
    struct report_looks   looks = {.changed = 2};
    struct buf            open = {0}, old = {0};

    check_row("OpenMetrics");
    buf_add_char(&open, '\n');
    render("org/a", &stats, NULL, REPORT_OPENMETRICS, &open);
    report_metrics_end("default", true, &looks, REPORT_OPENMETRICS, &open);
    CHECK(has_line(&open, "# TYPE hf_init_build info"));
    CHECK(has_line(&open, "# TYPE hf_init_retries counter"));
    CHECK(has_line(&open, "hf_init_eta_seconds{spec=\"default\"} 61.500"));
    CHECK(str_has_suffix(buf_view(&open), STR("\n# EOF\n")));
    check_row("the format before it");
    buf_add_char(&old, '\n');
    render("org/a", &stats, NULL, REPORT_PROMETHEUS, &old);
    report_metrics_end("default", true, &looks, REPORT_PROMETHEUS, &old);
    CHECK(has_line(&old, "# TYPE hf_init_build_info gauge"));
    CHECK(has_line(&old, "# TYPE hf_init_retries_total counter"));
    CHECK(has_line(&old, "hf_init_looks_total{spec=\"default\",result=\"changed\"} 2"));
    CHECK(str_find(buf_view(&old), STR("# EOF"), 0) < 0);
    buf_release(&open);
    buf_release(&old);
}

static void test_reasons(void)
{
    struct progress_stats stats = {0};
    struct buf            page = {0};
    struct err            err = {.kind = ERR_GATED};

    check_row("reasons");
    stats.retries[ERR_FORBIDDEN] = 3;
    render("org/a", &stats, &err, REPORT_OPENMETRICS, &page);
    CHECK(has_line(&page, "hf_init_retries_total{spec=\"default\",reason=\"Forbidden\"} 3"));
    CHECK(has_line(&page, "hf_init_retries_total{spec=\"default\",reason=\"Stalled\"} 0"));
    CHECK(str_find(buf_view(&page), STR("reason=\"SpecInvalid\""), 0) < 0);
    CHECK(has_line(&page, "hf_init_exit_code{spec=\"default\",reason=\"Gated\"} 11"));
    CHECK(has_line(&page, "hf_init_phase{spec=\"default\",phase=\"failed\"} 1"));
    buf_release(&page);
}

static const struct {
    const char         *name, *what;
    enum progress_phase phase;
    int64_t             until_wall_ms;
    int                 want;
} waits[] = {
    {"another writer is waited for", "pod-b, which is fetching org/a", PHASE_WAITING, 5, 1},
    {"so is a rate limit", "the rate limit of huggingface.co", PHASE_DOWNLOADING, 5, 1},
    {"a question is no waiting", "huggingface.co to list org/a", PHASE_RESOLVING, 0, 0},
    {"hashing is work", "the hashes of 2 files", PHASE_VERIFYING, 5, 0},
    {"nothing is nothing", "", PHASE_DOWNLOADING, 0, 0},
};

static void test_waiting(void)
{
    for (size_t i = 0; i < CHECK_COUNT(waits); i++) {
        struct progress_stats stats = {0};
        struct report_run     run = {.spec_name = "default", .version = "1.2.3"};
        struct progress_view  view = {.phase = waits[i].phase,
                                      .waiting_until_wall_ms = waits[i].until_wall_ms};
        struct buf            page = {0};

        check_row(waits[i].name);
        snprintf(view.waiting_for, sizeof(view.waiting_for), "%s", waits[i].what);
        report_metrics(&(struct report_metrics){&run, &view, &stats, NULL}, REPORT_OPENMETRICS,
                       &page);
        CHECK(has_line(&page, waits[i].want ? "hf_init_waiting{spec=\"default\"} 1"
                                            : "hf_init_waiting{spec=\"default\"} 0"));
        buf_release(&page);
    }
}

int main(void)
{
    test_labels();
    test_waiting();
    test_buckets();
    test_dialects();
    test_reasons();
    return check_end("test_report_metrics");
}
