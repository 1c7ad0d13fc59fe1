/* report_verdict.c: how a run ended, for Kubernetes (termination message) and for people (the last
 * line of the log). Both stay within what Kubernetes keeps, whatever a name or a message holds. */
#include <inttypes.h>
#include <string.h>

#include "report.h"
#include "report_emit.h"

enum {
    VERDICT_MAX = 960, /* all limits: as the inside of a JSON string */
    FIELD_MAX = 120,
    MESSAGE_MAX = 1200,
    HINT_MAX = 480,
    NAME_LIMIT = 160, /* each of: repo, revision, commit, file, request id, version */
    KEYS_AND_NUMBERS = 400,
    LEFT_OUT_SHOWN = 5,
};
_Static_assert(MESSAGE_MAX + HINT_MAX + 6 * NAME_LIMIT + KEYS_AND_NUMBERS <= REPORT_TERMINATION_MAX,
               "the termination message may outgrow its limit");

static bool has_failed(const struct err *err)
{
    return err && err->kind != ERR_NONE;
}

/* ---- sentences ---- */

/* A full stop, unless the text has one or ends in a URL, of which it would be taken as a part. */
static void end_sentence(struct buf *out)
{
    struct str last =
        str_sub(buf_view(out), (size_t)(str_rfind_char(buf_view(out), ' ') + 1), out->len);

    if (last.len && !strchr(".!?", last.p[last.len - 1]) && str_find(last, STR("://"), 0) < 0)
        buf_add_char(out, '.');
}

/* A hint starts a sentence of its own, unless its first word is a name (hf-init,
 * timeouts.stall). */
static void add_sentence(struct buf *out, const char *text)
{
    size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz");

    if (word > 0 && (text[word] == ' ' || text[word] == '\0')) {
        buf_add_char(out, (char)(text[0] - 'a' + 'A'));
        text++;
    }
    report_add_prose(out, str_from(text));
    end_sentence(out);
}

static void add_count(struct buf *out, uint64_t n, const char *one, const char *many)
{
    buf_printf(out, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

/* What is there now. A run that found the marker never planned: then the repos know. */
static void sum_result(const struct report_run *run, const struct progress_view *view,
                       uint64_t *files, uint64_t *bytes)
{
    *files = *bytes = 0;
    if (view && view->totals.files_planned) {
        *files = progress_files_there(&view->totals);
        *bytes = progress_bytes_there(&view->totals);
        return;
    }
    for (size_t i = 0; run && i < run->repo_count; i++) {
        *files += run->repo[i].file_count;
        *bytes += run->repo[i].bytes;
    }
}

static void add_exceptions(const struct report_run *run, const struct progress_view *view,
                           struct buf *out)
{
    unsigned left_out = 0, existing = 0;
    size_t   count = run->repo_count < view->repo_count ? run->repo_count : view->repo_count;

    for (size_t i = 0; i < count; i++)
        if (view->repo[i].failed && ++left_out <= LEFT_OUT_SHOWN)
            buf_printf(out, "%s%s (%s)", left_out == 1 ? "; without the optional " : ", ",
                       run->repo[i].id, err_reason(view->repo[i].err.kind));
    if (left_out > LEFT_OUT_SHOWN)
        buf_printf(out, " and %u more", left_out - LEFT_OUT_SHOWN);
    for (size_t i = 0; i < count; i++)
        if (view->repo[i].from_existing && ++existing <= LEFT_OUT_SHOWN)
            buf_printf(out, "%s%s",
                       existing == 1 ? "; kept as an earlier run left it, unable to ask the Hub: "
                                     : ", ",
                       run->repo[i].id);
    if (existing > LEFT_OUT_SHOWN)
        buf_printf(out, " and %u more", existing - LEFT_OUT_SHOWN);
}

static void add_success(const struct report_run *run, const struct progress_view *view,
                        struct buf *out)
{
    bool     fetched = view && view->received_bytes > 0;
    bool     wrote = fetched || (view && view->totals.files_done > 0);
    uint64_t files, bytes;
    char     text[24], rate[24];

    sum_result(run, view, &files, &bytes);
    report_bytes(bytes, text);
    buf_add_str(out, wrote ? STR("complete: ") : STR("already complete: "));
    add_count(out, files, "file", "files");
    buf_printf(out, ", %s in %s", text, run ? run->target : "the target");
    if (!view)
        return;
    report_duration(view->elapsed_ms, text);
    if (fetched) {
        char got[24];

        report_bytes(view->received_bytes, got);
        report_bytes(view->bytes_per_s_mean, rate);
        buf_printf(out, "; fetched %s in %s, %s/s", got, text, rate);
        if (view->totals.bytes_present) {
            report_bytes(view->totals.bytes_present, got);
            buf_printf(out, "; %s was there", got);
        }
    } else {
        buf_printf(out, "; %s %s", wrote ? "took" : "checked in", text);
    }
    if (view->retries) {
        buf_add_str(out, STR("; "));
        add_count(out, view->retries, "retry", "retries");
    }
    if (run)
        add_exceptions(run, view, out);
}

/* " (8.0s resolving, 30s downloading)": where the time went, once it is worth a word. */
static void add_phases(const struct progress_view *view, struct buf *out)
{
    const char *before = " (";
    char        text[24];

    if (!view || view->elapsed_ms < 1000)
        return;
    for (int i = 0; i < PHASES; i++) {
        if (progress_phase_is_final((enum progress_phase)i) || view->phase_ms[i] < 100)
            continue;
        report_duration(view->phase_ms[i], text);
        buf_printf(out, "%s%s %s", before, text, progress_phase_name((enum progress_phase)i));
        before = ", ";
    }
    if (before[0] == ',')
        buf_add_char(out, ')');
}

/* What it cost to fail: success has told of its retries already. */
static void add_effort(const struct progress_view *view, bool failed, struct buf *out)
{
    if (failed && view && view->retries) {
        buf_add_str(out, STR("; after "));
        add_count(out, view->retries, "retry", "retries");
    }
    add_phases(view, out);
}

void report_verdict(const struct report_run *run, const struct progress_view *view,
                    const struct err *err, struct buf *out)
{
    struct buf text = {0};

    if (has_failed(err)) {
        buf_printf(&text, "%s %s (exit %d): ",
                   err->kind == ERR_TERMINATED || err->kind == ERR_INTERRUPTED ? "cancelled"
                                                                               : "failed",
                   err_reason(err->kind), err_exit_code(err->kind));
        report_add_prose(&text, str_from(err->text));
        if (err_next_step(err)[0]) {
            end_sentence(&text);
            buf_add_str(&text, STR(" Next: "));
            report_add_prose(&text, str_from(err_next_step(err)));
        }
    } else {
        add_success(run, view, &text);
    }
    add_effort(view, has_failed(err), &text);
    report_clip(&text, VERDICT_MAX);
    report_add_line(out, buf_view(&text));
    buf_release(&text);
}

/* ---- the last log line ---- */

/* Fields, with room to spare; a member that says nothing is left out. */
struct fields {
    struct log_field item[32];
    size_t           count;
    struct buf       name[4]; /* own the clipped texts */
    size_t           name_count;
};

static void add_number(struct fields *f, const char *name, uint64_t number)
{
    if (number)
        f->item[f->count++] = (struct log_field)LOG_NUM(name, number);
}

static void add_name(struct fields *f, const char *name, const char *text)
{
    struct buf *clipped = &f->name[f->name_count];

    if (!text[0])
        return;
    buf_add_str(clipped, str_from(text));
    report_clip(clipped, FIELD_MAX);
    f->item[f->count++] = (struct log_field)LOG_TEXT(name, buf_view(clipped));
    f->name_count++;
}

static void add_error_fields(struct fields *f, const struct err *err)
{
    f->item[f->count++] = (struct log_field)LOG_CSTR("reason", err_reason(err->kind));
    f->item[f->count++] = (struct log_field)LOG_NUM("exit_code", err_exit_code(err->kind));
    add_name(f, "repo", err->repo);
    add_name(f, "file", err->file);
    add_name(f, "request_id", err->request_id);
    add_number(f, "http_status", err->http_status > 0 ? (uint64_t)err->http_status : 0);
}

static void add_run_fields(struct fields *f, const struct report_run *run,
                           const struct progress_view *view)
{
    static const char *const phase_field[PHASES] = {
        [PHASE_WAITING] = "waiting_ms",     [PHASE_RESOLVING] = "resolving_ms",
        [PHASE_PLANNING] = "planning_ms",   [PHASE_DOWNLOADING] = "downloading_ms",
        [PHASE_VERIFYING] = "verifying_ms",
    };
    uint64_t files, bytes;

    sum_result(run, view, &files, &bytes);
    add_number(f, "files", files);
    add_number(f, "bytes", bytes);
    if (!view)
        return;
    add_number(f, "reused_bytes", view->totals.bytes_present);
    add_number(f, "received_bytes", view->received_bytes);
    add_number(f, "bytes_per_second", view->bytes_per_s_mean);
    add_number(f, "duration_ms", view->elapsed_ms);
    for (int i = 0; i < PHASES; i++)
        if (phase_field[i])
            add_number(f, phase_field[i], view->phase_ms[i]);
    add_number(f, "requests", view->requests);
    add_number(f, "retries", view->retries);
}

void report_verdict_line(const struct report_run *run, const struct progress_view *view,
                         const struct err *err, int64_t wall_ms, bool as_json, struct buf *out)
{
    struct buf       text = {0};
    struct fields    f = {.count = 0};
    struct log_event event = {.level = has_failed(err) ? LOG_ERROR : LOG_INFO};

    report_verdict(run, view, err, &text);
    event.msg = buf_cstr(&text);
    if (as_json) {
        if (has_failed(err))
            add_error_fields(&f, err);
        add_run_fields(&f, run, view);
        event.field = f.item;
        event.field_count = f.count;
        log_render_json(&event, wall_ms, out);
    } else {
        log_render_text(&event, wall_ms, out); /* the sentence says it all to people */
    }
    for (size_t i = 0; i < f.name_count; i++)
        buf_release(&f.name[i]);
    buf_release(&text);
}

/* ---- the termination message ---- */

static void emit_clipped(struct emit *e, const char *key, const char *text, size_t max)
{
    struct buf clipped = {0};

    if (text && text[0]) {
        report_add_prose(&clipped, str_from(text));
        report_clip(&clipped, max);
        emit_text(e, key, buf_view(&clipped));
    }
    buf_release(&clipped);
}

static void emit_message(struct emit *e, const struct report_run *run,
                         const struct progress_view *view, const struct err *err)
{
    struct buf text = {0};

    if (has_failed(err)) {
        report_add_prose(&text, str_from(err->text));
        if (err_next_step(err)[0]) {
            end_sentence(&text);
            buf_add_char(&text, ' ');
            add_sentence(&text, err_next_step(err));
        }
    } else {
        add_success(run, view, &text);
    }
    report_clip(&text, MESSAGE_MAX);
    emit_text(e, "message", buf_view(&text));
    buf_release(&text);
}

/* The repo that the message is about: the first that failed, else the only one. The same id may be there at
 * several revisions. */
static const struct report_repo *find_repo(const struct report_run    *run,
                                           const struct progress_view *view, const char *id)
{
    const struct report_repo *found = NULL;

    for (size_t i = 0; run && i < run->repo_count; i++) {
        const struct report_repo *repo = &run->repo[i];

        if (run->repo_count > 1 && strcmp(repo->id, id) != 0)
            continue;
        if (view && i < view->repo_count && view->repo[i].failed && !repo->optional)
            return repo;
        found = found ? found : repo;
    }
    return found;
}

static void emit_repo_name(struct emit *e, const struct report_run *run,
                           const struct progress_view *view, const struct err *err)
{
    const char               *id = has_failed(err) ? err->repo : "";
    const struct report_repo *repo = find_repo(run, view, id);

    emit_clipped(e, "repo", repo ? repo->id : id, NAME_LIMIT);
    emit_clipped(e, "revision", repo ? repo->revision : NULL, NAME_LIMIT);
    emit_clipped(e, "commit", repo ? repo->commit : NULL, NAME_LIMIT);
}

static void emit_failure(struct emit *e, const struct err *err)
{
    emit_clipped(e, "file", err->file, NAME_LIMIT);
    if (err->need_bytes) {
        emit_u64(e, "need", err->need_bytes);
        emit_u64(e, "have", err->have_bytes);
    }
    emit_counted(e, "httpStatus", err->http_status > 0 ? (uint64_t)err->http_status : 0);
    emit_clipped(e, "requestId", err->request_id, NAME_LIMIT);
    emit_clipped(e, "hint", err_next_step(err), HINT_MAX);
}

void report_termination(const struct report_run *run, const struct progress_view *view,
                        const struct err *err, struct buf *out)
{
    struct emit e = {.out = out};
    uint64_t    files, bytes;

    sum_result(run, view, &files, &bytes);
    emit_open(&e, NULL, '{');
    emit_message(&e, run, view, err);
    emit_cstr(&e, "reason", has_failed(err) ? err_reason(err->kind) : "Complete");
    emit_u64(&e, "exitCode", has_failed(err) ? (uint64_t)err_exit_code(err->kind) : 0);
    emit_bool(&e, "retryable", has_failed(err) && err_is_retryable(err->kind));
    emit_repo_name(&e, run, view, err);
    emit_u64(&e, "bytesDone", bytes);
    emit_u64(&e, "bytesTotal",
             view && view->totals.files_planned ? view->totals.bytes_planned : bytes);
    if (view)
        emit_u64(&e, "seconds", view->elapsed_ms / 1000);
    if (has_failed(err))
        emit_failure(&e, err);
    emit_clipped(&e, "version", run ? run->version : NULL, NAME_LIMIT);
    emit_close(&e, '}');
}
