/* snapshot.h: one run, told as a story: resolve, plan, check space, fetch, publish, mark. */
#ifndef HFI_SNAPSHOT_H
#define HFI_SNAPSHOT_H

#include <stdatomic.h>

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
    void (*on_volume)(int fd, void *user); /* the target's folder is open; may be NULL */
    void        *on_volume_user;
    int          stop_fd;   /* readable when the run should stop; -1 none */
    _Atomic int *stop;      /* 0 go on, else the ERR_ kind to stop with; may be NULL */
    bool         read_only; /* plan: nothing is created or changed */
};

int  snapshot_new(const struct snapshot_config *config, struct snapshot **out, struct err *err);
void snapshot_free(struct snapshot *s);

/* Makes the volume match. On failure err is that of the first repo, in spec order, that is not
 * optional. Status, marker and env file are written on the way. */
int snapshot_run(struct snapshot *s, struct err *err);

/* Resolves and looks, changes nothing (read_only). -1 with the first failure, or ERR_DISK_FULL if it
 * would not fit; what is known is in the views below all the same. */
int snapshot_plan(struct snapshot *s, struct err *err);

/* For whoever tells the outcome; lent until the next call or the end. */
const struct report_run    *snapshot_report(struct snapshot *s);
const struct progress_view *snapshot_view(struct snapshot *s);
const struct plan          *snapshot_planned(const struct snapshot *s);
const struct err *snapshot_repo_error(const struct snapshot *s, size_t repo); /* NULL none */

struct snapshot_volume {
    const char *folder; /* of the first repo on it */
    uint64_t    device, free_bytes, total_bytes, need_bytes, need_inodes, free_inodes;
    bool        by_quota, fits;
};
const struct snapshot_volume *snapshot_volumes(const struct snapshot *s, size_t *count);

#endif
