/* hfinit.h: make a volume match a spec of Hugging Face repos. The public header of libhfinit.
 *
 *     cc program.c $(pkg-config --cflags --libs --static hf-init)
 *
 * A client (hfinit) takes settings, loads a spec or a single repo, and then runs, plans, lists or
 * verifies it. It is the engine of the command line program, which uses nothing but this header.
 *
 * Ownership. Handles are opaque and the caller's. What goes in is copied, unless it says that it must
 * outlive the client. What comes out as `char **` is the caller's to free(); what is called lent is
 * valid until the next call with the same client, or for the length of a callback.
 *
 * Errors. A function that can fail returns 0, or -1 with *error filled; `error` may be NULL. Results
 * are written on success alone, where nothing else is said. The library keeps no global state but
 * libcurl's, never prints, never exits and touches no signal, with one exception: without memory, or
 * when it finds a rule of its own broken, it says so on standard error and aborts (hfinit_last_words).
 * A process with a limit on file sizes should ignore SIGXFSZ: then the limit is an error like others.
 *
 * Threads. A client is for one thread at a time, except for hfinit_cancel; several clients may be used
 * at once, each on a thread of its own. A run uses several threads inside; callbacks come on any of
 * them, those for log and progress one at a time. A callback must not call into its client, except
 * for hfinit_cancel and, in a transport, the hfinit_answer_ functions.
 *
 * Units are in the names: _bytes, _ms (milliseconds); texts are UTF-8 and end in NUL. Settings, exit
 * codes and files on the volume are described in the README; the Hub's protocol and the layouts are
 * those of huggingface_hub. */
#ifndef HFINIT_H
#define HFINIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(HFINIT_FOR_MUSL) && defined(__GLIBC__)
#error \
    "this libhfinit.a is for musl: compile with a musl toolchain, or install it with make install VARIANT=glibc"
#endif

/* Of this header, by semantic versioning: before 1.0 a minor version may break what it must, a patch
 * never; from 1.0 on only a major one may. hfinit_version() is that of the library. */
#define HFINIT_VERSION       "0.1.0"
#define HFINIT_VERSION_MAJOR 0
#define HFINIT_VERSION_MINOR 1
#define HFINIT_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hfinit hfinit; /* a client: settings, then a spec, then a run of it */

/* --- errors --- */

/* What went wrong, for programs. Numbers never change; more may come, so treat an unknown one as
 * HFINIT_ERR_INTERNAL. The comment has what huggingface_hub and its ports raise in that case. */
typedef enum hfinit_code {
    HFINIT_OK = 0,
    HFINIT_ERR_INTERNAL = 1,           /* a bug */
    HFINIT_ERR_USAGE = 2,              /* unknown setting, nothing to do (ValidationError) */
    HFINIT_ERR_SPEC = 3,               /* a value is wrong (ValidationError) */
    HFINIT_ERR_UNAUTHORIZED = 4,       /* token missing, invalid or expired (HTTPError 401) */
    HFINIT_ERR_GATED = 5,              /* terms not accepted (GatedRepoError) */
    HFINIT_ERR_FORBIDDEN = 6,          /* the token lacks access (HTTPError 403) */
    HFINIT_ERR_DISABLED = 7,           /* (DisabledRepoError) */
    HFINIT_ERR_REPO_NOT_FOUND = 8,     /* or private (RepositoryNotFoundError) */
    HFINIT_ERR_REVISION_NOT_FOUND = 9, /* (RevisionNotFoundError) */
    HFINIT_ERR_ENTRY_NOT_FOUND = 10,   /* (EntryNotFoundError) */
    HFINIT_ERR_NOTHING_SELECTED = 11,  /* the patterns match no file */
    HFINIT_ERR_TLS_UNTRUSTED = 12,
    HFINIT_ERR_DISK_FULL = 13, /* need_bytes and have_bytes say how much */
    HFINIT_ERR_QUOTA = 14,
    HFINIT_ERR_TOO_LARGE = 15, /* more than repos[].maxBytes */
    HFINIT_ERR_IO = 16,        /* sys_errno says what */
    HFINIT_ERR_READ_ONLY = 17,
    HFINIT_ERR_PERMISSION = 18,
    HFINIT_ERR_DNS = 19,
    HFINIT_ERR_UNREACHABLE = 20,  /* refused, reset, cut short (ConnectionError) */
    HFINIT_ERR_STALLED = 21,      /* (Timeout) */
    HFINIT_ERR_RATE_LIMITED = 22, /* retry_after_ms says how long (RateLimitError) */
    HFINIT_ERR_SERVER = 23,       /* (HTTPError 5xx) */
    HFINIT_ERR_BAD_ANSWER = 24,   /* makes no sense (BadRequestError, FileMetadataError) */
    HFINIT_ERR_PROXY = 25,        /* something else answers in the Hub's place */
    HFINIT_ERR_HOST_NOT_ALLOWED = 26,
    HFINIT_ERR_DEADLINE = 27,
    HFINIT_ERR_INTEGRITY = 28, /* size or hash differ */
    HFINIT_ERR_UNSAFE_NAME = 29,
    HFINIT_ERR_LOCKED = 30,
    /* Offline, and not all there (LocalEntryNotFoundError, OfflineModeIsEnabledError). */
    HFINIT_ERR_OFFLINE = 31,
    HFINIT_ERR_TERMINATED = 32,  /* hfinit_cancel(h, false) */
    HFINIT_ERR_INTERRUPTED = 33, /* hfinit_cancel(h, true) */
} hfinit_code;

/* What went wrong, with a place, a reason and a next step. A plain value: nothing to release. Texts
 * are cut off, never overrun; no token and no query of a URL is ever in them. Message, hint and request
 * id are fit for a terminal: one line each, without control characters. */
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
    hfinit_code code;
    int         sys_errno;               /* 0: no system call is to blame */
    uint64_t    retry_after_ms;          /* the wait the server named; 0: none */
    char        type[16], revision[160]; /* of `repo`: "model", "main"; "" if it is not known */
} hfinit_error;

/* --- a client --- */

/* Opens and closes one. Never NULL. Closing it stops nothing: no run may be under way. */
hfinit *hfinit_new(void);
void    hfinit_free(hfinit *h); /* NULL is fine */

typedef enum { HFINIT_LOG_ERROR, HFINIT_LOG_WARN, HFINIT_LOG_INFO, HFINIT_LOG_DEBUG } hfinit_level;

/* One rendered line without its newline: text, or one JSON object with ts, level, msg and typed
 * fields, as `log.format` and hfinit_set_terminal say. Lent for the call; line[len] is NUL. `log.level`
 * says which lines there are. */
typedef void hfinit_log_fn(hfinit_level level, const char *line, size_t len, void *user);

/* `log` NULL: none, as at first. `user` is handed back as it is. */
void hfinit_set_log(hfinit *h, hfinit_log_fn *log, void *user);
/* The log's reader is a terminal (default: no). Decides what `log.format: auto` and `progress: auto` mean. */
void hfinit_set_terminal(hfinit *h, bool is_terminal);
/* How far a run is: about ten times a second, on the thread that runs it, never at the same time as a log
 * line. Everything is lent for the call. Not called with `progress: lines` or `none`. With a terminal
 * (hfinit_set_terminal) and `progress: auto` or `bars` the lines that tell the same every ten seconds
 * are left out. */
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
/* Called once in a run, a plan, a listing, verifying or pruning, on its thread, when the volume is open
 * and before anything is asked or any thread started. `fd` is its folder, lent; -1: there is none, and
 * none will be made. A program may confine itself to it here. */
typedef void hfinit_volume_fn(int fd, void *user);
void         hfinit_set_volume(hfinit *h, hfinit_volume_fn *opened, void *user);
/* From any thread, at any time: stop as if SIGTERM had arrived (exit code 143) or, with true, SIGINT
 * (130). What was fetched is kept for the next run. For good: whatever the client is asked to run
 * from then on ends like this too. */
void hfinit_cancel(hfinit *h, bool interrupted);

/* The token, for whatever is loaded from now on; stronger than spec and environment. "": send none.
 * NULL: back to those. Copied, and wiped when it is replaced or the client closed. What no header can
 * carry (a space, control characters) is refused when a spec is loaded. */
void hfinit_set_token(hfinit *h, const char *token);
/* Where HF_INIT_* and HF_* variables, proxies and SSL_CERT_FILE come from, like environ, for whatever is
 * loaded with `env` NULL, or by repo. It must outlive the client, or be set to NULL: none, as at first. */
void hfinit_set_environment(hfinit *h, const char *const *env);

/* Time, for tests. A NULL function is the system's. Called from any thread, several at once. The engine
 * looks at the clock at least four times a second while it waits, so a clock that leaps ends waits at
 * once; the timeouts of a connection itself (connect, stall) are libcurl's and in real time. Before
 * anything is run. `clock` NULL: the system's. */
typedef struct hfinit_clock {
    uint64_t (*now_ms)(void *user); /* monotonic, never 0 */
    int64_t (*wall_ms)(void *user); /* since 1970, UTC */
    uint32_t (*random)(void *user); /* for jitter */
    void *user;
} hfinit_clock;
void hfinit_set_clock(hfinit *h, const hfinit_clock *clock);

/* The network, for tests, and for programs with a way of their own to the Hub. With a transport the
 * engine opens no connection and looks up no name: each request, always a GET, is handed over and
 * answered whole before the function returns; one at a time, on any thread, also while log and
 * progress are called. Redirects, retries, ranges, hashes and all else stay the engine's. The bandwidth
 * and the timeouts of a connection do not apply; a run that is cancelled waits for the call at hand. */
typedef struct hfinit_request {
    const char *url;
    const char *range;      /* "bytes=0-1023"; "" none */
    const char *token;      /* as in Authorization: Bearer TOKEN; "" none */
    const char *user_agent; /* "hf-init/0.1.0" */
} hfinit_request;
typedef struct hfinit_answer hfinit_answer; /* of one request, under construction */
typedef void hfinit_transport_fn(const hfinit_request *request, hfinit_answer *answer, void *user);
void         hfinit_set_transport(hfinit *h, hfinit_transport_fn *transport, void *user);
/* In this order: the status once, headers, the body in as many pieces as one likes (plain: not
 * compressed). Nothing needs to be freed. hfinit_answer_body gives -1 when no more of it is wanted; then
 * just return. A body that does not have the length that Content-Length names counts as cut off. */
void hfinit_answer_status(hfinit_answer *answer, int status);
void hfinit_answer_header(hfinit_answer *answer, const char *name, const char *value);
int  hfinit_answer_body(hfinit_answer *answer, const void *data, size_t len);
/* No answer, or no more of it: HFINIT_ERR_DNS, _UNREACHABLE, _STALLED, _TLS_UNTRUSTED or _PROXY. */
void hfinit_answer_fail(hfinit_answer *answer, hfinit_code code, const char *why);

/* --- what is wanted --- */

/* A setting as on the command line: "target", "disk.reserve" or "disk-reserve". Highest
 * precedence. Given again it replaces its value, or adds to its list. Unknown names fail with the
 * nearest known one. A switch may have the value NULL. Values are checked when a spec is loaded. */
int hfinit_set(hfinit *h, const char *key, const char *value, hfinit_error *error);
/* The same for what another system said in its own words. `origin` is the place as its user knows it
 * ("MODEL_ID", "ome.yaml:3:1"), for messages and hfinit_settings. A weak one gives way to the spec file and
 * HF_INIT_*, but not to HF_*. "repos[1].path" speaks for the second repo named so far with this strength. */
int hfinit_set_from(hfinit *h, const char *origin, bool is_weak, const char *key, const char *value,
                    hfinit_error *error);
/* Reads another system's settings: of a mapping each key and value, of a list its items and of a lone value
 * that value, with the key "". A list within a mapping gives one call per item; what is no text, number or
 * boolean comes as NULL; null does not come at all. Texts are lent for the call. -1 with a SpecInvalid error
 * that names the place and, of JSON, repeats nothing: tokens may be in it. `name`: what to call the text. */
typedef void hfinit_entry_fn(const char *key, const char *value, const char *origin, void *user);
int          hfinit_read_json(hfinit *h, const char *text, const char *name, hfinit_entry_fn *visit,
                              void *user, hfinit_error *error);
int          hfinit_read_yaml(hfinit *h, const char *file, hfinit_entry_fn *visit, void *user,
                              hfinit_error *error);
/* May this setting stand without a value, meaning true? False for unknown names. Any thread. */
bool hfinit_is_switch(const char *key);
/* "30s", "5m", "1h30m", "500ms" as in the spec. 0, or -1 with a Usage error. Any thread. */
int hfinit_parse_duration(const char *text, uint64_t *ms, hfinit_error *error);
/* Reads the spec: file (NULL: look it up as the contract says; "-" is standard input) and
 * environment (like environ; NULL: that of hfinit_set_environment). Checks all of it. What was loaded
 * before is forgotten, also on failure. HFINIT_ERR_SPEC, HFINIT_ERR_USAGE. */
int hfinit_load(hfinit *h, const char *file, const char *const *env, hfinit_error *error);
/* The same for commands that need less, or have other defaults; `as` is made of these. */
enum {
    HFINIT_WITHOUT_TOKEN = 1,  /* none is read or missed */
    HFINIT_WITHOUT_REPOS = 2,  /* naming none is fine: only the volume and the spec's name count */
    HFINIT_WITHOUT_TARGET = 4, /* naming none is fine */
    HFINIT_WITHOUT_FILE = 8,   /* no spec file is looked up */
    HFINIT_HOME_CACHE = 16,    /* layout cache: the default target is huggingface_hub's own cache */
    HFINIT_NAMED_BY_REPO = 32, /* the default of `name` is made of the first repo that was set: each
                                * keeps its own state, and several can be fetched at once */
};
int hfinit_load_as(hfinit *h, const char *file, const char *const *env, unsigned as,
                   hfinit_error *error);

/* One repo, or some of it. All but `id` may be left out. Lists end in NULL. */
typedef struct hfinit_repo {
    const char        *id;       /* [datasets/|spaces/]ORG/NAME[@REVISION], also after hf:// */
    const char        *revision; /* branch, tag, commit, refs/pr/N; NULL: as in id, else main */
    const char *const *file;     /* exact names that must exist; without patterns: these alone */
    const char *const *allow, *const *ignore; /* patterns: see hfinit_match */
    const char *path; /* layout dir: the folder below target, "." target itself; NULL: ORG/NAME */
} hfinit_repo;
/* Makes a spec of that repo and the client's settings, without looking for a spec file. Layout cache
 * needs no target: with HF_HUB_CACHE, HF_HOME or HOME in the environment it is huggingface_hub's own
 * cache. Otherwise as hfinit_load. */
int hfinit_load_repo(hfinit *h, const hfinit_repo *repo, hfinit_error *error);

/* Does a pattern match a path of a repo? As in Python's fnmatchcase over the whole path: * and ? match
 * any character, also /; [seq] and [!seq]; a trailing / means all below. hfinit_selects: of lists that
 * end in NULL; an `allow` of NULL lets all pass. Any thread.
 *   source  huggingface_hub, utils/_paths.py, filter_repo_objects() */
bool hfinit_match(const char *pattern, const char *path);
bool hfinit_selects(const char *const *allow, const char *const *ignore, const char *path);

/* --- fetching --- */

/* Makes the volume match what was loaded. 0 done or already there; -1 with error filled: the first
 * failure of a repo that is not optional. Blocks; hfinit_cancel ends it. Any code may come. */
int hfinit_run(hfinit *h, hfinit_error *error);
/* Loads the repo and runs it. *folder: where its files are, an absolute path that the caller frees. The
 * Hub is asked for the commit, unless the revision is one and all is there; what is there already is
 * kept (hfinit_load_repo and then hfinit_refresh hash it anew). */
int hfinit_fetch_snapshot(hfinit *h, const hfinit_repo *repo, char **folder, hfinit_error *error);
/* The same for one file of it, whatever repo->file says; repo->allow and ignore are not looked at. The
 * caller frees *path. HFINIT_ERR_ENTRY_NOT_FOUND if the repo has no such file. */
int hfinit_fetch_file(hfinit *h, const hfinit_repo *repo, const char *file, char **path,
                      hfinit_error *error);

/* Does the loaded spec ask to stay after a complete run (stay, watch)? */
bool hfinit_wants_to_stay(const hfinit *h);
/* After a run that ended well: idles until hfinit_cancel, and looks every `watch` whether a revision has
 * moved, to fetch what it is then. A look that fails is logged, and tried again when the next one is
 * due. 0 when stopped; -1 if that was in the middle of fetching, or if the volume is not complete since
 * the last look failed. */
int hfinit_stay(hfinit *h, hfinit_error *error);
/* Resolves and lists, touches nothing. -1 also when it would not fit (exit code 20), with the plan
 * filled all the same. hfinit_plan_release in every case; texts live as long as the plan. */
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

/* The selected files of each repo, in the order of their paths. Touches nothing. Texts are lent.
 * None at all is HFINIT_ERR_NOTHING_SELECTED. */
typedef struct hfinit_file {
    const char *repo, *path;
    const char *kind; /* "git", "lfs", "xet" */
    const char *hash; /* hex: sha256 of lfs and xet files, else the git blob id */
    uint64_t    bytes;
    const char *commit; /* that the listing is of */
} hfinit_file;
typedef void hfinit_file_fn(const hfinit_file *file, void *user);
int          hfinit_list(hfinit *h, hfinit_file_fn *visit, void *user, hfinit_error *error);
/* Loads the repo and finds one file in its listing: as many requests as hfinit_list makes. Needs no
 * target. Texts are lent until the client loads something else. HFINIT_ERR_ENTRY_NOT_FOUND. */
int hfinit_stat_file(hfinit *h, const hfinit_repo *repo, const char *path, hfinit_file *file,
                     hfinit_error *error);

/* After a run: the absolute folder in which a reader finds repo i (0, 1, …) of the spec; "" if it is not known.
 * Lent until the next call or run. */
const char *hfinit_folder(hfinit *h, size_t i);

/* `validate -v`: each effective value with its origin, secrets redacted. */
typedef void hfinit_setting_fn(const char *path, const char *value, const char *origin, void *user);
int          hfinit_settings(hfinit *h, hfinit_setting_fn *visit, void *user, hfinit_error *error);

/* --- what a volume says of itself --- */

/* The status document of the spec's volume, as it is ("" if none). Shards have one each; who is none of
 * them gets that of one which failed, else of the one that is least far. The caller frees *json. Exit
 * code in error->exit_code: 0 complete, 3 not yet, else the run's failure; error->message has what the
 * document does not say, or "".
 *   source  manifests/status.schema.json */
int hfinit_read_status(hfinit *h, char **json, hfinit_error *error);
/* The same for people. */
int hfinit_status_text(hfinit *h, char **text, hfinit_error *error);

/* Blocks until the marker of the loaded spec is on the volume, or, with `file`, until that file is
 * published (below the target, or from the root). timeout_ms 0: for ever. 0; -1 with the writer's own
 * failure once it has failed, exit code 33 after the timeout, 143 or 130 after hfinit_cancel. A failure
 * that is there from the start is another run's: it is told of, and the next run waited for. Needs no
 * token. */
int hfinit_wait(hfinit *h, const char *file, uint64_t timeout_ms, hfinit_error *error);

/* Hashes every file that the marker says is there; writes nothing. `bad` is told of each that is
 * missing or different (texts lent, one call at a time, any thread; NULL is fine). -1 with exit code 40 if there are
 * any, 60 if there is no marker of this spec. Needs no token. */
typedef void hfinit_bad_file_fn(const char *repo, const char *path, const char *what, void *user);
int          hfinit_verify(hfinit *h, hfinit_bad_file_fn *bad, void *user, hfinit_error *error);
/* A run that believes nothing it noted earlier: every file there is hashed, what is wrong is fetched
 * again. repair: at the commits that the marker names; refresh: at those that the spec means now. */
int hfinit_repair(hfinit *h, hfinit_error *error);
int hfinit_refresh(hfinit *h, hfinit_error *error);

/* Takes from the volume what no spec on it names any more: dead partials, revisions and blobs of the cache,
 * folders and files that hf-init put there. What a living run holds, what huggingface_hub is at work on,
 * and whatever is in doubt stays. `visit` is told of each, with why if it stays; texts lent. dry_run:
 * nothing is touched, *freed_bytes is what would be freed. Also on failure what went before it counts.
 * Either may be NULL.
 * Needs no token and no repos; those of a spec that has not run here yet count as named. */
typedef struct hfinit_pruned {
    const char *kind; /* revision, blobs, folder, files, partial, temporary, repo, repos */
    const char *name; /* below the target */
    uint64_t    bytes, files;
    const char *kept_because; /* "": it went */
} hfinit_pruned;
typedef void hfinit_prune_fn(const hfinit_pruned *what, void *user);
int hfinit_prune(hfinit *h, bool dry_run, hfinit_prune_fn *visit, void *user, uint64_t *freed_bytes,
                 hfinit_error *error);

/* --- for command line programs --- */

/* One call per setting there is: path, type, variable, default, allowed words, help, example. Static
 * texts. Any thread. */
typedef void hfinit_each_fn(const char *const column[7], void *user);
void         hfinit_each_setting(hfinit_each_fn *each, void *user);

/* metrics.file of the loaded spec; "" none. Lent until the next load. */
const char *hfinit_metrics_path(const hfinit *h);
/* Where the termination message goes; "" none. Also known after a failed hfinit_load. Lent until the
 * next load. The library itself never writes it. */
const char *hfinit_termination_path(const hfinit *h);
/* The JSON for it, after a run (also a failed one, also a failed load); lent until the next call.
 * `error` as it came back; NULL: the last one there was. */
const char *hfinit_termination_text(hfinit *h, const hfinit_error *error);
/* The last line for people; lent until the next call. */
const char *hfinit_verdict(hfinit *h, const hfinit_error *error);

/* In a handler of SIGABRT: what the library leaves behind when it aborts. The status on the volume of a
 * run that was under way becomes `failed`; the JSON for the termination message is returned. NULL: it
 * was not the library that aborted. Takes no memory. Call it once; h may be NULL, if it died being made. */
const char *hfinit_last_words(hfinit *h);

/* {"version":…,"commit":…,"libraries":{…},"roots":{…},"hash":…,"cpu":{…}}; lent until the next call. */
const char *hfinit_version_json(hfinit *h);
const char *hfinit_version_text(hfinit *h); /* the same for people, several lines */
const char *hfinit_version(void);           /* "0.1.0"; static; any thread */

#ifdef __cplusplus
}
#endif
#endif
