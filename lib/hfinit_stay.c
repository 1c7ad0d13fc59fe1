/* hfinit_stay.c: a sidecar's life after its run: idle, and now and then a look at the Hub.
 *
 * A look is a run that disturbs nobody as long as it finds nothing to do. One that fails changes
 * nothing about what is there; the next one comes when it is due. */
#include "hfinit_internal.h"

#include <poll.h>
#include <string.h>

#include "store.h"

enum {
    IDLE_MS = 10 * 1000, /* how old an answer of /readyz may be */
    JITTER_SHARE = 10,   /* of the interval, so that a fleet does not ask in one second */
};

bool hfinit_wants_to_stay(const hfinit *h)
{
    return h->loaded && (h->spec.stay || h->spec.watch_ms);
}

static bool is_stopped(const hfinit *h)
{
    return atomic_load(&h->stop) != 0;
}

/* A commit is never another one. */
static bool may_move(const hfinit *h)
{
    for (size_t i = 0; i < h->spec.repo_count; i++)
        if (!repo_is_commit(h->spec.repo[i].revision))
            return true;
    return false;
}

/* Until that moment, or until it is stopped. */
static void idle(hfinit *h, uint64_t until_ms)
{
    struct pollfd p = {.fd = h->stop_fd, .events = POLLIN};
    uint64_t      now_ms;

    while (!is_stopped(h) && (now_ms = clock_now_ms(&h->clock)) < until_ms) {
        uint64_t left_ms = until_ms - now_ms;

        if (h->metrics)
            metrics_show_ready(h->metrics, hfinit_has_marker(h));
        poll(&p, 1, left_ms < IDLE_MS ? (int)left_ms : IDLE_MS);
    }
}

/* --- a look --- */

static bool was_stopped(const struct err *err)
{
    return err->kind == ERR_TERMINATED || err->kind == ERR_INTERRUPTED;
}

static bool commits_differ(struct snapshot *before, struct snapshot *now)
{
    const struct report_run *a = snapshot_report(before), *b = snapshot_report(now);

    for (size_t i = 0; i < a->repo_count; i++)
        if (strcmp(a->repo[i].commit, b->repo[i].commit) != 0)
            return true;
    return false;
}

static void tell_change(const hfinit *h, struct snapshot *before, struct snapshot *now)
{
    const struct report_run *a = snapshot_report(before), *b = snapshot_report(now);

    for (size_t i = 0; i < a->repo_count; i++)
        if (strcmp(a->repo[i].commit, b->repo[i].commit) != 0)
            log_write(&h->log, LOG_INFO, "the revision has moved; its new commit is published",
                      LOG_CSTR("repo", b->repo[i].id), LOG_CSTR("revision", b->repo[i].revision),
                      LOG_CSTR("commit", b->repo[i].commit), LOG_CSTR("before", a->repo[i].commit));
}

static void tell_failure(const hfinit *h, const struct err *err, bool is_whole)
{
    log_write(&h->log, LOG_WARN,
              is_whole ? "the look for a new revision failed; what is there stays"
                       : "the new revision could not be fetched; the volume is not complete",
              LOG_CSTR("reason", err_reason(err->kind)), LOG_CSTR("error", err->text),
              LOG_CSTR("hint", err_next_step(err)), LOG_NUM("again_ms", h->spec.watch_ms));
}

static void count(hfinit *h, bool has_failed, bool has_changed)
{
    metrics_count_look(h->metrics, has_failed    ? METRICS_FAILED
                                   : has_changed ? METRICS_CHANGED
                                                 : METRICS_UNCHANGED);
}

/* h->snapshot goes on telling of the last run that had something to do. 1 told to stop, be it before
 * there was something to do; 0; -1 with err. */
static int look(hfinit *h, struct err *err)
{
    struct snapshot *before = h->snapshot;
    bool             is_quiet, has_changed;
    int              rc;

    h->snapshot = NULL;
    rc = hfinit_begin(h, HFINIT_TO_LOOK_AGAIN, err);
    if (rc == 0)
        rc = snapshot_run(h->snapshot, err);
    is_quiet = !h->snapshot || snapshot_is_quiet(h->snapshot);
    has_changed = rc == 0 && (!is_quiet || commits_differ(before, h->snapshot));
    if (rc && is_quiet && was_stopped(err))
        rc = 1;
    if (rc <= 0)
        count(h, rc < 0, has_changed);
    if (has_changed)
        tell_change(h, before, h->snapshot);
    if (has_changed || (rc < 0 && was_stopped(err))) {
        snapshot_free(before);
    } else {
        snapshot_free(h->snapshot);
        h->snapshot = before;
    }
    snapshot_rest(h->snapshot);
    return rc;
}

static uint64_t next_look_ms(const hfinit *h)
{
    uint64_t watch_ms = h->spec.watch_ms;

    if (!watch_ms || !may_move(h))
        return UINT64_MAX;
    return clock_now_ms(&h->clock) + watch_ms +
           clock_random_below(&h->clock, watch_ms / JITTER_SHARE);
}

/* --- staying --- */

static void tell_staying(const hfinit *h)
{
    bool watches = h->spec.watch_ms && may_move(h);

    log_write(&h->log, LOG_INFO, "staying until stopped",
              LOG_NUM("watch_ms", watches ? h->spec.watch_ms : 0));
    if (watches && h->spec.layout == SPEC_LAYOUT_DIR)
        log_write(&h->log, LOG_WARN,
                  "layout dir: a new revision takes the place of the old one file by file, and the "
                  "marker is away meanwhile; layout cache keeps both side by side");
    else if (h->spec.watch_ms && !watches)
        log_write(&h->log, LOG_WARN, "watch does nothing: every revision of the spec is a commit");
}

int hfinit_stay(hfinit *h, hfinit_error *error)
{
    struct err err = {0}, failure = {0}; /* failure: of the last look */
    int        rc = 0;

    tell_staying(h);
    snapshot_rest(h->snapshot);
    while (rc <= 0) {
        idle(h, next_look_ms(h));
        if (is_stopped(h))
            break;
        rc = look(h, &err);
        if (rc < 0 && was_stopped(&err))
            return hfinit_give_error(h, &err, error);
        if (rc < 0)
            tell_failure(h, &err, hfinit_has_marker(h));
        if (rc <= 0)
            failure = rc ? err : (struct err){0};
    }
    /* It ends well if what it was there for is there. */
    return failure.kind && !hfinit_has_marker(h) ? hfinit_give_error(h, &failure, error) : 0;
}
