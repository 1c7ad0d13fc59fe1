/* hfinit_plan.c: what is known before anything is fetched: plans and listings. */
#include "hfinit_internal.h"

#include <stdio.h>
#include <stdlib.h>

static const char *own(struct arena *a, const char *text)
{
    return arena_strdup(a, str_from(text));
}

static void fill_plan_repo(hfinit *h, struct arena *a, size_t i, hfinit_plan_repo *out)
{
    const struct report_repo *r = &snapshot_report(h->snapshot)->repo[i];
    const struct plan        *plan = snapshot_planned(h->snapshot);
    const struct err         *err = snapshot_repo_error(h->snapshot, i);
    struct buf                message = {0};

    *out = (hfinit_plan_repo){
        .type = r->type,
        .id = own(a, r->id),
        .revision = own(a, r->revision),
        .commit = own(a, r->commit),
        .folder = arena_strdup(a, r->folder),
        .files = plan->repo[i].count,
        .bytes = plan->repo[i].bytes,
        .optional = r->optional,
        .failed = err != NULL,
    };
    if (err)
        buf_printf(&message, "%s", err->text);
    out->error = own(a, buf_cstr(&message));
    buf_release(&message);
    for (size_t k = plan->repo[i].first; k < plan->repo[i].first + plan->repo[i].count; k++) {
        const struct plan_file *f = &plan->file[k];
        bool                    present = f->state == PLAN_PRESENT;

        out->files_present += present;
        out->bytes_present += present ? f->size_bytes : f->have_bytes;
        if (f->state == PLAN_FETCH)
            out->bytes_to_fetch += f->size_bytes - f->have_bytes;
    }
}

static void fill_plan(hfinit *h, hfinit_plan *plan)
{
    struct arena                 *a = mem_alloc(sizeof(*a));
    size_t                        volumes;
    const struct snapshot_volume *volume = snapshot_volumes(h->snapshot, &volumes);

    *plan = (hfinit_plan){.owner = a, .repo_count = h->spec.repo_count, .volume_count = volumes};
    plan->repo = arena_alloc(a, plan->repo_count * sizeof(*plan->repo));
    plan->volume = arena_alloc(a, volumes * sizeof(*plan->volume));
    for (size_t i = 0; i < plan->repo_count; i++) {
        fill_plan_repo(h, a, i, &plan->repo[i]);
        plan->files += plan->repo[i].files;
        plan->bytes += plan->repo[i].bytes;
        plan->bytes_present += plan->repo[i].bytes_present;
        plan->bytes_to_fetch += plan->repo[i].bytes_to_fetch;
    }
    for (size_t v = 0; v < volumes; v++)
        plan->volume[v] = (hfinit_plan_volume){
            .path = own(a, volume[v].folder),
            .free_bytes = volume[v].free_bytes,
            .total_bytes = volume[v].total_bytes,
            .need_bytes = volume[v].need_bytes,
            .reserve_bytes = h->spec.disk_reserve_bytes,
            .fits = volume[v].fits,
        };
}

int hfinit_make_plan(hfinit *h, hfinit_plan *plan, hfinit_error *error)
{
    struct err err;
    int        rc = hfinit_begin(h, HFINIT_TO_LOOK, &err);

    *plan = (hfinit_plan){0};
    if (rc)
        return hfinit_give_error(h, &err, error);
    rc = snapshot_plan(h->snapshot, &err);
    fill_plan(h, plan);
    return rc ? hfinit_give_error(h, &err, error) : 0;
}

void hfinit_plan_release(hfinit_plan *plan)
{
    if (plan->owner)
        arena_release(plan->owner);
    free(plan->owner);
    *plan = (hfinit_plan){0};
}

/* --- listings --- */

/* Texts in `arena`. */
static hfinit_file describe(hfinit *h, size_t repo, const struct hub_entry *e, struct arena *arena)
{
    char hash[DIGEST_HEX_MAX];

    digest_to_hex(&e->digest, hash);
    return (hfinit_file){
        .repo = arena_strdup(arena, h->spec.repo[repo].id),
        .path = arena_strdup(arena, e->path),
        .kind = e->xet_hash || e->xet_masked ? "xet"
                : e->is_lfs                  ? "lfs"
                                             : "git",
        .hash = own(arena, hash),
        .bytes = e->size_bytes,
        .commit = own(arena, snapshot_commit(h->snapshot, repo)),
    };
}

static void visit_file(hfinit *h, size_t repo, const struct hub_entry *e, hfinit_file_fn *visit,
                       void *user)
{
    const struct arena_mark mark = arena_mark(&h->arena);
    const hfinit_file       file = describe(h, repo, e, &h->arena);

    visit(&file, user);
    arena_rewind(&h->arena, mark);
}

int hfinit_list(hfinit *h, hfinit_file_fn *visit, void *user, hfinit_error *error)
{
    size_t     visited = 0;
    struct err err;

    if (hfinit_begin(h, HFINIT_TO_LOOK, &err) || snapshot_list(h->snapshot, &err))
        return hfinit_give_error(h, &err, error);
    for (size_t i = 0; i < h->spec.repo_count; i++) {
        const struct hub_listing *files = snapshot_listing(h->snapshot, i);

        for (size_t k = 0; files && k < files->count; k++)
            if (plan_selects(&h->spec.repo[i], files->entry[k].path)) {
                visit_file(h, i, &files->entry[k], visit, user);
                visited++;
            }
    }
    if (visited)
        return 0;
    err_set(&err, ERR_NOTHING_SELECTED, "no file of %s is selected",
            h->spec.repo_count == 1 ? "the repo" : "these repos");
    err_hint(&err,
             "a name must match whole, a folder ends in a slash; without patterns all is listed");
    return hfinit_give_error(h, &err, error);
}

static const struct hub_entry *find_entry(const struct hub_listing *files, struct str path)
{
    for (size_t k = 0; files && k < files->count; k++)
        if (str_eq(files->entry[k].path, path))
            return &files->entry[k];
    return NULL;
}

static int fail_entry(hfinit *h, const char *path, hfinit_error *error)
{
    const struct spec_repo *repo = &h->spec.repo[0];
    struct err              err;

    err_set(&err, ERR_ENTRY_NOT_FOUND, "%.*s@%.*s: %s is not in the repo", STR_ARG(repo->id),
            STR_ARG(repo->revision), path);
    snprintf(err.repo, sizeof(err.repo), "%.*s", STR_ARG(repo->id));
    snprintf(err.file, sizeof(err.file), "%s", path);
    return hfinit_give_error(h, &err, error);
}

static int stat_file(hfinit *h, const hfinit_repo *repo, const char *path, hfinit_file *file,
                     hfinit_error *error)
{
    const struct hub_entry *entry;
    struct err              err;

    if (hfinit_load_repo_as(h, repo, NULL, HFINIT_WITHOUT_TARGET, error))
        return -1;
    if (hfinit_begin(h, HFINIT_TO_LOOK, &err) || snapshot_list(h->snapshot, &err))
        return hfinit_give_error(h, &err, error);
    entry = find_entry(snapshot_listing(h->snapshot, 0), str_from(path));
    if (!entry)
        return fail_entry(h, path, error);
    *file = describe(h, 0, entry, &h->wish);
    return 0;
}

int hfinit_stat_file(hfinit *h, const hfinit_repo *repo, const char *path, hfinit_file *file,
                     hfinit_error *error)
{
    char *name = mem_strdup(path); /* which may be lent of what is loaded now */
    int   rc = stat_file(h, repo, name, file, error);

    free(name);
    return rc;
}
