/* spec.h: the user's wish, from flags, environment, YAML or JSON; checked once, read-only after.
 *
 * flag > HF_INIT_* > spec file > official HF_* > default. One table (spec_table.c) names every
 * setting: its path in the file, its type, its limits, its default; flags, variables, `validate
 * -v` and the error messages all come from it. */
#ifndef HFI_SPEC_H
#define HFI_SPEC_H

#include "arena.h"
#include "err.h"
#include "pattern.h"
#include "repo.h"
#include "secret.h"

enum spec_layout { SPEC_LAYOUT_DIR, SPEC_LAYOUT_CACHE };
enum spec_page_cache { SPEC_CACHE_AUTO, SPEC_CACHE_KEEP, SPEC_CACHE_DROP };
enum spec_verify { SPEC_VERIFY_ALWAYS, SPEC_VERIFY_SIZE };
enum spec_unreachable { SPEC_USE_EXISTING, SPEC_FAIL };
enum spec_progress {
    SPEC_PROGRESS_AUTO,
    SPEC_PROGRESS_BARS,
    SPEC_PROGRESS_LINES,
    SPEC_PROGRESS_NONE
};
enum spec_log_format { SPEC_LOG_AUTO, SPEC_LOG_TEXT, SPEC_LOG_JSON };

struct spec_place; /* where a value came from (spec_draft.h) */
struct spec_setting;

struct spec_list {
    struct str *item;
    size_t      count;
};

struct spec_repo {
    struct str          id;
    enum repo_type      type;
    struct str          revision; /* never empty; "main" by default */
    bool                require_commit;
    struct pattern_list allow, ignore;
    struct spec_list    files;     /* exact names that must exist */
    uint64_t            max_bytes; /* 0 none */
    struct str          path; /* below target, normalized, never empty; "." is the target itself.
                               * layout cache: "." */
    bool                hub_metadata;
    struct spec_list    ref_alias;
    bool                optional;

    struct spec_place *place; /* of each setting, by its row in the table; for spec_visit */
};

struct spec {
    struct arena arena; /* owns every string below */

    struct str       api_version; /* "hf-init/v1" */
    struct str       name;
    struct str       target; /* absolute or relative as given; empty only with without_target */
    enum spec_layout layout;
    struct spec_list endpoint; /* at least one, no trailing slash */
    struct spec_list allowed_hosts;

    struct secret token;          /* what spec_read_token found */
    struct str    token_file;     /* where to read it (again); empty: not from a file */
    struct str    token_env;      /* token: {env: NAME}; its value is in `token` */
    struct str    token_origin;   /* for messages: a path or a variable's name; empty: no token */
    bool          token_none;     /* token: {none: true} */
    bool          token_optional; /* a missing or empty token_file means no token */

    struct spec_repo *repo;
    size_t            repo_count; /* at least one, unless source.without_repos */

    uint32_t files, connections, threads; /* 0 auto */
    uint64_t part_size_bytes;             /* 0 auto */
    uint64_t bandwidth_bytes_per_s;       /* 0 none */
    uint64_t disk_reserve_bytes, disk_limit_bytes;
    bool     disk_check;

    enum spec_page_cache  page_cache;
    enum spec_verify      verify;
    uint64_t              connect_timeout_ms, stall_timeout_ms, total_timeout_ms;
    uint32_t              retry_attempts;
    uint64_t              retry_max_wait_ms;
    enum spec_unreachable on_unreachable;
    uint64_t              lock_wait_ms;
    uint32_t              shard_index, shard_count;
    bool                  shard_unknown; /* of several; only without_token, for who just looks */
    uint64_t              start_jitter_ms;
    bool                  stay;
    uint64_t              watch_ms; /* 0 never; else it stays as well */
    uint32_t              file_mode, dir_mode;
    struct str            tls_ca_file, tls_client_cert, tls_client_key;
    enum spec_progress    progress;
    int                   log_level; /* enum log_level */
    enum spec_log_format  log_format;
    struct str            metrics_listen, metrics_file, metrics_push; /* empty: none */
    struct str            termination_message;                        /* empty: none */

    /* Only from the official variables. */
    bool             offline;          /* HF_HUB_OFFLINE, else TRANSFORMERS_OFFLINE */
    bool             disable_symlinks; /* HF_HUB_DISABLE_SYMLINKS */
    struct spec_list ca_files; /* tls.caFile and SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE,
                                * CURL_CA_BUNDLE, in this order; files and folders */
    struct str       https_proxy, http_proxy, all_proxy, no_proxy;
    struct str       user_agent_origin; /* HF_HUB_USER_AGENT_ORIGIN */

    /* sha256 over what decides the volume's contents: layout, verify, and of each repo type, id,
     * revision, allow, ignore, files, path, hubMetadata, refAlias and optional, in the order of the
     * spec. Not what only decides how, whence or whether to fetch (target, endpoints, limits,
     * shard, modes, maxBytes, requireCommit): the same volume may be mounted elsewhere. */
    char digest[65];

    const struct spec_place *place; /* of each setting, by its row in the table; for spec_visit */
    const char              *file;  /* name of the spec file that was read; "" none */
};

/* One setting from the command line: key as in the table, either `disk.reserve` or
 * `disk-reserve`; also `repos`. A key given again replaces its value, but adds to a list. A list's
 * value is split at newlines if it has any, else at commas and spaces; the words `repo`,
 * `include`, `exclude`, `file` add one repo, allow, ignore or files item as it stands. Settings of
 * a repo (revision, type, allow …) speak for all repos; `repos[1].path` speaks for the second of
 * those named so far. */
struct spec_flag {
    struct str key, value;
    struct str origin;  /* what another system calls the place; empty: a flag */
    bool       is_weak; /* below the spec file and HF_INIT_*, above HF_* */
};

/* Is it one? ERR_USAGE with the nearest known name if not. *is_switch: a bool, so that the flag may
 * stand without a value and then means true. */
int spec_check_flag(struct str key, bool *is_switch, struct err *err);

struct spec_source {
    const struct spec_flag *flag;
    size_t                  flag_count;
    const char *const      *env;       /* like environ, NULL-terminated; NULL: none */
    struct str              file;      /* --spec; "-" is standard input; empty: see below */
    struct str              file_text; /* used instead of reading `file` when p is not NULL */
    const struct secret *token; /* stronger than any other; set to nothing: none. NULL: not given */
    bool without_token;         /* validate, status, prune: what only the pod has, the token and its
                         * completion index, is neither read nor missed */
    bool without_repos;         /* status, wait, prune: naming no repo is fine */
    bool without_target;        /* ls: neither is naming no target; it is empty then */
    bool without_file;          /* download: no file is looked up; `file` still counts */
    bool home_cache; /* download: layout cache without target may use ~/.cache/huggingface/hub */
};

/* Reads and checks everything. Without `file`: HF_INIT_SPEC, HF_INIT_SPEC_YAML, the default
 * /etc/hf-init/spec.yaml if it exists, else HF_INIT_REPOS. Nothing at all: ERR_USAGE. Errors are
 * ERR_SPEC with `file:line:column: what is wrong, what is allowed` and the nearest known key. On
 * failure *spec is empty but for termination_message, as far as it was read: there the failure is
 * told. spec_release in either case. */
int  spec_load(struct spec *spec, const struct spec_source *source, struct err *err);
void spec_release(struct spec *spec);

/* (Re-)reads the token file, if there is one; spec_load has done so once. ERR_SPEC if it cannot be
 * read or holds anything but printable ASCII without spaces. Returns 1 if the token changed, 0 if
 * not.
 *
 * Where the token comes from: `token` in the spec, else HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file
 * HF_TOKEN_PATH or $HF_HOME/token. Of the official places a missing one means no token; one named in
 * `token` must be there, because a pod that quietly goes on without its token fails later and for
 * reasons that are hard to see. A Secret mounted with optional: true says so here as well:
 * token: {file: …, optional: true}. */
int spec_read_token(struct spec *spec, struct err *err);

/* `validate -v`: one call per effective value, secrets redacted. */
typedef void spec_visit_fn(const char *path, struct str value, const char *origin, void *user);
void         spec_visit(const struct spec *spec, spec_visit_fn *visit, void *user);

/* One call per row of the table, for `validate --list-settings`, the README and the tests. */
struct spec_setting_info {
    const char *path;     /* "disk.reserve", "repos[].revision" */
    const char *type;     /* text word bool count size rate duration mode list patterns */
    const char *variable; /* "HF_INIT_DISK_RESERVE"; "" none */
    const char *fallback; /* the default as written; "" none */
    const char *words;    /* of a word: "auto, keep, drop"; else "" */
    const char *help, *example;
};
typedef void spec_setting_fn(const struct spec_setting_info *info, void *user);
void         spec_each_setting(spec_setting_fn *each, void *user);

/* Units of the spec; each the whole text. Sizes 64MiB 10GB 2Gi 129e6 2e+10 512, in any case, but no
 * lone "m" (Kubernetes' thousandth); rates with or without /s; durations 30s 5m 2h 500ms 1h30m 0.5s,
 * a bare number is seconds. False on anything else or on overflow. */
bool spec_parse_size(struct str text, uint64_t *bytes);
bool spec_parse_rate(struct str text, uint64_t *bytes_per_s);
bool spec_parse_duration(struct str text, uint64_t *ms);

#endif
