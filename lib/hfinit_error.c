/* hfinit_error.c: from our errors to those of programs. */
#include "hfinit_internal.h"

#include <stdio.h>
#include <string.h>

#include "report_emit.h"

/* The public numbers never change; ours may. */
static const hfinit_code code_of[ERR_KINDS] = {
    [ERR_NONE] = HFINIT_OK,
    [ERR_INTERNAL] = HFINIT_ERR_INTERNAL,
    [ERR_USAGE] = HFINIT_ERR_USAGE,
    [ERR_SPEC] = HFINIT_ERR_SPEC,
    [ERR_UNAUTHORIZED] = HFINIT_ERR_UNAUTHORIZED,
    [ERR_GATED] = HFINIT_ERR_GATED,
    [ERR_FORBIDDEN] = HFINIT_ERR_FORBIDDEN,
    [ERR_DISABLED] = HFINIT_ERR_DISABLED,
    [ERR_REPO_NOT_FOUND] = HFINIT_ERR_REPO_NOT_FOUND,
    [ERR_REVISION_NOT_FOUND] = HFINIT_ERR_REVISION_NOT_FOUND,
    [ERR_ENTRY_NOT_FOUND] = HFINIT_ERR_ENTRY_NOT_FOUND,
    [ERR_NOTHING_SELECTED] = HFINIT_ERR_NOTHING_SELECTED,
    [ERR_TLS_UNTRUSTED] = HFINIT_ERR_TLS_UNTRUSTED,
    [ERR_DISK_FULL] = HFINIT_ERR_DISK_FULL,
    [ERR_QUOTA] = HFINIT_ERR_QUOTA,
    [ERR_TOO_LARGE] = HFINIT_ERR_TOO_LARGE,
    [ERR_IO] = HFINIT_ERR_IO,
    [ERR_READ_ONLY] = HFINIT_ERR_READ_ONLY,
    [ERR_PERMISSION] = HFINIT_ERR_PERMISSION,
    [ERR_DNS] = HFINIT_ERR_DNS,
    [ERR_UNREACHABLE] = HFINIT_ERR_UNREACHABLE,
    [ERR_STALLED] = HFINIT_ERR_STALLED,
    [ERR_RATE_LIMITED] = HFINIT_ERR_RATE_LIMITED,
    [ERR_SERVER] = HFINIT_ERR_SERVER,
    [ERR_BAD_ANSWER] = HFINIT_ERR_BAD_ANSWER,
    [ERR_PROXY] = HFINIT_ERR_PROXY,
    [ERR_HOST_NOT_ALLOWED] = HFINIT_ERR_HOST_NOT_ALLOWED,
    [ERR_DEADLINE] = HFINIT_ERR_DEADLINE,
    [ERR_INTEGRITY] = HFINIT_ERR_INTEGRITY,
    [ERR_UNSAFE_NAME] = HFINIT_ERR_UNSAFE_NAME,
    [ERR_LOCKED] = HFINIT_ERR_LOCKED,
    [ERR_OFFLINE] = HFINIT_ERR_OFFLINE,
    [ERR_TERMINATED] = HFINIT_ERR_TERMINATED,
    [ERR_INTERRUPTED] = HFINIT_ERR_INTERRUPTED,
};

_Static_assert(ERR_KINDS == HFINIT_ERR_INTERRUPTED + 1, "a new kind needs a code");

hfinit_code hfinit_code_of(enum err_kind kind)
{
    return code_of[kind];
}

enum err_kind hfinit_kind_of(hfinit_code code)
{
    for (int kind = ERR_NONE; kind < ERR_KINDS; kind++)
        if (code_of[kind] == code)
            return (enum err_kind)kind;
    return ERR_INTERNAL;
}

static void copy_text(char *to, size_t size, struct str from)
{
    snprintf(to, size, "%.*s", STR_ARG(from));
}

void hfinit_copy_line(char *to, size_t size, struct str from)
{
    struct buf line = {0};

    report_add_line(&line, from);
    copy_text(to, size, buf_view(&line));
    buf_release(&line);
}

/* What the spec says of the repo that failed. The same id may be there at several revisions. */
static void name_repo(const hfinit *h, hfinit_error *out)
{
    const struct spec_repo *found = NULL;

    for (size_t i = 0; out->repo[0] && i < h->spec.repo_count; i++) {
        const struct spec_repo *repo = &h->spec.repo[i];
        bool failed = h->snapshot && !repo->optional && snapshot_repo_error(h->snapshot, i);

        if (!str_eq(repo->id, str_from(out->repo)) || (found && !failed))
            continue;
        found = repo;
        if (failed)
            break;
    }
    if (!found)
        return;
    copy_text(out->type, sizeof(out->type), str_from(repo_type_name(found->type)));
    copy_text(out->revision, sizeof(out->revision), found->revision);
}

int hfinit_give_error(hfinit *h, const struct err *err, hfinit_error *out)
{
    h->last = *err;
    if (!out)
        return -1;
    *out = (hfinit_error){
        .exit_code = err_exit_code(err->kind),
        .retryable = err_is_retryable(err->kind),
        .reason = err_reason(err->kind),
        .http_status = err->http_status,
        .need_bytes = err->need_bytes,
        .have_bytes = err->have_bytes,
        .code = hfinit_code_of(err->kind),
        .sys_errno = err->sys_errno,
        .retry_after_ms = err->retry_after_ms,
    };
    hfinit_copy_line(out->message, sizeof(out->message), str_from(err->text));
    hfinit_copy_line(out->hint, sizeof(out->hint), str_from(err_next_step(err)));
    hfinit_copy_line(out->request_id, sizeof(out->request_id), str_from(err->request_id));
    copy_text(out->url, sizeof(out->url), str_from(err->url));
    copy_text(out->repo, sizeof(out->repo), str_from(err->repo));
    copy_text(out->file, sizeof(out->file), str_from(err->file));
    name_repo(h, out);
    return -1;
}

int hfinit_parse_duration(const char *text, uint64_t *ms, hfinit_error *error)
{
    if (spec_parse_duration(str_from(text), ms))
        return 0;
    if (!error)
        return -1;
    *error = (hfinit_error){
        .code = HFINIT_ERR_USAGE,
        .exit_code = err_exit_code(ERR_USAGE),
        .reason = err_reason(ERR_USAGE),
    };
    snprintf(error->message, sizeof(error->message), "\"%.40s\" is not a duration", text);
    snprintf(error->hint, sizeof(error->hint), "write 30s, 5m or 1h30m");
    return -1;
}
