/* snapshot.c: the story of a run. Each chapter is one function; snapshot_internal.h says where
 * their details live. */
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "snapshot_internal.h"

int snapshot_new(const struct snapshot_config *config, struct snapshot **out, struct err *err)
{
    struct snapshot *s = mem_alloc(sizeof(*s));

    (void)err;
    s->config = *config;
    s->spec = config->spec;
    s->started_at_ms = s->heartbeat_at_ms = s->lease_at_ms = clock_now_ms(&config->clock);
    s->is_quiet = config->is_look;
    s->progress = progress_new(s->spec->repo_count, &config->clock);
    s->repo = mem_alloc(s->spec->repo_count * sizeof(*s->repo));
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        s->repo[i].listing.repo = &s->spec->repo[i];
        s->repo[i].listing.index = i;
    }
    plan_init(&s->plan, s->spec);
    snapshot_init_report(s);
    *out = s;
    return 0;
}

void snapshot_rest(struct snapshot *s)
{
    snapshot_drop_leases(s);
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        if (s->repo[i].store)
            store_repo_close(s->repo[i].store);
        s->repo[i].store = NULL;
        hub_listing_release(&s->repo[i].listing.files);
    }
    fetch_free(s->fetch);
    s->fetch = NULL;
    store_free(s->store);
    s->store = NULL;
    s->report.instance = NULL;
    tls_free(s->tls);
    s->tls = NULL;
    if (s->http_ready)
        http_global_release();
    s->http_ready = false;
    plan_release(&s->plan);
}

bool snapshot_is_quiet(const struct snapshot *s)
{
    return s->is_quiet;
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    snapshot_rest(s);
    progress_view_release(&s->view);
    progress_free(s->progress);
    arena_release(&s->arena);
    free(s->report_repo);
    free(s->repo);
    free(s);
}

/* --- opening the volume --- */

static int open_store(struct snapshot *s, bool read_only, struct err *err)
{
    struct cgroup_memory memory;
    struct store_options options = {
        .target = s->report.target,
        .file_mode = s->spec->file_mode,
        .dir_mode = s->spec->dir_mode,
        .drop_cache = s->spec->page_cache == SPEC_CACHE_DROP,
        .disable_symlinks = s->spec->disable_symlinks,
        .read_only = read_only,
        .rehash = s->config.rehash,
        .clock = s->config.clock,
        .log = s->config.log,
        .tick = snapshot_tick,
        .tick_user = s,
    };

    cgroup_memory("", &memory);
    options.memory_bytes = memory.limit_bytes == UINT64_MAX ? 0 : memory.limit_bytes;
    return store_new(&options, &s->store, err);
}

/* A volume mounted read-only is fine as long as everything is there. */
static int open_volume(struct snapshot *s, struct err *err)
{
    struct err ignored;

    if (open_store(s, s->config.read_only, err) == 0)
        return 0;
    if (err->kind != ERR_READ_ONLY && err->kind != ERR_PERMISSION)
        return -1;
    s->read_only_err = *err;
    s->volume_is_read_only = true;
    return open_store(s, true, &ignored) ? -1 : 0;
}

int snapshot_enter_volume(struct snapshot *s, struct err *err)
{
    if (open_volume(s, err))
        return -1;
    if (s->config.on_volume)
        s->config.on_volume(store_target_fd(s->store), s->config.on_volume_user);
    return 0;
}

/* --- the short way: everything is there --- */

static bool marker_has(const struct snapshot *s, size_t i)
{
    return s->report_repo[i].commit[0] &&
           strcmp(s->report_repo[i].commit, s->repo[i].listing.commit) == 0;
}

/* Does the volume hold, for repo i, what the marker says? Takes the listing an earlier run left;
 * that it is the right one shows in the digest of the list. */
static int matches_marker(struct snapshot *s, size_t i, struct err *err)
{
    const struct hub_listing *files = &s->repo[i].listing.files;
    char                      want[65];
    int                       rc;

    memcpy(want, s->report_repo[i].list_digest, sizeof(want));
    if (!marker_has(s, i))
        return 0;
    if (!s->repo[i].listed) {
        rc = snapshot_list_from_volume(s, i, err);
        if (rc <= 0)
            return rc;
    }
    if (s->plan.repo[i].count == 0 && plan_add_repo(&s->plan, i, files->entry, files->count, err))
        return 0;
    if (strcmp(want, s->plan.repo[i].list_digest) != 0)
        return 0;
    rc = snapshot_is_complete(s, i, err);
    return rc > 0 ? store_repo_is_finished(s->repo[i].store, err) : rc;
}

static void count_as_present(struct snapshot *s)
{
    progress_replan(s->progress);
    for (size_t k = 0; k < s->plan.file_count; k++)
        progress_plan_file(s->progress, s->plan.file[k].repo, s->plan.file[k].size_bytes, 0, true);
    for (size_t i = 0; i < s->spec->repo_count; i++)
        progress_repo_complete(s->progress, i, s->repo[i].from_existing);
}

/* Throws away what the short way learnt from the volume; only commits are kept. */
static void forget_listings(struct snapshot *s)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        if (!s->repo[i].from_existing) {
            hub_listing_release(&s->repo[i].listing.files);
            s->repo[i].listed = false;
        }
    }
    plan_release(&s->plan);
    plan_init(&s->plan, s->spec);
}

/* 1: the marker is of this spec, the commits are still the same, every file is there. */
static int is_complete_already(struct snapshot *s, struct err *err)
{
    int rc = snapshot_read_marker(s, err);

    if (rc <= 0) /* a marker that cannot be read is none; it will be taken away */
        return 0;
    progress_enter(s->progress, PHASE_RESOLVING);
    if (snapshot_resolve(s, false, err))
        return -1;
    for (size_t i = 0; rc > 0 && i < s->spec->repo_count; i++)
        rc = s->repo[i].failed ? 0 : matches_marker(s, i, err);
    if (snapshot_has_ended(s, err))
        return -1;
    if (rc < 0)
        rc = 0; /* a volume that cannot be looked at does not match; the long way says why */
    if (rc > 0)
        count_as_present(s);
    else
        forget_listings(s);
    return rc;
}

/* --- the long way --- */

int snapshot_resolve_and_plan(struct snapshot *s, struct err *err)
{
    progress_enter(s->progress, PHASE_RESOLVING);
    if (snapshot_resolve(s, true, err))
        return -1;
    progress_enter(s->progress, PHASE_PLANNING);
    if (snapshot_make_plan(s, err) || snapshot_look(s, err))
        return -1;
    plan_take_shard(&s->plan, s->spec->shard_index, s->spec->shard_count);
    return 0;
}

void snapshot_count_plan(struct snapshot *s)
{
    progress_replan(s->progress);
    for (size_t k = 0; k < s->plan.file_count; k++) {
        const struct plan_file *f = &s->plan.file[k];

        if (f->is_mine && !s->repo[f->repo].failed)
            progress_plan_file(s->progress, f->repo, f->size_bytes,
                               f->state == PLAN_UNKNOWN ? 0 : f->have_bytes, /* not proven yet */
                               f->state == PLAN_PRESENT);
    }
}

static int fetch_missing(struct snapshot *s, struct err *err)
{
    struct fetch_place *place = arena_alloc(&s->arena, s->spec->repo_count * sizeof(*place));
    size_t              count = 0;
    int                 rc;

    for (size_t i = 0; i < s->spec->repo_count; i++) {
        if (s->repo[i].failed || s->plan.repo[i].count == 0)
            continue;
        place[count++] = (struct fetch_place){
            .repo = &s->spec->repo[i],
            .index = i,
            .commit = s->repo[i].listing.commit,
            .endpoint = s->repo[i].listing.endpoint,
            .store = s->repo[i].store,
        };
    }
    progress_enter(s->progress, PHASE_DOWNLOADING);
    rc = fetch_files(s->fetch, &s->plan, place, count, err);
    for (size_t k = 0; k < count; k++) {
        if (!place[k].failed)
            continue;
        snapshot_explain_full(s, &place[k].err);
        snapshot_repo_fails(s, place[k].index, &place[k].err);
    }
    return rc;
}

static bool is_missing(const struct snapshot *s, const struct plan_file *f)
{
    return f->is_mine && f->state != PLAN_PRESENT && !s->repo[f->repo].failed;
}

/* Is anything to be fetched? A repo whose listing came from the volume because the Hub was out of
 * reach, or because the run is offline, cannot be completed now. */
bool snapshot_has_work(struct snapshot *s)
{
    size_t missing = 0;

    for (size_t k = 0; k < s->plan.file_count; k++) {
        const struct plan_file *f = &s->plan.file[k];
        struct err              why;

        if (!is_missing(s, f))
            continue;
        if (!s->spec->offline && !s->repo[f->repo].from_existing) {
            missing++;
            continue;
        }
        if (s->spec->offline)
            err_set(&why, ERR_OFFLINE, "offline, and %.*s is not on the volume", STR_ARG(f->path));
        else
            why = s->repo[f->repo].err;
        snapshot_repo_fails(s, f->repo, &why);
    }
    return missing > 0;
}

static void tree_entry(const void *user, size_t k, struct store_tree_entry *out)
{
    const struct hub_entry *e = &((const struct hub_listing *)user)->entry[k];

    *out = (struct store_tree_entry){
        .path = e->path,
        .size_bytes = e->size_bytes,
        .oid = e->oid,
        .is_lfs = e->is_lfs,
        .digest = e->digest,
        .xet_hash = e->xet_hash,
    };
}

/* Python takes every file of trees/COMMIT.json that an offline reader asks for and the volume lacks
 * for missing, so after a selection the listing helps only readers of the bare commit, who do not
 * get in without one. A masked listing it would throw away. */
static bool is_for_python(const struct snapshot *s, size_t i)
{
    const struct plan_repo   *repo = &s->plan.repo[i];
    const struct hub_listing *files = &s->repo[i].listing.files;

    for (size_t k = 0; k < files->count; k++)
        if (files->entry[k].xet_masked)
            return false;
    return repo->count == repo->listed || repo_is_commit(repo->spec->revision);
}

static int finish_repo(struct snapshot *s, size_t i, struct err *err)
{
    const struct hub_listing *files = &s->repo[i].listing.files;
    struct store_tree         tree = {files->count, tree_entry, files, is_for_python(s, i)};
    int                       rc = store_repo_finish(s->repo[i].store, &tree, err);

    if (rc == 0)
        progress_repo_complete(s->progress, i, s->repo[i].from_existing);
    return rc;
}

/* Our share is there; is everybody's? What the others published is read anew; who hashes all that he
 * has leaves theirs to them. 1, 0, -1. */
static int all_shares_are_there(struct snapshot *s, size_t i, struct err *err)
{
    if (s->spec->shard_count <= 1)
        return 1;
    store_end_rehash(s->store);
    if (store_repo_sync(s->repo[i].store, err))
        return -1;
    store_repo_close(s->repo[i].store);
    s->repo[i].store = NULL;
    return snapshot_all_is_there(s, i, err);
}

/* With shards, the one who finds everything there has the last word. He does not wait for what is optional
 * and comes from nobody any more. 1 all there, 0, -1. */
static int finish_repos(struct snapshot *s, struct err *err)
{
    size_t count = s->spec->repo_count;
    int    all = 1;

    for (size_t k = 0; k < 2 * count; k++) { /* what is optional comes after the rest */
        size_t     i = k % count;
        struct err why;
        int        there;

        if (s->repo[i].failed || s->spec->repo[i].optional != (k >= count))
            continue;
        there = all_shares_are_there(s, i, &why);
        if (there == 0 && all && k >= count && !snapshot_has_peer(s, i) &&
            (there = all_shares_are_there(s, i, &why)) == 0) /* the last may have ended just now */
            there = err_set(&why, ERR_OFFLINE,
                            "a part of it is for another shard to fetch, and none is at work");
        if (there < 0 || (there && finish_repo(s, i, &why))) {
            if (snapshot_has_ended(s, err))
                return -1;
            snapshot_repo_fails(s, i, &why);
        }
        all &= there != 0;
    }
    return snapshot_failure(s, err) ? -1 : all;
}

/* The Hub said nothing, or no: is what the marker says still true of the volume? Yes, if the run is
 * over before that is known: it was not this run that made it untrue. */
static bool marker_holds(struct snapshot *s)
{
    struct err ignored;

    if (snapshot_read_marker(s, &ignored) <= 0)
        return false;
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        char *commit = s->repo[i].listing.commit;

        if (s->report_repo[i].commit[0] == '\0')
            continue; /* an optional one, which it does not promise */
        if (commit[0] == '\0')
            memcpy(commit, s->report_repo[i].commit, sizeof(s->report_repo[i].commit));
        if (matches_marker(s, i, &ignored) <= 0)
            return snapshot_has_ended(s, &ignored);
    }
    return true;
}

/* A run that ends before it has touched anything leaves the marker of a volume that is whole. */
static int resolve_and_judge(struct snapshot *s, struct err *err)
{
    struct err ignored;

    if (snapshot_resolve_and_plan(s, err) == 0 && !snapshot_failure(s, err)) {
        /* A repair: what is wrong shows when all of it is hashed. */
        if (!s->config.stay_at_marker && snapshot_remove_marker(s, err))
            return -1;
        return snapshot_remove_false_markers(s, err);
    }
    if (!s->config.rehash && !marker_holds(s))
        snapshot_remove_marker(s, &ignored);
    return -1;
}

static bool lacks_something(const struct snapshot *s)
{
    for (size_t k = 0; k < s->plan.file_count; k++)
        if (s->plan.file[k].is_mine && s->plan.file[k].state != PLAN_PRESENT)
            return true;
    return false;
}

/* A volume that takes not even a lease, full perhaps: whoever finds it damaged takes the marker away,
 * which needs no space. It may be whole, by the one who was waited for; a repair has not looked yet.
 * Whoever has the lease judges for himself. */
static int give_up_lease(struct snapshot *s, struct err *err)
{
    struct err ignored;

    if (err->kind == ERR_LOCKED || err->kind == ERR_TERMINATED || err->kind == ERR_INTERRUPTED ||
        err->kind == ERR_DEADLINE)
        return -1;
    if (!s->config.rehash && !marker_holds(s))
        snapshot_remove_marker(s, &ignored);
    if (err->kind == ERR_READ_ONLY || err->kind == ERR_PERMISSION)
        err_wrap(err, "%s cannot be written", s->report.target);
    return -1;
}

static bool has_network_volume(struct snapshot *s)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct fs_space space;
        struct err      ignored;

        if (s->repo[i].store && store_repo_space(s->repo[i].store, &space, &ignored) == 0 &&
            space.is_network)
            return true;
    }
    return false;
}

/* What is cached is charged to the init container, and lost to the server if it does not fit; pages
 * of a network volume may be gone with the mount. */
static bool drops_cache(struct snapshot *s)
{
    struct cgroup_memory memory;
    uint64_t             bytes = 0;
    bool                 network = has_network_volume(s), drop;

    cgroup_memory("", &memory);
    for (size_t k = 0; k < s->plan.file_count; k++)
        if (is_missing(s, &s->plan.file[k]))
            bytes += s->plan.file[k].size_bytes;
    drop = network || bytes > memory.left_bytes / 2;
    log_write(s->config.log, LOG_DEBUG, "page cache", LOG_CSTR("policy", drop ? "drop" : "keep"),
              LOG_NUM("bytes", bytes), LOG_NUM("left_bytes", memory.left_bytes),
              LOG_NUM("limit_bytes", memory.limit_bytes),
              LOG_CSTR("volume", network ? "network" : "local"));
    return drop;
}

/* What was opened before the leases may not be what is there now: others fetched, or pruned. */
static void close_repos(struct snapshot *s)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        store_repo_close(s->repo[i].store);
        s->repo[i].store = NULL;
    }
    store_look_anew(s->store);
}

static int make_it_match(struct snapshot *s, struct err *err)
{
    int waited, all;

    if (s->volume_is_read_only) {
        *err = s->read_only_err;
        return -1;
    }
    waited = snapshot_take_leases(s, err);
    if (waited < 0)
        return give_up_lease(s, err);
    close_repos(s);
    if (waited) {
        int rc;

        snapshot_forget_commits(s);
        rc = s->config.rehash ? snapshot_take_commits_of_marker(s, err)
                              : is_complete_already(s, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
    }
    s->status_is_theirs = false; /* now it is we who fetch */
    if (resolve_and_judge(s, err) || snapshot_check_twins(s, err))
        return -1;
    if (s->spec->page_cache == SPEC_CACHE_AUTO)
        store_set_drop_cache(s->store, drops_cache(s));
    if (snapshot_adopt(s, err))
        return -1;
    if (s->config.stay_at_marker && lacks_something(s) && snapshot_remove_marker(s, err))
        return -1;
    plan_find_same(&s->plan);
    snapshot_count_plan(s);
    snapshot_sweep(s, false);
    if (snapshot_check_space(s, err))
        return -1;
    if (snapshot_has_work(s) && (snapshot_connect(s, err) || fetch_missing(s, err)))
        return -1;
    if (snapshot_failure(s, err))
        return -1;
    progress_enter(s->progress, PHASE_VERIFYING);
    /* Who was stopped so long that another took over must not speak for the volume any more. */
    if (snapshot_renew_leases(s, err))
        return -1;
    all = finish_repos(s, err);
    if (all < 0)
        return -1;
    if (!all) /* a repair has left it until here */
        return s->config.stay_at_marker ? snapshot_remove_marker(s, err) : 0;
    return snapshot_write_marker(s, err);
}

/* --- from start to end --- */

/* Who was stopped for minutes finds its partials in other hands; the lease tells why. */
static void blame_lost_lease(struct snapshot *s, struct err *err)
{
    struct err lost;

    if ((err->kind == ERR_IO || err->kind == ERR_LOCKED) && snapshot_renew_leases(s, &lost))
        *err = lost;
}

static int run(struct snapshot *s, struct err *err)
{
    int rc;

    snapshot_log_start(s);
    if (snapshot_enter_volume(s, err))
        return -1;
    snapshot_fill_report(s);
    snapshot_learn_whose_status(s);
    snapshot_write_status(s, NULL);
    metrics_start(s->config.metrics); /* confined by now, for it faces strangers */
    if (!s->config.is_look && snapshot_wait_jitter(s, err))
        return -1;
    rc = s->config.rehash ? snapshot_take_commits_of_marker(s, err) : is_complete_already(s, err);
    if (rc == 0)
        rc = make_it_match(s, err);
    else if (rc > 0)
        snapshot_sweep(s, true);
    if (rc < 0) {
        blame_lost_lease(s, err);
        snapshot_explain_full(s, err);
    }
    return rc < 0 ? -1 : 0;
}

int snapshot_run(struct snapshot *s, struct err *err)
{
    int rc = run(s, err);

    if (rc == 0)
        progress_enter(s->progress, PHASE_COMPLETE);
    else if (err->kind == ERR_TERMINATED || err->kind == ERR_INTERRUPTED)
        progress_enter(s->progress, PHASE_CANCELLED);
    else
        progress_enter(s->progress, PHASE_FAILED);
    if (s->store)
        snapshot_fill_report(s);
    if (rc == 0 && metrics_tells_failure(s->config.metrics))
        s->is_quiet = false; /* a look that found what others have mended has something to say */
    snapshot_write_status(s, rc ? err : NULL);
    snapshot_tell_progress(s);
    snapshot_drop_leases(s);
    snapshot_push_metrics(s);
    return rc;
}
