/* snapshot_ask.c: what can be asked without changing anything: a plan, a listing, whether the files
 * are still what the marker says; and what a run knows, for whoever tells of it. */
#include "snapshot_internal.h"

int snapshot_plan(struct snapshot *s, struct err *err)
{
    if (snapshot_enter_volume(s, err) || snapshot_resolve_and_plan(s, err))
        return -1;
    for (size_t k = 0; k < s->plan.file_count; k++) /* nobody hashes for a plan */
        if (s->plan.file[k].state == PLAN_UNKNOWN)
            s->plan.file[k].state = PLAN_PRESENT;
    plan_find_same(&s->plan);
    (void)snapshot_has_work(s);
    snapshot_count_plan(s);
    snapshot_fill_report(s);
    if (snapshot_failure(s, err))
        return -1;
    return snapshot_check_space(s, err);
}

int snapshot_list(struct snapshot *s, struct err *err)
{
    if (s->config.on_volume)
        s->config.on_volume(-1, s->config.on_volume_user);
    progress_enter(s->progress, PHASE_RESOLVING);
    if (snapshot_resolve(s, true, err))
        return -1;
    return snapshot_failure(s, err) ? -1 : 0;
}

const struct hub_listing *snapshot_listing(const struct snapshot *s, size_t repo)
{
    return s->repo[repo].listed && !s->repo[repo].failed ? &s->repo[repo].listing.files : NULL;
}

const char *snapshot_commit(const struct snapshot *s, size_t repo)
{
    return s->repo[repo].listing.commit;
}

int snapshot_verify(struct snapshot *s, snapshot_bad_fn *bad, void *user, struct err *err)
{
    int rc;

    if (snapshot_enter_volume(s, err))
        return -1;
    rc = snapshot_hash_as_marked(s, bad, user, err);
    snapshot_count_plan(s);
    progress_enter(s->progress, rc ? PHASE_FAILED : PHASE_COMPLETE);
    snapshot_tell_progress(s);
    return rc;
}

const struct report_run *snapshot_report(struct snapshot *s)
{
    return &s->report;
}

const struct progress_view *snapshot_view(struct snapshot *s)
{
    progress_view_release(&s->view);
    progress_look(s->progress, &s->view);
    return &s->view;
}

const struct plan *snapshot_planned(const struct snapshot *s)
{
    return &s->plan;
}

const struct err *snapshot_repo_error(const struct snapshot *s, size_t repo)
{
    return s->repo[repo].failed ? &s->repo[repo].err : NULL;
}

const struct snapshot_volume *snapshot_volumes(const struct snapshot *s, size_t *count)
{
    *count = s->volume_count;
    return s->volume;
}
