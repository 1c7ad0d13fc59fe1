/* report_metrics.c: a run in the words of Prometheus. docs/metrics.md lists every name.
 *
 * Two dialects: OpenMetrics 1.0 for whoever scrapes and asks for it, and the older text format for
 * everybody else, node-exporter and Pushgateway among them. They differ in how a counter and an info
 * are announced, and in the last line. No label holds a path, a host or anything else without end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "report_emit.h"

struct page {
    struct buf         *out;
    enum report_dialect dialect;
    const char         *spec;
};

/* Announces what follows: `type` is counter, gauge, histogram or info. */
static void family(struct page *p, const char *name, const char *type, const char *help)
{
    bool        is_open = p->dialect == REPORT_OPENMETRICS;
    bool        is_info = type[0] == 'i';
    const char *suffix = is_open ? "" : type[0] == 'c' ? "_total" : is_info ? "_info" : "";

    buf_printf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
               is_info && !is_open ? "gauge" : type);
}

static void add_label(struct page *p, const char *name, const char *value)
{
    struct buf line = {0};

    report_add_line(&line, str_from(value));
    buf_printf(p->out, "%s=\"", name);
    for (size_t i = 0; i < line.len; i++) {
        if (line.p[i] == '"' || line.p[i] == '\\')
            buf_add_char(p->out, '\\');
        buf_add_char(p->out, line.p[i]);
    }
    buf_add_char(p->out, '"');
    buf_release(&line);
}

/* The beginning of a sample, as far as the labels that all have. */
static void begin(struct page *p, const char *name)
{
    buf_printf(p->out, "%s{", name);
    add_label(p, "spec", p->spec);
}

static void label(struct page *p, const char *name, const char *value)
{
    buf_add_char(p->out, ',');
    add_label(p, name, value);
}

static void number(struct page *p, uint64_t value)
{
    buf_printf(p->out, "} %" PRIu64 "\n", value);
}

static void seconds(struct page *p, uint64_t ms)
{
    buf_printf(p->out, "} %" PRIu64 ".%03u\n", ms / 1000, (unsigned)(ms % 1000));
}

static void plain(struct page *p, const char *name, uint64_t value)
{
    begin(p, name);
    number(p, value);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t value)
{
    family(p, name, "gauge", help);
    plain(p, name, value);
}

/* ---- the run ---- */

/* Else a status names what is asked or hashed as what the run waits for, too. */
static bool is_waiting(const struct progress_view *view)
{
    return view->phase == PHASE_WAITING ||
           (view->phase != PHASE_VERIFYING && view->waiting_for[0] && view->waiting_until_wall_ms);
}

static void add_phase(struct page *p, const struct progress_view *view)
{
    family(p, "hf_init_phase", "gauge", "Phase of the run: 1 for the one it is in.");
    for (int i = 0; i < PHASES; i++) {
        begin(p, "hf_init_phase");
        label(p, "phase", progress_phase_name((enum progress_phase)i));
        number(p, view->phase == (enum progress_phase)i);
    }
    family(p, "hf_init_phase_seconds", "counter", "Time spent in each phase.");
    for (int i = 0; i < PHASES; i++) {
        if (progress_phase_is_final((enum progress_phase)i))
            continue;
        begin(p, "hf_init_phase_seconds_total");
        label(p, "phase", progress_phase_name((enum progress_phase)i));
        seconds(p, view->phase_ms[i]);
    }
    gauge(
        p, "hf_init_waiting",
        "Whether it waits for another writer, a rate limit or its turn; the status says for which.",
        is_waiting(view));
}

static void add_state(struct page *p, const char *name, const struct report_repo *repo,
                      const char *state, uint64_t value)
{
    begin(p, name);
    label(p, "repo", repo->id);
    label(p, "type", repo->type);
    label(p, "revision", repo->revision);
    label(p, "state", state);
    number(p, value);
}

static void add_states(struct page *p, const struct report_metrics *m, const char *name, bool bytes)
{
    const struct progress_view *view = m->view;

    for (size_t i = 0; i < m->run->repo_count && i < view->repo_count; i++) {
        const struct report_repo     *repo = &m->run->repo[i];
        const struct progress_totals *t = &view->repo[i].totals;

        add_state(p, name, repo, "planned", bytes ? t->bytes_planned : t->files_planned);
        add_state(p, name, repo, "present", bytes ? t->bytes_present : t->files_present);
        add_state(p, name, repo, "done", bytes ? t->bytes_done : t->files_done);
    }
}

static void add_amounts(struct page *p, const struct report_metrics *m)
{
    const struct progress_view *view = m->view;

    family(p, "hf_init_files", "gauge",
           "Files of a repo: planned in all; present before the run fetched; done by it.");
    add_states(p, m, "hf_init_files", false);
    family(p, "hf_init_bytes", "gauge", "The same in bytes.");
    add_states(p, m, "hf_init_bytes", true);
    gauge(p, "hf_init_remaining_bytes", "Bytes still to fetch.", view->remaining_bytes);
    gauge(p, "hf_init_files_in_flight", "Files being fetched at this moment.", view->slot_count);
    family(p, "hf_init_received_bytes", "counter",
           "Bytes of files that came over the network, those fetched twice included.");
    plain(p, "hf_init_received_bytes_total", view->received_bytes);
    gauge(p, "hf_init_received_bytes_per_second", "The same per second, over the last ten seconds.",
          view->phase == PHASE_DOWNLOADING ? view->bytes_per_s_now : 0);
    if (view->eta_ms != UINT64_MAX) {
        family(p, "hf_init_eta_seconds", "gauge",
               "Time until all is there at this rate; missing while nobody can tell.");
        begin(p, "hf_init_eta_seconds");
        seconds(p, view->eta_ms);
    }
}

/* ---- requests, retries, durations ---- */

static uint64_t read_count(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Reasons that are usual stand there from the start, so that the first one shows as an increase. */
static void add_retries(struct page *p, const struct report_metrics *m)
{
    family(p, "hf_init_requests", "counter", "Requests sent.");
    plain(p, "hf_init_requests_total", m->view->requests);
    family(p, "hf_init_retries", "counter", "Requests that were sent again, by why.");
    for (int kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
        uint64_t count = read_count(&m->stats->retries[kind]);

        if (count == 0 && err_again((enum err_kind)kind) == ERR_AGAIN_NO)
            continue;
        begin(p, "hf_init_retries_total");
        label(p, "reason", err_reason((enum err_kind)kind));
        number(p, count);
    }
}

/* `key` NULL: no label of its own. */
static void begin_labelled(struct page *p, const char *name, const char *suffix, const char *key,
                           const char *value)
{
    buf_printf(p->out, "%s", name);
    begin(p, suffix);
    if (key)
        label(p, key, value);
}

/* As Prometheus writes numbers, for a label must always be the same: 0.05, 1.0, +Inf. */
static void bound_text(int i, char out[24])
{
    size_t len;

    snprintf(out, 24, "+Inf");
    if (i == PROGRESS_BOUNDS)
        return;
    snprintf(out, 24, "%" PRIu64 ".%03u", progress_bounds_ms[i] / 1000,
             (unsigned)(progress_bounds_ms[i] % 1000));
    for (len = strlen(out); out[len - 1] == '0' && out[len - 2] != '.'; len--)
        out[len - 1] = '\0';
}

static void add_histogram(struct page *p, const struct report_metrics *m, const char *name,
                          enum progress_time what, const char *key, const char *value)
{
    const struct progress_histogram *h = &m->stats->time[what];
    uint64_t                         count = 0;

    for (int i = 0; i <= PROGRESS_BOUNDS; i++) {
        char bound[24];

        bound_text(i, bound);
        count += read_count(&h->bucket[i]);
        begin_labelled(p, name, "_bucket", key, value);
        label(p, "le", bound);
        number(p, count);
    }
    begin_labelled(p, name, "_count", key, value);
    number(p, count);
    begin_labelled(p, name, "_sum", key, value);
    seconds(p, read_count(&h->sum_ms));
}

static void add_durations(struct page *p, const struct report_metrics *m)
{
    static const char request[] = "hf_init_request_duration_seconds";
    static const char file[] = "hf_init_file_duration_seconds";
    static const char wait[] = "hf_init_wait_seconds";

    family(p, request, "histogram",
           "From a request to the end of its answer, by whom it asked: the Hub or its storage.");
    add_histogram(p, m, request, TIME_ASK_HUB, "to", "hub");
    add_histogram(p, m, request, TIME_ASK_STORAGE, "to", "storage");
    family(p, file, "histogram", "From a file's first request to its final name.");
    add_histogram(p, m, file, TIME_FILE, NULL, NULL);
    family(p, wait, "histogram",
           "Pauses before an attempt that follows a failure, or for a rate limit.");
    add_histogram(p, m, wait, TIME_WAIT_RETRY, "for", "retry");
    add_histogram(p, m, wait, TIME_WAIT_LIMIT, "for", "rate_limit");
}

static void add_end(struct page *p, const struct report_metrics *m)
{
    const struct progress_view *view = m->view;
    bool                        failed = m->err && m->err->kind != ERR_NONE;

    family(p, "hf_init_start_time_seconds", "gauge", "When the run began.");
    begin(p, "hf_init_start_time_seconds");
    seconds(p, (uint64_t)view->started_wall_ms);
    if (!progress_phase_is_final(view->phase))
        return;
    family(p, "hf_init_end_time_seconds", "gauge", "When it ended; missing before.");
    begin(p, "hf_init_end_time_seconds");
    seconds(p, (uint64_t)view->phase_since_wall_ms);
    family(p, "hf_init_exit_code", "gauge",
           "Exit code of the run and its reason; missing before it ended.");
    begin(p, "hf_init_exit_code");
    label(p, "reason", failed ? err_reason(m->err->kind) : "Complete");
    number(p, failed ? (uint64_t)err_exit_code(m->err->kind) : 0);
}

void report_metrics(const struct report_metrics *m, enum report_dialect dialect, struct buf *out)
{
    struct page page = {out, dialect, m->run->spec_name};

    family(&page, "hf_init_build", "info", "Version of hf-init.");
    begin(&page, "hf_init_build_info");
    label(&page, "version", m->run->version);
    number(&page, 1);
    add_phase(&page, m->view);
    add_amounts(&page, m);
    add_retries(&page, m);
    add_durations(&page, m);
    add_end(&page, m);
}

void report_metrics_end(const char *spec_name, bool is_ready, const struct report_looks *looks,
                        enum report_dialect dialect, struct buf *out)
{
    struct page page = {out, dialect, spec_name};
    const struct {
        const char *result;
        uint64_t    count;
    } row[] = {
        {"unchanged", looks->unchanged}, {"changed", looks->changed}, {"failed", looks->failed}};

    gauge(&page, "hf_init_ready", "Whether the volume is complete: the marker is there.", is_ready);
    family(&page, "hf_init_looks", "counter",
           "How often a sidecar has looked whether a revision has moved, by what came of it.");
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        begin(&page, "hf_init_looks_total");
        label(&page, "result", row[i].result);
        number(&page, row[i].count);
    }
    if (dialect == REPORT_OPENMETRICS)
        buf_add_str(out, STR("# EOF\n"));
}
