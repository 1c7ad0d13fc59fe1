/* report_marker.c: the marker, the last thing a complete run writes. Marker there => files there.
 *
 * It is read back at the start of the next run, from a volume that others can write to: anything
 * unexpected in it means "no marker", and the volume is checked the long way. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "json.h"
#include "repo.h"
#include "report.h"
#include "report_emit.h"

#define MARKER_SCHEMA "hf-init/complete/v1"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

void report_marker(const struct report_run *run, int64_t wall_ms, struct buf *out)
{
    struct emit    e = {.out = out, .pretty = true};
    struct utsname host;

    emit_open(&e, NULL, '{');
    emit_cstr(&e, "schema", MARKER_SCHEMA);
    emit_cstr(&e, "name", run->spec_name);
    emit_cstr(&e, "specDigest", run->spec_digest);
    emit_cstr(&e, "target", run->target);
    emit_cstr(&e, "layout", run->is_cache ? "cache" : "dir");
    emit_time(&e, "completedAt", wall_ms);
    emit_cstr(&e, "version", run->version);
    emit_cstr(&e, "host", uname(&host) == 0 ? host.nodename : "");
    emit_open(&e, "repos", '[');
    for (size_t i = 0; i < run->repo_count; i++) {
        const struct report_repo *repo = &run->repo[i];

        emit_open(&e, NULL, '{');
        emit_cstr(&e, "id", repo->id);
        emit_cstr(&e, "type", repo->type);
        emit_cstr(&e, "revision", repo->revision);
        emit_cstr(&e, "path", repo->path);
        if (repo->commit[0]) {
            emit_cstr(&e, "commit", repo->commit);
            if (repo->folder.len)
                emit_text(&e, "folder", repo->folder);
            emit_u64(&e, "fileCount", repo->file_count);
            emit_u64(&e, "bytes", repo->bytes);
            emit_cstr(&e, "listDigest", repo->list_digest);
        } else {
            emit_bool(&e, "missing", true);
        }
        emit_close(&e, '}');
    }
    emit_close(&e, ']');
    emit_close(&e, '}');
    buf_add_char(out, '\n');
}

/* ---- reading ---- */

static bool member_is(const struct json *object, const char *key, const char *want)
{
    struct str got;

    return json_str(json_get(object, key), &got) && str_eq(got, str_from(or_empty(want)));
}

static const struct json *find_repo(const struct json *repos, const struct report_repo *want)
{
    const struct json *entry;

    if (!json_is_array(repos))
        return NULL;
    for (entry = json_first(repos); entry; entry = json_next(entry))
        if (json_is_object(entry) && member_is(entry, "type", want->type) &&
            member_is(entry, "id", want->id) && member_is(entry, "revision", want->revision) &&
            member_is(entry, "path", want->path))
            return entry;
    return NULL;
}

/* Fills commit, counts and digest of `repo`, all or nothing. A pinned repo cannot have arrived at
 * another commit, whatever the file says. */
static bool read_repo(const struct json *entry, struct report_repo *repo)
{
    struct str commit, digest;
    uint64_t   file_count, bytes;
    bool       missing;

    if (json_bool(json_get(entry, "missing"), &missing) && missing) {
        repo->commit[0] = '\0';
        return repo->optional;
    }
    if (!json_str(json_get(entry, "commit"), &commit) || !repo_is_commit(commit) ||
        !json_str(json_get(entry, "listDigest"), &digest) || !str_is_hex(digest, 64) ||
        !json_u64(json_get(entry, "fileCount"), &file_count) ||
        !json_u64(json_get(entry, "bytes"), &bytes))
        return false;
    if (repo_is_commit(str_from(repo->revision)) && !str_eq(commit, str_from(repo->revision)))
        return false;
    memcpy(repo->commit, commit.p, 40);
    repo->commit[40] = '\0';
    memcpy(repo->list_digest, digest.p, 64);
    repo->list_digest[64] = '\0';
    repo->file_count = file_count;
    repo->bytes = bytes;
    return true;
}

static bool read_repos(const struct json *root, struct report_repo *repo, size_t repo_count)
{
    const struct json *repos = json_get(root, "repos");

    for (size_t i = 0; i < repo_count; i++) {
        const struct json *entry = find_repo(repos, &repo[i]);

        if (!entry || !read_repo(entry, &repo[i]))
            return false;
    }
    return true;
}

int report_read_marker(struct str text, const char *spec_digest, struct report_repo *repo,
                       size_t repo_count)
{
    struct json        *root = NULL;
    struct report_repo *read = NULL;
    struct err          ignored;
    int                 is_ours = 0;

    if (json_parse(text, &root, &ignored))
        return 0;
    read = mem_resize(NULL, repo_count, sizeof(*read));
    if (repo_count)
        memcpy(read, repo, repo_count * sizeof(*read));
    if (json_is_object(root) && member_is(root, "schema", MARKER_SCHEMA) &&
        member_is(root, "specDigest", spec_digest) && read_repos(root, read, repo_count)) {
        if (repo_count)
            memcpy(repo, read, repo_count * sizeof(*read));
        is_ours = 1;
    }
    free(read);
    json_free(root);
    return is_ours;
}

bool report_marker_is_of(struct str text, const char *spec_digest)
{
    struct json *root = NULL;
    struct err   ignored;
    bool         is;

    if (json_parse(text, &root, &ignored))
        return false;
    is = json_is_object(root) && member_is(root, "schema", MARKER_SCHEMA) &&
         (!spec_digest || member_is(root, "specDigest", spec_digest));
    json_free(root);
    return is;
}
