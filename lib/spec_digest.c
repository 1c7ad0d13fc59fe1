/* spec_digest.c: one number for "the volume should hold this".
 *
 * The marker names it; a marker with another number is not believed. The text that is hashed gives
 * every value its length, so that no two specs can run together to the same text. */
#include <inttypes.h>

#include "digest.h"
#include "spec_check.h"

static void add_text(struct buf *out, const char *key, struct str value)
{
    buf_printf(out, "%s %zu:", key, value.len);
    buf_add_str(out, value);
    buf_add_char(out, '\n');
}

static void add_list(struct buf *out, const char *key, const struct str *item, size_t count)
{
    buf_printf(out, "%s [%zu]\n", key, count);
    for (size_t i = 0; i < count; i++)
        add_text(out, "-", item[i]);
}

static void add_repo(struct buf *out, const struct spec_repo *repo)
{
    add_text(out, "repo", str_from(repo_type_name(repo->type)));
    add_text(out, "id", repo->id);
    add_text(out, "revision", repo->revision);
    if (repo->allow.is_set)
        add_list(out, "allow", repo->allow.item, repo->allow.count);
    add_list(out, "ignore", repo->ignore.item, repo->ignore.count);
    add_list(out, "files", repo->files.item, repo->files.count);
    add_text(out, "path", repo->path);
    buf_printf(out, "hubMetadata %d\n", repo->hub_metadata);
    add_list(out, "refAlias", repo->ref_alias.item, repo->ref_alias.count);
    buf_printf(out, "optional %d\n", repo->optional);
}

void spec_make_digest(struct spec *spec)
{
    struct buf    text = {0};
    struct digest digest;

    buf_printf(&text, "hf-init/spec-digest/v1\n");
    buf_printf(&text, "layout %s\n", spec->layout == SPEC_LAYOUT_CACHE ? "cache" : "dir");
    buf_printf(&text, "verify %s\n", spec->verify == SPEC_VERIFY_SIZE ? "size" : "always");
    for (size_t i = 0; i < spec->repo_count; i++)
        add_repo(&text, &spec->repo[i]);
    digest_of_text(buf_view(&text), &digest);
    digest_to_hex(&digest, spec->digest);
    buf_release(&text);
}
