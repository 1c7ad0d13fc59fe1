/* metrics.c: see metrics.h; the text itself: report_metrics.c. The page is made on the run's thread, under
 * no lock; only the finished text changes hands. */
#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "serve.h"

enum { FILE_MODE = 0644 };

struct metrics {
    struct metrics_config config;
    char                 *spec_name, *folder, *file; /* owned; file: its name in the folder */
    struct serve         *serve;
    bool                  is_started, file_warned;
    struct report_looks   looks;
    struct buf            run[REPORT_DIALECTS]; /* the run's part of the page */
    pthread_mutex_t       lock;                 /* what follows; the listener reads it */
    struct buf            page[REPORT_DIALECTS];
    bool                  is_ready;
    enum progress_phase   phase;
};

/* --- the listener's side --- */

static void answer_metrics(struct metrics *m, struct str accept, struct serve_answer *out)
{
    bool is_open = str_find(accept, STR("application/openmetrics-text"), 0) >= 0;

    out->content_type = is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
    buf_add_str(&out->body, buf_view(&m->page[is_open ? REPORT_OPENMETRICS : REPORT_PROMETHEUS]));
}

static void answer(struct str path, struct str accept, struct serve_answer *out, void *user)
{
    struct metrics *m = user;

    pthread_mutex_lock(&m->lock);
    out->status = 200;
    if (str_eq(path, STR("/metrics"))) {
        answer_metrics(m, accept, out);
    } else if (str_eq(path, STR("/healthz"))) {
        buf_add_str(&out->body, STR("ok\n"));
    } else if (str_eq(path, STR("/readyz")) && m->is_ready) {
        buf_add_str(&out->body, STR("ready\n"));
    } else if (str_eq(path, STR("/readyz"))) {
        out->status = 503;
        buf_printf(&out->body, "not ready: %s\n", progress_phase_name(m->phase));
    } else {
        out->status = 404;
        buf_add_str(&out->body, STR("there are /metrics, /healthz and /readyz\n"));
    }
    pthread_mutex_unlock(&m->lock);
}

/* --- beginning and end --- */

static void warn(const struct metrics *m, const char *what, struct str where, const struct err *err)
{
    log_write(m->config.log, LOG_WARN, what, LOG_URL("where", where),
              LOG_CSTR("reason", err_reason(err->kind)), LOG_CSTR("error", err->text),
              LOG_CSTR("hint", err->hint));
}

static void warn_listener(struct metrics *m, struct err *err)
{
    if (!err->hint[0])
        err_hint(err, "choose a free port in metrics.listen; the run goes on without");
    warn(m, "the metrics cannot be served", m->config.spec->metrics_listen, err);
    serve_free(m->serve);
    m->serve = NULL;
}

static void split_path(struct metrics *m, struct str path)
{
    ptrdiff_t slash = str_rfind_char(path, '/');

    m->file = mem_strndup(path.p + slash + 1, path.len - (size_t)(slash + 1));
    m->folder = slash > 0 ? mem_strndup(path.p, (size_t)slash) : mem_strdup(slash ? "." : "/");
}

struct metrics *metrics_new(const struct metrics_config *config)
{
    const struct spec *spec = config->spec;
    struct metrics    *m;
    struct err         err;

    if (!spec->metrics_listen.len && !spec->metrics_file.len && !spec->metrics_push.len)
        return NULL;
    m = mem_alloc(sizeof(*m));
    m->config = *config;
    m->spec_name = mem_strndup(spec->name.p, spec->name.len);
    pthread_mutex_init(&m->lock, NULL);
    if (spec->metrics_file.len)
        split_path(m, spec->metrics_file);
    if (spec->metrics_listen.len &&
        serve_open(spec->metrics_listen, &config->clock, &m->serve, &err))
        warn_listener(m, &err);
    return m;
}

void metrics_start(struct metrics *m)
{
    struct err err;

    if (!m || m->is_started || !m->serve)
        return;
    m->is_started = true;
    if (serve_start(m->serve, answer, m, &err))
        warn_listener(m, &err);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    serve_free(m->serve);
    for (int i = 0; i < REPORT_DIALECTS; i++) {
        buf_release(&m->run[i]);
        buf_release(&m->page[i]);
    }
    pthread_mutex_destroy(&m->lock);
    free(m->spec_name);
    free(m->folder);
    free(m->file);
    free(m);
}

/* --- the run's side --- */

/* The rename would take the place of whatever is there: of a device, even. */
static int check_place(int dir, const char *file, struct err *err)
{
    struct stat st;
    int         rc = fs_exists_at(dir, file, &st, err);

    if (rc == 1 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "%s is there, and no plain file", file);
    return rc < 0 ? -1 : 0;
}

static void write_file(struct metrics *m)
{
    struct err err;
    int        dir;

    if (!m->file)
        return;
    dir = fs_open_dir(m->folder, &err);
    if (dir < 0 || check_place(dir, m->file, &err) ||
        fs_replace_at(dir, m->file, buf_view(&m->page[REPORT_PROMETHEUS]), FILE_MODE, &err)) {
        if (!m->file_warned)
            warn(m, "the metrics file cannot be written", m->config.spec->metrics_file, &err);
        m->file_warned = true; /* once, until it works again */
    } else {
        m->file_warned = false;
    }
    fs_close(&dir);
}

static void show_page(struct metrics *m, bool is_ready, enum progress_phase phase)
{
    struct buf page[REPORT_DIALECTS] = {{0}};

    for (int i = 0; i < REPORT_DIALECTS; i++) {
        buf_add_str(&page[i], buf_view(&m->run[i]));
        report_metrics_end(m->spec_name, is_ready, &m->looks, (enum report_dialect)i, &page[i]);
    }
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < REPORT_DIALECTS; i++) {
        struct buf old = m->page[i];

        m->page[i] = page[i];
        page[i] = old;
    }
    m->is_ready = is_ready;
    m->phase = phase;
    pthread_mutex_unlock(&m->lock);
    for (int i = 0; i < REPORT_DIALECTS; i++)
        buf_release(&page[i]);
    write_file(m);
}

void metrics_show(struct metrics *m, const struct report_metrics *run, bool is_ready)
{
    if (!m)
        return;
    for (int i = 0; i < REPORT_DIALECTS; i++) {
        buf_clear(&m->run[i]);
        report_metrics(run, (enum report_dialect)i, &m->run[i]);
    }
    show_page(m, is_ready, run->view->phase);
}

bool metrics_tells_failure(const struct metrics *m)
{
    return m && m->phase == PHASE_FAILED;
}

void metrics_show_ready(struct metrics *m, bool is_ready)
{
    if (m && m->is_ready != is_ready)
        show_page(m, is_ready, m->phase);
}

void metrics_count_look(struct metrics *m, enum metrics_look result)
{
    if (!m)
        return;
    m->looks.unchanged += result == METRICS_UNCHANGED;
    m->looks.changed += result == METRICS_CHANGED;
    m->looks.failed += result == METRICS_FAILED;
    show_page(m, m->is_ready, m->phase);
}

bool metrics_wants_push(const struct metrics *m)
{
    return m && m->config.spec->metrics_push.len;
}

/* --- the Pushgateway --- */

enum { TURN_MS = 250 };

static int drop_body(void *owner, const void *data, size_t len, struct err *err)
{
    (void)owner, (void)data, (void)len, (void)err;
    return 0;
}

static const struct http_sink sink = {.on_body = drop_body};

static int judge(struct http_result *res, struct err *err)
{
    long status = res->reply.status;

    http_reply_release(&res->reply);
    if (res->is_error) {
        *err = res->err;
        return -1;
    }
    if (status >= 200 && status < 300)
        return 0;
    return err_set(err, ERR_BAD_ANSWER, "it answered %ld", status);
}

static int wait_for_answer(struct metrics *m, struct http *http, uint64_t limit_ms,
                           const _Atomic int *stop, struct err *err)
{
    uint64_t           until_ms = clock_now_ms(&m->config.clock) + limit_ms;
    struct http_result res;

    while (!http_next_result(http, &res)) {
        if (stop && atomic_load(stop))
            return err_set(err, ERR_TERMINATED, "stopped before it answered");
        if (clock_now_ms(&m->config.clock) >= until_ms)
            return err_set(err, ERR_UNREACHABLE, "no answer in %llu ms",
                           (unsigned long long)limit_ms);
        if (http_turn(http, -1, TURN_MS, err))
            return -1;
    }
    return judge(&res, err);
}

static int push(struct metrics *m, const struct http_config *config, uint64_t limit_ms,
                const _Atomic int *stop, struct err *err)
{
    struct http_request request = {
        .url = m->config.spec->metrics_push,
        .put = buf_view(&m->page[REPORT_PROMETHEUS]),
        .put_type = "text/plain; version=0.0.4; charset=utf-8",
        .total_timeout_ms = limit_ms,
        .sink = &sink,
    };
    struct http_config network = *config;
    struct http       *http;
    int                rc;

    network.hook = NULL; /* who stands in for the Hub is no Pushgateway */
    if (http_new(&network, &http, err))
        return -1;
    rc = http_start(http, &request, NULL, err);
    if (rc == 0)
        rc = wait_for_answer(m, http, limit_ms, stop, err);
    http_free(http);
    return rc;
}

void metrics_push(struct metrics *m, const struct http_config *http, uint64_t limit_ms,
                  const _Atomic int *stop)
{
    struct err err;

    if (push(m, http, limit_ms, stop, &err))
        warn(m, "the metrics were not pushed", m->config.spec->metrics_push, &err);
}
