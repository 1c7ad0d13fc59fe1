/* snapshot_resolve.c: which commit is each repo at, and which files does it have?
 *
 * The Hub is asked; if it is out of reach and the spec allows it, or if the run is offline, what an
 * earlier run left on the volume answers instead. Either way a run holds one commit per repo. */
#include <stdio.h>
#include <string.h>

#include "snapshot_internal.h"

static struct store_repo_options options_of(const struct snapshot *s, size_t i)
{
    const struct spec_repo   *repo = &s->spec->repo[i];
    struct store_repo_options options = {
        .is_cache = snapshot_is_cache(s),
        .type = repo->type,
        .id = repo->id,
        .path = repo->path,
        .revision = repo->revision,
        .hub_metadata = repo->hub_metadata,
        .ref_alias = repo->ref_alias.item,
        .ref_alias_count = repo->ref_alias.count,
    };

    memcpy(options.commit, s->repo[i].listing.commit, sizeof(options.commit));
    return options;
}

int snapshot_open_repo(struct snapshot *s, size_t i, struct err *err)
{
    struct store_repo_options options = options_of(s, i);

    if (s->repo[i].store)
        return 0;
    return store_repo_open(s->store, &options, &s->repo[i].store, err);
}

void snapshot_repo_fails(struct snapshot *s, size_t i, const struct err *err)
{
    const struct spec_repo *repo = &s->spec->repo[i];
    struct repo_run        *run = &s->repo[i];

    if (run->failed)
        return;
    run->failed = true;
    run->err = *err;
    snprintf(run->err.repo, sizeof(run->err.repo), "%.*s", STR_ARG(repo->id));
    if (!strstr(run->err.text, run->err.repo))
        err_wrap(&run->err, "%.*s@%.*s", STR_ARG(repo->id), STR_ARG(repo->revision));
    progress_repo_failed(s->progress, i, &run->err);
    log_write(s->config.log, repo->optional ? LOG_WARN : LOG_ERROR,
              repo->optional ? "an optional repo failed" : "repo failed",
              LOG_TEXT("repo", repo->id), LOG_TEXT("revision", repo->revision),
              LOG_CSTR("commit", run->listing.commit), LOG_CSTR("file", run->err.file),
              LOG_CSTR("reason", err_reason(err->kind)), LOG_CSTR("error", run->err.text),
              LOG_CSTR("hint", err_next_step(&run->err)),
              LOG_CSTR("request_id", run->err.request_id));
}

bool snapshot_failure(const struct snapshot *s, struct err *err)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        if (s->repo[i].failed && !s->spec->repo[i].optional) {
            *err = s->repo[i].err;
            return true;
        }
    }
    return false;
}

/* --- what the volume knows --- */

static int add_tree_entry(const struct store_tree_entry *from, void *user, struct err *err)
{
    struct hub_listing *files = user;
    struct hub_entry   *e;

    (void)err;
    if (!from) {
        hub_listing_release(files);
        return 0;
    }
    e = hub_listing_add(files);
    *e = (struct hub_entry){
        .path = arena_str(&files->arena, from->path),
        .size_bytes = from->size_bytes,
        .digest = from->digest,
        .is_lfs = from->is_lfs,
    };
    memcpy(e->oid, from->oid, sizeof(e->oid));
    if (from->xet_hash)
        e->xet_hash = arena_bytes(&files->arena, from->xet_hash, 32);
    return 0;
}

int snapshot_list_from_volume(struct snapshot *s, size_t i, struct err *err)
{
    struct repo_run *run = &s->repo[i];
    int              rc;

    hub_listing_release(&run->listing.files);
    if (!s->store) /* nobody wants to know of a volume */
        return 0;
    if (snapshot_open_repo(s, i, err))
        return -1;
    rc = store_read_tree(run->store, add_tree_entry, &run->listing.files, err);
    if (rc <= 0)
        hub_listing_release(&run->listing.files);
    run->listed = rc > 0;
    return rc;
}

static bool has_commit(const struct snapshot *s, size_t i)
{
    return s->repo[i].listing.commit[0] != '\0';
}

/* The commit the volume holds for the revision, with a listing to go with it. */
static int resolve_from_volume(struct snapshot *s, size_t i, struct err *err)
{
    struct store_repo_options options = options_of(s, i);
    struct repo_run          *run = &s->repo[i];
    int                       rc;

    if (!has_commit(s, i)) {
        if (!s->store)
            return 0;
        rc = store_local_commit(s->store, &options, run->listing.commit, err);
        if (rc <= 0)
            return rc;
    }
    return snapshot_list_from_volume(s, i, err);
}

/* The same where the Hub named a commit that it could not list then: with what was there before, the
 * volume may be complete. Who repairs wants the commit that he named, and other shards may have the
 * listing and be at work on it. */
static int resolve_older_from_volume(struct snapshot *s, size_t i, struct err *err)
{
    struct repo_run *run = &s->repo[i];
    char             named[sizeof(run->listing.commit)];
    int              rc;

    if (!has_commit(s, i) || repo_is_commit(s->spec->repo[i].revision) ||
        s->config.stay_at_marker || s->spec->shard_count > 1)
        return 0;
    memcpy(named, run->listing.commit, sizeof(named));
    run->listing.commit[0] = '\0';
    store_repo_close(run->store); /* it is of that commit */
    run->store = NULL;
    rc = resolve_from_volume(s, i, err);
    if (rc > 0)
        return rc;
    memcpy(run->listing.commit, named, sizeof(named));
    store_repo_close(run->store);
    run->store = NULL;
    return rc;
}

/* --- asking the Hub --- */

static bool is_out_of_reach(enum err_kind kind)
{
    return kind == ERR_DNS || kind == ERR_UNREACHABLE || kind == ERR_STALLED ||
           kind == ERR_SERVER || kind == ERR_RATE_LIMITED || kind == ERR_PROXY;
}

static int fall_back(struct snapshot *s, size_t i, const struct err *why, struct err *err)
{
    struct repo_run *run = &s->repo[i];
    int              rc = 0;

    if (is_out_of_reach(why->kind) && s->spec->on_unreachable == SPEC_USE_EXISTING) {
        rc = resolve_from_volume(s, i, err);
        if (rc == 0)
            rc = resolve_older_from_volume(s, i, err);
    }
    if (rc < 0)
        return -1;
    if (rc > 0) {
        run->from_existing = true;
        run->err = *why; /* in case it turns out to be incomplete */
        progress_set_commit(s->progress, i, run->listing.commit);
        log_write(s->config.log, LOG_WARN, "the Hub is out of reach, using what is on the volume",
                  LOG_TEXT("repo", s->spec->repo[i].id), LOG_CSTR("commit", run->listing.commit),
                  LOG_CSTR("reason", err_reason(why->kind)), LOG_CSTR("error", why->text));
        return 0;
    }
    snapshot_repo_fails(s, i, why);
    return 0;
}

static int resolve_offline(struct snapshot *s, size_t i, struct err *err)
{
    struct err why;
    int        rc = resolve_from_volume(s, i, err);

    if (rc < 0)
        return -1;
    if (rc == 0) {
        err_set(&why, ERR_OFFLINE, "offline, and the volume does not know this revision");
        snapshot_repo_fails(s, i, &why);
    }
    return 0;
}

static int open_tls(struct snapshot *s, struct err *err)
{
    const struct spec *spec = s->spec;
    struct tls_options options = {
        .ca_file = spec->ca_files.item,
        .ca_file_count = spec->ca_files.count,
        .client_cert = spec->tls_client_cert,
        .client_key = spec->tls_client_key,
    };

    if (tls_new(&options, &s->tls, err))
        return -1;
    if (tls_ignored_count(s->tls))
        log_write(s->config.log, LOG_WARN, "some certificates of the CA files cannot be read",
                  LOG_NUM("ignored", tls_ignored_count(s->tls)),
                  LOG_NUM("added", tls_added_count(s->tls)));
    return 0;
}

int snapshot_open_http(struct snapshot *s, struct http_config *out, struct err *err)
{
    const struct spec *spec = s->spec;

    if (!s->http_ready) {
        if (http_global_init(err))
            return -1;
        s->http_ready = true;
    }
    if (!s->tls && open_tls(s, err))
        return -1;
    *out = (struct http_config){
        .tls = s->tls,
        .user_agent = str_from(arena_printf(&s->arena, "hf-init/%s%s%.*s", s->config.version,
                                            spec->user_agent_origin.len ? "; origin/" : "",
                                            STR_ARG(spec->user_agent_origin))),
        .https_proxy = spec->https_proxy,
        .http_proxy = spec->http_proxy,
        .all_proxy = spec->all_proxy,
        .no_proxy = spec->no_proxy,
        .client_cert = spec->tls_client_cert,
        .client_key = spec->tls_client_key,
        .connect_timeout_ms = spec->connect_timeout_ms,
        .stall_timeout_ms = spec->stall_timeout_ms,
        .max_connections = 8,
        .clock = s->config.clock,
        .hook = s->config.hook,
        .hook_user = s->config.hook_user,
    };
    return 0;
}

int snapshot_connect(struct snapshot *s, struct err *err)
{
    struct fetch_config config = {
        .spec = s->config.spec,
        .clock = s->config.clock,
        .log = s->config.log,
        .progress = s->progress,
        .tick = snapshot_tick,
        .user = s,
        .stop_fd = s->config.stop_fd,
    };

    if (s->fetch)
        return 0;
    if (snapshot_open_http(s, &config.http, err))
        return -1;
    return fetch_new(&config, &s->fetch, err);
}

/* Asks for those in `index`; failures fall back or mark their repo. */
static int ask_hub(struct snapshot *s, const size_t *index, size_t count, bool trees,
                   struct err *err)
{
    struct fetch_listing *listing = arena_alloc(&s->arena, count * sizeof(*listing));
    int                   rc;

    if (snapshot_connect(s, err))
        return -1;
    for (size_t k = 0; k < count; k++) {
        listing[k] = s->repo[index[k]].listing;
        listing[k].wants_tree = trees;
    }
    rc = fetch_list(s->fetch, listing, count, err);
    for (size_t k = 0; k < count; k++) {
        s->repo[index[k]].listing = listing[k];
        s->repo[index[k]].listed = trees && !listing[k].failed;
    }
    for (size_t k = 0; rc == 0 && k < count; k++)
        if (listing[k].failed && fall_back(s, index[k], &listing[k].err, err))
            rc = -1;
    return rc;
}

/* Who fetched while we waited may have followed a branch further than it was when we asked, and we would
 * set the volume back. */
void snapshot_forget_commits(struct snapshot *s)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct repo_run *run = &s->repo[i];

        if (repo_is_commit(s->spec->repo[i].revision))
            continue;
        run->failed = false; /* asking did; nothing else was done yet */
        hub_listing_release(&run->listing.files);
        run->listing.commit[0] = '\0';
        run->listed = run->from_existing = false;
    }
}

/* Who repairs a volume wants what it had, not what a branch has become meanwhile. Always 0. */
int snapshot_take_commits_of_marker(struct snapshot *s, struct err *err)
{
    if (s->config.stay_at_marker && snapshot_read_marker(s, err) > 0)
        for (size_t i = 0; i < s->spec->repo_count; i++)
            memcpy(s->repo[i].listing.commit, s->report_repo[i].commit,
                   sizeof(s->repo[i].listing.commit));
    return 0;
}

int snapshot_resolve(struct snapshot *s, bool trees, struct err *err)
{
    size_t  count = 0;
    size_t *index = arena_alloc(&s->arena, s->spec->repo_count * sizeof(*index));

    for (size_t i = 0; i < s->spec->repo_count; i++) {
        const struct spec_repo *repo = &s->spec->repo[i];
        struct repo_run        *run = &s->repo[i];

        if (!has_commit(s, i) && repo_is_commit(repo->revision)) {
            memcpy(run->listing.commit, repo->revision.p, 40);
            progress_set_commit(s->progress, i, run->listing.commit);
        }
        if (run->failed || run->listed || (!trees && has_commit(s, i)))
            continue;
        if (s->spec->offline) {
            if (resolve_offline(s, i, err))
                return -1;
            continue;
        }
        if (trees && has_commit(s, i)) { /* a commit's listing never changes */
            int rc = snapshot_list_from_volume(s, i, err);
            if (rc < 0)
                return -1;
            if (rc > 0)
                continue;
        }
        index[count++] = i;
    }
    return count ? ask_hub(s, index, count, trees, err) : 0;
}
