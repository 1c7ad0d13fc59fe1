/* progress.h: the counters of a run. Any thread adds, readers take a snapshot; nothing waits. */
#ifndef HFI_PROGRESS_H
#define HFI_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"

enum progress_phase { /* names of the contract */
    PHASE_PENDING, PHASE_WAITING, PHASE_RESOLVING, PHASE_PLANNING, PHASE_DOWNLOADING,
    PHASE_VERIFYING, PHASE_COMPLETE, PHASE_FAILED, PHASE_CANCELLED, PHASES
};
const char *progress_phase_name(enum progress_phase phase);

struct progress_totals { /* bytes and files; planned = present + to fetch */
    _Atomic uint64_t files_planned, files_present, files_done;
    _Atomic uint64_t bytes_planned, bytes_present, bytes_done; /* done: fetched in this run, kept */
};

enum { PROGRESS_SLOTS = 64 };

struct progress_slot { /* one file in flight; guarded by progress.slots_lock */
    bool     used;
    size_t   repo;           /* index in the spec */
    char     path[256];      /* shortened in the middle if longer */
    char     host[128];      /* that serves it */
    uint64_t size_bytes, done_bytes;
    uint64_t last_byte_at_ms;
};

struct progress_repo {
    struct progress_totals totals;
    char                   commit[41];    /* guarded by lock */
    bool                   failed, complete, from_existing;
    struct err             err;
};

struct progress; /* opaque: counters, per-repo array, slots, rate window */

struct progress *progress_new(size_t repo_count, const struct clock *clock);
void progress_free(struct progress *p);

void progress_enter(struct progress *p, enum progress_phase phase);
enum progress_phase progress_phase(const struct progress *p);
/* What the run is waiting for and until when (wall ms, 0 unknown): "429 from huggingface.co". */
void progress_wait(struct progress *p, const char *what, int64_t until_wall_ms);

void progress_plan_file(struct progress *p, size_t repo, uint64_t bytes, uint64_t have_bytes,
                        bool present);
void progress_replan(struct progress *p); /* zeroes the planned and present totals */
void progress_add_bytes(struct progress *p, size_t repo, uint64_t bytes); /* received and written */
void progress_lose_bytes(struct progress *p, size_t repo, uint64_t bytes); /* must be fetched again */
void progress_file_done(struct progress *p, size_t repo);
void progress_add_retry(struct progress *p);
void progress_add_request(struct progress *p);
void progress_set_commit(struct progress *p, size_t repo, const char *commit);
void progress_repo_failed(struct progress *p, size_t repo, const struct err *err);
void progress_repo_complete(struct progress *p, size_t repo, bool from_existing);

/* Files in flight. Returns a slot index or -1 when all are taken (then it is just not shown). */
int  progress_slot_take(struct progress *p, size_t repo, const char *path, uint64_t size_bytes,
                        uint64_t done_bytes);
void progress_slot_bytes(struct progress *p, int slot, uint64_t bytes); /* also notes the moment */
void progress_slot_host(struct progress *p, int slot, const char *host);
void progress_slot_free(struct progress *p, int slot);

/* A consistent enough copy for reports. */
struct progress_view_totals {
    uint64_t files_planned, files_present, files_done;
    uint64_t bytes_planned, bytes_present, bytes_done;
};
struct progress_view_repo {
    struct progress_view_totals totals;
    char       commit[41];
    bool       failed, complete, from_existing;
    struct err err;
};
struct progress_view {
    enum progress_phase phase;
    char     waiting_for[160];
    int64_t  waiting_until_wall_ms;
    int64_t  started_wall_ms, now_wall_ms, phase_since_wall_ms;
    uint64_t elapsed_ms;
    uint64_t phase_ms[PHASES]; /* time spent in each */
    struct progress_view_totals totals;
    uint64_t bytes_per_s_now, bytes_per_s_mean, eta_ms; /* eta UINT64_MAX: unknown */
    uint64_t retries, requests;
    struct progress_view_repo *repo; /* owned by the view */
    size_t   repo_count;
    struct progress_slot slot[PROGRESS_SLOTS];
    size_t   slot_count;
};
void progress_look(struct progress *p, struct progress_view *out);
void progress_view_release(struct progress_view *view);

#endif
