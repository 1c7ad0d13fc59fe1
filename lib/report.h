/* report.h: what others may read of a run: status, marker, termination message, env file, and the
 * lines for people.
 *
 * Renders text; the caller says where it goes (the store owns the paths below the target). The
 * formats are manifests/status.schema.json, manifests/complete.schema.json and the contract's; a
 * test holds them to it. Whatever comes in, the JSON is valid UTF-8, a line for people stays one
 * line without control characters, and a URL loses userinfo and query. */
#ifndef HFI_REPORT_H
#define HFI_REPORT_H

#include <stdatomic.h>

#include "buf.h"
#include "err.h"
#include "log.h"
#include "progress.h"

struct report_repo {
    const char *id, *type, *revision, *path; /* as in the spec; path NULL or "": none */
    char        commit[41];                  /* "": never resolved, an optional repo that failed */
    bool        optional;
    uint64_t    file_count, bytes; /* of the selection */
    char list_digest[65]; /* sha256 over "digest size path\n" of the selection, sorted by path */
    struct str folder;    /* absolute folder a reader opens */
};

struct report_run {
    const char               *spec_name;
    const char               *spec_digest;
    const char               *target;
    const char               *version;
    const char               *instance;
    bool                      is_cache;
    const struct report_repo *repo;
    size_t                    repo_count;
};

/* hf-init/status/v1. `err` NULL while nothing failed. Ends in a newline. */
void report_status(const struct report_run *run, const struct progress_view *view,
                   const struct err *err, struct buf *out);
/* A status document for people: a few lines, read over a slow `kubectl exec`. -1 with
 * ERR_BAD_ANSWER if it is no status document. */
int report_status_text(struct str json, int64_t now_wall_ms, struct buf *out, struct err *err);
enum { REPORT_NOT_YET = 3 };
/* 0 complete, 3 not yet (also for anything unreadable), else the exit code of the failure. */
int report_status_exit_code(struct str json);

/* The marker, hf-init/complete/v1. An optional repo that failed (commit "") is listed as
 * missing. */
void report_marker(const struct report_run *run, int64_t wall_ms, struct buf *out);
/* Reads a marker back: fills per repo of `repo` (matched by type, id, revision and path) commit,
 * count, bytes and list digest; commit "" where the marker says it is missing. 1 it is a marker of
 * this spec; 0 it is of another spec or version or unreadable, nothing was filled, never an error:
 * then the volume is simply checked. */
int report_read_marker(struct str text, const char *spec_digest, struct report_repo *repo,
                       size_t repo_count);

/* A marker or a status, of any spec, read for the places that it names; texts are lent by the call. */
struct report_place {
    bool       is_cache;
    struct str type, id, path, commit; /* commit "": it tells none */
};
enum report_kind { REPORT_MARKER, REPORT_STATUS_COMPLETE, REPORT_STATUS_OTHER };
typedef void report_place_fn(const struct report_place *place, void *user);
/* visit may be NULL. -1 with ERR_BAD_ANSWER: it is neither, or a place in it makes no sense; then nothing
 * was visited. */
int report_read_places(struct str json, enum report_kind *kind, report_place_fn *visit, void *user,
                       struct err *err);
/* Is it a status that this process wrote? `instance` as in the status. */
bool report_status_is_by(struct str json, const char *instance);

/* Is it a marker of this spec (NULL: of any)? */
bool report_marker_is_of(struct str text, const char *spec_digest);

/* For Kubernetes and for the last line. `run` and `view` may be NULL (the spec was never read);
 * `err` NULL or of kind ERR_NONE means success.
 * One JSON object of at most 3 KiB, `message` first. */
enum { REPORT_TERMINATION_MAX = 3072 };
void report_termination(const struct report_run *run, const struct progress_view *view,
                        const struct err *err, struct buf *out);
/* "failed Gated (exit 11): … Next: …" or "complete: 12 files, 4.1 GiB in /models, …". */
void report_verdict(const struct report_run *run, const struct progress_view *view,
                    const struct err *err, struct buf *out);
/* The verdict as the last log line, under 2 KiB because that is what Kubernetes keeps of a log: as
 * text, or as a JSON object with the numbers of the run as fields. */
void report_verdict_line(const struct report_run *run, const struct progress_view *view,
                         const struct err *err, int64_t wall_ms, bool as_json, struct buf *out);

/* Status and termination message of a run that die() cuts down: made while it goes on, because then
 * there is no memory to make them with. Two of each, so that one is whole while the other is made.
 * {0} is empty. */
struct last_words {
    struct buf  status[2], termination[2];
    _Atomic int current;
};
/* What would be left now. `with_status` false: the status file is not ours to change, or says
 * already how the run ended. run and view as in report_termination. */
void last_words_prepare(struct last_words *words, const struct report_run *run,
                        const struct progress_view *view, bool with_status);
/* Puts the reason in, once; takes neither memory nor locks. Either text may come out as "". */
struct last_words_view {
    const char *status, *termination;
};
struct last_words_view last_words_speak(struct last_words *words, const char *why);
void                   last_words_release(struct last_words *words);

/* The run in Prometheus's words: OpenMetrics 1.0, or the text format before it (0.0.4). docs/metrics.md
 * has every name. A page is one report_metrics and one report_metrics_end. */
enum report_dialect { REPORT_OPENMETRICS, REPORT_PROMETHEUS, REPORT_DIALECTS };
struct report_metrics {
    const struct report_run     *run;
    const struct progress_view  *view;
    const struct progress_stats *stats;
    const struct err            *err; /* why it failed; NULL or ERR_NONE: it has not */
};
struct report_looks { /* of a sidecar, for a revision that moves */
    uint64_t unchanged, changed, failed;
};
void report_metrics(const struct report_metrics *m, enum report_dialect dialect, struct buf *out);
void report_metrics_end(const char *spec_name, bool is_ready, const struct report_looks *looks,
                        enum report_dialect dialect, struct buf *out);

/* NAME='value' lines: HF_INIT_TARGET, HF_INIT_MODEL_PATH, …; layout cache: HF_HUB_CACHE and
 * HF_HUB_OFFLINE. For `set -a; . FILE; set +a` and for Kubernetes' fileKeyRef. */
void report_env(const struct report_run *run, struct buf *out);

/* "downloading 18%: 2.4 of 13.1 GiB, 210 MiB/s, 52s left, 14 of 40 files; quiet for 23s: …". */
void report_heartbeat(const struct progress_view *view, struct buf *out);
/* Logs the heartbeat at level info; with as_json also as typed fields. */
void report_log_heartbeat(const struct log *log, const struct progress_view *view, bool as_json);

/* For people: "1.5 GiB" (rounded to three digits), "1m 12s". */
void report_bytes(uint64_t bytes, char out[24]);
void report_duration(uint64_t ms, char out[24]);
/* "2.4 of 13.1 GiB": both in the unit of the whole. */
void report_bytes_of(uint64_t part, uint64_t whole, char out[48]);

#endif
