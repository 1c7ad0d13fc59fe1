/* report.h: what others may read of a run: status, marker, termination message, env file.
 *
 * Renders text; the caller says where it goes (the store owns the paths below the target). The
 * formats are manifests/status.schema.json and the contract's; a test holds them to it. */
#ifndef HFI_REPORT_H
#define HFI_REPORT_H

#include "buf.h"
#include "err.h"
#include "progress.h"

struct report_repo {
    const char *id, *type, *revision, *path; /* as in the spec */
    char        commit[41];
    bool        optional;
    uint64_t    file_count, bytes;  /* of the selection */
    char        list_digest[65];    /* sha256 over "digest size path\n" of the selection, sorted by path */
    struct str  folder;             /* absolute folder a reader opens */
};

struct report_run {
    const char *spec_name;
    const char *spec_digest;
    const char *target;
    const char *version;
    const char *instance;
    bool        is_cache;
    const struct report_repo *repo;
    size_t      repo_count;
};

/* hf-init/status/v1. `err` NULL while nothing failed. Ends in a newline. */
void report_status(const struct report_run *run, const struct progress_view *view,
                   const struct err *err, struct buf *out);
/* The marker, hf-init/complete/v1. */
void report_marker(const struct report_run *run, int64_t wall_ms, struct buf *out);
/* Reads a marker back: fills spec digest and, per repo of `run` (matched by type, id, revision and
 * path), commit, count, bytes and list digest. 1 it is a marker of this spec, 0 it is of another
 * spec or version or unreadable, never an error: then the volume is simply checked. */
int report_read_marker(struct str text, const char *spec_digest, struct report_repo *repo,
                       size_t repo_count);
/* One JSON object of at most 3 KiB, `message` first. */
void report_termination(const struct report_run *run, const struct progress_view *view,
                        const struct err *err, struct buf *out);
/* Shell-safe lines: HF_INIT_… and, layout cache, HF_HUB_CACHE and HF_HUB_OFFLINE. */
void report_env(const struct report_run *run, struct buf *out);
/* Verdict for people: "failed Gated (exit 11): … Next: …" or "complete: 12 files, 4.1 GB …". One line. */
void report_verdict(const struct report_run *run, const struct progress_view *view,
                    const struct err *err, struct buf *out);
/* "18% 2.4/13.1 GiB 210 MiB/s eta 52s 3 files" for the heartbeat. */
void report_heartbeat(const struct progress_view *view, struct buf *out);

/* For people: "1.5 GiB", "210 MiB/s", "1m 12s". */
void report_bytes(uint64_t bytes, char out[24]);
void report_duration(uint64_t ms, char out[24]);

#endif
