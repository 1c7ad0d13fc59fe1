/* snapshot.h: one run, told as a story: resolve, plan, check space, fetch, publish, mark. */
#ifndef HFI_SNAPSHOT_H
#define HFI_SNAPSHOT_H

#include <stdatomic.h>

#include "metrics.h"
#include "plan.h"
#include "progress.h"
#include "report.h"
#include "spec.h"

struct snapshot;

struct snapshot_config {
    struct spec      *spec; /* borrowed; its token may be read again */
    struct clock      clock;
    const struct log *log;
    const char       *version;
    bool              log_is_json;
    /* The target's folder is open (-1: none is looked at); may be NULL. */
    void (*on_volume)(int fd, void *user);
    void *on_volume_user;
    bool  draws_bars; /* somebody draws what on_progress says: no heartbeat lines */
    /* Ten times a second while the run ticks, and once when it is over; may be NULL. */
    void (*on_progress)(const struct progress_view *view, void *user);
    void         *on_progress_user;
    http_hook_fn *hook; /* answers in place of the network; NULL: none */
    void         *hook_user;
    int           stop_fd;        /* readable when the run should stop; -1 none */
    _Atomic int  *stop;           /* 0 go on, else the ERR_ kind to stop with; may be NULL */
    bool          read_only;      /* plan, verify: nothing is created or changed */
    bool          rehash;         /* every file there is hashed, whatever is known of it */
    bool          stay_at_marker; /* with rehash: at the commits that the marker names */
    /* A sidecar looks again, after a run that ended well: what others read changes only once there is
     * something to do. */
    bool               is_look;
    struct metrics    *metrics; /* borrowed; may be NULL */
    struct last_words *last;    /* kept up to date for the case that die() ends it; may be NULL */
};

int  snapshot_new(const struct snapshot_config *config, struct snapshot **out, struct err *err);
void snapshot_free(struct snapshot *s);
/* After a run: gives back all but what tells of it (snapshot_report, snapshot_view). */
void snapshot_rest(struct snapshot *s);
/* Of a look (is_look): there was nothing to do. */
bool snapshot_is_quiet(const struct snapshot *s);

/* Makes the volume match. On failure err is that of the first repo, in spec order, that is not
 * optional. Status, marker and env file are written on the way. */
int snapshot_run(struct snapshot *s, struct err *err);

/* die() was called: makes this the volume's status, if there is a volume yet. Takes no memory and no
 * locks. */
void snapshot_leave_status(const struct snapshot *s, const char *text);

/* Resolves and looks, changes nothing (read_only). -1 with the first failure, or ERR_DISK_FULL if it
 * would not fit; what is known is in the views below all the same. */
int snapshot_plan(struct snapshot *s, struct err *err);

/* Resolves and lists, by the Hub alone: no volume is looked at. The listings are in snapshot_listing.
 * -1 with the first failure. */
int snapshot_list(struct snapshot *s, struct err *err);
/* All files of a repo, selected or not; NULL if it failed. Lent. */
const struct hub_listing *snapshot_listing(const struct snapshot *s, size_t repo);

/* Hashes what the marker says is there (read_only). `bad` is told of each file that is not what it should
 * be, one call at a time. -1 with ERR_INTEGRITY if there is any, ERR_OFFLINE (incomplete) if there is no
 * marker of this spec. */
typedef void snapshot_bad_fn(const char *repo, struct str path, const char *what, void *user);
int          snapshot_verify(struct snapshot *s, snapshot_bad_fn *bad, void *user, struct err *err);

/* The commit that a repo is at; "" if it is not known. Lent. */
const char *snapshot_commit(const struct snapshot *s, size_t repo);

/* For whoever tells the outcome; lent until the next call or the end. */
const struct report_run    *snapshot_report(struct snapshot *s);
const struct progress_view *snapshot_view(struct snapshot *s);
const struct plan          *snapshot_planned(const struct snapshot *s);
const struct err *snapshot_repo_error(const struct snapshot *s, size_t repo); /* NULL none */

/* Is the state file SPEC_NAME.shard-7.status.json, of any number? */
bool snapshot_is_status_of_shard(struct str file, struct str spec_name);

struct snapshot_volume {
    const char *folder; /* of the first repo on it */
    uint64_t    device, free_bytes, total_bytes, need_bytes, need_inodes, free_inodes;
    bool        by_quota, by_memory, fits; /* what made free_bytes that small */
};
const struct snapshot_volume *snapshot_volumes(const struct snapshot *s, size_t *count);

#endif
