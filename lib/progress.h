/* progress.h: the counters of a run. Any thread adds, readers take a snapshot; adding never waits.
 *
 * Counts of bytes and files are atomics. What is made of several words (names, hosts, errors, the
 * phase) stands behind one mutex that is held for a copy, never for a wait.
 *
 *   planned = what the selection holds        present = of that, there before this run's fetching
 *   done    = fetched by this run and kept    remaining = planned - present - done               */
#ifndef HFI_PROGRESS_H
#define HFI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "progress_stats.h"

enum progress_phase { /* names of the contract */
                      PHASE_PENDING,
                      PHASE_WAITING,
                      PHASE_RESOLVING,
                      PHASE_PLANNING,
                      PHASE_DOWNLOADING,
                      PHASE_VERIFYING,
                      PHASE_COMPLETE,
                      PHASE_FAILED,
                      PHASE_CANCELLED,
                      PHASES
};
const char *progress_phase_name(enum progress_phase phase);
/* complete, failed or cancelled: nothing comes after it. */
bool progress_phase_is_final(enum progress_phase phase);

enum { PROGRESS_SLOTS = 64 };

struct progress; /* opaque: counters, per-repo array, slots, rate window */

struct progress *progress_new(size_t repo_count, const struct clock *clock);
void             progress_free(struct progress *p); /* NULL is fine */

/* Ends the phase before it, and with it whatever progress_wait said. */
void                progress_enter(struct progress *p, enum progress_phase phase);
enum progress_phase progress_phase(const struct progress *p);
/* What the run is waiting for and until when (wall ms, 0 unknown): "429 from huggingface.co".
 * NULL or "": it waits no longer; nor does it once that moment has passed. */
void progress_wait(struct progress *p, const char *what, int64_t until_wall_ms);

/* One file of the selection. have_bytes: of a partial from an earlier run, when not present. */
void progress_plan_file(struct progress *p, size_t repo, uint64_t bytes, uint64_t have_bytes,
                        bool present);
/* Before planning again: zeroes planned, present and done of every repo, because what was fetched
 * so far will be counted as present. Rates keep what they know. */
void progress_replan(struct progress *p);
void progress_add_bytes(struct progress *p, size_t repo, uint64_t bytes); /* received and written */
/* Made of what the volume held (a copy, an adopted file): done, but not received. */
void progress_reuse_bytes(struct progress *p, size_t repo, uint64_t bytes);
/* Bytes that must be fetched again: taken off done, and what is left over off present. */
void progress_lose_bytes(struct progress *p, size_t repo, uint64_t bytes);
void progress_file_done(struct progress *p, size_t repo);
/* Why, and how long the pause is before it (0: none). */
void                   progress_add_retry(struct progress *p, enum err_kind why, uint64_t wait_ms);
void                   progress_add_request(struct progress *p);
struct progress_stats *progress_stats(struct progress *p); /* lent */
void                   progress_set_commit(struct progress *p, size_t repo, const char *commit);
void                   progress_repo_failed(struct progress *p, size_t repo, const struct err *err);
void                   progress_repo_complete(struct progress *p, size_t repo, bool from_existing);

/* Files in flight. Returns a slot index or -1 when all are taken (then it is just not shown); the
 * other three accept -1. One file is served by several connections: its slot is quiet when all of
 * them are. */
int  progress_slot_take(struct progress *p, size_t repo, const char *path, uint64_t size_bytes,
                        uint64_t done_bytes);
void progress_slot_bytes(struct progress *p, int slot, uint64_t bytes); /* also notes the moment */
void progress_slot_host(struct progress *p, int slot, const char *host);
void progress_slot_free(struct progress *p, int slot);

/* A consistent enough copy for reports. */
struct progress_totals {
    uint64_t files_planned, files_present, files_done;
    uint64_t bytes_planned, bytes_present, bytes_done;
};
struct progress_view_repo {
    struct progress_totals totals;
    char                   commit[41];
    bool                   failed, complete, from_existing;
    struct err             err; /* if failed */
};
struct progress_slot {  /* one file in flight */
    size_t   repo;      /* index in the spec */
    char     path[256]; /* shortened in the middle if longer */
    char     host[128]; /* that serves it; "" not known yet */
    uint64_t size_bytes, done_bytes;
    uint64_t bytes_per_s; /* since the slot was taken */
    uint64_t quiet_ms;    /* since its last byte, or since it was taken */
};
struct progress_view {
    enum progress_phase phase;
    char                waiting_for[160];      /* "" nothing */
    int64_t             waiting_until_wall_ms; /* 0 unknown */
    int64_t             started_wall_ms, now_wall_ms, phase_since_wall_ms;
    int64_t  changed_wall_ms; /* when a reader last saw a counter, the phase or the wait change */
    uint64_t elapsed_ms;
    uint64_t phase_ms[PHASES];                  /* time spent in each */
    struct progress_totals     totals;          /* of all repos */
    uint64_t                   remaining_bytes; /* of the repos that have not failed */
    uint64_t                   received_bytes;  /* over the network, those fetched twice included */
    uint64_t                   bytes_per_s_now; /* over the last 10 s; verifying: hashed */
    uint64_t                   bytes_per_s_mean; /* over the time spent downloading */
    uint64_t                   eta_ms;           /* UINT64_MAX: unknown */
    uint64_t                   retries, requests;
    struct progress_view_repo *repo; /* owned by the view */
    size_t                     repo_count;
    struct progress_slot       slot[PROGRESS_SLOTS];
    size_t                     slot_count;
};
/* Also moves the rate window on: call it about once a second. */
void progress_look(struct progress *p, struct progress_view *out);
void progress_view_release(struct progress_view *view);
/* present + done, never more than planned: what a reader may be told. */
uint64_t progress_bytes_there(const struct progress_totals *totals);
uint64_t progress_files_there(const struct progress_totals *totals);
/* 0 to 100; 100 only when everything planned is there. */
unsigned progress_percent(const struct progress_view *view);

#endif
