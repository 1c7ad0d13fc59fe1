/* test_spec.c: the spec file: what every key means, and what is said about every slip. */
#include "spec_fixture.h"

#define HEAD   "target: /m\nrepos:\n  - id: org/a\n"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* Refused, each with the place and the reason. The text is named spec. */
static const struct {
    const char *name, *yaml, *complaint;
} faults[] = {
    {"empty text", "", "spec: is empty"},
    {"only comments", "# nothing\n", "spec: is empty"},
    {"only null", "~\n", "spec: is empty"},
    {"a list", "- a\n", "spec:1:1: spec: a mapping is needed"},
    {"two documents", HEAD "---\ntarget: /n\n", "spec:4:1: a second document starts here"},
    {"a tab", "repos:\n\t- id: a\n", "spec:2:1: not valid YAML: a tab"},
    {"an unclosed quote", "target: \"/m\n", "while scanning a quoted scalar from 1:9 on"},
    {"an unclosed bracket", "repos: [\n", "spec:2:1: not valid YAML"},
    {"UTF-16", "\xFF\xFEt", "is UTF-16; save it as UTF-8"},
    {"Latin-1", "target: /m\nname: \xE9\n", "spec:2:1: this line is not UTF-8"},
    {"a foreign tag", "target: !!python/object:x /m\n", "spec:1:9: the tag"},
    {"a binary tag", "target: !!binary aGk=\n", "spec:1:9: the tag"},
    {"a duplicate key", HEAD "target: /n\n",
     "spec:4:1: duplicate key \"target\"; it stands in "
     "line 1"},
    {"a duplicate key in a repo", HEAD "    id: org/b\n", "spec:4:5: duplicate key \"id\""},
    {"an unknown key", HEAD "tagret: /n\n",
     "spec:4:1: unknown key \"tagret\"; did you mean "
     "target?"},
    {"an unknown key in a group", HEAD "disk: {resrve: 1}\n",
     "spec:4:8: unknown key \"resrve\" in disk; did you mean reserve?"},
    {"an unknown key in a repo", HEAD "    revison: x\n",
     "spec:4:5: unknown key \"revison\" in repos[0]; did you mean revision?"},
    {"a key like nothing", HEAD "    zzzzzz: x\n", "allowed: id, type, revision"},
    {"a key with a dot", HEAD "disk.reserve: 1\n", "unknown key \"disk.reserve\""},
    {"a key of one level in another", HEAD "reserve: 1\n", "unknown key \"reserve\""},
    {"a reserved key", HEAD "xet: true\n", "reserved for a later version"},
    {"a key that is no word", HEAD "[a]: x\n", "a key must be a word"},
    {"another apiVersion", "apiVersion: hf-init/v2\n" HEAD,
     "spec:1:13: apiVersion: \"hf-init/v2\" is not supported; this hf-init reads \"hf-init/v1\""},

    {"a number for a string", HEAD "    revision: 1.0\n",
     "spec:4:15: repos[0].revision: 1.0 is a number to YAML, but a string is needed; write "
     "\"1.0\""},
    {"an integer for a string", HEAD "name: 12\n", "12 is a number to YAML"},
    {"yes for a string", HEAD "    revision: yes\n", "yes is a boolean to YAML"},
    {"a date for a string", HEAD "    revision: 2024-01-31\n", "is a date to YAML"},
    {"a number in a list", HEAD "    allow: [1]\n", "spec:4:13: repos[0].allow: 1 is a number"},
    {"a key without value", HEAD "name:\n",
     "name: has no value; leave the key out for the "
     "default (default)"},
    {"null in a list", HEAD "    ignore: [~]\n", "spec:4:14: repos[0].ignore: has no value"},
    {"a list for a value", HEAD "name: [a]\n", "spec:4:7: name: a list, but one value is needed"},
    {"a mapping for a value", HEAD "name: {a: b}\n", "name: a mapping, but one value is needed"},
    {"a mapping in a list", HEAD "    allow: [{a: b}]\n", "allow: a mapping, but one value"},
    {"a value for a group", HEAD "disk: 5\n",
     "spec:4:7: disk: a mapping is needed, such as "
     "{reserve: 512MiB}"},
    {"yes for a boolean", HEAD "disk: {check: yes}\n", "\"yes\" is neither true nor false"},
    {"a quoted boolean", HEAD "disk: {check: \"true\"}\n", "is a string; write true or false"},
    {"a quoted number", HEAD "retry: {attempts: \"8\"}\n", "is a string; write 8 without quotes"},
    {"a leading zero", HEAD "retry: {attempts: 010}\n", "has a leading zero; write 10"},
    {"a fraction of an attempt", HEAD "retry: {attempts: 1.5}\n", "is not a whole number"},
    {"no attempt", HEAD "retry: {attempts: 0}\n", "allowed: 1 to 1000"},
    {"a negative size", HEAD "disk: {reserve: -1}\n", "\"-1\" is not a size"},
    {"a size beyond 64 bits", HEAD "disk: {reserve: 99999999999999999999}\n", "is not a size"},
    {"a thousandth", HEAD "disk: {reserve: 512m}\n", "is not a size; allowed: 64MiB, 10GB, 2Gi"},
    {"a rate like a crawl", HEAD "bandwidth: 100\n", "allowed: 0 (none), or at least 16KiB"},
    {"no duration", HEAD "timeouts: {stall: soon}\n", "is not a duration; allowed: 30s, 5m"},
    {"a stall of nothing", HEAD "timeouts: {stall: 0}\n", "allowed: 1s to 1h"},
    {"a part too small", HEAD "concurrency: {partSize: 4k}\n", "allowed: auto, or 1MiB to 1GiB"},
    {"an unknown word", HEAD "verify: allways\n",
     "\"allways\" is not known; allowed: always, size; did you mean always?"},
    {"a word in the wrong case", HEAD "layout: DIR\n", "allowed: dir, cache"},
    {"a decimal mode", HEAD "fileMode: 420\n", "in octal with a leading zero"},
    {"a mode without zero", HEAD "fileMode: 644\n", "in octal with a leading zero"},
    {"a mode that is not octal", HEAD "fileMode: \"0698\"\n", "is not a mode"},
    {"a mode that locks us out", HEAD "dirMode: \"0500\"\n", "allowed: 0700 to 03777"},
    {"a mode without the owner", HEAD "dirMode: \"01077\"\n", "locks the owner out"},
    {"setuid files", HEAD "fileMode: \"4755\"\n", "is not a mode"},

    {"no target", "repos: [{id: org/a}]\n", "spec:1:1: target is missing"},
    {"an empty target", "target: \"\"\nrepos: [{id: org/a}]\n", "target: is empty"},
    {"a target in a home", "target: ~/m\nrepos: [{id: org/a}]\n", "\"~\" is not expanded"},
    {"the root as target", "target: /\nrepos: [{id: org/a}]\n",
     "spec:1:9: target: \"/\" is the root of the file system"},
    {"the root as target, in other words", "target: /.././/\nrepos: [{id: org/a}]\n",
     "target: \"/.././/\" is the root"},
    {"a target with a newline", "target: \"/m\\n\"\nrepos: [{id: org/a}]\n", "control character"},
    {"no repos", "target: /m\n", "spec: repos is missing"},
    {"an empty list of repos", "target: /m\nrepos: []\n", "spec:2:8: repos: a list of at least"},
    {"repos as a mapping", "target: /m\nrepos: {id: org/a}\n", "repos: a list of at least"},
    {"a repo as a word", "target: /m\nrepos: [org/a]\n", "repos[0]: a repo is a mapping"},
    {"a repo without id", "target: /m\nrepos: [{type: model}]\n", "repos[0]: has no id"},
    {"a bad id", "target: /m\nrepos: [{id: a/b/c}]\n", "spec:2:14: repos[0].id: \"a/b/c\" is not"},
    {"a revision in the id", "target: /m\nrepos: [{id: a/b@c}]\n", "the revision has its own key"},
    {"a bad revision", HEAD "    revision: ../x\n", "spec:4:15: repos[0].revision: \"../x\" is no"},
    {"an unknown type", HEAD "    type: modle\n", "did you mean model?"},
    {"a name with a slash", HEAD "name: a/b\n", "\"a/b\" is not a name"},
    {"a hidden name", HEAD "name: .a\n", "is not a name"},
    {"an empty allow list", HEAD "    allow: []\n",
     "an empty list selects nothing; leave the "
     "key out"},
    {"an empty pattern", HEAD "    ignore: [\"\"]\n", "ignore: is empty"},
    {"a file outside", HEAD "    files: [../x]\n", "repos[0].files: \"../x\" is unsafe"},
    {"a path outside", HEAD "    path: a/../../b\n", "leads out of target"},
    {"an absolute path", HEAD "    path: /m\n", "it must be relative to target"},
    {"a path into our state", HEAD "    path: ./.hf-init/x\n", "keeps its own state"},
    {"a path with a drive", HEAD "    path: c:/x\n", "drive letter"},
    {"a branch where a commit is required", HEAD "    requireCommit: true\n",
     "spec:4:20: revision \"main\" of org/a is not a commit"},
    {"aliases in layout dir", HEAD "    refAlias: [main]\n", "spec:4:15: refAlias of org/a"},
    {"a path in layout cache", "layout: cache\n" HEAD "    path: x\n", "spec:5:11: path of org/a"},
    {"metadata in layout cache", "layout: cache\n" HEAD "    hubMetadata: false\n",
     "spec:5:18: hubMetadata of org/a"},
    {"a commit as an alias", "layout: cache\n" HEAD "    refAlias: " COMMIT "\n",
     "a commit cannot be a ref"},
    {"the same twice", HEAD "  - id: org/a\n",
     "spec:4:9: org/a at main is listed twice (see "
     "spec:3:9)"},
    {"the same path", HEAD "    path: x\n  - id: org/b\n    path: ./x/\n",
     "spec:6:11: org/b would"},
    {"a path inside another", HEAD "    path: x\n  - id: org/b\n    path: x/y\n", "overlaps"},
    {"a path inside the target itself", HEAD "    path: .\n  - id: org/b\n", "overlaps"},
    {"two revisions in one default path", HEAD "  - {id: org/a, revision: v1}\n", "overlaps"},
    {"a model and a dataset of one name", HEAD "  - {id: org/a, type: dataset}\n", "overlaps"},
    {"one ref for two revisions",
     "layout: cache\n" HEAD "  - {id: org/a, revision: v1, refAlias: main}\n",
     "refAlias \"main\" of org/a is written by an earlier entry"},

    {"a token in the spec", "token: hf_secretsecretsecret\n" HEAD,
     "spec:1:8: token: a token does "
     "not belong"},
    {"a token as a file", "token: {file: hf_secretsecretsecret}\n" HEAD, "this looks like a token"},
    {"a token as a variable", "token: {env: hf_secretsecretsecret}\n" HEAD,
     "this looks like a token"},
    {"an unknown way to a token", "token: {value: x}\n" HEAD, "unknown key \"value\" in token"},
    {"two ways to a token", "token: {file: /f, env: T}\n" HEAD, "token.env contradicts token.file"},
    {"a token and none", "token: {file: /f, none: true}\n" HEAD, "token.none contradicts"},
    {"a missing token file", "token: {file: /nonexistent/token}\n" HEAD,
     "token file: /nonexistent/token: there is no such file"},
    {"a missing token variable", "token: {env: NOT_THERE}\n" HEAD,
     "spec:1:14: token.env: the variable NOT_THERE is not set"},

    {"an endpoint of another kind", "endpoint: ftp://x\n" HEAD, "is not an endpoint"},
    {"an endpoint without scheme", "endpoint: huggingface.co\n" HEAD, "is not an endpoint"},
    {"an endpoint with a password", "endpoint: https://u:p@x\n" HEAD, "a URL with a user name"},
    {"an endpoint with a query", "endpoint: https://x/?a\n" HEAD, "has a query"},
    {"no endpoint at all", "endpoint: []\n" HEAD, "an empty list"},
    {"a host that is a URL", "allowedHosts: [https://x]\n" HEAD, "is not a host"},
    {"any host", "allowedHosts: ['*']\n" HEAD, "\"*\" is not a host"},
    {"half a pattern", "allowedHosts: ['cdn*.hf.co']\n" HEAD, "is not a host"},
    {"a port that nobody has", "allowedHosts: ['cdn:0']\n" HEAD, "is not a host"},
    {"a suffix as NO_PROXY has it", "allowedHosts: [.hf.co]\n" HEAD, "is not a host"},
    {"a suffix of nothing", "allowedHosts: ['*.']\n" HEAD, "is not a host"},
    {"a host without its port", "allowedHosts: ['cdn:']\n" HEAD, "is not a host"},
    {"a host with a strange port", "allowedHosts: ['cdn:99999']\n" HEAD, "is not a host"},
    {"a name in brackets", "allowedHosts: ['[cdn]']\n" HEAD, "is not a host"},
    {"an address with words behind", "allowedHosts: ['[::1]x']\n" HEAD, "is not a host"},
    {"half an address", "allowedHosts: ['fd12:1:2']\n" HEAD, "is not a host"},
    {"a share beyond the count", "shard: {index: 4, count: 4}\n" HEAD, "allowed: 0 to 3"},
    {"a share without a number", "shard: {count: 4}\n" HEAD, "spec:1:16: shard.count is 4, but"},
    {"a certificate without key", "tls: {clientCert: /c}\n" HEAD, "needs tls.clientKey"},
    {"an address without port", "metrics: {listen: localhost}\n" HEAD, "is not an address"},
    {"an address with a name", "metrics: {listen: 'localhost:9464'}\n" HEAD, "is not an address"},
    {"an address without brackets", "metrics: {listen: '::1:9464'}\n" HEAD, "is not an address"},
    {"a look every second", "watch: 1s\n" HEAD, "watch: "},
    {"a push to nowhere", "metrics: {push: gateway}\n" HEAD, "not a URL"},

    {"a key that goes on behind a NUL", "\"target\\0x\": /n\n" HEAD,
     "spec:1:1: unknown key \"target\\u0000x\""},
    {"an unknown alias", HEAD "name: *x\n", "spec:4:7: no anchor \"x\""},
    {"an alias of itself", HEAD "name: &x [*x]\n", "inside its own anchor"},
    {"a merge of a word", HEAD "disk: {<<: x}\n", "merges mappings"},
    {"two merges", HEAD "disk: {<<: {}, <<: {}}\n", "duplicate key \"<<\""},
};

static void check_faults(void)
{
    for (size_t i = 0; i < CHECK_COUNT(faults); i++) {
        check_row(faults[i].name);
        fixture_refused(faults[i].yaml, NULL, NULL, faults[i].complaint);
    }
    check_row(NULL);
}

/* The slip that patterns invite. */
static void check_bare_patterns(void)
{
    static const char *const texts[] = {HEAD "    allow: *.json\n", HEAD "    allow: [*.json, a]\n",
                                        HEAD "    allow:\n      - *\n",
                                        HEAD "    ignore: [*original]\n"};

    for (size_t i = 0; i < CHECK_COUNT(texts); i++) {
        struct fixture f;

        check_row(texts[i]);
        CHECK(fixture_load(&f, texts[i], NULL, NULL) == -1);
        CHECK_HAS(f.err.hint, "write patterns in quotes");
    }
    check_row(NULL);
}

/* No message may repeat what could be a secret. */
static void check_secrecy(void)
{
    static const char *const texts[] = {
        "token: hf_sEcReTsEcReTsEcReT\n" HEAD,
        "token: {file: hf_sEcReTsEcReTsEcReT}\n" HEAD,
        "token: {env: hf_sEcReTsEcReTsEcReT}\n" HEAD,
        "token: [hf_sEcReTsEcReTsEcReT]\n" HEAD,
        "token: {value: hf_sEcReTsEcReTsEcReT}\n" HEAD,
        "endpoint: https://me:sEcReT@host\n" HEAD,
        "verify: hf_sEcReTsEcReTsEcReT\n" HEAD,
        "hf_sEcReTsEcReTsEcReT: x\n" HEAD,
    };

    for (size_t i = 0; i < CHECK_COUNT(texts); i++) {
        struct fixture f;

        check_row(texts[i]);
        CHECK(fixture_load(&f, texts[i], NULL, NULL) == -1);
        CHECK(strstr(f.err.text, "sEcReT") == NULL && strstr(f.err.hint, "sEcReT") == NULL);
    }
    check_row(NULL);
}

static void check_defaults(void)
{
    struct fixture          f;
    const struct spec_repo *repo;

    if (!fixture_ok(&f, HEAD, NULL, NULL))
        return;
    repo = &f.spec.repo[0];
    CHECK_IS(f.spec.name, "default");
    CHECK_IS(f.spec.target, "/m");
    CHECK(f.spec.layout == SPEC_LAYOUT_DIR);
    CHECK(f.spec.endpoint.count == 1);
    CHECK_IS(f.spec.endpoint.item[0], "https://huggingface.co");
    CHECK(f.spec.allowed_hosts.count == 0);
    CHECK_U64(f.spec.repo_count, 1);
    CHECK(repo->type == REPO_MODEL);
    CHECK_IS(repo->revision, "main");
    CHECK_IS(repo->path, "org/a");
    CHECK(!repo->allow.is_set && repo->ignore.count == 0 && repo->files.count == 0);
    CHECK(repo->hub_metadata && !repo->optional && !repo->require_commit);
    CHECK_U64(repo->max_bytes, 0);
    CHECK_U64(f.spec.files + f.spec.connections + f.spec.threads, 0);
    CHECK_U64(f.spec.disk_reserve_bytes, 512 << 20);
    CHECK(f.spec.disk_check);
    CHECK_U64(f.spec.connect_timeout_ms, 10000);
    CHECK_U64(f.spec.stall_timeout_ms, 30000);
    CHECK_U64(f.spec.total_timeout_ms, 0);
    CHECK_U64(f.spec.retry_attempts, 8);
    CHECK_U64(f.spec.retry_max_wait_ms, 60000);
    CHECK_U64(f.spec.lock_wait_ms, 3600000);
    CHECK_U64(f.spec.shard_count, 1);
    CHECK_U64(f.spec.file_mode, 0644);
    CHECK_U64(f.spec.dir_mode, 0755);
    CHECK(f.spec.on_unreachable == SPEC_USE_EXISTING && f.spec.verify == SPEC_VERIFY_ALWAYS);
    CHECK_U64((uint64_t)f.spec.log_level, 2);
    CHECK_IS(f.spec.termination_message, "/dev/termination-log");
    CHECK(!secret_is_set(&f.spec.token) && f.spec.token_origin.len == 0);
    CHECK(strlen(f.spec.digest) == 64);
    spec_release(&f.spec);
}

static const char everything[] =
    "apiVersion: hf-init/v1\nname: n-1.x\ntarget: models\nlayout: cache\n"
    "endpoint: [http://mirror:8080/hf//, 'https://[::1]']\nallowedHosts: ['*.hf.co', cdn]\n"
    "token: {none: true}\n"
    "repos:\n"
    "  - {id: org/d, type: dataset, revision: " COMMIT ", requireCommit: true, allow: '*.json',\n"
    "     ignore: [a, 'b c'], files: [x/y], maxBytes: 20GB, refAlias: [main, feat/x],\n"
    "     optional: true}\n"
    "  - {id: org/d, revision: v1.0.0}\n"
    "concurrency: {files: 4, connections: 16, partSize: 32MiB, threads: 2}\n"
    "bandwidth: 200MiB/s\ndisk: {reserve: 0, limit: 2Gi, check: false}\npageCache: drop\n"
    "verify: size\ntimeouts: {connect: 5, stall: 1m30s, total: 2h}\n"
    "retry: {attempts: 3, maxWait: 10s}\nonUnreachable: fail\nlock: {wait: 0}\n"
    "shard: {index: 1, count: 4}\nstartJitter: 500ms\nstay: true\nwatch: 10m\nfileMode: 0640\ndirMode: 0o2775\n"
    "tls: {caFile: /ca, clientCert: /c, clientKey: /k}\nprogress: none\n"
    "log: {level: debug, format: json}\n"
    "metrics: {listen: '[::1]:9464', file: /f.prom, push: 'http://gateway:9091/metrics/job/x'}\n"
    "terminationMessage: ''\n";

static void check_everything(void)
{
    struct fixture          f;
    const struct spec_repo *repo;

    if (!fixture_ok(&f, everything, NULL, NULL))
        return;
    repo = &f.spec.repo[0];
    CHECK_IS(f.spec.endpoint.item[0], "http://mirror:8080/hf");
    CHECK_U64(f.spec.allowed_hosts.count, 2);
    CHECK(f.spec.token_none);
    CHECK(repo->type == REPO_DATASET && repo->require_commit && repo->optional);
    CHECK(repo->allow.is_set && repo->allow.count == 1);
    CHECK_IS(repo->ignore.item[1], "b c");
    CHECK_IS(repo->files.item[0], "x/y");
    CHECK_U64(repo->max_bytes, 20000000000);
    CHECK_IS(repo->path, ".");
    CHECK_IS(repo->ref_alias.item[1], "feat/x");
    CHECK_IS(f.spec.repo[1].revision, "v1.0.0");
    CHECK_U64(f.spec.part_size_bytes, 32 << 20);
    CHECK_U64(f.spec.bandwidth_bytes_per_s, 200 << 20);
    CHECK_U64(f.spec.disk_limit_bytes, 2147483648);
    CHECK(!f.spec.disk_check && f.spec.page_cache == SPEC_CACHE_DROP);
    CHECK_U64(f.spec.connect_timeout_ms, 5000);
    CHECK_U64(f.spec.stall_timeout_ms, 90000);
    CHECK_U64(f.spec.total_timeout_ms, 7200000);
    CHECK_U64(f.spec.lock_wait_ms, 0);
    CHECK_U64(f.spec.shard_index, 1);
    CHECK_U64(f.spec.start_jitter_ms, 500);
    CHECK(f.spec.stay);
    CHECK_U64(f.spec.watch_ms, 600000);
    CHECK_IS(f.spec.metrics_listen, "[::1]:9464");
    CHECK_IS(f.spec.metrics_file, "/f.prom");
    CHECK_IS(f.spec.metrics_push, "http://gateway:9091/metrics/job/x");
    CHECK_U64(f.spec.file_mode, 0640);
    CHECK_U64(f.spec.dir_mode, 02775);
    CHECK_U64(f.spec.ca_files.count, 1);
    CHECK(f.spec.progress == SPEC_PROGRESS_NONE && f.spec.log_format == SPEC_LOG_JSON);
    CHECK_U64(f.spec.termination_message.len, 0);
    spec_release(&f.spec);
}

/* Anchors, merges, JSON, a BOM: other ways to write the same. */
static void check_forms(void)
{
    struct fixture f;

    check_row("anchors and merges");
    if (fixture_ok(&f,
                   "target: /m\nrepos:\n"
                   "  - &base\n    id: org/a\n    allow: &json ['*.json']\n    optional: true\n"
                   "  - <<: *base\n    id: org/b\n    optional: false\n"
                   "  - {<<: [*base, {maxBytes: 5, optional: false}], id: org/c}\n"
                   "  - {id: org/d, ignore: *json}\n",
                   NULL, NULL)) {
        CHECK_U64(f.spec.repo_count, 4);
        CHECK_IS(f.spec.repo[1].id, "org/b");
        CHECK_IS(f.spec.repo[1].allow.item[0], "*.json");
        CHECK(!f.spec.repo[1].optional && f.spec.repo[2].optional);
        CHECK_U64(f.spec.repo[2].max_bytes, 5);
        CHECK_IS(f.spec.repo[3].ignore.item[0], "*.json");
        spec_release(&f.spec);
    }
    check_row("JSON with tabs");
    if (fixture_ok(&f,
                   "{\n\t\"target\": \"\\/m\",\n\t\"repos\":[{\"id\":\"org/a\"}],"
                   "\"retry\":{\"attempts\":3}\n}\n",
                   NULL, NULL)) {
        CHECK_IS(f.spec.target, "/m");
        CHECK_U64(f.spec.retry_attempts, 3);
        spec_release(&f.spec);
    }
    fixture_refused("{\"target\":\"/m\",\"target\":\"/n\"}", NULL, NULL, "duplicate key");
    check_row("a BOM and CRLF");
    if (fixture_ok(&f, "\xEF\xBB\xBFtarget: /m\r\nrepos:\r\n  - id: org/a\r\n", NULL, NULL)) {
        CHECK_IS(f.spec.target, "/m");
        spec_release(&f.spec);
    }
    check_row("a tagged string");
    if (fixture_ok(&f, HEAD "    revision: !!str 1.0\n", NULL, NULL)) {
        CHECK_IS(f.spec.repo[0].revision, "1.0");
        spec_release(&f.spec);
    }
    check_row("a commit of digits");
    if (fixture_ok(&f, HEAD "    revision: 1234567890123456789012345678901234567890\n", NULL, NULL))
        spec_release(&f.spec);
    check_row(NULL);
}

/* Two texts with the same (or not the same) digest. */
static const struct {
    const char *name, *a, *b;
    bool        is_same;
} digests[] = {
    {"a target is only where", HEAD, "target: /n\nrepos: [{id: org/a}]", true},
    {"an endpoint is only whence", HEAD, "endpoint: http://x\n" HEAD, true},
    {"a default may be written out", HEAD, HEAD "    revision: main\n    path: org/a\n", true},
    {"a limit decides nothing", HEAD, HEAD "    maxBytes: 5\n", true},
    {"a share is a share of the same", HEAD, "shard: {index: 1, count: 2}\n" HEAD, true},
    {"another revision", HEAD, HEAD "    revision: v1\n", false},
    {"another type", HEAD, HEAD "    type: space\n", false},
    {"an allow list", HEAD, HEAD "    allow: '*'\n", false},
    {"an ignore list", HEAD, HEAD "    ignore: x\n", false},
    {"a list cut otherwise", HEAD "    allow: [a, b]\n", HEAD "    allow: ['a,b']\n", false},
    {"allow is not ignore", HEAD "    ignore: [a]\n", HEAD "    files: [a]\n", false},
    {"another path", HEAD, HEAD "    path: x\n", false},
    {"metadata", HEAD, HEAD "    hubMetadata: false\n", false},
    {"optional", HEAD, HEAD "    optional: true\n", false},
    {"another layout", HEAD, "layout: cache\n" HEAD, false},
    {"less verification", HEAD, "verify: size\n" HEAD, false},
    {"one more repo", HEAD, HEAD "  - id: org/b\n", false},
};

static void check_digests(void)
{
    for (size_t i = 0; i < CHECK_COUNT(digests); i++) {
        struct fixture a, b;

        check_row(digests[i].name);
        if (!fixture_ok(&a, digests[i].a, NULL, NULL))
            continue;
        if (fixture_ok(&b, digests[i].b, NULL, NULL)) {
            CHECK((strcmp(a.spec.digest, b.spec.digest) == 0) == digests[i].is_same);
            spec_release(&b.spec);
        }
        spec_release(&a.spec);
    }
    check_row(NULL);
}

/* 1000 repos and 10,000 patterns are fine, one more is not; alias bombs and deep nests end at once. */
static void check_caps(void)
{
    struct buf     text = {0};
    struct fixture f;

    buf_printf(&text, "target: /m\nrepos:\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "- {id: o/n%d, path: p%d, allow: [a,b,c,d,e,f,g,h,i,j]}\n", i, i);
    if (fixture_ok(&f, buf_cstr(&text), NULL, NULL))
        spec_release(&f.spec);
    buf_printf(&text, "- {id: o/more}\n");
    fixture_refused(buf_cstr(&text), NULL, NULL, "spec:1003:3: too many repos; allowed: 1000");

    buf_clear(&text);
    buf_printf(&text, HEAD "    allow: [");
    for (int i = 0; i < 10001; i++)
        buf_printf(&text, "x,");
    buf_printf(&text, "]\n");
    fixture_refused(buf_cstr(&text), NULL, NULL, "too many patterns and names; allowed: 10000");

    buf_clear(&text);
    buf_printf(&text, "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&text, "*a%d,", i - 1);
        buf_printf(&text, "]\n");
    }
    fixture_refused(buf_cstr(&text), NULL, NULL, "the aliases stand for too many values");

    buf_clear(&text);
    for (int i = 0; i < 101; i++)
        buf_printf(&text, "%%TAG !a%d! x:\n", i);
    fixture_refused(buf_cstr(&text), NULL, NULL, "spec:101:1: too many lines that begin with %");

    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, '[');
    fixture_refused(buf_cstr(&text), NULL, NULL, "nested too deeply");
    while (text.len <= 1 << 20)
        buf_printf(&text, "# ballast ballast ballast ballast ballast\n");
    fixture_refused(buf_cstr(&text), NULL, NULL, "a spec has at most 1 MiB");
    buf_release(&text);
}

int main(void)
{
    check_faults();
    check_bare_patterns();
    check_secrecy();
    check_defaults();
    check_everything();
    check_forms();
    check_digests();
    check_caps();
    return check_end("test_spec");
}
