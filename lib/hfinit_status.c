/* hfinit_status.c: how far a run is, by what it has left on the volume. */
#include "hfinit_internal.h"

#include <stdio.h>

#include "json.h"

enum { STATE_MAX = 16 * 1024 * 1024 };

int hfinit_open_store(hfinit *h, struct store **store, struct err *err)
{
    const struct arena_mark mark = arena_mark(&h->arena);
    struct store_options    options = {.read_only = true, .clock = h->clock, .log = &h->log};
    int                     rc;

    options.target = arena_strdup(&h->arena, h->spec.target); /* which the store copies */
    rc = store_new(&options, store, err);
    arena_rewind(&h->arena, mark);
    return rc;
}

int hfinit_read_state(hfinit *h, struct store *store, const char *what, struct buf *out,
                      struct err *err)
{
    struct buf name = {0};
    int        rc;

    buf_printf(&name, "%.*s.%s.json", STR_ARG(h->spec.name), what);
    rc = store_read_state(store, buf_cstr(&name), STATE_MAX, out, err);
    buf_release(&name);
    return rc;
}

/* --- whose status --- */

/* What a shard's status is worth telling, least first. */
enum standing { IS_DONE, HAS_STOPPED, IS_AT_WORK, HAS_FAILED };

struct shards {
    hfinit             *h;
    struct store       *store;
    struct str          before; /* lent */
    struct hfinit_told *told;
    struct buf          best, newest; /* newest: the last sign of life of them all */
    enum standing       standing;
    uint64_t            percent;
};

/* A status of another spec of the same name says nothing about this one. */
static bool is_foreign(const hfinit *h, struct str json)
{
    struct json *doc;
    struct err   ignored;
    struct str   digest;
    bool         is;

    if (h->spec.repo_count == 0 || json.len == 0 || json_parse(json, &doc, &ignored))
        return false;
    is =
        json_str(json_get(doc, "specDigest"), &digest) && !str_eq(digest, str_from(h->spec.digest));
    json_free(doc);
    return is;
}

static enum standing standing_of(struct str json, struct str before)
{
    int code = report_status_exit_code(json);

    if (code == 0)
        return IS_DONE;
    if (code == REPORT_NOT_YET)
        return IS_AT_WORK;
    return code == err_exit_code(ERR_TERMINATED) || code == err_exit_code(ERR_INTERRUPTED) ||
                   str_find(before, json, 0) >= 0
               ? HAS_STOPPED
               : HAS_FAILED;
}

static struct str heartbeat_of(const struct json *doc)
{
    struct str text = STR("");

    json_str(json_get(doc, "heartbeat"), &text);
    return text;
}

static void consider(struct shards *s, struct str json)
{
    struct json  *doc = NULL;
    struct err    ignored;
    enum standing standing = standing_of(json, s->before);
    uint64_t      percent = 0;

    if (is_foreign(s->h, json) || json_parse(json, &doc, &ignored))
        return;
    json_u64(json_get(json_get(doc, "totals"), "percent"), &percent);
    if (str_cmp(heartbeat_of(doc), buf_view(&s->newest)) > 0) { /* RFC 3339 sorts by time */
        buf_clear(&s->newest);
        buf_add_str(&s->newest, heartbeat_of(doc));
    }
    if (s->told->shards++ == 0 || standing > s->standing ||
        (standing == s->standing && percent < s->percent)) {
        s->standing = standing;
        s->percent = percent;
        buf_clear(&s->best);
        buf_add_str(&s->best, json);
    }
    buf_add_str(&s->told->all, json);
    json_free(doc);
}

static int visit_state(const char *name, void *user, struct err *err)
{
    struct shards *s = user;
    struct buf     text = {0};
    struct err     ignored;

    (void)err;
    if (snapshot_is_status_of_shard(str_from(name), s->h->spec.name) &&
        store_read_state(s->store, name, STATE_MAX, &text, &ignored) == 1)
        consider(s, buf_view(&text));
    buf_release(&text);
    return 0;
}

/* Did a run of all of it give a sign of life after the shards did? */
static bool is_newer(struct str json, struct str than)
{
    struct json *doc = NULL;
    struct err   ignored;
    bool         is = json_parse(json, &doc, &ignored) == 0 && str_cmp(heartbeat_of(doc), than) > 0;

    json_free(doc);
    return is;
}

int hfinit_read_told(hfinit *h, struct store *store, struct str before, struct hfinit_told *told,
                     struct err *err)
{
    struct shards s = {.h = h, .store = store, .before = before, .told = told};
    struct err    ignored;

    buf_clear(&told->text);
    buf_clear(&told->all);
    told->shards = 0;
    if (hfinit_read_state(h, store, "status", &told->text, err) < 0)
        return -1;
    if (is_foreign(h, buf_view(&told->text)))
        buf_clear(&told->text);
    buf_add_str(&told->all, buf_view(&told->text));
    (void)store_list_state(store, visit_state, &s, &ignored);
    if (is_newer(buf_view(&told->text), buf_view(&s.newest))) {
        told->shards = 0;
    } else if (told->shards) {
        buf_clear(&told->text);
        buf_add_str(&told->text, buf_view(&s.best));
    }
    buf_release(&s.best);
    buf_release(&s.newest);
    return 0;
}

void hfinit_told_release(struct hfinit_told *told)
{
    buf_release(&told->text);
    buf_release(&told->all);
}

/* --- what is told of it --- */

static bool is_shard(const hfinit *h)
{
    return h->spec.shard_count > 1 && !h->spec.shard_unknown;
}

/* Whoever is a shard asks for its own share. */
static int read_own(hfinit *h, struct store *store, struct hfinit_told *told, struct err *err)
{
    struct buf what = {0};
    int        rc;

    buf_printf(&what, "shard-%u.status", h->spec.shard_index);
    rc = hfinit_read_state(h, store, buf_cstr(&what), &told->text, err);
    if (is_foreign(h, buf_view(&told->text)))
        buf_clear(&told->text);
    buf_release(&what);
    return rc < 0 ? -1 : 0;
}

/* All is there if the marker says so, and if it is gone nothing is: another spec may have other files there
 * since. A failure of a run is its own matter; and a share alone has no marker. */
static void heed_marker(hfinit *h, struct hfinit_told *told, bool is_told, hfinit_error *result)
{
    bool is_complete = result->exit_code == 0, has_marker;

    if (is_complete ? is_shard(h) : is_told && !told->shards)
        return;
    has_marker = hfinit_has_marker(h);
    if (has_marker && !is_complete) {
        buf_clear(&told->text); /* it is of a day before or after */
        result->exit_code = 0;
        snprintf(result->message, sizeof(result->message), "complete: the marker is there");
    } else if (!has_marker && is_complete) {
        result->exit_code = REPORT_NOT_YET;
        snprintf(result->message, sizeof(result->message), "%s",
                 told->shards ? "the shares that are done are not all there is: no marker yet"
                              : "its marker is gone: the volume has changed since");
    }
}

static void judge(hfinit *h, struct hfinit_told *told, struct buf *rendered, hfinit_error *result)
{
    struct err err;
    bool       is_told = told->text.len > 0;

    *result = (hfinit_error){.exit_code = REPORT_NOT_YET, .reason = "None"};
    if (is_told &&
        report_status_text(buf_view(&told->text), clock_wall_ms(&h->clock), rendered, &err)) {
        hfinit_copy_line(result->message, sizeof(result->message), str_from(err.text));
        is_told = false;
    }
    if (is_told)
        result->exit_code = report_status_exit_code(buf_view(&told->text));
    heed_marker(h, told, is_told, result);
    if (told->text.len == 0)
        buf_clear(rendered);
    if (told->shards > 1 && told->text.len && !result->message[0])
        snprintf(result->message, sizeof(result->message),
                 "shown is one of %zu shards: one that failed, else the least far", told->shards);
}

static int read_status_as(hfinit *h, char **text, bool for_people, hfinit_error *error)
{
    struct hfinit_told told = {0};
    struct buf         rendered = {0};
    struct store      *store = NULL;
    hfinit_error       result;
    struct err         err;
    int                rc = hfinit_open_store(h, &store, &err);

    if (rc == 0)
        rc = is_shard(h) ? read_own(h, store, &told, &err)
                         : hfinit_read_told(h, store, STR(""), &told, &err);
    store_free(store);
    if (rc == 0) {
        judge(h, &told, &rendered, &result);
        if (error)
            *error = result;
        *text = buf_take(for_people ? &rendered : &told.text);
    }
    hfinit_told_release(&told);
    buf_release(&rendered);
    return rc ? hfinit_give_error(h, &err, error) : 0;
}

int hfinit_read_status(hfinit *h, char **json, hfinit_error *error)
{
    return read_status_as(h, json, false, error);
}

int hfinit_status_text(hfinit *h, char **text, hfinit_error *error)
{
    return read_status_as(h, text, true, error);
}
