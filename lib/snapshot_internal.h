/* snapshot_internal.h: the members of a run, shared by the chapters of its story.
 *
 *   snapshot.c          the story
 *   snapshot_resolve.c  which commit, which files: the Hub, else what the volume knows
 *   snapshot_look.c     what is there already, what is missing, what makes room, does it fit
 *   snapshot_ask.c      plans, listings, verifying; nothing is changed
 *   snapshot_hash.c     reading files from end to end: to adopt them, to verify them
 *   snapshot_state.c    what others see: status, metrics, marker, heartbeat, env file; the tick
 *   snapshot_lease.c    waiting for other writers */
#ifndef HFI_SNAPSHOT_INTERNAL_H
#define HFI_SNAPSHOT_INTERNAL_H

#include "fetch.h"
#include "snapshot.h"
#include "store.h"
#include "store_lease.h"
#include "tls.h"

struct repo_run {
    struct fetch_listing listing; /* commit and entries; entries may come from the volume */
    struct store_repo   *store;   /* NULL until the commit is known */
    struct store_lease  *lease;
    bool                 listed, failed;
    bool       from_existing; /* the Hub was out of reach; the volume's own knowledge serves */
    struct err err;
};

enum { SNAPSHOT_VOLUMES_MAX = 16 };

struct snapshot {
    struct snapshot_config config;
    const struct spec     *spec;
    struct store          *store;
    struct tls            *tls;
    struct fetch          *fetch;
    struct progress       *progress;
    struct plan            plan;
    struct repo_run       *repo; /* owned; spec->repo_count long */
    struct report_run      report;
    struct report_repo    *report_repo; /* owned */
    struct arena           arena;       /* strings of the report */
    struct progress_view   view;
    struct snapshot_volume volume[SNAPSHOT_VOLUMES_MAX];
    size_t                 volume_count;
    char                   status_name[160], marker_name[96], env_name[96];
    bool                   volume_is_read_only; /* nothing can be written; a complete one will do */
    struct err             read_only_err;
    bool                   status_warned;
    bool                   status_is_theirs; /* the status file tells of the one we wait for */
    uint64_t               started_at_ms, status_at_ms, heartbeat_at_ms, lease_at_ms, drawn_at_ms;
    struct err             end; /* why the tick ended the run; ERR_NONE: it has not */
    bool                   http_ready;
    bool                   is_quiet;        /* a look that has found nothing to do yet */
    bool                   marker_is_there; /* as far as this run knows; of this spec */
};

static inline bool snapshot_is_cache(const struct snapshot *s)
{
    return s->spec->layout == SPEC_LAYOUT_CACHE;
}

static inline struct store_file snapshot_store_file(const struct plan_file *f)
{
    return (struct store_file){f->path, f->size_bytes, f->digest};
}

/* snapshot.c */
int  snapshot_enter_volume(struct snapshot *s, struct err *err);
int  snapshot_resolve_and_plan(struct snapshot *s, struct err *err);
void snapshot_count_plan(struct snapshot *s); /* into the progress */
/* Is anything to be fetched? Fails the repos of which something is, and cannot be had now. */
bool snapshot_has_work(struct snapshot *s);

/* snapshot_resolve.c */
/* Commits of all repos that are not known yet, and with `trees` their listings too. */
int  snapshot_resolve(struct snapshot *s, bool trees, struct err *err);
void snapshot_forget_commits(struct snapshot *s); /* so that they are asked for again */
int  snapshot_take_commits_of_marker(struct snapshot *s, struct err *err);
/* Fills the listing of one repo from what an earlier run left. 1, 0 not there, -1. */
int snapshot_list_from_volume(struct snapshot *s, size_t i, struct err *err);
/* Everything that speaks to the network: TLS roots, libcurl, fetch. Once, and only if needed. */
int snapshot_connect(struct snapshot *s, struct err *err);
/* The part of it that asks for nothing yet. */
int  snapshot_open_http(struct snapshot *s, struct http_config *out, struct err *err);
int  snapshot_open_repo(struct snapshot *s, size_t i, struct err *err);
void snapshot_repo_fails(struct snapshot *s, size_t i, const struct err *err);
/* The first failure that counts; false if there is none. */
bool snapshot_failure(const struct snapshot *s, struct err *err);

/* snapshot_look.c */
int snapshot_make_plan(struct snapshot *s, struct err *err); /* all listed repos */
int snapshot_look(struct snapshot *s, struct err *err);      /* fills the states of the plan */
/* Of file k of the plan, whose repo is open. Ticks now and then: on a network volume a look takes
 * milliseconds, and there may be 100,000 files. */
int snapshot_look_at(struct snapshot *s, size_t k, struct store_view *view, struct err *err);
/* Fails the repos with names that are one name to this volume. */
int  snapshot_check_twins(struct snapshot *s, struct err *err);
void snapshot_sweep(struct snapshot *s, bool is_complete); /* what dead runs left goes */
int  snapshot_check_space(struct snapshot *s, struct err *err);
/* A failure for lack of space: was it inodes? */
void snapshot_explain_full(struct snapshot *s, struct err *err);
/* Is every file of this repo there, by names and metadata alone? 1, 0, -1. */
int snapshot_is_complete(struct snapshot *s, size_t i, struct err *err);

/* snapshot_hash.c */
int snapshot_adopt(struct snapshot *s, struct err *err); /* hashes what nobody proved yet */
/* Is every file of this repo there, whichever shard fetched it? Several nodes append to its inventory,
 * which may lose a line: what it does not know is hashed once nothing is missing. 1, 0, -1. */
int snapshot_all_is_there(struct snapshot *s, size_t i, struct err *err);
/* See snapshot_verify; the volume is open. */
int snapshot_hash_as_marked(struct snapshot *s, snapshot_bad_fn *bad, void *user, struct err *err);

/* snapshot_state.c */
void snapshot_log_start(const struct snapshot *s);
void snapshot_init_report(struct snapshot *s);
void snapshot_fill_report(struct snapshot *s); /* from plan and commits */
/* Signals, deadline, leases, status: what a run owes others while it works. At least every few seconds;
 * -1: the run is over. */
int snapshot_tick(void *user, struct err *err);
/* Has the tick ended the run? Then no repo is to blame, and err says what is. */
bool snapshot_has_ended(const struct snapshot *s, struct err *err);
void snapshot_learn_whose_status(struct snapshot *s); /* before the first write */
void snapshot_yield_status(struct snapshot *s);       /* once replaced */
void snapshot_write_status(struct snapshot *s, const struct err *err);
void snapshot_tell_progress(struct snapshot *s); /* to whoever draws it */
void snapshot_push_metrics(struct snapshot *s);  /* once the run is over */
/* 1 the marker is of this spec (report_repo is filled from it), 0 not, -1. */
int snapshot_read_marker(struct snapshot *s, struct err *err);
int snapshot_write_marker(struct snapshot *s, struct err *err);
int snapshot_remove_marker(struct snapshot *s, struct err *err);
/* Markers of other specs that name one of our folders at another commit: this run changes it. */
int snapshot_remove_false_markers(struct snapshot *s, struct err *err);
/* Sleeps in ticks. */
int snapshot_sleep(struct snapshot *s, uint64_t ms, struct err *err);
int snapshot_wait_jitter(struct snapshot *s, struct err *err); /* startJitter */

/* snapshot_lease.c */
/* Takes the lease of every repo; 1 if it had to wait for somebody (the volume may have changed). */
int  snapshot_take_leases(struct snapshot *s, struct err *err);
int  snapshot_renew_leases(struct snapshot *s, struct err *err);
void snapshot_drop_leases(struct snapshot *s);
/* Is another shard at work on this repo, as far as is known? */
bool snapshot_has_peer(struct snapshot *s, size_t i);

#endif
