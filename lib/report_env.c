/* report_env.c: where everything is, for the shell of a main container.
 *
 * Values stand in single quotes, within which neither a shell nor Kubernetes (fileKeyRef) expands
 * anything. There is no `export`, because Kubernetes refuses it; a shell does `set -a` first. */
#include "report.h"

static void add_line(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, "%s='", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == '\'')
            buf_add_str(out, STR("'\\''")); /* leave the quotes, one quoted quote, back in */
        else
            buf_add_char(out, value.p[i]);
    }
    buf_add_str(out, STR("'\n"));
}

static void add_numbered(struct buf *out, const char *name, size_t index, struct str value)
{
    struct buf numbered = {0};

    buf_printf(&numbered, "%s_%zu", name, index);
    add_line(out, buf_cstr(&numbered), value);
    buf_release(&numbered);
}

void report_env(const struct report_run *run, struct buf *out)
{
    const struct report_repo *first = NULL;

    buf_add_str(out, STR("# Written by hf-init. In a shell: set -a; . FILE; set +a\n"));
    add_line(out, "HF_INIT_TARGET", str_from(run->target));
    for (size_t i = 0; i < run->repo_count && !first; i++)
        if (run->repo[i].commit[0])
            first = &run->repo[i];
    if (first) {
        add_line(out, "HF_INIT_MODEL_PATH", first->folder);
        add_line(out, "HF_INIT_COMMIT", str_from(first->commit));
    }
    /* Numbered as in the spec; an optional repo that failed leaves its number out. */
    for (size_t i = 0; i < run->repo_count; i++) {
        const struct report_repo *repo = &run->repo[i];

        if (!repo->commit[0])
            continue;
        add_numbered(out, "HF_INIT_MODEL_PATH", i, repo->folder);
        add_numbered(out, "HF_INIT_COMMIT", i, str_from(repo->commit));
    }
    if (run->is_cache) {
        add_line(out, "HF_HUB_CACHE", str_from(run->target));
        add_line(out, "HF_HUB_OFFLINE", STR("1"));
    }
}
