/* hfinit_prune.c: what is wanted of a volume, by all that specs have left on it, and what of the rest
 * may go. */
#include "hfinit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "store.h"
#include "store_lease.h"
#include "store_prune.h"

/* A run takes a lease that was quiet for two minutes for a dead one's, and goes on beside it. */
enum { STATE_MAX = 16 * 1024 * 1024, RENEW_EVERY_MS = 5 * 1000, TOO_LATE_MS = 60 * 1000 };

struct prune {
    hfinit             *h;
    struct store       *store;
    struct store_lease *lease;
    uint64_t            renewed_at_ms;
    int64_t             renewed_at_wall_ms; /* the other clock does not count a suspended machine */
    struct arena        texts;              /* of the names */
    struct store_named *named;              /* owned */
    size_t              named_count;
    char                doubt[320];
    const char         *hands_off; /* of the document that is being read */
    struct {
        char status[160], who[260], instance[32];
    }               *worker; /* owned: who is at work, and whose status tells on what */
    size_t           worker_count;
    hfinit_prune_fn *visit;
    void            *user;
    uint64_t         freed_bytes;
};

static void doubt(struct prune *p, const char *name, const char *why)
{
    if (!p->doubt[0])
        snprintf(p->doubt, sizeof(p->doubt), "%s%s", name, why);
}

/* --- who is at work --- */

static void add_worker(const struct store_lease_holder *holder, void *user)
{
    struct prune *p = user;

    p->worker = mem_resize(p->worker, p->worker_count + 1, sizeof(*p->worker));
    snprintf(p->worker[p->worker_count].status, sizeof(p->worker[0].status), "%s", holder->status);
    snprintf(p->worker[p->worker_count].instance, sizeof(p->worker[0].instance), "%s",
             holder->instance);
    snprintf(p->worker[p->worker_count++].who, sizeof(p->worker[0].who), "%s",
             holder->pod[0]    ? holder->pod
             : holder->host[0] ? holder->host
                               : holder->instance);
}

static const char *worker_of(const struct prune *p, const char *name)
{
    for (size_t i = 0; i < p->worker_count; i++)
        if (strcmp(p->worker[i].status, name) == 0)
            return p->worker[i].who;
    return NULL;
}

/* --- what is named --- */

static void add_named(struct prune *p, bool is_cache, enum repo_type type, struct str id,
                      struct str path, struct str commit, const char *hands_off)
{
    struct buf          folder = {0};
    struct store_named *n;

    store_repo_folder_of(is_cache, type, id, path, &folder);
    p->named = mem_resize(p->named, p->named_count + 1, sizeof(*p->named));
    n = &p->named[p->named_count++];
    *n = (struct store_named){.is_cache = is_cache, .hands_off = hands_off};
    n->folder = arena_strdup(&p->texts, buf_view(&folder));
    snprintf(n->commit, sizeof(n->commit), "%.*s", STR_ARG(commit));
    buf_release(&folder);
}

static void visit_place(const struct report_place *place, void *user)
{
    struct prune  *p = user;
    const char    *hands_off = p->hands_off;
    enum repo_type type = REPO_MODEL;

    repo_type_parse(place->type, &type);
    if (!hands_off && place->commit.len == 0)
        hands_off = "a spec names it, and has not said at which commit";
    add_named(p, place->is_cache, type, place->id, place->path, place->commit, hands_off);
}

static bool has_state(struct prune *p, struct str name, const char *suffix)
{
    struct buf file = {0}, text = {0};
    struct err ignored;
    bool       has;

    buf_printf(&file, "%.*s%s", STR_ARG(name), suffix);
    has = store_read_state(p->store, buf_cstr(&file), STATE_MAX, &text, &ignored) != 0;
    buf_release(&text);
    buf_release(&file);
    return has;
}

/* Of the spec that a status, perhaps of a shard, tells of. */
static bool has_marker(struct prune *p, struct str status_name)
{
    ptrdiff_t shard = str_find(status_name, STR(".shard-"), 0);
    size_t    len = shard > 0 ? (size_t)shard : status_name.len - strlen(".status.json");

    return has_state(p, str_sub(status_name, 0, len), ".complete.json");
}

struct sought {
    struct str name;
    bool       found;
};

static int visit_shard(const char *file, void *user, struct err *err)
{
    struct sought *sought = user;

    (void)err;
    sought->found |= snapshot_is_status_of_shard(str_from(file), sought->name);
    return 0;
}

static bool has_shard(struct prune *p, struct str name)
{
    struct sought sought = {.name = name};
    struct err    ignored;

    return store_list_state(p->store, visit_shard, &sought, &ignored) == 0 && sought.found;
}

/* NAME.env outlives marker and status, which a volume that is full may have lost both. */
static void doubt_lost(struct prune *p, struct str file)
{
    struct str name = str_sub(file, 0, file.len - strlen(".env"));

    if (has_state(p, name, ".status.json") || has_state(p, name, ".complete.json") ||
        has_shard(p, name))
        return;
    doubt(p, arena_strdup(&p->texts, name),
          " has lost its marker and its status, so what it asks for is not known");
}

/* What the status of a run that ended well says stands in the marker, if there is one, and that may be
 * of a later day. */
static int visit_state(const char *name, void *user, struct err *err)
{
    struct prune    *p = user;
    struct str       file = str_from(name);
    bool             is_status = str_has_suffix(file, STR(".status.json"));
    struct buf       text = {0};
    enum report_kind kind;
    struct err       why;
    const char      *who;

    (void)err;
    if (str_has_suffix(file, STR(".env")))
        doubt_lost(p, file);
    if (!is_status && !str_has_suffix(file, STR(".complete.json")))
        return 0;
    who = is_status ? worker_of(p, name) : NULL;
    p->hands_off = NULL;
    if (store_read_state(p->store, name, STATE_MAX, &text, &why) != 1 ||
        report_read_places(buf_view(&text), &kind, NULL, NULL, &why)) {
        doubt(p, name, " cannot be read, so what it asks for is not known");
    } else {
        if (who)
            p->hands_off = arena_printf(&p->texts, "%s is at work on it", who);
        else if (kind == REPORT_STATUS_OTHER)
            p->hands_off = arena_printf(&p->texts, "the run of %.*s has not finished",
                                        (int)(file.len - strlen(".status.json")), name);
        if (kind != REPORT_STATUS_COMPLETE || who || !has_marker(p, file))
            (void)report_read_places(buf_view(&text), &kind, visit_place, p, &why);
    }
    buf_release(&text);
    return 0;
}

static bool has_place(const struct prune *p, const struct store_named *place)
{
    for (size_t i = 0; i + 1 < p->named_count; i++)
        if (p->named[i].is_cache == place->is_cache &&
            strcmp(p->named[i].folder, place->folder) == 0)
            return true;
    return false;
}

/* The spec that was given may be one that has never run here. */
static void name_given_spec(struct prune *p)
{
    const struct spec *spec = &p->h->spec;

    for (size_t i = 0; i < spec->repo_count; i++) {
        const struct spec_repo *repo = &spec->repo[i];

        add_named(p, spec->layout == SPEC_LAYOUT_CACHE, repo->type, repo->id, repo->path, STR(""),
                  "the spec that was given names it, and no run of it has finished here");
        if (has_place(p, &p->named[p->named_count - 1]))
            p->named_count--;
    }
}

/* Specs of one name share a status: it must be that worker's own. */
static bool is_accounted_for(const struct prune *p, const char *status, const char *instance)
{
    struct buf text = {0};
    struct err ignored;
    bool       is = status[0] && !strchr(status, '/') &&
              store_read_state(p->store, status, STATE_MAX, &text, &ignored) == 1 &&
              report_status_is_by(buf_view(&text), instance);

    buf_release(&text);
    return is;
}

/* Who lives first, then what they say: whoever comes later sees our lease and waits. */
static int gather(struct prune *p, struct err *err)
{
    if (store_lease_each(p->store, add_worker, p, err) ||
        store_list_state(p->store, visit_state, p, err))
        return -1;
    for (size_t i = 0; i < p->worker_count; i++)
        if (!is_accounted_for(p, p->worker[i].status, p->worker[i].instance))
            doubt(p, p->worker[i].who, " is at work and does not say on what");
    if (p->named_count == 0)
        doubt(p, "no spec", " has left a marker or a status here, so what is wanted is not known");
    name_given_spec(p);
    return 0;
}

/* --- the prune --- */

static void note_renewal(struct prune *p)
{
    p->renewed_at_ms = clock_now_ms(&p->h->clock);
    p->renewed_at_wall_ms = clock_wall_ms(&p->h->clock);
}

static int tick(void *user, struct err *err)
{
    struct prune *p = user;
    uint64_t      now_ms = clock_now_ms(&p->h->clock);
    int           kind = atomic_load(&p->h->stop);

    if (kind)
        return err_set(err, (enum err_kind)kind,
                       "stopped by %s; the rest stays until the next prune",
                       kind == ERR_INTERRUPTED ? "SIGINT" : "SIGTERM");
    if (!p->lease || now_ms - p->renewed_at_ms < RENEW_EVERY_MS)
        return 0;
    if (now_ms - p->renewed_at_ms > TOO_LATE_MS ||
        clock_wall_ms(&p->h->clock) - p->renewed_at_wall_ms > TOO_LATE_MS)
        return err_set(err, ERR_LOCKED,
                       "the prune stood still for a minute, and others may be at work by now; "
                       "the rest stays until the next one");
    note_renewal(p);
    return store_lease_renew(p->lease, err);
}

static void told(const struct store_pruned *what, void *user)
{
    struct prune *p = user;

    if (!what->kept_because)
        p->freed_bytes += what->bytes;
    if (!p->visit)
        return;
    p->visit(&(hfinit_pruned){what->kind, what->name, what->bytes, what->files,
                              what->kept_because ? what->kept_because : ""},
             p->user);
}

static int take_lease(struct prune *p, struct err *err)
{
    struct store_lease_holder holder;
    int                       rc;

    note_renewal(p);
    rc = store_lease_try(p->store, STR(STORE_PRUNE_KEY), "", &p->lease, &holder, err);
    if (rc == 0)
        err_set(err, ERR_LOCKED, "%s is pruning this volume already",
                holder.pod[0] ? holder.pod : holder.host);
    return rc == 1 ? 0 : -1;
}

/* A folder that is not there, or that hf-init has never seen, is not made into one. 1 go on, 0 nothing to
 * do, -1. */
static int open_volume(struct prune *p, bool dry_run, struct err *err)
{
    struct store_options options = {.read_only = true,
                                    .file_mode = p->h->spec.file_mode,
                                    .dir_mode = p->h->spec.dir_mode,
                                    .clock = p->h->clock,
                                    .log = &p->h->log};
    struct stat          st;
    int                  rc;

    options.target = arena_strdup(&p->texts, p->h->spec.target);
    if (store_new(&options, &p->store, err))
        return -1;
    if (store_target_fd(p->store) < 0)
        return err_sys(err, ENOENT, "open %s", options.target);
    if (p->h->on_volume)
        p->h->on_volume(store_target_fd(p->store), p->h->on_volume_user);
    rc = fs_exists_at(store_target_fd(p->store), ".hf-init", &st, err);
    if (rc != 1)
        return rc;
    if (dry_run)
        return 1;
    store_free(p->store);
    p->store = NULL;
    options.read_only = false;
    return store_new(&options, &p->store, err) ? -1 : 1;
}

static int prune(struct prune *p, bool dry_run, struct err *err)
{
    struct store_prune_options options = {
        .dry_run = dry_run, .tick = tick, .told = told, .user = p};
    int rc = open_volume(p, dry_run, err);

    if (rc <= 0)
        return rc;
    if ((!dry_run && take_lease(p, err)) || gather(p, err))
        return -1;
    options.named = p->named;
    options.named_count = p->named_count;
    options.doubt = p->doubt[0] ? p->doubt : NULL;
    return store_prune(p->store, &options, err);
}

int hfinit_prune(hfinit *h, bool dry_run, hfinit_prune_fn *visit, void *user, uint64_t *freed_bytes,
                 hfinit_error *error)
{
    struct prune p = {.h = h, .visit = visit, .user = user};
    struct err   err;
    int          rc;

    if (!h->loaded)
        rc = err_set(&err, ERR_INTERNAL, "no spec was loaded");
    else
        rc = prune(&p, dry_run, &err);
    if (freed_bytes)
        *freed_bytes = p.freed_bytes;
    store_lease_release(p.lease);
    store_free(p.store);
    free(p.worker);
    free(p.named);
    arena_release(&p.texts);
    return rc ? hfinit_give_error(h, &err, error) : 0;
}
