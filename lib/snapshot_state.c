/* snapshot_state.c: what others see of a run, and the tick that keeps it fresh. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "json.h"
#include "snapshot_internal.h"

enum {
    STATUS_EVERY_MS = 1000,
    HEARTBEAT_EVERY_MS = 10 * 1000,
    LEASE_EVERY_MS = 5 * 1000,
    DRAW_EVERY_MS = 100,
    MARKER_MAX = 16 * 1024 * 1024,
    STATUS_MAX = 1024 * 1024,
    SETTINGS_SHOWN = 4096, /* a line of more than 16 KiB is cut in two by container runtimes */
};

static const char *absolute(struct snapshot *s, const char *path)
{
    char  real[PATH_MAX];
    char *found = realpath(path, real);

    return arena_strdup(&s->arena, str_from(found ? found : path));
}

static const char *zero_terminated(struct snapshot *s, struct str text)
{
    return arena_strdup(&s->arena, text);
}

/* As snapshot_init_report calls it. */
bool snapshot_is_status_of_shard(struct str file, struct str spec_name)
{
    const struct str mark = STR(".shard-"), end = STR(".status.json");
    uint64_t         ignored;

    if (!str_has_prefix(file, spec_name))
        return false;
    file = str_sub(file, spec_name.len, file.len);
    return str_has_prefix(file, mark) && str_has_suffix(file, end) &&
           str_to_u64(str_sub(file, mark.len, file.len - end.len), &ignored);
}

void snapshot_init_report(struct snapshot *s)
{
    const struct spec *spec = s->spec;
    const char        *name = zero_terminated(s, spec->name);

    if (spec->shard_count > 1)
        snprintf(s->status_name, sizeof(s->status_name), "%s.shard-%u.status.json", name,
                 spec->shard_index);
    else
        snprintf(s->status_name, sizeof(s->status_name), "%s.status.json", name);
    snprintf(s->marker_name, sizeof(s->marker_name), "%s.complete.json", name);
    snprintf(s->env_name, sizeof(s->env_name), "%s.env", name);
    s->report_repo = mem_alloc(spec->repo_count * sizeof(*s->report_repo));
    for (size_t i = 0; i < spec->repo_count; i++) {
        const struct spec_repo *repo = &spec->repo[i];

        s->report_repo[i] = (struct report_repo){
            .id = zero_terminated(s, repo->id),
            .type = repo_type_name(repo->type),
            .revision = zero_terminated(s, repo->revision),
            .path = snapshot_is_cache(s) ? NULL : zero_terminated(s, repo->path),
            .optional = repo->optional,
        };
    }
    s->report = (struct report_run){
        .spec_name = name,
        .spec_digest = spec->digest,
        .target = zero_terminated(s, spec->target),
        .version = s->config.version,
        .is_cache = snapshot_is_cache(s),
        .repo = s->report_repo,
        .repo_count = spec->repo_count,
    };
}

void snapshot_fill_report(struct snapshot *s)
{
    s->report.target = absolute(s, s->report.target);
    if (s->store)
        s->report.instance = store_instance(s->store);
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct report_repo     *out = &s->report_repo[i];
        const struct plan_repo *repo = &s->plan.repo[i];
        struct buf              folder = {0};

        memcpy(out->commit, s->repo[i].failed ? "" : s->repo[i].listing.commit,
               s->repo[i].failed ? 1 : sizeof(out->commit));
        out->file_count = repo->count;
        out->bytes = repo->bytes;
        memcpy(out->list_digest, repo->list_digest, sizeof(out->list_digest));
        if (s->repo[i].store) {
            store_repo_folder(s->repo[i].store, &folder);
            out->folder = str_from(absolute(s, buf_cstr(&folder)));
        }
        buf_release(&folder);
    }
}

/* --- the first line --- */

/* What somebody has set. A token in the wrong place stays where it is. */
static void add_setting(const char *path, struct str value, const char *origin, void *user)
{
    struct buf *out = user;

    if (strcmp(origin, "default") == 0 || path[0] == '(' || out->len > SETTINGS_SHOWN)
        return;
    buf_printf(out, "%s%s=", out->len ? ", " : "", path);
    buf_add_str(out, secret_may_be_in(value) ? STR("(redacted)") : str_sub(value, 0, 256));
    if (value.len > 256 || out->len > SETTINGS_SHOWN)
        buf_add_str(out, STR("…"));
}

void snapshot_log_start(const struct snapshot *s)
{
    const struct spec *spec = s->spec;
    struct buf         settings = {0};

    spec_visit(spec, add_setting, &settings);
    log_write(s->config.log, s->config.is_look ? LOG_DEBUG : LOG_INFO, "start",
              LOG_CSTR("version", s->config.version), LOG_TEXT("spec", spec->name),
              LOG_TEXT("target", spec->target),
              LOG_CSTR("layout", snapshot_is_cache(s) ? "cache" : "dir"),
              LOG_NUM("repos", spec->repo_count), LOG_URL("endpoint", spec->endpoint.item[0]),
              LOG_CSTR("token", spec->token_origin.len ? spec->token_origin.p : "none"),
              LOG_TEXT("settings", buf_view(&settings)), LOG_CSTR("spec_digest", spec->digest));
    buf_release(&settings);
}

/* --- status --- */

static void look(struct snapshot *s)
{
    progress_view_release(&s->view);
    progress_look(s->progress, &s->view);
}

/* Others may take the marker away: of a run that waits, and during a look, which says nothing of itself. */
static void look_for_marker(struct snapshot *s)
{
    struct buf text = {0};
    struct err ignored;

    if (!s->config.metrics || !s->store || !(s->is_quiet || s->view.phase == PHASE_WAITING))
        return;
    s->marker_is_there =
        store_read_state(s->store, s->marker_name, MARKER_MAX, &text, &ignored) > 0 &&
        report_marker_is_of(buf_view(&text), s->spec->digest);
    buf_release(&text);
}

static void show_metrics(struct snapshot *s, const struct err *err)
{
    const struct report_metrics run = {&s->report, &s->view, progress_stats(s->progress), err};

    look_for_marker(s);
    if (!s->is_quiet && !s->config.read_only)
        metrics_show(s->config.metrics, &run, s->marker_is_there);
    else if (s->is_quiet && s->store)
        metrics_show_ready(s->config.metrics, s->marker_is_there);
}

void snapshot_write_status(struct snapshot *s, const struct err *err)
{
    struct buf text = {0};
    struct err why;
    bool       has_status = s->store && !s->config.read_only && !s->volume_is_read_only &&
                      !s->status_is_theirs && !s->is_quiet;

    look(s);
    s->status_at_ms = clock_now_ms(&s->config.clock);
    show_metrics(s, err);
    if (s->config.last)
        last_words_prepare(s->config.last, &s->report, &s->view,
                           has_status && !progress_phase_is_final(s->view.phase));
    if (!has_status)
        return;
    report_status(&s->report, &s->view, err, &text);
    if (store_write_state(s->store, s->status_name, buf_view(&text), false, &why)) {
        struct err ignored; /* an old one would go on telling of another day */

        store_remove_state(s->store, s->status_name, false, &ignored);
        if (!s->status_warned)
            log_write(s->config.log, LOG_WARN, "the status file cannot be written",
                      LOG_CSTR("error", why.text));
        s->status_warned = true; /* once: the run itself may still succeed */
    }
    buf_release(&text);
}

void snapshot_tell_progress(struct snapshot *s)
{
    if (!s->config.on_progress)
        return;
    look(s);
    s->config.on_progress(&s->view, s->config.on_progress_user);
}

void snapshot_leave_status(const struct snapshot *s, const char *text)
{
    if (s->store)
        store_leave_state(s->store, s->status_name, text);
}

/* Nobody waits for it any more but the container's end. Who is stopped has 2 s for all. */
void snapshot_push_metrics(struct snapshot *s)
{
    enum { LIMIT_MS = 5000, LIMIT_IF_STOPPED_MS = 500 };
    bool               is_stopped = progress_phase(s->progress) == PHASE_CANCELLED;
    struct http_config http;
    struct err         err;

    if (!metrics_wants_push(s->config.metrics) || s->is_quiet || s->config.read_only)
        return;
    if (snapshot_open_http(s, &http, &err))
        log_write(s->config.log, LOG_WARN, "the metrics were not pushed",
                  LOG_CSTR("error", err.text));
    else
        metrics_push(s->config.metrics, &http, is_stopped ? LIMIT_IF_STOPPED_MS : LIMIT_MS,
                     is_stopped ? NULL : s->config.stop);
}

static void heartbeat(struct snapshot *s)
{
    s->heartbeat_at_ms = clock_now_ms(&s->config.clock);
    if ((s->config.read_only && progress_phase(s->progress) != PHASE_VERIFYING) ||
        s->config.draws_bars || s->spec->progress == SPEC_PROGRESS_NONE)
        return;
    look(s);
    report_log_heartbeat(s->config.log, &s->view, s->config.log_is_json);
}

/* Runs of one spec share the status file. Names the instance that it tells of; false: that is us, or
 * it tells of nobody. */
static bool read_whose_status(struct snapshot *s, char name[32])
{
    struct buf   text = {0};
    struct json *doc = NULL;
    struct str   instance;
    struct err   ignored;
    bool         another;

    another = store_read_state(s->store, s->status_name, STATUS_MAX, &text, &ignored) > 0 &&
              json_parse(buf_view(&text), &doc, &ignored) == 0 &&
              json_str(json_get(doc, "instance"), &instance) && instance.len < 32 &&
              !str_eq(instance, str_from(store_instance(s->store)));
    if (another)
        snprintf(name, 32, "%.*s", STR_ARG(instance));
    json_free(doc);
    buf_release(&text);
    return another;
}

/* It tells of the one who fetches, as long as that one lives. */
void snapshot_learn_whose_status(struct snapshot *s)
{
    struct err ignored;
    char       name[32];

    s->status_is_theirs =
        read_whose_status(s, name) && store_lease_is_living(s->store, name, &ignored) > 0;
}

/* Who was replaced has no more to say where its successor did, be it at work or done. */
void snapshot_yield_status(struct snapshot *s)
{
    char name[32];

    s->status_is_theirs = read_whose_status(s, name);
}

/* --- the tick --- */

static int check_stop(struct snapshot *s, struct err *err)
{
    int kind = s->config.stop ? atomic_load(s->config.stop) : 0;

    if (!kind && s->config.stop_fd >= 0) {
        struct pollfd p = {.fd = s->config.stop_fd, .events = POLLIN};
        if (poll(&p, 1, 0) > 0)
            kind = ERR_TERMINATED;
    }
    if (!kind)
        return 0;
    return err_set(err, (enum err_kind)kind, "stopped by %s; what was fetched is kept",
                   kind == ERR_INTERRUPTED ? "SIGINT" : "SIGTERM");
}

static int check_deadline(const struct snapshot *s, uint64_t now_ms, struct err *err)
{
    uint64_t total_ms = s->spec->total_timeout_ms;
    char     spent[24];

    if (total_ms == 0 || now_ms - s->started_at_ms < total_ms)
        return 0;
    report_duration(now_ms - s->started_at_ms, spent);
    return err_set(err, ERR_DEADLINE,
                   "not finished after %s (timeouts.total); what was fetched is kept", spent);
}

static int tick(struct snapshot *s, struct err *err)
{
    uint64_t now_ms = clock_now_ms(&s->config.clock);

    if (check_stop(s, err)) {
        /* At once: threads that sit in fdatasync may keep us from saying it later. */
        if (progress_phase(s->progress) != PHASE_CANCELLED) {
            progress_enter(s->progress, PHASE_CANCELLED);
            snapshot_write_status(s, err);
        }
        return -1;
    }
    if (check_deadline(s, now_ms, err))
        return -1;
    if (now_ms - s->lease_at_ms >= LEASE_EVERY_MS) {
        s->lease_at_ms = now_ms;
        if (snapshot_renew_leases(s, err))
            return -1;
    }
    if (now_ms - s->status_at_ms >= STATUS_EVERY_MS)
        snapshot_write_status(s, NULL);
    if (s->config.on_progress && now_ms - s->drawn_at_ms >= DRAW_EVERY_MS) {
        s->drawn_at_ms = now_ms;
        snapshot_tell_progress(s);
    }
    if (now_ms - s->heartbeat_at_ms >= HEARTBEAT_EVERY_MS)
        heartbeat(s);
    return 0;
}

int snapshot_tick(void *user, struct err *err)
{
    struct snapshot *s = user;

    if (tick(s, err) == 0)
        return 0;
    s->end = *err;
    return -1;
}

bool snapshot_has_ended(const struct snapshot *s, struct err *err)
{
    if (s->end.kind != ERR_NONE)
        *err = s->end;
    return s->end.kind != ERR_NONE;
}

int snapshot_sleep(struct snapshot *s, uint64_t ms, struct err *err)
{
    uint64_t until_ms = clock_now_ms(&s->config.clock) + ms;

    for (;;) {
        uint64_t      now_ms = clock_now_ms(&s->config.clock);
        struct pollfd p = {.fd = s->config.stop_fd, .events = POLLIN};
        uint64_t      left_ms;

        if (snapshot_tick(s, err))
            return -1;
        if (now_ms >= until_ms)
            return 0;
        left_ms = until_ms - now_ms;
        poll(&p, s->config.stop_fd >= 0 ? 1 : 0, left_ms < 200 ? (int)left_ms : 200);
    }
}

/* A fleet that starts in one second shall not ask in one second: each node waits its own share. */
int snapshot_wait_jitter(struct snapshot *s, struct err *err)
{
    const char    *node = getenv("NODE_NAME");
    struct utsname host;
    struct digest  digest;
    uint64_t       wait_ms;

    if (s->spec->start_jitter_ms == 0)
        return 0;
    digest_of_text(str_from(node ? node : uname(&host) == 0 ? host.nodename : ""), &digest);
    memcpy(&wait_ms, digest.byte, sizeof(wait_ms));
    wait_ms %= s->spec->start_jitter_ms;
    progress_enter(s->progress, PHASE_WAITING);
    progress_wait(s->progress, "its turn (startJitter)",
                  clock_wall_ms(&s->config.clock) + (int64_t)wait_ms);
    log_write(s->config.log, LOG_INFO, "waiting for its turn", LOG_NUM("wait_ms", wait_ms));
    return snapshot_sleep(s, wait_ms, err);
}

/* --- marker and env file --- */

int snapshot_read_marker(struct snapshot *s, struct err *err)
{
    struct buf text = {0};
    int        rc = store_read_state(s->store, s->marker_name, MARKER_MAX, &text, err);

    if (rc > 0)
        rc = report_read_marker(buf_view(&text), s->spec->digest, s->report_repo,
                                s->spec->repo_count);
    else if (rc < 0 && err->kind == ERR_TOO_LARGE)
        rc = 0; /* no marker of ours is that long */
    s->marker_is_there = rc > 0;
    buf_release(&text);
    return rc;
}

int snapshot_write_marker(struct snapshot *s, struct err *err)
{
    struct buf marker = {0}, env = {0};
    struct err ignored;
    bool       tried;
    int        rc;

    snapshot_fill_report(s);
    report_env(&s->report, &env);
    rc = store_write_state(s->store, s->env_name, buf_view(&env), true, err);
    if (rc == 0) /* who was replaced meanwhile must not speak for the volume */
        rc = snapshot_renew_leases(s, err);
    report_marker(&s->report, clock_wall_ms(&s->config.clock), &marker);
    tried = rc == 0;
    if (tried) /* the last write of all: it says that everything else is there */
        rc = store_write_state(s->store, s->marker_name, buf_view(&marker), true, err);
    s->marker_is_there = rc == 0;
    if (rc && tried) /* it may have its name, and the folder is not synced; else it is another's */
        snapshot_remove_marker(s, &ignored);
    buf_release(&marker);
    buf_release(&env);
    return rc;
}

int snapshot_remove_marker(struct snapshot *s, struct err *err)
{
    s->marker_is_there = s->is_quiet = false; /* from here on it concerns others */
    return store_remove_state(s->store, s->marker_name, true, err);
}

/* --- markers of other specs --- */

/* Does this entry of a marker name one of our folders, but at another commit? */
static bool contradicts_us(const struct snapshot *s, const struct json *entry)
{
    struct str path, commit;

    if (!json_str(json_get(entry, "path"), &path) || !json_str(json_get(entry, "commit"), &commit))
        return false;
    for (size_t i = 0; i < s->spec->repo_count; i++)
        if (!s->repo[i].failed && str_eq(path, s->spec->repo[i].path))
            return !str_eq(commit, str_from(s->repo[i].listing.commit));
    return false;
}

static bool is_false_marker(struct snapshot *s, const char *name)
{
    struct buf         text = {0};
    struct json       *doc = NULL;
    const struct json *entry;
    struct err         ignored;
    bool               is_false = false;

    if (store_read_state(s->store, name, MARKER_MAX, &text, &ignored) > 0 &&
        json_parse(buf_view(&text), &doc, &ignored) == 0)
        for (entry = json_first(json_get(doc, "repos")); entry && !is_false;
             entry = json_next(entry))
            is_false = contradicts_us(s, entry);
    json_free(doc);
    buf_release(&text);
    return is_false;
}

static int visit_state(const char *name, void *user, struct err *err)
{
    struct snapshot *s = user;

    if (!str_has_suffix(str_from(name), STR(".complete.json")) ||
        strcmp(name, s->marker_name) == 0 || !is_false_marker(s, name))
        return 0;
    log_write(s->config.log, LOG_WARN,
              "another spec has the same folder at another commit; its marker is taken away",
              LOG_CSTR("marker", name));
    return store_remove_state(s->store, name, true, err);
}

int snapshot_remove_false_markers(struct snapshot *s, struct err *err)
{
    if (snapshot_is_cache(s)) /* commits live side by side there */
        return 0;
    return store_list_state(s->store, visit_state, s, err);
}
