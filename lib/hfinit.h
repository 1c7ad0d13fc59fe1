/* hfinit.h: make a volume match a spec of Hugging Face repos. The public header of libhfinit.
 *
 * Handles are opaque and owned by the caller. The library keeps no global state, never prints and
 * never exits, with one exception: without memory, or when it finds a rule of its own broken, it says
 * so on standard error and aborts. Log lines and progress arrive through callbacks. One run uses several threads of its
 * own; callbacks come one at a time, on any of them. A client may not be used by two threads at
 * once, except for hfinit_cancel. */
#ifndef HFINIT_H
#define HFINIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hfinit hfinit; /* a spec under construction, then a run */

/* What went wrong, with a place, a reason and a next step. */
typedef struct hfinit_error {
    int         exit_code; /* of the contract: 2 spec, 11 gated, 20 disk … 0: no error */
    bool        retryable; /* may the same spec succeed later? */
    const char *reason;    /* "Gated", "InsufficientDisk", … static */
    char        message[1024];
    char        hint[320];
    long        http_status; /* 0: none */
    char        request_id[96];
    char        url[320]; /* without query */
    char        repo[160], file[320];
    uint64_t    need_bytes, have_bytes;
} hfinit_error;

typedef enum { HFINIT_LOG_ERROR, HFINIT_LOG_WARN, HFINIT_LOG_INFO, HFINIT_LOG_DEBUG } hfinit_level;

/* One rendered line without its newline, as text or as one JSON object, depending on
 * hfinit_set_log_json. Lent for the call. */
typedef void hfinit_log_fn(hfinit_level level, const char *line, size_t len, void *user);

hfinit *hfinit_new(void);
void    hfinit_free(hfinit *h); /* NULL is fine */
void    hfinit_set_log(hfinit *h, hfinit_log_fn *log, void *user);
/* The log's reader is a terminal (default: no). Decides what `log.format: auto` and `progress: auto` mean. */
void hfinit_set_terminal(hfinit *h, bool is_terminal);
/* How far a run is: about ten times a second, on the thread that runs it, never at the same time as a log
 * line. Everything is lent for the call. With a terminal (hfinit_set_terminal) and `progress: auto` or
 * `bars` the lines that tell the same every ten seconds are left out. */
typedef struct hfinit_progress_file {
    const char *path, *host; /* host "": not known yet */
    uint64_t    bytes, bytes_done, bytes_per_second;
    uint64_t    quiet_ms; /* since its last byte */
} hfinit_progress_file;
typedef struct hfinit_progress {
    const char *phase;       /* as in the status: "resolving", "downloading", … */
    bool        is_over;     /* the last call of a run */
    const char *waiting_for; /* "" nothing */
    uint64_t    waiting_ms;  /* how much longer at most; 0: not known */
    uint64_t    files, files_done, bytes, bytes_done; /* what was there counts as done */
    uint64_t    bytes_per_second;                     /* over the last ten seconds */
    uint64_t    eta_ms;                               /* UINT64_MAX: unknown */
    uint64_t    elapsed_ms;
    const hfinit_progress_file *file; /* in flight */
    size_t                      file_count;
} hfinit_progress;
typedef void hfinit_progress_fn(const hfinit_progress *progress, void *user);
void         hfinit_set_progress(hfinit *h, hfinit_progress_fn *progress, void *user);
/* Called once in a run or a plan, on its thread, when the volume is open and before anything is
 * asked or any thread started. `fd` is its folder, lent; -1: there is none, and none will be made. A
 * program may confine itself to it here. */
typedef void hfinit_volume_fn(int fd, void *user);
void         hfinit_set_volume(hfinit *h, hfinit_volume_fn *opened, void *user);
/* From any thread: stop as if SIGTERM had arrived (exit code 143) or, with true, SIGINT (130). */
void hfinit_cancel(hfinit *h, bool interrupted);

/* A setting as on the command line: "target", "disk.reserve" or "disk-reserve". Highest
 * precedence. Unknown names fail with the nearest known one. A switch may have the value NULL. */
int hfinit_set(hfinit *h, const char *key, const char *value, hfinit_error *error);
/* May this setting stand without a value, meaning true? False for unknown names. */
bool hfinit_is_switch(const char *key);
/* "30s", "5m", "1h30m", "500ms" as in the spec. 0, or -1 with a Usage error. */
int hfinit_parse_duration(const char *text, uint64_t *ms, hfinit_error *error);
/* Reads the spec: file (NULL: look it up as the contract says; "-" is standard input) and
 * environment (like environ; NULL: none). Checks all of it. */
int hfinit_load(hfinit *h, const char *file, const char *const *env, hfinit_error *error);
/* The same for commands that need less, or have other defaults; `as` is made of these. */
enum {
    HFINIT_WITHOUT_TOKEN = 1,  /* none is read or missed */
    HFINIT_WITHOUT_REPOS = 2,  /* naming none is fine: only the volume and the spec's name count */
    HFINIT_WITHOUT_TARGET = 4, /* naming none is fine */
    HFINIT_WITHOUT_FILE = 8,   /* no spec file is looked up */
    HFINIT_HOME_CACHE = 16,    /* layout cache: the default target is huggingface_hub's own cache */
};
int hfinit_load_as(hfinit *h, const char *file, const char *const *env, unsigned as,
                   hfinit_error *error);

/* Makes the volume match. 0 done or already there; -1 with error filled. */
int hfinit_run(hfinit *h, hfinit_error *error);
/* Resolves and lists, touches nothing. -1 also when it would not fit (exit code 20), with the plan
 * filled all the same. */
typedef struct hfinit_plan_repo {
    const char *type, *id, *revision, *commit, *folder; /* commit "" if it could not be resolved */
    uint64_t    files, files_present, bytes, bytes_present, bytes_to_fetch;
    bool        optional, failed;
    const char *error; /* "" or the message */
} hfinit_plan_repo;
typedef struct hfinit_plan_volume {
    const char *path; /* of the first repo on it */
    uint64_t    free_bytes, total_bytes, need_bytes, reserve_bytes;
    bool        fits;
} hfinit_plan_volume;
typedef struct hfinit_plan {
    hfinit_plan_repo   *repo;
    size_t              repo_count;
    hfinit_plan_volume *volume;
    size_t              volume_count;
    uint64_t            files, bytes, bytes_present, bytes_to_fetch;
    void               *owner; /* of all the above */
} hfinit_plan;
int  hfinit_make_plan(hfinit *h, hfinit_plan *plan, hfinit_error *error);
void hfinit_plan_release(hfinit_plan *plan);

/* The selected files of each repo, in the order of their paths. Touches nothing. Texts are lent. */
typedef struct hfinit_file {
    const char *repo, *path;
    const char *kind; /* "git", "lfs", "xet" */
    const char *hash; /* hex: sha256 of lfs and xet files, else the git blob id */
    uint64_t    bytes;
} hfinit_file;
typedef void hfinit_file_fn(const hfinit_file *file, void *user);
int          hfinit_list(hfinit *h, hfinit_file_fn *visit, void *user, hfinit_error *error);

/* After a run: the absolute folder in which a reader finds repo i (0, 1, …) of the spec; "" if it is
 * not known. Lent until the next call or run. */
const char *hfinit_folder(hfinit *h, size_t i);

/* `validate -v`: each effective value with its origin, secrets redacted. */
typedef void hfinit_setting_fn(const char *path, const char *value, const char *origin, void *user);
int          hfinit_settings(hfinit *h, hfinit_setting_fn *visit, void *user, hfinit_error *error);

/* The status document of the spec's volume, as it is ("" if none). The caller frees *json. Exit
 * code in error->exit_code: 0 complete, 3 not yet, else the run's failure. */
int hfinit_read_status(hfinit *h, char **json, hfinit_error *error);
/* The same for people. */
int hfinit_status_text(hfinit *h, char **text, hfinit_error *error);

/* Blocks until the marker of the loaded spec is on the volume, or, with `file`, until that file is
 * published (below the target, or from the root). timeout_ms 0: for ever. 0; -1 with the writer's own
 * failure once it has failed, exit code 33 after the timeout, 143 or 130 after hfinit_cancel. A failure
 * that is there from the start counts only if another try cannot help. Needs no token. */
int hfinit_wait(hfinit *h, const char *file, uint64_t timeout_ms, hfinit_error *error);

/* Hashes every file that the marker says is there; writes nothing. `bad` is told of each that is
 * missing or different (texts lent, one call at a time, any thread). -1 with exit code 40 if there are
 * any, 60 if there is no marker of this spec. Needs no token. */
typedef void hfinit_bad_file_fn(const char *repo, const char *path, const char *what, void *user);
int          hfinit_verify(hfinit *h, hfinit_bad_file_fn *bad, void *user, hfinit_error *error);
/* A run that believes nothing it noted earlier: every file there is hashed, what is wrong is fetched
 * again. repair: at the commits that the marker names; refresh: at those that the spec means now. */
int hfinit_repair(hfinit *h, hfinit_error *error);
int hfinit_refresh(hfinit *h, hfinit_error *error);

/* One call per setting there is: path, type, variable, default, allowed words, help, example. */
typedef void hfinit_each_fn(const char *const column[7], void *user);
void         hfinit_each_setting(hfinit_each_fn *each, void *user);

/* Where the termination message goes; "" none. Also known after a failed hfinit_load. */
const char *hfinit_termination_path(const hfinit *h);
/* The JSON for it, after a run (also a failed one, also a failed load); lent until the next call. */
const char *hfinit_termination_text(hfinit *h, const hfinit_error *error);
/* The last line for people; lent until the next call. */
const char *hfinit_verdict(hfinit *h, const hfinit_error *error);

/* In a handler of SIGABRT: what the library leaves behind when it aborts. The status on the volume of a
 * run that was under way becomes `failed`; the JSON for the termination message is returned. NULL: it
 * was not the library that aborted. Takes no memory. Call it once; h may be NULL, if it died being made. */
const char *hfinit_last_words(hfinit *h);

/* {"version":…,"commit":…,"libraries":{…},"roots":{…},"cpu":[…]}; lent, static lifetime of h. */
const char *hfinit_version_json(hfinit *h);
const char *hfinit_version_text(hfinit *h); /* the same for people, several lines */
const char *hfinit_version(void);           /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
