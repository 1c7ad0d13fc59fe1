/* hfinit_volume.c: what a volume says of itself: when it is complete, whether its files are still what
 * they were. */
#include "hfinit_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "json.h"
#include "report.h"
#include "store.h"

enum { WAIT_POLL_MS = 250, WAIT_SAY_MS = 10 * 1000 };

/* --- waiting for it --- */

struct wait {
    hfinit            *h;
    const char        *file; /* NULL: the marker */
    struct hfinit_told told;
    struct buf         before;  /* what there was to tell when the wait began */
    bool               looked;  /* it is known */
    bool               refused; /* the last look at the file was not allowed */
    uint64_t           started_at_ms, said_at_ms;
};

/* The path of a published file, below the target or from the root. */
static const char *below_target(const hfinit *h, const char *file)
{
    struct str path = str_from(file), target = h->spec.target;

    while (target.len > 1 && target.p[target.len - 1] == '/')
        target.len--;
    if (str_has_prefix(path, target) && path.p[target.len] == '/')
        file += target.len + 1;
    return file;
}

/* A folder that is new may not have its rights yet; one that lets nobody in twice in a row has. */
static bool is_refused(struct wait *w, int fd, const char *file, struct err *err)
{
    int  probe = fs_open_resolved_at(fd, file, err);
    bool was_refused = w->refused;

    w->refused = probe < 0 && err->kind == ERR_PERMISSION;
    fs_close(&probe);
    if (!w->refused || !was_refused)
        return false;
    err_hint(err, "run as the user or with the group of the writer (fsGroup), or set its dirMode");
    return true;
}

/* 1 what is waited for is there, 0 not yet, -1. */
static int is_there(struct wait *w, struct store *store, struct err *err)
{
    struct buf  text = {0};
    struct stat st;
    int         rc, fd = store_target_fd(store);

    if (fd < 0)
        return 0;
    if (w->file) {
        const char *file = below_target(w->h, w->file);

        rc = fs_resolve_at(fd, file, &st, err);
        if (rc == 0 && is_refused(w, fd, file, err))
            return -1;
        return rc == 1 ? S_ISREG(st.st_mode) : rc;
    }
    rc = hfinit_read_state(w->h, store, "complete", &text, err);
    if (rc > 0)
        rc = report_marker_is_of(buf_view(&text), w->h->spec.repo_count ? w->h->spec.digest : NULL);
    buf_release(&text);
    return rc;
}

bool hfinit_has_marker(hfinit *h)
{
    struct wait   w = {.h = h};
    struct store *store;
    struct err    ignored;
    int           there;

    if (hfinit_open_store(h, &store, &ignored))
        return false;
    there = is_there(&w, store, &ignored);
    store_free(store);
    return there > 0;
}

static void copy_member(const struct json *object, const char *key, char *to, size_t size)
{
    struct str text = {"", 0};

    json_str(json_get(object, key), &text);
    hfinit_copy_line(to, size, text);
}

/* The writer's failure as its own. False: it has not failed. */
static bool writer_failed(struct wait *w, hfinit_error *out)
{
    struct str         told = buf_view(&w->told.text);
    int                exit_code = report_status_exit_code(told);
    struct json       *root = NULL;
    const struct json *error;
    struct err         ignored;
    struct str         phase;
    char               reason[48];

    if (told.len == 0 || exit_code == 0 || exit_code == REPORT_NOT_YET ||
        json_parse(told, &root, &ignored))
        return false;
    /* Who was told to stop comes again, or his successor does. */
    if (json_str(json_get(root, "phase"), &phase) && str_eq(phase, STR("cancelled"))) {
        json_free(root);
        return false;
    }
    error = json_get(root, "error");
    *out =
        (hfinit_error){.exit_code = exit_code, .reason = "Internal", .code = HFINIT_ERR_INTERNAL};
    json_bool(json_get(error, "retryable"), &out->retryable);
    copy_member(error, "reason", reason, sizeof(reason));
    for (int kind = ERR_NONE + 1; kind < ERR_KINDS; kind++)
        if (strcmp(err_reason((enum err_kind)kind), reason) == 0) {
            out->reason = err_reason((enum err_kind)kind);
            out->code = hfinit_code_of((enum err_kind)kind);
        }
    copy_member(error, "message", out->message, sizeof(out->message));
    copy_member(error, "hint", out->hint, sizeof(out->hint));
    copy_member(error, "requestId", out->request_id, sizeof(out->request_id));
    json_free(root);
    return true;
}

/* What lies there when the wait begins is the end of another day: the token, the terms, the Hub may be
 * others now, and the writer that is waited for is yet to come. */
static bool is_of_now(const struct wait *w)
{
    return str_find(buf_view(&w->before), buf_view(&w->told.text), 0) < 0;
}

static void say_waiting(struct wait *w, const hfinit_error *before, uint64_t now_ms)
{
    struct json *root = NULL;
    struct err   ignored;
    struct str   phase = STR("nobody has begun");
    uint64_t     percent = 0;

    if (w->said_at_ms && now_ms - w->said_at_ms < WAIT_SAY_MS)
        return;
    w->said_at_ms = now_ms;
    if (before) {
        log_write(&w->h->log, LOG_WARN, "the run before failed; waiting for the next one",
                  LOG_CSTR("file", w->file ? w->file : ""), LOG_CSTR("reason", before->reason),
                  LOG_CSTR("error", before->message),
                  LOG_NUM("waited_ms", now_ms - w->started_at_ms));
        return;
    }
    if (w->told.text.len && json_parse(buf_view(&w->told.text), &root, &ignored) == 0) {
        json_str(json_get(root, "phase"), &phase);
        json_u64(json_get(json_get(root, "totals"), "percent"), &percent);
    }
    log_write(&w->h->log, LOG_INFO, w->file ? "waiting for a file" : "waiting for the volume",
              LOG_CSTR("file", w->file ? w->file : ""), LOG_TEXT("phase", phase),
              LOG_NUM("percent", percent), LOG_NUM("waited_ms", now_ms - w->started_at_ms));
    json_free(root);
}

static int check_stop(struct wait *w, struct err *err)
{
    int           kind = atomic_load(&w->h->stop);
    struct pollfd p = {.fd = w->h->stop_fd, .events = POLLIN};

    if (!kind && poll(&p, 1, WAIT_POLL_MS) > 0)
        kind = atomic_load(&w->h->stop);
    if (!kind)
        return 0;
    return err_set(err, (enum err_kind)kind, "stopped by %s while waiting",
                   kind == ERR_INTERRUPTED ? "SIGINT" : "SIGTERM");
}

static int look_who_works(struct wait *w, struct store *store, struct err *err)
{
    if (hfinit_read_told(w->h, store, buf_view(&w->before), &w->told, err))
        return -1;
    if (w->looked)
        return 0;
    w->looked = true;
    buf_add_str(&w->before, buf_view(&w->told.all));
    return hfinit_read_told(w->h, store, buf_view(&w->before), &w->told, err);
}

/* 1 done, 0 go on, -1 with *error filled. */
static int wait_turn(struct wait *w, uint64_t timeout_ms, hfinit_error *error)
{
    hfinit       *h = w->h;
    struct store *store = NULL;
    struct err    err;
    uint64_t      now_ms = clock_now_ms(&h->clock);
    hfinit_error  failure;
    bool          failed;
    int           there;

    if (hfinit_open_store(h, &store, &err))
        return hfinit_give_error(h, &err, error);
    there = is_there(w, store, &err);
    if (there == 0)
        there = look_who_works(w, store, &err);
    store_free(store);
    if (there < 0)
        return hfinit_give_error(h, &err, error);
    if (there)
        return 1;
    failed = writer_failed(w, &failure);
    if (failed && is_of_now(w)) {
        if (error)
            *error = failure;
        return -1;
    }
    if (timeout_ms && now_ms - w->started_at_ms >= timeout_ms) {
        err_set(&err, ERR_DEADLINE, "%s is not there after %llu s%s%s",
                w->file ? w->file : "the marker", (unsigned long long)(timeout_ms / 1000),
                failed ? "; nobody has begun since a run failed: " : "",
                failed ? failure.message : "");
        err_hint(&err, "hf-init status tells how far the writer is");
        return hfinit_give_error(h, &err, error);
    }
    say_waiting(w, failed ? &failure : NULL, now_ms);
    return check_stop(w, &err) ? hfinit_give_error(h, &err, error) : 0;
}

/* Names that can never be there would be waited for in vain. */
static bool may_be_there(const char *path)
{
    for (;;) {
        size_t len = strcspn(path, "/");

        if (len == 0 || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
            return false;
        if (path[len] == '\0')
            return true;
        path += len + 1;
    }
}

int hfinit_wait(hfinit *h, const char *file, uint64_t timeout_ms, hfinit_error *error)
{
    struct wait w = {.h = h, .file = file, .started_at_ms = clock_now_ms(&h->clock)};
    struct err  err;
    int         rc;

    if (h->loaded && file && !may_be_there(below_target(h, file))) {
        err_set(&err, ERR_USAGE, "\"%s\" is no file below %.*s", file, STR_ARG(h->spec.target));
        err_hint(&err, "name one as it will lie there, such as --file ORG/NAME/config.json");
        return hfinit_give_error(h, &err, error);
    }
    do {
        rc = wait_turn(&w, timeout_ms, error);
    } while (rc == 0);
    hfinit_told_release(&w.told);
    buf_release(&w.before);
    return rc > 0 ? 0 : -1;
}

/* --- verifying it --- */

struct bad_files {
    hfinit             *h;
    hfinit_bad_file_fn *visit;
    void               *user;
};

static void on_bad_file(const char *repo, struct str path, const char *what, void *user)
{
    struct bad_files *bad = user;
    char             *copy;

    if (!bad->visit)
        return;
    copy = mem_strndup(path.p, path.len);
    pthread_mutex_lock(&bad->h->log_lock); /* callbacks come one at a time */
    bad->visit(repo, copy, what, bad->user);
    pthread_mutex_unlock(&bad->h->log_lock);
    free(copy);
}

int hfinit_verify(hfinit *h, hfinit_bad_file_fn *visit, void *user, hfinit_error *error)
{
    struct bad_files bad = {h, visit, user};
    struct err       err;

    if (hfinit_begin(h, HFINIT_TO_VERIFY, &err) ||
        snapshot_verify(h->snapshot, on_bad_file, &bad, &err))
        return hfinit_give_error(h, &err, error);
    return 0;
}
