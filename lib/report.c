/* report.c: the status document, written at least once a second while a run lives. */
#include "report.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "report_emit.h"

/* Rows of a kind stand on one line each: a person scrolls less. */
static bool open_row(struct emit *e, const char *key)
{
    bool pretty = e->pretty;

    emit_open(e, key, '{');
    e->pretty = false;
    return pretty;
}

static void close_row(struct emit *e, bool pretty)
{
    emit_close(e, '}');
    e->pretty = pretty;
}

static void emit_counts(struct emit *e, const char *key, uint64_t planned, uint64_t present,
                        uint64_t done)
{
    bool pretty = open_row(e, key);

    emit_u64(e, "planned", planned);
    emit_u64(e, "present", present);
    emit_u64(e, "done", done);
    close_row(e, pretty);
}

static void emit_totals(struct emit *e, const struct progress_totals *t)
{
    emit_counts(e, "files", t->files_planned, t->files_present, t->files_done);
    emit_counts(e, "bytes", t->bytes_planned, t->bytes_present, t->bytes_done);
}

static void emit_run_totals(struct emit *e, const struct progress_view *view)
{
    emit_open(e, "totals", '{');
    emit_totals(e, &view->totals);
    emit_u64(e, "percent", progress_percent(view));
    emit_u64(e, "bytesReceived", view->received_bytes);
    emit_u64(e, "bytesPerSecond", view->bytes_per_s_now);
    emit_u64(e, "bytesPerSecondAverage", view->bytes_per_s_mean);
    if (view->eta_ms != UINT64_MAX)
        emit_u64(e, "etaSeconds", view->eta_ms / 1000 + (view->eta_ms % 1000 != 0));
    emit_u64(e, "retries", view->retries);
    emit_u64(e, "requests", view->requests);
    emit_close(e, '}');
}

static void emit_repo(struct emit *e, const struct report_repo *repo,
                      const struct progress_view_repo *seen)
{
    emit_open(e, NULL, '{');
    emit_cstr(e, "id", repo->id);
    emit_cstr(e, "type", repo->type);
    emit_cstr(e, "revision", repo->revision);
    emit_given(e, "commit", seen && seen->commit[0] ? seen->commit : repo->commit);
    emit_given(e, "path", repo->path);
    if (repo->folder.len)
        emit_text(e, "folder", repo->folder);
    emit_bool(e, "optional", repo->optional);
    emit_cstr(e, "state",
              !seen            ? "pending"
              : seen->failed   ? "failed"
              : seen->complete ? "complete"
                               : "pending");
    if (seen && seen->from_existing)
        emit_bool(e, "fromExisting", true);
    emit_totals(e, seen ? &seen->totals : &(struct progress_totals){0});
    if (seen && seen->failed)
        emit_error(e, "error", &seen->err);
    emit_close(e, '}');
}

static void emit_in_flight(struct emit *e, const struct report_run *run,
                           const struct progress_view *view)
{
    emit_open(e, "inFlight", '[');
    for (size_t i = 0; i < view->slot_count; i++) {
        const struct progress_slot *slot = &view->slot[i];
        bool                        pretty = open_row(e, NULL);

        if (slot->repo < run->repo_count)
            emit_cstr(e, "repo", run->repo[slot->repo].id);
        emit_cstr(e, "path", slot->path);
        emit_given(e, "host", slot->host);
        emit_u64(e, "bytes", slot->size_bytes);
        emit_u64(e, "bytesDone", slot->done_bytes);
        emit_u64(e, "bytesPerSecond", slot->bytes_per_s);
        emit_u64(e, "quietSeconds", slot->quiet_ms / 1000);
        close_row(e, pretty);
    }
    emit_close(e, ']');
}

static void emit_times(struct emit *e, const struct progress_view *view)
{
    emit_time(e, "startedAt", view->started_wall_ms);
    emit_time(e, "updatedAt", view->changed_wall_ms);
    emit_time(e, "heartbeat", view->now_wall_ms);
    emit_time(e, "phaseSince", view->phase_since_wall_ms);
    if (view->phase == PHASE_COMPLETE)
        emit_time(e, "completedAt", view->phase_since_wall_ms);
    emit_u64(e, "elapsedMs", view->elapsed_ms);
    emit_open(e, "phaseMs", '{');
    for (int i = 0; i < PHASES; i++)
        if (!progress_phase_is_final((enum progress_phase)i))
            emit_counted(e, progress_phase_name((enum progress_phase)i), view->phase_ms[i]);
    emit_close(e, '}');
}

static void emit_writer(struct emit *e, const struct report_run *run)
{
    struct utsname host;

    emit_cstr(e, "host", uname(&host) == 0 ? host.nodename : "");
    emit_u64(e, "pid", (uint64_t)getpid());
    emit_given(e, "instance", run->instance);
    emit_cstr(e, "version", run->version);
}

void report_status(const struct report_run *run, const struct progress_view *view,
                   const struct err *err, struct buf *out)
{
    struct emit e = {.out = out, .pretty = true};

    emit_open(&e, NULL, '{');
    emit_cstr(&e, "schema", "hf-init/status/v1");
    emit_cstr(&e, "phase", progress_phase_name(view->phase));
    emit_cstr(&e, "name", run->spec_name);
    emit_cstr(&e, "specDigest", run->spec_digest);
    emit_cstr(&e, "target", run->target);
    emit_cstr(&e, "layout", run->is_cache ? "cache" : "dir");
    emit_times(&e, view);
    if (view->waiting_for[0]) {
        emit_cstr(&e, "waitingFor", view->waiting_for);
        if (view->waiting_until_wall_ms > 0)
            emit_time(&e, "waitingUntil", view->waiting_until_wall_ms);
    }
    if (err && err->kind != ERR_NONE)
        emit_error(&e, "error", err);
    emit_run_totals(&e, view);
    emit_open(&e, "repos", '[');
    for (size_t i = 0; i < run->repo_count; i++)
        emit_repo(&e, &run->repo[i], i < view->repo_count ? &view->repo[i] : NULL);
    emit_close(&e, ']');
    emit_in_flight(&e, run, view);
    emit_writer(&e, run);
    emit_close(&e, '}');
    buf_add_char(out, '\n');
}
