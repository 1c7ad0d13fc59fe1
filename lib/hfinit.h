/* hfinit.h: make a volume match a spec of Hugging Face repos. The public header of libhfinit.
 *
 * Handles are opaque and owned by the caller. The library keeps no global state, never prints and
 * never exits; log lines and progress arrive through callbacks. One run uses several threads of its
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
/* Reads the spec: file (NULL: look it up as the contract says; "-" is standard input) and
 * environment (like environ; NULL: none). Checks all of it. */
int hfinit_load(hfinit *h, const char *file, const char *const *env, hfinit_error *error);
/* The same for commands that only look: no token is read or missed. without_repos: naming none is
 * fine, only the volume and the spec's name count (status). */
int hfinit_load_to_look(hfinit *h, const char *file, const char *const *env, bool without_repos,
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

/* `validate -v`: each effective value with its origin, secrets redacted. */
typedef void hfinit_setting_fn(const char *path, const char *value, const char *origin, void *user);
int          hfinit_settings(hfinit *h, hfinit_setting_fn *visit, void *user, hfinit_error *error);

/* The status document of the spec's volume, as it is ("" if none). The caller frees *json. Exit
 * code in error->exit_code: 0 complete, 3 not yet, else the run's failure. */
int hfinit_read_status(hfinit *h, char **json, hfinit_error *error);
/* The same for people. */
int hfinit_status_text(hfinit *h, char **text, hfinit_error *error);

/* One call per setting there is: path, type, variable, default, allowed words, help, example. */
typedef void hfinit_each_fn(const char *const column[7], void *user);
void         hfinit_each_setting(hfinit_each_fn *each, void *user);

/* Where the termination message goes; "" none. Also known after a failed hfinit_load. */
const char *hfinit_termination_path(const hfinit *h);
/* The JSON for it, after a run (also a failed one, also a failed load); lent until the next call. */
const char *hfinit_termination_text(hfinit *h, const hfinit_error *error);
/* The last line for people; lent until the next call. */
const char *hfinit_verdict(hfinit *h, const hfinit_error *error);

/* {"version":…,"commit":…,"libraries":{…},"roots":{…},"cpu":[…]}; lent, static lifetime of h. */
const char *hfinit_version_json(hfinit *h);
const char *hfinit_version_text(hfinit *h); /* the same for people, several lines */
const char *hfinit_version(void);           /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
