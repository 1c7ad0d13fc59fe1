/* spec_check.c: rules that need more than one setting to be judged. */
#include "spec_check.h"

#include <string.h>

static bool was_said(const struct spec_repo *repo, const char *path)
{
    return spec_repo_place_of(repo, path)->layer != SPEC_FROM_DEFAULT;
}

static int check_run(struct spec_draft *d)
{
    const struct spec *spec = d->spec;

    if (spec->shard_index >= spec->shard_count)
        return spec_fail(d, spec_place_of(d, "shard.index"),
                         "shard.index %u is out of range; shard.count is %u, so allowed: 0 to %u",
                         spec->shard_index, spec->shard_count, spec->shard_count - 1);
    if (spec->tls_client_cert.len && !spec->tls_client_key.len)
        return spec_fail(d, spec_place_of(d, "tls.clientCert"),
                         "tls.clientCert needs tls.clientKey");
    if (spec->tls_client_key.len && !spec->tls_client_cert.len)
        return spec_fail(d, spec_place_of(d, "tls.clientKey"),
                         "tls.clientKey needs tls.clientCert");
    return 0;
}

/* Settings that mean nothing in the chosen layout were meant for the other one. */
static int check_layout(struct spec_draft *d, const struct spec_repo *repo)
{
    if (d->spec->layout == SPEC_LAYOUT_DIR) {
        if (repo->ref_alias.count)
            return spec_fail(d, spec_repo_place_of(repo, "refAlias"),
                             "refAlias of %.*s: there are no refs in layout dir; leave it out or "
                             "choose layout: cache",
                             STR_ARG(repo->id));
        return 0;
    }
    if (was_said(repo, "path"))
        return spec_fail(d, spec_repo_place_of(repo, "path"),
                         "path of %.*s: layout cache has fixed folders; leave it out or choose "
                         "layout: dir",
                         STR_ARG(repo->id));
    if (was_said(repo, "hubMetadata"))
        return spec_fail(d, spec_repo_place_of(repo, "hubMetadata"),
                         "hubMetadata of %.*s belongs to layout dir; leave it out or choose "
                         "layout: dir",
                         STR_ARG(repo->id));
    return 0;
}

static int check_repo(struct spec_draft *d, const struct spec_repo *repo)
{
    char shown[SPEC_QUOTE_TEXT];

    if (repo->require_commit && !repo_is_commit(repo->revision))
        return spec_fail(
            d, spec_repo_place_of(repo, was_said(repo, "revision") ? "revision" : "requireCommit"),
            "revision %s of %.*s is not a commit, and requireCommit accepts only 40 "
            "lowercase hex digits",
            spec_quote(repo->revision, shown), STR_ARG(repo->id));
    if (check_layout(d, repo))
        return -1;
    if (str_eq(repo->path, STR(".")) || repo_check_path(repo->path, d->err) == 0)
        return 0;
    memcpy(shown, d->err->text, sizeof(shown) - 1);
    shown[sizeof(shown) - 1] = '\0';
    return spec_fail(d, spec_repo_place_of(repo, "path"), "path %s", shown);
}

static bool is_same_repo(const struct spec_repo *a, const struct spec_repo *b)
{
    return a->type == b->type && str_eq(a->id, b->id);
}

/* Is one folder the other, or inside it? */
static bool paths_clash(struct str a, struct str b)
{
    struct str outer = a.len <= b.len ? a : b, inner = a.len <= b.len ? b : a;

    if (str_eq(a, STR(".")) || str_eq(b, STR(".")))
        return true;
    return str_has_prefix(inner, outer) && (inner.len == outer.len || inner.p[outer.len] == '/');
}

static bool writes_ref(const struct spec_repo *repo, struct str ref)
{
    if (str_eq(repo->revision, ref))
        return true;
    for (size_t i = 0; i < repo->ref_alias.count; i++)
        if (str_eq(repo->ref_alias.item[i], ref))
            return true;
    return false;
}

/* Two revisions of one repo cannot both be what a ref points to. */
static int check_refs(struct spec_draft *d, const struct spec_repo *a, const struct spec_repo *b)
{
    char shown[SPEC_QUOTE_TEXT];

    for (size_t i = 0; i < b->ref_alias.count; i++)
        if (writes_ref(a, b->ref_alias.item[i]))
            return spec_fail(d, spec_repo_place_of(b, "refAlias"),
                             "refAlias %s of %.*s is written by an earlier entry of this repo too",
                             spec_quote(b->ref_alias.item[i], shown), STR_ARG(b->id));
    for (size_t i = 0; i < a->ref_alias.count; i++)
        if (writes_ref(b, a->ref_alias.item[i]))
            return spec_fail(d, spec_repo_place_of(a, "refAlias"),
                             "refAlias %s of %.*s is the revision of a later entry of this repo",
                             spec_quote(a->ref_alias.item[i], shown), STR_ARG(a->id));
    return 0;
}

static int check_pair(struct spec_draft *d, const struct spec_repo *a, const struct spec_repo *b)
{
    const struct spec_place *at = spec_repo_place_of(b, "id");
    char                     first[SPEC_PLACE_TEXT];

    if (is_same_repo(a, b) && str_eq(a->revision, b->revision))
        return spec_fail(d, at,
                         "%.*s at %.*s is listed twice (see %s); put the patterns of both "
                         "into one entry",
                         STR_ARG(b->id), STR_ARG(b->revision),
                         spec_place_text(spec_repo_place_of(a, "id"), first));
    if (d->spec->layout == SPEC_LAYOUT_CACHE)
        return is_same_repo(a, b) ? check_refs(d, a, b) : 0;
    if (!paths_clash(a->path, b->path))
        return 0;
    spec_fail(d, was_said(b, "path") ? spec_repo_place_of(b, "path") : at,
              "%.*s would be put into %.*s, which overlaps with %.*s of %.*s (see %s)",
              STR_ARG(b->id), STR_ARG(b->path), STR_ARG(a->path), STR_ARG(a->id),
              spec_place_text(spec_repo_place_of(a, "id"), first));
    return err_hint(d->err, "give each repo a path of its own, none inside another");
}

static int check_repos(struct spec_draft *d)
{
    const struct spec *spec = d->spec;

    for (size_t i = 0; i < spec->repo_count; i++) {
        if (check_repo(d, &spec->repo[i]))
            return -1;
        for (size_t j = 0; j < i; j++)
            if (check_pair(d, &spec->repo[j], &spec->repo[i]))
                return -1;
    }
    return 0;
}

int spec_check(struct spec_draft *d)
{
    if (check_run(d))
        return -1;
    return check_repos(d);
}
