/* hfinit.c: the public face: from handles and callbacks to a run and its last words. */
#include "hfinit_internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "json.h"
#include "report.h"
#include "snapshot.h"
#include "store.h"
#include "version.h"

static const char      *default_termination_path = "/dev/termination-log";
static const struct str termination_assignment = {"HF_INIT_TERMINATION_MESSAGE=", 28};

static void on_event(const struct log_event *event, void *user)
{
    hfinit    *h = user;
    struct buf line = {0};

    if (!h->on_line)
        return;
    if (h->log_is_json)
        log_render_json(event, clock_wall_ms(&h->clock), &line);
    else
        log_render_text(event, clock_wall_ms(&h->clock), &line);
    pthread_mutex_lock(&h->log_lock);
    h->on_line((hfinit_level)event->level, buf_cstr(&line), line.len, h->on_line_user);
    pthread_mutex_unlock(&h->log_lock);
    buf_release(&line);
}

hfinit *hfinit_new(void)
{
    hfinit *h = mem_alloc(sizeof(*h));

    h->clock = clock_system();
    h->log = (struct log){.level = LOG_INFO, .sink = on_event, .user = h};
    h->log_is_json = true;
    h->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&h->log_lock, NULL);
    pthread_mutex_init(&h->transport_lock, NULL);
    last_words_prepare(&h->last_words, NULL, NULL, false);
    return h;
}

void hfinit_free(hfinit *h)
{
    if (!h)
        return;
    snapshot_free(h->snapshot);
    metrics_free(h->metrics);
    spec_release(&h->spec);
    free(h->flag);
    arena_release(&h->arena);
    arena_release(&h->wish);
    secret_release(&h->token);
    buf_release(&h->text);
    last_words_release(&h->last_words);
    pthread_mutex_destroy(&h->log_lock);
    pthread_mutex_destroy(&h->transport_lock);
    if (h->stop_fd >= 0)
        close(h->stop_fd);
    free(h);
}

void hfinit_set_log(hfinit *h, hfinit_log_fn *log, void *user)
{
    h->on_line = log;
    h->on_line_user = user;
}

void hfinit_set_volume(hfinit *h, hfinit_volume_fn *opened, void *user)
{
    h->on_volume = opened;
    h->on_volume_user = user;
}

void hfinit_set_terminal(hfinit *h, bool is_terminal)
{
    h->is_terminal = is_terminal;
    h->log_is_json = !is_terminal;
}

void hfinit_set_progress(hfinit *h, hfinit_progress_fn *progress, void *user)
{
    h->on_progress = progress;
    h->on_progress_user = user;
}

static void on_progress(const struct progress_view *view, void *user)
{
    hfinit              *h = user;
    hfinit_progress_file file[PROGRESS_SLOTS];
    hfinit_progress      now = {
             .phase = progress_phase_name(view->phase),
             .is_over = progress_phase_is_final(view->phase),
             .waiting_for = view->waiting_for,
             .files = view->totals.files_planned,
             .files_done = progress_files_there(&view->totals),
             .bytes = view->totals.bytes_planned,
             .bytes_done = progress_bytes_there(&view->totals),
             .bytes_per_second = view->bytes_per_s_now,
             .eta_ms = view->eta_ms,
             .elapsed_ms = view->elapsed_ms,
             .file = file,
             .file_count = view->slot_count,
    };

    if (view->waiting_until_wall_ms > view->now_wall_ms)
        now.waiting_ms = (uint64_t)(view->waiting_until_wall_ms - view->now_wall_ms);
    if (h->is_verifying && view->bytes_per_s_now)
        now.eta_ms = (now.bytes - now.bytes_done) * 1000 / view->bytes_per_s_now;
    for (size_t i = 0; i < view->slot_count; i++) {
        const struct progress_slot *slot = &view->slot[i];

        file[i] = (hfinit_progress_file){slot->path,       slot->host,        slot->size_bytes,
                                         slot->done_bytes, slot->bytes_per_s, slot->quiet_ms};
    }
    pthread_mutex_lock(&h->log_lock);
    h->on_progress(&now, h->on_progress_user);
    pthread_mutex_unlock(&h->log_lock);
}

void hfinit_cancel(hfinit *h, bool interrupted)
{
    uint64_t one = 1;

    atomic_store(&h->stop, interrupted ? ERR_INTERRUPTED : ERR_TERMINATED);
    if (write(h->stop_fd, &one, sizeof(one)) < 0)
        return; /* full: somebody woke it already */
}

/* --- the spec --- */

int hfinit_set(hfinit *h, const char *key, const char *value, hfinit_error *error)
{
    return hfinit_set_from(h, NULL, false, key, value, error);
}

int hfinit_set_from(hfinit *h, const char *origin, bool is_weak, const char *key, const char *value,
                    hfinit_error *error)
{
    struct err err;
    bool       is_switch;

    if (spec_check_flag(str_from(key), &is_switch, &err))
        return hfinit_give_error(h, &err, error);
    if (!value && !is_switch) {
        err_set(&err, ERR_USAGE, "--%s needs a value", key);
        return hfinit_give_error(h, &err, error);
    }
    if (!value)
        value = "true";
    h->flag = mem_resize(h->flag, h->flag_count + 1, sizeof(*h->flag));
    h->flag[h->flag_count++] = (struct spec_flag){
        .key = arena_str(&h->arena, str_from(key)),
        .value = arena_str(&h->arena, str_from(value)),
        .origin = arena_str(&h->arena, str_from(origin)),
        .is_weak = is_weak,
    };
    return 0;
}

bool hfinit_is_switch(const char *key)
{
    struct err err;
    bool       is_switch;

    return spec_check_flag(str_from(key), &is_switch, &err) == 0 && is_switch;
}

void hfinit_forget(hfinit *h)
{
    snapshot_free(h->snapshot); /* it points into the spec */
    h->snapshot = NULL;
    metrics_free(h->metrics);
    h->metrics = NULL;
    spec_release(&h->spec);
    arena_release(&h->wish);
    h->loaded = false;
}

static void find_termination_variable(hfinit *h, const char *const *env)
{
    for (const char *const *e = env; e && *e; e++)
        if (str_has_prefix(str_from(*e), termination_assignment) &&
            (*e)[termination_assignment.len])
            h->termination_variable =
                arena_strdup(&h->arena, str_from(*e + termination_assignment.len));
}

int hfinit_load_flags(hfinit *h, const struct spec_flag *flag, size_t flag_count, const char *file,
                      const char *const *env, unsigned as, hfinit_error *error)
{
    struct spec_source source = {
        .flag = flag,
        .flag_count = flag_count,
        .env = env ? env : h->env,
        .file = str_from(file),
        .without_token = as & HFINIT_WITHOUT_TOKEN,
        .without_repos = as & HFINIT_WITHOUT_REPOS,
        .without_target = as & HFINIT_WITHOUT_TARGET,
        .without_file = as & HFINIT_WITHOUT_FILE,
        .home_cache = as & HFINIT_HOME_CACHE,
        .token = h->has_token ? &h->token : NULL,
    };
    struct err err;

    find_termination_variable(h, source.env);
    if (spec_load(&h->spec, &source, &err))
        return hfinit_give_error(h, &err, error);
    h->loaded = true;
    h->log.level = (enum log_level)h->spec.log_level;
    h->log_is_json =
        h->spec.log_format == SPEC_LOG_AUTO ? !h->is_terminal : h->spec.log_format == SPEC_LOG_JSON;
    return 0;
}

int hfinit_load_as(hfinit *h, const char *file, const char *const *env, unsigned as,
                   hfinit_error *error)
{
    struct spec_flag *flag = mem_resize(NULL, h->flag_count + 1, sizeof(*flag));
    size_t            count = h->flag_count;
    int               rc;

    hfinit_forget(h);
    if (count)
        memcpy(flag, h->flag, count * sizeof(*flag));
    if (as & HFINIT_NAMED_BY_REPO)
        count += hfinit_name_by_repo(h, flag, count);
    rc = hfinit_load_flags(h, flag, count, file, env, as, error);
    free(flag);
    return rc;
}

int hfinit_load(hfinit *h, const char *file, const char *const *env, hfinit_error *error)
{
    return hfinit_load_as(h, file, env, 0, error);
}

struct settings_visit {
    hfinit_setting_fn *visit;
    void              *user;
};

static void visit_setting(const char *path, struct str value, const char *origin, void *user)
{
    struct settings_visit *v = user;
    char                  *copy = mem_strndup(value.p, value.len);

    v->visit(path, copy, origin, v->user);
    free(copy);
}

int hfinit_settings(hfinit *h, hfinit_setting_fn *visit, void *user, hfinit_error *error)
{
    struct settings_visit v = {visit, user};
    struct err            err;

    if (!h->loaded) {
        err_set(&err, ERR_INTERNAL, "no spec was loaded");
        return hfinit_give_error(h, &err, error);
    }
    spec_visit(&h->spec, visit_setting, &v);
    return 0;
}

struct each_visit {
    hfinit_each_fn *each;
    void           *user;
};

static void visit_row(const struct spec_setting_info *info, void *user)
{
    struct each_visit *v = user;
    const char *const  column[7] = {info->path,  info->type, info->variable, info->fallback,
                                    info->words, info->help, info->example};

    v->each(column, v->user);
}

void hfinit_each_setting(hfinit_each_fn *each, void *user)
{
    spec_each_setting(visit_row, &(struct each_visit){each, user});
}

/* --- runs --- */

static bool wants_bars(const struct spec *spec)
{
    return spec->progress == SPEC_PROGRESS_AUTO || spec->progress == SPEC_PROGRESS_BARS;
}

int hfinit_begin(hfinit *h, enum hfinit_purpose purpose, struct err *err)
{
    bool draws = h->on_progress && wants_bars(&h->spec) && purpose != HFINIT_TO_LOOK &&
                 purpose != HFINIT_TO_LOOK_AGAIN;
    struct snapshot_config config = {
        .spec = &h->spec,
        .clock = h->clock,
        .log = &h->log,
        .version = version_number(),
        .log_is_json = h->log_is_json,
        .hook = h->on_request ? hfinit_ask_transport : NULL,
        .hook_user = h,
        .on_volume = purpose == HFINIT_TO_LOOK_AGAIN ? NULL : h->on_volume,
        .on_volume_user = h->on_volume_user,
        .on_progress = draws ? on_progress : NULL,
        .on_progress_user = h,
        .draws_bars = draws && h->is_terminal,
        .stop_fd = h->stop_fd,
        .stop = &h->stop,
        .last = &h->last_words,
        .read_only = purpose == HFINIT_TO_LOOK || purpose == HFINIT_TO_VERIFY,
        .rehash = purpose == HFINIT_TO_REPAIR || purpose == HFINIT_TO_REFRESH,
        .stay_at_marker = purpose == HFINIT_TO_REPAIR,
        .is_look = purpose == HFINIT_TO_LOOK_AGAIN,
    };

    if (!h->loaded)
        return err_set(err, ERR_INTERNAL, "no spec was loaded");
    if (!h->metrics && !config.read_only)
        h->metrics = metrics_new(&(struct metrics_config){&h->spec, h->clock, &h->log});
    config.metrics = h->metrics;
    snapshot_free(h->snapshot);
    h->snapshot = NULL;
    h->is_verifying = purpose == HFINIT_TO_VERIFY;
    err_clear(&h->last);
    return snapshot_new(&config, &h->snapshot, err);
}

static int run_as(hfinit *h, enum hfinit_purpose purpose, hfinit_error *error)
{
    struct err err;

    if (hfinit_begin(h, purpose, &err) || snapshot_run(h->snapshot, &err))
        return hfinit_give_error(h, &err, error);
    return 0;
}

int hfinit_run(hfinit *h, hfinit_error *error)
{
    return run_as(h, HFINIT_TO_RUN, error);
}

int hfinit_repair(hfinit *h, hfinit_error *error)
{
    return run_as(h, HFINIT_TO_REPAIR, error);
}

int hfinit_refresh(hfinit *h, hfinit_error *error)
{
    return run_as(h, HFINIT_TO_REFRESH, error);
}

/* --- last words --- */

/* Also after a failed load, when the stronger sources may not have been reached. */
const char *hfinit_termination_path(const hfinit *h)
{
    if (h->loaded)
        return h->spec.termination_message.len ? h->spec.termination_message.p : "";
    for (size_t i = h->flag_count; i > 0; i--)
        if (str_eq(h->flag[i - 1].key, STR("termination-message")) ||
            str_eq(h->flag[i - 1].key, STR("terminationMessage")))
            return h->flag[i - 1].value.p;
    if (h->termination_variable)
        return h->termination_variable;
    return h->spec.termination_message.p ? h->spec.termination_message.p : default_termination_path;
}

/* What the caller says counts: it may have refused something before any of us was asked. */
static const struct err *outcome(hfinit *h, const hfinit_error *error)
{
    if (!error || error->exit_code == 0)
        return h->last.kind != ERR_NONE && !error ? &h->last : NULL;
    if (h->last.kind == ERR_NONE || err_exit_code(h->last.kind) != error->exit_code)
        h->last = (struct err){.kind = error->code ? hfinit_kind_of(error->code) : ERR_USAGE};
    snprintf(h->last.text, sizeof(h->last.text), "%s", error->message);
    snprintf(h->last.hint, sizeof(h->last.hint), "%s", error->hint);
    return &h->last;
}

const char *hfinit_metrics_path(const hfinit *h)
{
    return h->loaded && h->spec.metrics_file.len ? h->spec.metrics_file.p : "";
}

const char *hfinit_termination_text(hfinit *h, const hfinit_error *error)
{
    buf_clear(&h->text);
    report_termination(h->snapshot ? snapshot_report(h->snapshot) : NULL,
                       h->snapshot ? snapshot_view(h->snapshot) : NULL, outcome(h, error),
                       &h->text);
    return buf_cstr(&h->text);
}

const char *hfinit_verdict(hfinit *h, const hfinit_error *error)
{
    buf_clear(&h->text);
    report_verdict_line(h->snapshot ? snapshot_report(h->snapshot) : NULL,
                        h->snapshot ? snapshot_view(h->snapshot) : NULL, outcome(h, error),
                        clock_wall_ms(&h->clock), h->log_is_json, &h->text);
    return buf_cstr(&h->text);
}

const char *hfinit_last_words(hfinit *h)
{
    static const char too_early[] = "{\"message\":\"out of memory at the very start\",\"reason\":"
                                    "\"Internal\",\"exitCode\":1,\"retryable\":false}";
    struct last_words_view last;

    if (!die_text()[0])
        return NULL;
    if (!h)
        return too_early;
    last = last_words_speak(&h->last_words, die_text());
    if (h->snapshot && last.status[0])
        snapshot_leave_status(h->snapshot, last.status);
    return last.termination;
}

const char *hfinit_version(void)
{
    return version_number();
}

const char *hfinit_version_json(hfinit *h)
{
    buf_clear(&h->text);
    version_json(&h->text);
    return buf_cstr(&h->text);
}

const char *hfinit_version_text(hfinit *h)
{
    buf_clear(&h->text);
    version_text(&h->text);
    return buf_cstr(&h->text);
}
