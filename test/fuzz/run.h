/* run.h: a run to report on, made of lines of the input. */
#ifndef HFI_FUZZ_RUN_H
#define HFI_FUZZ_RUN_H

#include "fuzz.h"
#include "progress.h"
#include "report.h"

enum { RUN_REPOS = 2 };

struct fuzz_run {
    struct report_repo        repo[RUN_REPOS];
    struct report_run         run;
    struct progress_view_repo seen[RUN_REPOS];
    struct progress_view      view;
    struct err                err;
    bool                      is_text; /* all that came from the input is UTF-8 */
};

static inline const char *run_text(struct fuzz_run *r, struct input *in)
{
    const char *text = input_cstr(in);

    r->is_text = r->is_text && fuzz_is_utf8(str_from(text));
    return text;
}

static inline void run_fill(struct fuzz_run *r, struct input *in, char *out, size_t size)
{
    snprintf(out, size, "%s", run_text(r, in));
}

static inline void run_commit(char out[41], uint64_t seed)
{
    snprintf(out, 41, "%016llx%016llx%08x", (unsigned long long)seed, (unsigned long long)seed,
             (unsigned)seed);
}

static inline void run_repo(struct fuzz_run *r, struct input *in, size_t i)
{
    static const char *const types[] = {"model", "dataset", "space"};
    struct report_repo      *repo = &r->repo[i];
    uint64_t                 n = input_number(in);

    repo->id = run_text(r, in);
    repo->type = types[n % 3];
    repo->revision = run_text(r, in);
    repo->path = n & 4 ? run_text(r, in) : NULL;
    repo->folder = str_from(n & 8 ? run_text(r, in) : "");
    repo->optional = n & 16;
    repo->file_count = n >> 11;
    repo->bytes = n & ((1ull << 53) - 1);
    if (n & 32)
        run_commit(repo->commit, n);
    snprintf(repo->list_digest, sizeof(repo->list_digest), "%064llx", (unsigned long long)n);
    r->seen[i] = (struct progress_view_repo){
        .failed = n & 64, .complete = n & 128, .from_existing = n & 256};
    r->seen[i].totals.bytes_planned = n;
    if (r->seen[i].failed)
        err_set(&r->seen[i].err, (enum err_kind)(1 + n % (ERR_KINDS - 1)), "%s", repo->id);
}

static inline void run_error(struct fuzz_run *r, struct input *in)
{
    uint64_t n = input_number(in);

    err_set(&r->err, (enum err_kind)(n % ERR_KINDS), "%s", run_text(r, in));
    run_fill(r, in, r->err.hint, sizeof(r->err.hint));
    run_fill(r, in, r->err.repo, sizeof(r->err.repo));
    run_fill(r, in, r->err.file, sizeof(r->err.file));
    run_fill(r, in, r->err.request_id, sizeof(r->err.request_id));
    run_fill(r, in, r->err.url, sizeof(r->err.url));
    r->err.need_bytes = n & 64 ? n : 0;
    r->err.have_bytes = n >> 1;
    r->err.http_status = (long)(n >> 1);
}

static inline void run_view(struct fuzz_run *r, struct input *in)
{
    struct progress_view *v = &r->view;
    uint64_t              n = input_number(in), wall_ms = n % 253402300800000;

    v->phase = (enum progress_phase)(n % PHASES);
    v->started_wall_ms = v->now_wall_ms = v->changed_wall_ms = (int64_t)wall_ms;
    v->phase_since_wall_ms = v->waiting_until_wall_ms = (int64_t)wall_ms / 2;
    v->elapsed_ms = v->eta_ms = v->phase_ms[v->phase] = n;
    v->totals = (struct progress_totals){n >> 3, n >> 5, n >> 4, n, n >> 2, n >> 1};
    v->received_bytes = n;
    v->bytes_per_s_now = v->bytes_per_s_mean = v->retries = v->requests = n >> 7;
    v->repo = r->seen;
    v->repo_count = r->run.repo_count;
    run_fill(r, in, v->waiting_for, sizeof(v->waiting_for));
    v->slot_count = n % 3;
    for (size_t i = 0; i < v->slot_count; i++) {
        v->slot[i].repo = n % 5;
        run_fill(r, in, v->slot[i].path, sizeof(v->slot[i].path));
        run_fill(r, in, v->slot[i].host, sizeof(v->slot[i].host));
        v->slot[i].size_bytes = v->slot[i].done_bytes = v->slot[i].quiet_ms = n;
    }
}

/* It must stay where it is: it points into itself. */
static inline void run_read(struct fuzz_run *r, struct input *in)
{
    *r = (struct fuzz_run){.is_text = true};
    r->run = (struct report_run){
        .spec_name = run_text(r, in),
        .spec_digest = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        .target = run_text(r, in),
        .version = "0.1.0",
        .instance = "00112233445566ff",
        .repo = r->repo,
    };
    r->run.is_cache = r->run.spec_name[0] == 'c';
    r->run.repo_count = input_number(in) % (RUN_REPOS + 1);
    run_error(r, in);
    for (size_t i = 0; i < r->run.repo_count; i++)
        run_repo(r, in, i);
    run_view(r, in);
}

#endif
