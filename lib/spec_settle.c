/* spec_settle.c: from what was said to what it means. */
#include <string.h>

#include "spec_check.h"
#include "spec_official.h"

/* A variable or flag such as HF_INIT_REVISION speaks for all repos, unless a repo's own word is
 * stronger. `org/a@v1` beside --revision of the same source is a contradiction. */
static int lay_over(struct spec_draft *d, size_t row)
{
    size_t                     count;
    const struct spec_setting *setting = &spec_table(SPEC_OF_REPO, &count)[row];
    const struct spec_place   *common = &d->common_place[row];

    for (size_t i = 0; i < d->spec->repo_count; i++) {
        struct spec_repo  *repo = &d->spec->repo[i];
        struct spec_place *own = &repo->place[row];

        if (own->layer > common->layer)
            continue;
        if (own->layer == common->layer)
            return spec_fail(d, common, "%.*s names its own %s already; leave one of them out",
                             STR_ARG(repo->id), setting->path);
        spec_value_copy(setting, &d->common, repo);
        *own = *common;
    }
    return 0;
}

static int lay_common_over_repos(struct spec_draft *d)
{
    size_t count;

    spec_table(SPEC_OF_REPO, &count);
    for (size_t row = 0; row < count; row++)
        if (d->common_place[row].layer != SPEC_FROM_DEFAULT && lay_over(d, row))
            return -1;
    return 0;
}

static int settle_target(struct spec_draft *d)
{
    struct spec      *spec = d->spec;
    struct spec_place place = {.layer = SPEC_FROM_OFFICIAL};
    struct spec_place file = {
        .layer = SPEC_FROM_FILE, .source = spec->file, .line = 1, .column = 1};
    struct str cache;

    if (spec->target.len)
        return 0;
    if (spec->layout == SPEC_LAYOUT_CACHE) {
        cache = spec_official_cache(d, d->source->home_cache, &place.source);
        if (cache.p)
            return spec_set_path(d, "target", cache, &place);
    }
    if (d->source->without_target)
        return 0;
    spec_fail(d, spec->file[0] ? &file : spec_place_of(d, "target"),
              "target is missing: the folder to fill");
    return err_hint(d->err, "write target: /models, set HF_INIT_TARGET or give --target%s",
                    spec->layout == SPEC_LAYOUT_CACHE ? ", or set HF_HUB_CACHE or HF_HOME" : "");
}

/* An indexed Job tells each pod its number. Without it every pod would fetch share 0 and nobody
 * the rest. */
static int settle_shard(struct spec_draft *d)
{
    struct spec_place place = {.layer = SPEC_FROM_OFFICIAL, .source = "JOB_COMPLETION_INDEX"};
    struct str        index = spec_env(d, place.source);

    if (d->spec->shard_count <= 1 || spec_place_of(d, "shard.index")->layer != SPEC_FROM_DEFAULT)
        return 0;
    d->spec->shard_unknown = !index.p;
    if (!index.p && d->source->without_token) /* the index is the pod's, as the token is */
        return 0;
    if (!index.p)
        return spec_fail(
            d, spec_place_of(d, "shard.count"),
            "shard.count is %u, but nothing says which share this is; set shard.index, "
            "or run as a Job with completionMode: Indexed",
            d->spec->shard_count);
    return spec_set_path(d, "shard.index", index, &place);
}

static struct str without_trailing_slashes(struct str s)
{
    while (s.len && s.p[s.len - 1] == '/')
        s.len--;
    return s;
}

/* "./a//b/" to "a/b"; nothing left is the target itself. The table's rule refused "..". */
static struct str normal_path(struct spec_draft *d, struct str text)
{
    struct buf out = {0};
    struct str segment, result;

    while (str_cut(&text, '/', &segment)) {
        if (segment.len == 0 || str_eq(segment, STR(".")))
            continue;
        if (out.len)
            buf_add_char(&out, '/');
        buf_add_str(&out, segment);
    }
    result = out.len ? arena_str(d->arena, buf_view(&out)) : STR(".");
    buf_release(&out);
    return result;
}

static void settle_paths(struct spec_draft *d)
{
    struct spec *spec = d->spec;

    for (size_t i = 0; i < spec->repo_count; i++) {
        struct spec_repo *repo = &spec->repo[i];

        if (repo->path.len) /* given: spec_check refuses it for layout cache */
            repo->path = normal_path(d, repo->path);
        else
            repo->path = spec->layout == SPEC_LAYOUT_CACHE ? STR(".") : repo->id;
    }
    for (size_t i = 0; i < spec->endpoint.count; i++)
        spec->endpoint.item[i] = without_trailing_slashes(spec->endpoint.item[i]);
}

static void add_ca(struct spec *spec, struct str path)
{
    struct spec_list *list = &spec->ca_files;

    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->item[i], path))
            return;
    list->item[list->count++] = arena_str(&spec->arena, path);
}

/* Named roots are added to ours, all of them; SSL_CERT_DIR is a list with colons to OpenSSL. */
static void settle_ca_files(struct spec_draft *d)
{
    enum { FOLDERS_MAX = 32 };
    struct spec *spec = d->spec;
    struct str   value, folder;

    spec->ca_files.item = arena_alloc(d->arena, (4 + FOLDERS_MAX) * sizeof(struct str));
    if (spec->tls_ca_file.len)
        add_ca(spec, spec->tls_ca_file);
    value = spec_env(d, "SSL_CERT_FILE");
    if (value.p)
        add_ca(spec, value);
    value = spec_env(d, "SSL_CERT_DIR");
    for (int i = 0; i < FOLDERS_MAX && str_cut(&value, ':', &folder); i++)
        if (folder.len)
            add_ca(spec, folder);
    value = spec_env(d, "REQUESTS_CA_BUNDLE");
    if (value.p)
        add_ca(spec, value);
    value = spec_env(d, "CURL_CA_BUNDLE");
    if (value.p)
        add_ca(spec, value);
}

/* No file, no repos: the user has not begun yet. A file without repos is unfinished. */
static int check_is_there(struct spec_draft *d)
{
    if (d->spec->repo_count || d->source->without_repos)
        return 0;
    if (d->spec->file[0])
        return err_set(d->err, ERR_SPEC, "%s: repos is missing: the list of what to fetch",
                       d->spec->file);
    err_set(d->err, ERR_USAGE, "nothing to do: no spec and no repos were given");
    return err_hint(d->err, "give --spec FILE, or --repos ORG/NAME --target DIR, or set "
                            "HF_INIT_REPOS and HF_INIT_TARGET");
}

int spec_settle(struct spec_draft *d)
{
    if (check_is_there(d) || lay_common_over_repos(d) || settle_target(d) || settle_shard(d))
        return -1;
    settle_paths(d);
    settle_ca_files(d);
    return 0;
}
