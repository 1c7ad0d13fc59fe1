/* snapshot_look.c: what is on the volume already, what is missing, and does the rest fit? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "snapshot_internal.h"

int snapshot_make_plan(struct snapshot *s, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct repo_run *run = &s->repo[i];
        struct err       why;

        if (run->failed || !run->listed || s->plan.repo[i].count)
            continue;
        if (plan_add_repo(&s->plan, i, run->listing.files.entry, run->listing.files.count, &why))
            snapshot_repo_fails(s, i, &why);
    }
    return 0;
}

int snapshot_look_at(struct snapshot *s, size_t k, struct store_view *view, struct err *err)
{
    const struct plan_file *f = &s->plan.file[k];
    struct store_file       file = snapshot_store_file(f);

    if (k % 64 == 0 && snapshot_tick(s, err))
        return -1;
    return store_look(s->repo[f->repo].store, &file, view, err);
}

int snapshot_is_complete(struct snapshot *s, size_t i, struct err *err)
{
    const struct plan_repo *repo = &s->plan.repo[i];

    if (repo->count == 0 || snapshot_open_repo(s, i, err))
        return repo->count == 0 ? 0 : -1;
    for (size_t k = repo->first; k < repo->first + repo->count; k++) {
        struct store_view view;

        if (snapshot_look_at(s, k, &view, err))
            return -1;
        if (view.state != STORE_PRESENT)
            return 0;
    }
    return 1;
}

static int look_at_repo(struct snapshot *s, size_t i, struct err *err)
{
    const struct plan_repo *repo = &s->plan.repo[i];

    if (snapshot_open_repo(s, i, err))
        return -1;
    for (size_t k = repo->first; k < repo->first + repo->count; k++) {
        struct plan_file *f = &s->plan.file[k];
        struct store_view view;

        if (snapshot_look_at(s, k, &view, err))
            return -1;
        f->state = view.state == STORE_PRESENT      ? PLAN_PRESENT
                   : view.state == STORE_UNVERIFIED ? PLAN_UNKNOWN
                                                    : PLAN_FETCH;
        f->have_bytes = view.have_bytes;
        f->allocated_bytes = view.allocated_bytes;
    }
    return 0;
}

int snapshot_look(struct snapshot *s, struct err *err)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct err why;

        if (s->repo[i].failed || s->plan.repo[i].count == 0 || look_at_repo(s, i, &why) == 0)
            continue;
        if (snapshot_has_ended(s, err))
            return -1;
        snapshot_repo_fails(s, i, &why);
    }
    return 0;
}

int snapshot_check_twins(struct snapshot *s, struct err *err)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        struct str a, b;
        struct err why;
        int        rc;

        if (s->repo[i].failed || !plan_find_twins(&s->plan, i, &a, &b))
            continue;
        rc = store_ignores_case(s->repo[i].store, &why);
        if (rc > 0) {
            err_set(&why, ERR_UNSAFE_NAME,
                    "the listing has %.*s and %.*s, and this volume takes them for one name",
                    STR_ARG(a), STR_ARG(b));
            err_hint(&why, "leave one of them out with ignore, or use a volume that tells upper "
                           "case from lower case");
        }
        if (rc)
            snapshot_repo_fails(s, i, &why);
    }
    return snapshot_failure(s, err) ? -1 : 0;
}

/* --- what dead runs left --- */

static bool is_wanted(const struct digest *digest, void *user)
{
    const struct snapshot *s = user;

    for (size_t k = 0; k < s->plan.file_count; k++)
        if (s->plan.file[k].state != PLAN_PRESENT && digest_equal(&s->plan.file[k].digest, digest))
            return true;
    return false;
}

/* What this spec does not name may be another one's, whose pod is starting again right now. */
static bool is_foreign(const struct digest *digest, void *user)
{
    const struct snapshot *s = user;

    for (size_t k = 0; k < s->plan.file_count; k++)
        if (digest_equal(&s->plan.file[k].digest, digest))
            return false;
    return true;
}

static bool is_listed(const struct snapshot *s, const struct digest *digest)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        const struct hub_listing *files = &s->repo[i].listing.files;

        for (size_t k = 0; k < files->count; k++)
            if (digest_equal(&files->entry[k].digest, digest))
                return true;
    }
    return false;
}

/* What these commits have and this spec does not select. Of other commits nothing is spared: whoever began
 * on them and was replaced by us must not find it when he wakes up, for he would publish it. */
static bool may_be_wanted(const struct digest *digest, void *user)
{
    return is_wanted(digest, user) || (is_foreign(digest, user) && is_listed(user, digest));
}

struct others {
    struct snapshot *s;
    bool             is_here;    /* the one that is read, on one of our places */
    bool             have_begun; /* one of them is here, and not done */
};

static void visit_place(const struct report_place *place, void *user)
{
    struct others         *others = user;
    const struct snapshot *s = others->s;

    for (size_t i = 0; i < s->spec->repo_count && place->is_cache == snapshot_is_cache(s); i++) {
        const struct spec_repo *repo = &s->spec->repo[i];

        if (place->is_cache ? str_eq(place->id, repo->id) &&
                                  str_eq(place->type, str_from(repo_type_name(repo->type)))
                            : str_eq(place->path, repo->path))
            others->is_here = true;
    }
}

/* Of another spec: shards of ours plan what we do. */
static bool is_status_of_another(const struct snapshot *s, struct str name)
{
    return str_has_suffix(name, STR(".status.json")) && !str_eq(name, str_from(s->status_name)) &&
           !snapshot_is_status_of_shard(name, s->spec->name);
}

static int visit_state(const char *name, void *user, struct err *err)
{
    enum { STATUS_MAX = 1024 * 1024 };
    struct others   *others = user;
    struct buf       text = {0};
    enum report_kind kind = REPORT_MARKER;
    struct err       ignored;

    (void)err;
    others->is_here = false;
    if (is_status_of_another(others->s, str_from(name)) &&
        store_read_state(others->s->store, name, STATUS_MAX, &text, &ignored) == 1 &&
        report_read_places(buf_view(&text), &kind, visit_place, others, &ignored) == 0)
        others->have_begun |= others->is_here && kind == REPORT_STATUS_OTHER;
    buf_release(&text);
    return 0;
}

static bool others_have_begun(struct snapshot *s)
{
    struct others others = {.s = s};
    struct err    ignored;

    return store_list_state(s->store, visit_state, &others, &ignored) == 0 && others.have_begun;
}

/* What earlier runs left of content that nobody asks for any more makes room for what is asked for. */
void snapshot_sweep(struct snapshot *s, bool is_complete)
{
    store_wanted_fn *wanted = is_complete            ? is_foreign
                              : others_have_begun(s) ? may_be_wanted
                                                     : is_wanted;
    struct err       ignored;
    uint64_t         freed = store_sweep(s->store, wanted, s, &ignored);

    if (freed)
        log_write(s->config.log, LOG_INFO, "removed partials that nobody needs any more",
                  LOG_NUM("bytes", freed));
}

/* --- space --- */

enum { INODES_MARGIN = 64 }; /* folders, partials, journals, state */

static const char inodes_hint[] = "use a volume with more inodes; more bytes will not help";

/* What is written to a tmpfs stays in memory, charged to this container: past the limit the kernel
 * kills it, again and again. */
static bool is_short_of_memory(struct fs_space *space)
{
    struct cgroup_memory memory;

    cgroup_memory("", &memory);
    if (!space->is_memory || memory.left_bytes >= space->free_bytes)
        return false;
    space->free_bytes = memory.left_bytes;
    return true;
}

static struct snapshot_volume *volume_of(struct snapshot *s, size_t i, struct err *err)
{
    bool            by_memory;
    struct fs_space space;
    struct buf      folder = {0};

    if (store_repo_space(s->repo[i].store, &space, err))
        return NULL;
    for (size_t v = 0; v < s->volume_count; v++)
        if (s->volume[v].device == space.device)
            return &s->volume[v];
    if (s->volume_count == SNAPSHOT_VOLUMES_MAX)
        return &s->volume[SNAPSHOT_VOLUMES_MAX - 1];
    store_repo_folder(s->repo[i].store, &folder);
    by_memory = is_short_of_memory(&space);
    s->volume[s->volume_count] = (struct snapshot_volume){
        .folder = arena_strdup(&s->arena, buf_view(&folder)),
        .device = space.device,
        .free_bytes = space.free_bytes,
        .total_bytes = space.total_bytes,
        .free_inodes = space.free_inodes,
        .by_quota = space.by_quota && !by_memory,
        .by_memory = by_memory,
        .fits = true,
    };
    buf_release(&folder);
    return &s->volume[s->volume_count++];
}

static uint64_t bytes_still_needed(const struct plan_file *f)
{
    if (f->state == PLAN_SAME)
        return f->size_bytes;
    if (f->state != PLAN_FETCH || f->allocated_bytes >= f->size_bytes)
        return 0;
    return f->size_bytes - f->allocated_bytes;
}

/* A file, and beside it its metadata or its link. Folders and our own files are in the margin. */
static uint64_t inodes_of(const struct snapshot *s, size_t i)
{
    return snapshot_is_cache(s) || s->spec->repo[i].hub_metadata ? 2 : 1;
}

static int add_up(struct snapshot *s, struct err *err)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        const struct plan_repo *repo = &s->plan.repo[i];
        struct snapshot_volume *v;

        if (s->repo[i].failed || repo->count == 0)
            continue;
        v = volume_of(s, i, err);
        if (!v)
            return -1;
        for (size_t k = repo->first; k < repo->first + repo->count; k++) {
            const struct plan_file *f = &s->plan.file[k];

            if (!f->is_mine || f->state == PLAN_PRESENT)
                continue;
            if (__builtin_add_overflow(v->need_bytes, bytes_still_needed(f), &v->need_bytes))
                return err_set(err, ERR_BAD_ANSWER, "the sizes add up to nonsense");
            /* In layout cache a twin is only a link to the blob. */
            if (f->state == PLAN_SAME && snapshot_is_cache(s))
                v->need_bytes -= f->size_bytes;
            v->need_inodes += inodes_of(s, i);
        }
    }
    return 0;
}

static int too_little(const struct snapshot *s, const struct snapshot_volume *v, struct err *err)
{
    char need[24], have[24], reserve[24];

    report_bytes(v->need_bytes, need);
    report_bytes(v->free_bytes, have);
    report_bytes(s->spec->disk_reserve_bytes, reserve);
    err_set(err, v->by_quota ? ERR_QUOTA : ERR_DISK_FULL,
            "%s needs %s more (%" PRIu64 " bytes) and %s to spare, but %s are free (%" PRIu64
            " bytes)%s",
            v->folder, need, v->need_bytes, reserve, have, v->free_bytes,
            v->by_quota    ? " under the quota"
            : v->by_memory ? " of the memory of this container: the volume is a tmpfs"
                           : "");
    err->need_bytes = v->need_bytes + s->spec->disk_reserve_bytes;
    err->have_bytes = v->free_bytes;
    return v->by_memory ? err_hint(err, "raise limits.memory, or use a volume that is on a disk")
                        : -1;
}

static int check_volume(struct snapshot *s, struct snapshot_volume *v, struct err *err)
{
    uint64_t need;

    if (v->need_bytes == 0)
        return 0;
    if (__builtin_add_overflow(v->need_bytes, s->spec->disk_reserve_bytes, &need) ||
        need > v->free_bytes) {
        v->fits = false;
        return too_little(s, v, err);
    }
    if (v->free_inodes != UINT64_MAX && v->need_inodes + INODES_MARGIN > v->free_inodes) {
        v->fits = false;
        err_set(err, ERR_DISK_FULL,
                "%s needs about %" PRIu64 " more inodes (files and folders), but %" PRIu64
                " are free",
                v->folder, v->need_inodes + INODES_MARGIN, v->free_inodes);
        return err_hint(err, "%s", inodes_hint);
    }
    return 0;
}

static bool is_short_of_inodes(const struct fs_space *space)
{
    enum { PLENTY_BYTES = 1024 * 1024 };

    return space->free_inodes < 8 && space->free_bytes > PLENTY_BYTES;
}

/* ENOSPC does not say what has run out. */
void snapshot_explain_full(struct snapshot *s, struct err *err)
{
    struct fs_space space;
    struct err      ignored;
    bool            is_short;

    if (err->kind != ERR_DISK_FULL || err->sys_errno == 0 || !s->store)
        return;
    is_short =
        fs_space(store_target_fd(s->store), &space, &ignored) == 0 && is_short_of_inodes(&space);
    for (size_t i = 0; !is_short && i < s->spec->repo_count; i++)
        is_short = s->repo[i].store && store_repo_space(s->repo[i].store, &space, &ignored) == 0 &&
                   is_short_of_inodes(&space);
    if (is_short) {
        err_wrap(err, "no inodes (files) are left on the volume");
        err_hint(err, "%s", inodes_hint);
    }
}

/* disk.limit: what the pod may use, whatever the disk has. In layout cache twins are one blob. */
static int check_limit(const struct snapshot *s, struct err *err)
{
    uint64_t bytes = 0;
    char     need[24], have[24];

    for (size_t k = 0; k < s->plan.file_count; k++) {
        const struct plan_file *f = &s->plan.file[k];
        bool counts = !s->repo[f->repo].failed && !(f->is_twin && snapshot_is_cache(s));

        if (counts && __builtin_add_overflow(bytes, f->size_bytes, &bytes))
            bytes = UINT64_MAX;
    }
    if (s->spec->disk_limit_bytes == 0 || bytes <= s->spec->disk_limit_bytes)
        return 0;
    report_bytes(bytes, need);
    report_bytes(s->spec->disk_limit_bytes, have);
    err_set(err, ERR_DISK_FULL, "the selection has %s (%" PRIu64 " bytes), disk.limit allows %s",
            need, bytes, have);
    err->need_bytes = bytes;
    err->have_bytes = s->spec->disk_limit_bytes;
    return err_hint(err,
                    "raise disk.limit and the pod's ephemeral-storage limit with it, or narrow "
                    "the selection");
}

int snapshot_check_space(struct snapshot *s, struct err *err)
{
    int rc;

    s->volume_count = 0;
    if (add_up(s, err))
        return -1;
    if (!s->spec->disk_check)
        return 0;
    rc = check_limit(s, err);
    for (size_t v = 0; v < s->volume_count; v++) { /* all of them: a plan shows which fits */
        struct err why;

        if (check_volume(s, &s->volume[v], &why) && rc == 0) {
            *err = why;
            rc = -1;
        }
    }
    return rc;
}
