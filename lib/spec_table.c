/* spec_table.c: every setting of the contract, one row each, and the ways to find a row. */
#include "spec_table.h"

#include <string.h>

#include "spec.h"
#include "spec_rules.h"
#include "spec_value.h"

enum { KiB = 1024, MiB = 1024 * KiB, SECOND = 1000, HOUR = 3600 * SECOND };
#define GiB   ((uint64_t)1024 * MiB)
#define DAY   ((uint64_t)24 * HOUR)
#define NEVER (UINT64_MAX)

static const char *const type_words[] = {"model", "dataset", "space", NULL};
static const char *const layout_words[] = {"dir", "cache", NULL};
static const char *const page_cache_words[] = {"auto", "keep", "drop", NULL};
static const char *const verify_words[] = {"always", "size", NULL};
static const char *const unreachable_words[] = {"useExisting", "fail", NULL};
static const char *const progress_words[] = {"auto", "bars", "lines", "none", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_words[] = {"auto", "text", "json", NULL};

#define RUN(member)  .offset = offsetof(struct spec, member)
#define REPO(member) .offset = offsetof(struct spec_repo, member)

static const struct spec_setting run_rows[] = {
    {"apiVersion", SPEC_TEXT, 0, RUN(api_version), .fallback = "hf-init/v1",
     .check = spec_rule_api_version, .example = "hf-init/v1",
     .help = "version of this format; may be left out"},
    {"name", SPEC_TEXT, 0, RUN(name), .fallback = "default", .check = spec_rule_name,
     .example = "default",
     .help = "name of this spec; several may share a volume, state is kept per name"},
    {"target", SPEC_TEXT, 0, RUN(target), .check = spec_rule_target, .example = "/models",
     .help = "folder the repos are put into; required, but for layout cache HF_HUB_CACHE or "
             "HF_HOME serve as well"},
    {"layout", SPEC_WORD, 0, RUN(layout), .words = layout_words, .fallback = "dir",
     .example = "dir",
     .help = "dir: plain files under target/path; cache: the Hub cache (blobs, snapshots, refs)"},
    {"endpoint", SPEC_LIST, SPEC_IS_URL, RUN(endpoint), .fallback = "https://huggingface.co",
     .check = spec_rule_endpoint, .example = "https://huggingface.co",
     .help = "the Hub, or a list tried in order: a mirror first, the Hub behind it"},
    {"allowedHosts", SPEC_LIST, SPEC_MAY_BE_EMPTY, RUN(allowed_hosts), .check = spec_rule_host,
     .example = "*.hf.co",
     .help = "hosts a redirect may lead to; empty: any over https, but from outside none inside "
             "the private network"},
    {"token.file", SPEC_TEXT, 0, RUN(token_file), .check = spec_rule_token_file,
     .example = "/var/run/secrets/hf/token",
     .help = "file with the token; it must be there unless token.optional is true"},
    {"token.env", SPEC_TEXT, 0, RUN(token_env), .check = spec_rule_token_env, .example = "MY_TOKEN",
     .help = "variable with the token; it must be set unless token.optional is true"},
    {"token.none", SPEC_BOOL, 0, RUN(token_none), .fallback = "false", .example = "false",
     .help = "true: send no token, even if HF_TOKEN or a token file is there"},
    {"token.optional", SPEC_BOOL, 0, RUN(token_optional), .fallback = "false", .example = "false",
     .help = "true: a missing or empty token.file or token.env means no token, as for a Secret "
             "that is mounted with optional: true; false: it is an error"},
    {"concurrency.files", SPEC_COUNT, SPEC_AUTO, RUN(files), 1, 256, .fallback = "auto",
     .example = "8", .help = "files fetched at the same time"},
    {"concurrency.connections", SPEC_COUNT, SPEC_AUTO, RUN(connections), 1, 256, .fallback = "auto",
     .example = "32", .help = "connections of the whole run"},
    {"concurrency.partSize", SPEC_SIZE, SPEC_AUTO, RUN(part_size_bytes), MiB, GiB,
     .fallback = "auto", .example = "64MiB", .help = "size of the ranges of a large file"},
    {"concurrency.threads", SPEC_COUNT, SPEC_AUTO, RUN(threads), 1, 16, .fallback = "auto",
     .example = "2", .help = "threads that fetch; auto: what the CPU quota allows, 1 to 4"},
    {"bandwidth", SPEC_RATE, SPEC_ZERO_IS_NONE, RUN(bandwidth_bytes_per_s), 16 * KiB, NEVER,
     .fallback = "0", .example = "200MiB/s", .help = "ceiling for the run; 0: none"},
    {"disk.reserve", SPEC_SIZE, 0, RUN(disk_reserve_bytes), 0, NEVER, .fallback = "512MiB",
     .example = "512MiB", .help = "free space to leave on each volume"},
    {"disk.limit", SPEC_SIZE, SPEC_ZERO_IS_NONE, RUN(disk_limit_bytes), 1, NEVER, .fallback = "0",
     .example = "20Gi",
     .help = "what the pod may use in all, such as limits.ephemeral-storage; 0: none"},
    {"disk.check", SPEC_BOOL, 0, RUN(disk_check), .fallback = "true", .example = "true",
     .help = "check for enough space before the first byte"},
    {"pageCache", SPEC_WORD, 0, RUN(page_cache), .words = page_cache_words, .fallback = "auto",
     .example = "drop",
     .help = "keep: leave files in memory for the next reader; drop: stay small; auto: decide"},
    {"verify", SPEC_WORD, 0, RUN(verify), .words = verify_words, .fallback = "always",
     .example = "always",
     .help = "always: hash every byte before it is visible; size: compare sizes only"},
    {"timeouts.connect", SPEC_DURATION, 0, RUN(connect_timeout_ms), SECOND, 10 * 60 * SECOND,
     .fallback = "10s", .example = "10s", .help = "for a connection to come up"},
    {"timeouts.stall", SPEC_DURATION, 0, RUN(stall_timeout_ms), SECOND, HOUR, .fallback = "30s",
     .example = "30s", .help = "without a byte before a transfer is given up and tried again"},
    {"timeouts.total", SPEC_DURATION, SPEC_ZERO_IS_NONE, RUN(total_timeout_ms), SECOND, 30 * DAY,
     .fallback = "0", .example = "2h", .help = "for the whole run; 0: none"},
    {"retry.attempts", SPEC_COUNT, 0, RUN(retry_attempts), 1, 1000, .fallback = "8", .example = "8",
     .help = "attempts without progress; progress resets the count"},
    {"retry.maxWait", SPEC_DURATION, 0, RUN(retry_max_wait_ms), SECOND, HOUR, .fallback = "60s",
     .example = "60s", .help = "longest pause between two attempts"},
    {"onUnreachable", SPEC_WORD, 0, RUN(on_unreachable), .words = unreachable_words,
     .fallback = "useExisting", .example = "useExisting",
     .help = "useExisting: a complete earlier result serves when the Hub is down; fail: it does "
             "not"},
    {"lock.wait", SPEC_DURATION, 0, RUN(lock_wait_ms), 0, 30 * DAY, .fallback = "1h",
     .example = "1h", .help = "for another process that is filling the same volume"},
    {"shard.index", SPEC_COUNT, 0, RUN(shard_index), 0, 9999, .fallback = "0", .example = "0",
     .help = "which share this process fetches, from 0; with a count over 1 it defaults to "
             "JOB_COMPLETION_INDEX"},
    {"shard.count", SPEC_COUNT, 0, RUN(shard_count), 1, 10000, .fallback = "1", .example = "4",
     .help = "number of processes that share the work"},
    {"startJitter", SPEC_DURATION, 0, RUN(start_jitter_ms), 0, HOUR, .fallback = "0",
     .example = "30s", .help = "wait up to this long first, by a hash of the node's name"},
    {"stay", SPEC_BOOL, 0, RUN(stay), .fallback = "false", .example = "true",
     .help = "true: do not end after a complete run, but idle until stopped, as a sidecar does"},
    {"watch", SPEC_DURATION, SPEC_ZERO_IS_NONE, RUN(watch_ms), 10 * SECOND, 30 * DAY,
     .fallback = "0", .example = "10m",
     .help = "stay, and look this often whether a revision has moved, to fetch what it is then; 0: "
             "never"},
    {"fileMode", SPEC_MODE, 0, RUN(file_mode), 0400, 0777, .fallback = "0644", .example = "0644",
     .help = "permissions of published files, octal with a leading zero"},
    {"dirMode", SPEC_MODE, 0, RUN(dir_mode), 0700, 03777, .fallback = "0755", .example = "0755",
     .help = "permissions of created folders, octal with a leading zero"},
    {"tls.caFile", SPEC_TEXT, SPEC_MAY_BE_EMPTY, RUN(tls_ca_file), .fallback = "",
     .example = "/etc/hf-init/ca.pem",
     .help = "further roots, a PEM file or a folder, added to the built-in ones"},
    {"tls.clientCert", SPEC_TEXT, SPEC_MAY_BE_EMPTY, RUN(tls_client_cert), .fallback = "",
     .example = "/etc/hf-init/client.pem", .help = "client certificate; needs tls.clientKey"},
    {"tls.clientKey", SPEC_TEXT, SPEC_MAY_BE_EMPTY, RUN(tls_client_key), .fallback = "",
     .example = "/etc/hf-init/client.key", .help = "its key; needs tls.clientCert"},
    {"progress", SPEC_WORD, 0, RUN(progress), .words = progress_words, .fallback = "auto",
     .example = "lines",
     .help = "auto: bars on a terminal, a line every 10 s elsewhere; bars; lines; none"},
    {"log.level", SPEC_WORD, 0, RUN(log_level), .words = level_words, .fallback = "info",
     .example = "info", .help = "least important messages to show"},
    {"log.format", SPEC_WORD, 0, RUN(log_format), .words = format_words, .fallback = "auto",
     .example = "json", .help = "auto: text on a terminal, json elsewhere; text; json"},
    {"metrics.listen", SPEC_TEXT, SPEC_MAY_BE_EMPTY, RUN(metrics_listen), .fallback = "",
     .check = spec_rule_listen, .example = ":9464",
     .help = "address to serve /metrics, /healthz and /readyz on while running; empty: none"},
    {"metrics.file", SPEC_TEXT, SPEC_MAY_BE_EMPTY, RUN(metrics_file), .fallback = "",
     .example = "/metrics/hf-init.prom",
     .help = "file for node-exporter's textfile collector, in a folder that exists; empty: none"},
    {"metrics.push", SPEC_TEXT, SPEC_MAY_BE_EMPTY | SPEC_IS_URL, RUN(metrics_push), .fallback = "",
     .check = spec_rule_push_url, .example = "http://pushgateway:9091/metrics/job/hf-init",
     .help = "URL of a Pushgateway's group, to which the final metrics are pushed; empty: none"},
    {"terminationMessage", SPEC_TEXT, SPEC_MAY_BE_EMPTY, RUN(termination_message),
     .fallback = "/dev/termination-log", .example = "/dev/termination-log",
     .help = "file for the result as one JSON object; empty: none"},
};

static const struct spec_setting repo_rows[] = {
    {"id", SPEC_TEXT, SPEC_FILE_ONLY, REPO(id), .check = repo_check_id,
     .example = "Qwen/Qwen2.5-7B-Instruct", .help = "ORG/NAME; required"},
    {"type", SPEC_WORD, 0, REPO(type), .words = type_words, .fallback = "model", .example = "model",
     .help = "model, dataset or space"},
    {"revision", SPEC_TEXT, 0, REPO(revision), .fallback = "main", .check = spec_rule_revision,
     .example = "main", .help = "branch, tag, commit or refs/pr/N"},
    {"requireCommit", SPEC_BOOL, 0, REPO(require_commit), .fallback = "false", .example = "true",
     .help = "true: only a revision of 40 hex digits is accepted"},
    {"allow", SPEC_PATTERNS, 0, REPO(allow), .check = spec_rule_pattern, .example = "*.safetensors",
     .help = "fetch only what one of these patterns matches"},
    {"ignore", SPEC_PATTERNS, SPEC_MAY_BE_EMPTY, REPO(ignore), .check = spec_rule_pattern,
     .example = "original/*", .help = "never fetch what one of these patterns matches"},
    {"files", SPEC_LIST, SPEC_MAY_BE_EMPTY, REPO(files), .check = spec_rule_file,
     .example = "config.json", .help = "exact names that must exist"},
    {"maxBytes", SPEC_SIZE, SPEC_ZERO_IS_NONE, REPO(max_bytes), 1, NEVER, .fallback = "0",
     .example = "20GB", .help = "refuse a larger selection; 0: no limit"},
    {"path", SPEC_TEXT, 0, REPO(path), .check = spec_rule_path, .example = "qwen",
     .help = "folder under target; default ORG/NAME; layout dir only"},
    {"hubMetadata", SPEC_BOOL, 0, REPO(hub_metadata), .fallback = "true", .example = "true",
     .help = "keep .cache/huggingface in the folder as hf does; layout dir only"},
    {"refAlias", SPEC_LIST, SPEC_MAY_BE_EMPTY, REPO(ref_alias), .check = spec_rule_ref_alias,
     .example = "main",
     .help = "refs to write as well, for offline readers of a pinned commit; layout cache only"},
    {"optional", SPEC_BOOL, 0, REPO(optional), .fallback = "false", .example = "false",
     .help = "true: a failure is reported, but the run succeeds without this repo"},
};

enum { RUN_ROWS = sizeof(run_rows) / sizeof(run_rows[0]) };
enum { REPO_ROWS = sizeof(repo_rows) / sizeof(repo_rows[0]) };
_Static_assert((int)RUN_ROWS <= (int)SPEC_RUN_ROWS_MAX, "raise SPEC_RUN_ROWS_MAX");
_Static_assert((int)REPO_ROWS <= (int)SPEC_REPO_ROWS_MAX, "raise SPEC_REPO_ROWS_MAX");
_Static_assert(sizeof(enum spec_layout) == sizeof(int), "words are stored as int");

const struct spec_setting *spec_table(enum spec_scope scope, size_t *count)
{
    *count = scope == SPEC_OF_RUN ? RUN_ROWS : REPO_ROWS;
    return scope == SPEC_OF_RUN ? run_rows : repo_rows;
}

bool spec_find_row(enum spec_scope scope, struct str path, size_t *row)
{
    size_t                     count;
    const struct spec_setting *table = spec_table(scope, &count);

    for (size_t i = 0; i < count; i++) {
        if (!str_eq(str_from(table[i].path), path))
            continue;
        *row = i;
        return true;
    }
    return false;
}

size_t spec_row(enum spec_scope scope, const char *path)
{
    size_t row;

    if (!spec_find_row(scope, str_from(path), &row))
        die("spec_table.c has no row %s", path);
    return row;
}

bool spec_is_group(enum spec_scope scope, struct str path)
{
    size_t                     count;
    const struct spec_setting *table = spec_table(scope, &count);

    for (size_t i = 0; i < count; i++) {
        struct str known = str_from(table[i].path);

        if (str_has_prefix(known, path) && known.len > path.len && known.p[path.len] == '.')
            return true;
    }
    return false;
}

/* Equal but for case and for the signs between words? */
static bool is_same_name(struct str a, struct str b)
{
    size_t i = 0, j = 0;

    for (;;) {
        while (i < a.len && (a.p[i] == '-' || a.p[i] == '.' || a.p[i] == '_'))
            i++;
        while (j < b.len && (b.p[j] == '-' || b.p[j] == '.' || b.p[j] == '_'))
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if (!str_eq_nocase(str_sub(a, i, i + 1), str_sub(b, j, j + 1)))
            return false;
        i++;
        j++;
    }
}

bool spec_find_flag(struct str name, enum spec_scope *scope, size_t *row)
{
    for (int s = SPEC_OF_RUN; s <= SPEC_OF_REPO; s++) {
        size_t                     count;
        const struct spec_setting *table = spec_table((enum spec_scope)s, &count);

        for (size_t i = 0; i < count; i++) {
            if ((table[i].traits & SPEC_FILE_ONLY) || !is_same_name(name, str_from(table[i].path)))
                continue;
            *scope = (enum spec_scope)s;
            *row = i;
            return true;
        }
    }
    return false;
}

const char *spec_variable(const struct spec_setting *setting, char out[SPEC_NAME_TEXT])
{
    size_t at = strlen("HF_INIT_");

    memcpy(out, "HF_INIT_", at);
    for (const char *c = setting->path; *c && at + 2 < SPEC_NAME_TEXT; c++) {
        if (*c == '.') {
            out[at++] = '_';
            continue;
        }
        if (*c >= 'A' && *c <= 'Z')
            out[at++] = '_';
        out[at++] = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
    out[at] = '\0';
    return out;
}

void spec_nearest_consider(struct spec_nearest *nearest, struct str wrong, struct str known)
{
    size_t distance = str_distance(wrong, known);

    if (known.len >= sizeof(nearest->best) || (nearest->best[0] && distance >= nearest->distance))
        return;
    memcpy(nearest->best, known.p, known.len);
    nearest->best[known.len] = '\0';
    nearest->distance = distance;
}

bool spec_nearest_found(const struct spec_nearest *nearest, struct str wrong)
{
    return nearest->best[0] && nearest->distance <= 1 + wrong.len / 3;
}

const char *spec_type_name(enum spec_type type)
{
    static const char *const names[SPEC_TYPES] = {
        [SPEC_TEXT] = "text",         [SPEC_WORD] = "word", [SPEC_BOOL] = "bool",
        [SPEC_COUNT] = "count",       [SPEC_SIZE] = "size", [SPEC_RATE] = "rate",
        [SPEC_DURATION] = "duration", [SPEC_MODE] = "mode", [SPEC_LIST] = "list",
        [SPEC_PATTERNS] = "patterns",
    };

    return names[type];
}

bool spec_is_reserved(struct str key)
{
    static const char *const reserved[] = {"quant",   "preset",    "publish", "xet", "peers",
                                           "sources", "signature", "hooks",   NULL};

    for (size_t i = 0; reserved[i]; i++)
        if (str_eq(key, str_from(reserved[i])))
            return true;
    return false;
}
