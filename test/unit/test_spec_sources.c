/* test_spec_sources.c: flag > HF_INIT_* > spec file > official HF_* > default, and what a run without
 * a file needs. */
#include <stdlib.h>
#include <unistd.h>

#include "spec_fixture.h"

#define HEAD "target: /m\nrepos:\n  - id: org/a\n"

static void check_precedence(void)
{
    const char *const official[] = {"HF_ENDPOINT=https://official/", "HF_HUB_DOWNLOAD_TIMEOUT=20",
                                    "HF_HUB_ETAG_TIMEOUT=0", NULL};
    struct fixture    f;

    check_row("official over default");
    if (fixture_ok(&f, HEAD, official, NULL)) {
        CHECK_IS(f.spec.endpoint.item[0], "https://official");
        CHECK_U64(f.spec.stall_timeout_ms, 20000);
        CHECK_U64(f.spec.connect_timeout_ms, 10000); /* 0 means the default, as in Python */
        spec_release(&f.spec);
    }
    check_row("file over official");
    if (fixture_ok(&f, "endpoint: https://file\n" HEAD, official, NULL)) {
        CHECK_IS(f.spec.endpoint.item[0], "https://file");
        spec_release(&f.spec);
    }
    check_row("variable over file");
    if (fixture_ok(&f, "endpoint: https://file\n" HEAD,
                   ENV("HF_ENDPOINT=https://official", "HF_INIT_ENDPOINT=https://v1,https://v2"),
                   NULL)) {
        CHECK_U64(f.spec.endpoint.count, 2);
        CHECK_IS(f.spec.endpoint.item[1], "https://v2");
        spec_release(&f.spec);
    }
    check_row("flag over variable");
    if (fixture_ok(&f, HEAD, ENV("HF_INIT_DISK_RESERVE=1Gi", "HF_INIT_ENDPOINT=https://v"),
                   FLAGS("disk-reserve=2Gi", "endpoint=https://f", "endpoint=https://g"))) {
        CHECK_U64(f.spec.disk_reserve_bytes, (uint64_t)2 << 30);
        CHECK_U64(f.spec.endpoint.count, 2);
        CHECK_IS(f.spec.endpoint.item[0], "https://f");
        spec_release(&f.spec);
    }
    check_row("a weaker source is still checked");
    fixture_refused("verify: maybe\n" HEAD, NULL, FLAGS("verify=size"), "spec:1:9: verify:");
    check_row("empty counts as unset");
    if (fixture_ok(&f, HEAD, ENV("HF_INIT_NAME=", "HF_ENDPOINT=", "HF_INIT_REPOS="), NULL)) {
        CHECK_IS(f.spec.name, "default");
        spec_release(&f.spec);
    }
    check_row(NULL);
}

static void check_blank_lists(void)
{
    struct fixture f;

    check_row("a blank list");
    fixture_refused(HEAD, ENV("HF_INIT_ENDPOINT=,"), NULL, "HF_INIT_ENDPOINT: endpoint: an empty");
    fixture_refused(HEAD, ENV("HF_INIT_ENDPOINT= "), NULL, "HF_INIT_ENDPOINT: endpoint: an empty");
    fixture_refused(HEAD, NULL, FLAGS("endpoint="), "--endpoint: endpoint: an empty list");
    fixture_refused("allowedHosts: cdn\n" HEAD, ENV("HF_INIT_ALLOWED_HOSTS=\n"), NULL,
                    "HF_INIT_ALLOWED_HOSTS: allowedHosts: an empty");
    fixture_refused(HEAD, NULL, FLAGS("allowed-hosts="), "--allowed-hosts: allowedHosts: an empty");
    fixture_refused(HEAD, NULL, FLAGS("files=a", "files=,"), "--files: files: an empty list");
    check_row("a blank pattern");
    if (fixture_ok(&f, HEAD, NULL, FLAGS("allow="))) {
        CHECK(f.spec.repo[0].allow.is_set && f.spec.repo[0].allow.count == 0);
        spec_release(&f.spec);
    }
    check_row(NULL);
}

/* `value: |` and `value: >` in a manifest end in a newline; download ends a name with one. */
static void check_newlines(void)
{
    struct fixture f;

    check_row("a newline at the end of a variable separates nothing");
    if (fixture_ok(&f, "endpoint: https://file\n" HEAD,
                   ENV("HF_INIT_ALLOW=*.json *.txt\n", "HF_INIT_IGNORE=\na,b\r\n",
                       "HF_INIT_ENDPOINT=https://v1,https://v2\n"),
                   NULL)) {
        CHECK_U64(f.spec.repo[0].allow.count, 2);
        CHECK_IS(f.spec.repo[0].allow.item[1], "*.txt");
        CHECK_U64(f.spec.repo[0].ignore.count, 2);
        CHECK_U64(f.spec.endpoint.count, 2);
        spec_release(&f.spec);
    }
    check_row("one in its middle does");
    if (fixture_ok(&f, HEAD, ENV("HF_INIT_FILES=a b, c.txt\nd.txt\n"), NULL)) {
        CHECK_U64(f.spec.repo[0].files.count, 2);
        CHECK_IS(f.spec.repo[0].files.item[0], "a b, c.txt");
        spec_release(&f.spec);
    }
    check_row("one at the end of a flag does");
    if (fixture_ok(&f, HEAD, NULL, FLAGS("files=a b.txt\n"))) {
        CHECK_U64(f.spec.repo[0].files.count, 1);
        CHECK_IS(f.spec.repo[0].files.item[0], "a b.txt");
        spec_release(&f.spec);
    }
    check_row(NULL);
}

static void check_flag_names(void)
{
    static const char *const names[] = {"disk.reserve=1", "disk-reserve=1", "diskReserve=1",
                                        "disk_reserve=1"};
    struct fixture           f;
    bool                     is_switch;

    for (size_t i = 0; i < CHECK_COUNT(names); i++) {
        check_row(names[i]);
        if (!fixture_ok(&f, HEAD, NULL, FLAGS(names[i])))
            continue;
        CHECK_U64(f.spec.disk_reserve_bytes, 1);
        spec_release(&f.spec);
    }
    check_row(NULL);
    fixture_refused(HEAD, NULL, FLAGS("tagret=/x"),
                    "unknown flag \"tagret\"; did you mean "
                    "--target?");
    fixture_refused(HEAD, NULL, FLAGS("token=hf_x"), "a token on the command line");
    fixture_refused(HEAD, NULL, FLAGS("fileMode=9"), "--fileMode: \"9\" is not a mode");
    CHECK(spec_check_flag(STR("disk-check"), &is_switch, &f.err) == 0 && is_switch);
    CHECK(spec_check_flag(STR("target"), &is_switch, &f.err) == 0 && !is_switch);
    CHECK(spec_check_flag(STR("repos"), &is_switch, &f.err) == 0 && !is_switch);
    CHECK(spec_check_flag(STR("id"), &is_switch, &f.err) == -1 && f.err.kind == ERR_USAGE);
}

/* What another system says: `weak` beside a flag of its own. */
static int load_foreign(struct fixture *f, const char *yaml, const char *const *env,
                        const struct spec_flag *flag, size_t count)
{
    struct spec_source source = {.env = env, .flag = flag, .flag_count = count};

    source.file_text = yaml ? str_from(yaml) : (struct str){NULL, 0};
    source.without_file = true;
    f->err = (struct err){0};
    return spec_load(&f->spec, &source, &f->err);
}

#define WEAK(k, v) {.key = STR(k), .value = STR(v), .origin = STR("MODEL"), .is_weak = true}
#define FIRM(k, v) {.key = STR(k), .value = STR(v), .origin = STR("SRC")}

static void check_other_systems(void)
{
    const struct spec_flag weak[] = {WEAK("endpoint", "https://weak"), WEAK("repo", "org/w"),
                                     WEAK("target", "/w"), WEAK("revision", "w"),
                                     WEAK("repos[0].allow", "a b\n")};
    const struct spec_flag mixed[] = {WEAK("target", "/w"), FIRM("repo", "org/a@v1"),
                                      FIRM("repo", "org/b"), FIRM("repos[1].path", "x y"),
                                      FIRM("target", "/m")};
    const struct spec_flag beyond[] = {FIRM("repo", "org/a"), FIRM("repos[1].path", "x")};
    const struct spec_flag other[] = {FIRM("repo", "org/a"), WEAK("repos[0].path", "x")};
    const struct spec_flag bad[] = {WEAK("repo", "org/a"), WEAK("verify", "maybe")};
    struct fixture         f;
    bool                   is_switch;

    check_row("another system over official");
    if (CHECK(load_foreign(&f, NULL, ENV("HF_ENDPOINT=https://official"), weak, 5) == 0)) {
        CHECK_IS(f.spec.endpoint.item[0], "https://weak");
        CHECK_IS(f.spec.repo[0].revision, "w");
        CHECK_U64(f.spec.repo[0].allow.count, 1);
    }
    spec_release(&f.spec);
    check_row("a file, and a variable, over another system");
    if (CHECK(load_foreign(&f, "endpoint: https://file\n" HEAD, ENV("HF_INIT_TARGET=/v"), weak,
                           5) == 0)) {
        CHECK_IS(f.spec.endpoint.item[0], "https://file");
        CHECK_IS(f.spec.target, "/v");
        CHECK_U64(f.spec.repo_count, 1);
        CHECK_IS(f.spec.repo[0].id, "org/a");
        CHECK_IS(f.spec.repo[0].revision, "w"); /* which the file leaves open */
    }
    spec_release(&f.spec);
    check_row("its arguments are flags, and may be about one repo");
    if (CHECK(load_foreign(&f, NULL, ENV("HF_INIT_TARGET=/v", "HF_INIT_PATH=v"), mixed, 5) == 0)) {
        CHECK_IS(f.spec.target, "/m");
        CHECK_IS(f.spec.repo[0].revision, "v1");
        CHECK_IS(f.spec.repo[0].path, "v");
        CHECK_IS(f.spec.repo[1].path, "x y");
    }
    spec_release(&f.spec);
    check_row("of a repo that is not there");
    CHECK(load_foreign(&f, NULL, NULL, beyond, 2) == -1);
    CHECK_STR(f.err.text, "SRC: there is no such repo");
    spec_release(&f.spec);
    CHECK(load_foreign(&f, NULL, NULL, other, 2) == -1);
    CHECK_STR(f.err.text, "MODEL: there is no such repo");
    spec_release(&f.spec);
    check_row("a complaint names the place by its own name");
    CHECK(load_foreign(&f, NULL, NULL, bad, 2) == -1);
    CHECK_HAS(f.err.text, "MODEL: ");
    spec_release(&f.spec);
    check_row("keys about one repo");
    CHECK(spec_check_flag(STR("repos[0].optional"), &is_switch, &f.err) == 0 && is_switch);
    CHECK(spec_check_flag(STR("repos[0].target"), &is_switch, &f.err) == -1);
    CHECK(spec_check_flag(STR("repos[0].repos"), &is_switch, &f.err) == -1);
    CHECK(spec_check_flag(STR("repos[0].id"), &is_switch, &f.err) == -1);
    CHECK(spec_check_flag(STR("repos[x].path"), &is_switch, &f.err) == -1);
    CHECK(spec_check_flag(STR("repos[0]path"), &is_switch, &f.err) == -1);
    check_row(NULL);
}

static void check_without_file(void)
{
    struct fixture f;

    check_row("flags alone");
    if (fixture_ok(&f, NULL, NULL,
                   FLAGS("repos=org/a@main", "target=/m", "allow=*.json", "include=a b, c",
                         "repo=datasets/org/b"))) {
        CHECK_U64(f.spec.repo_count, 2);
        CHECK_IS(f.spec.repo[0].revision, "main");
        CHECK_U64(f.spec.repo[0].allow.count, 2);
        CHECK_IS(f.spec.repo[0].allow.item[1], "a b, c");
        CHECK(f.spec.repo[1].type == REPO_DATASET && f.spec.repo[1].allow.count == 2);
        spec_release(&f.spec);
    }
    check_row("variables alone");
    if (fixture_ok(&f, NULL,
                   ENV("HF_INIT_REPOS= org/a@refs/pr/3,\nspaces/org/b  gpt2 ", "HF_INIT_TARGET=/m",
                       "HF_INIT_ALLOW=*.json, *.txt", "HF_INIT_IGNORE=a b\nc,d\n",
                       "HF_INIT_OPTIONAL=1"),
                   NULL)) {
        CHECK_U64(f.spec.repo_count, 3);
        CHECK_IS(f.spec.repo[0].revision, "refs/pr/3");
        CHECK(f.spec.repo[1].type == REPO_SPACE);
        CHECK_IS(f.spec.repo[2].path, "gpt2");
        CHECK_U64(f.spec.repo[2].allow.count, 2);
        CHECK_IS(f.spec.repo[2].ignore.item[0], "a b");
        CHECK_IS(f.spec.repo[2].ignore.item[1], "c,d");
        CHECK(f.spec.repo[0].optional);
        spec_release(&f.spec);
    }
    check_row("a whole spec in a variable");
    if (fixture_ok(&f, NULL, ENV("HF_INIT_SPEC_YAML=" HEAD), NULL))
        spec_release(&f.spec);
    fixture_refused(NULL, ENV("HF_INIT_SPEC_YAML=targt: /m"), NULL,
                    "HF_INIT_SPEC_YAML:1:1: unknown");
    fixture_refused(NULL, ENV("HF_INIT_SPEC_YAML=a", "HF_INIT_SPEC=b"), NULL, "both set");
    fixture_refused(NULL, ENV("HF_INIT_SPEC=/nonexistent.yaml"), NULL, "there is no such file");
    fixture_refused(NULL, NULL, FLAGS("target=/m"), "nothing to do");
    fixture_refused(NULL, ENV("HF_INIT_REPOS=,"), FLAGS("target=/m"), "names no repo");
    fixture_refused(NULL, ENV("HF_INIT_REPOS=a/b/c"), FLAGS("target=/m"),
                    "HF_INIT_REPOS: \"a/b/c\"");
    fixture_refused(NULL, NULL, FLAGS("repo=hf://org/a/f", "target=/m"), "names a file");
    fixture_refused(NULL, NULL, FLAGS("repo=org/a"), "target is missing");
    check_row(NULL);
}

/* Who says what of a repo: the stronger source, and no two of the same. */
static void check_common(void)
{
    struct fixture f;

    check_row("a flag speaks for the file's repos");
    if (fixture_ok(&f, HEAD "    revision: v1\n    allow: x\n", NULL,
                   FLAGS("revision=v2", "allow=y"))) {
        CHECK_IS(f.spec.repo[0].revision, "v2");
        CHECK_U64(f.spec.repo[0].allow.count, 1);
        CHECK_IS(f.spec.repo[0].allow.item[0], "y");
        spec_release(&f.spec);
    }
    check_row("a flag's repo is stronger than a variable");
    if (fixture_ok(&f, NULL, ENV("HF_INIT_REVISION=v1", "HF_INIT_TARGET=/m"),
                   FLAGS("repos=org/a@v2 org/b"))) {
        CHECK_IS(f.spec.repo[0].revision, "v2");
        CHECK_IS(f.spec.repo[1].revision, "v1");
        spec_release(&f.spec);
    }
    check_row("flags replace the file's repos");
    if (fixture_ok(&f, HEAD, NULL, FLAGS("repos=org/z"))) {
        CHECK_U64(f.spec.repo_count, 1);
        CHECK_IS(f.spec.repo[0].id, "org/z");
        spec_release(&f.spec);
    }
    check_row(NULL);
    fixture_refused(NULL, NULL, FLAGS("repos=org/a@v1", "revision=v2", "target=/m"),
                    "--revision: org/a names its own revision already");
    fixture_refused(HEAD "  - id: org/b\n", NULL, FLAGS("path=x"), "--path: org/b would be put");
}

static void check_unknown_variables(void)
{
    static const char *const links[] = {"HF_INIT_SERVICE_HOST=10.0.0.1", "HF_INIT_SERVICE_PORT=80",
                                        "HF_INIT_PORT=tcp://10.0.0.1:80",
                                        "HF_INIT_PORT_80_TCP_ADDR=10.0.0.1",
                                        "HF_INIT_CACHE_SERVICE_PORT_HTTP=80"};
    struct fixture           f;

    for (size_t i = 0; i < CHECK_COUNT(links); i++) {
        check_row(links[i]);
        if (fixture_ok(&f, HEAD, ENV(links[i]), NULL))
            spec_release(&f.spec);
    }
    check_row(NULL);
    fixture_refused(HEAD, ENV("HF_INIT_DISK_RESERV=1"), NULL,
                    "unknown variable \"HF_INIT_DISK_RESERV\"; did you mean HF_INIT_DISK_RESERVE?");
    fixture_refused(HEAD, ENV("HF_INIT_QUANTUM_FLUX=1"), NULL, "unknown variable");
    fixture_refused(HEAD, ENV("HF_INIT_ID=a"), NULL, "unknown variable");
    fixture_refused(HEAD, ENV("HF_INIT_TOKEN=hf_secret"), NULL, "the token's variable is HF_TOKEN");
    fixture_refused(HEAD, ENV("HF_INIT_VERIFY=x"), NULL, "HF_INIT_VERIFY: \"x\" is not known");
    if (fixture_ok(&f, HEAD, ENV("HF_XET_WHATEVER=1", "HF_FUTURE=x", "HF_HUB_VERBOSITY=loud"),
                   NULL))
        spec_release(&f.spec);
}

static void check_official(void)
{
    struct fixture f;

    check_row("switches");
    if (fixture_ok(&f, HEAD,
                   ENV("HF_HUB_OFFLINE=0", "TRANSFORMERS_OFFLINE=1", "HF_HUB_DISABLE_SYMLINKS=on",
                       "HF_HUB_VERBOSITY=warning", "HF_HUB_DISABLE_PROGRESS_BARS=yes",
                       "HF_HUB_USER_AGENT_ORIGIN=ci"),
                   NULL)) {
        CHECK(!f.spec.offline && f.spec.disable_symlinks);
        CHECK_U64((uint64_t)f.spec.log_level, 1);
        CHECK(f.spec.progress == SPEC_PROGRESS_LINES);
        CHECK_IS(f.spec.user_agent_origin, "ci");
        spec_release(&f.spec);
    }
    if (fixture_ok(&f, HEAD, ENV("HF_HUB_OFFLINE=", "TRANSFORMERS_OFFLINE=True", "HF_DEBUG=1"),
                   NULL)) {
        CHECK(f.spec.offline);
        CHECK_U64((uint64_t)f.spec.log_level, 3);
        spec_release(&f.spec);
    }
    if (fixture_ok(&f, HEAD, ENV("HF_HUB_OFFLINE=y"), NULL)) {
        CHECK(!f.spec.offline);
        spec_release(&f.spec);
    }
    check_row("proxies and roots");
    if (fixture_ok(&f, "tls: {caFile: /own}\n" HEAD,
                   ENV("HTTP_PROXY=http://upper", "http_proxy=http://lower", "HTTPS_PROXY=http://s",
                       "NO_PROXY=a,b", "SSL_CERT_FILE=/f", "SSL_CERT_DIR=/d:/e",
                       "CURL_CA_BUNDLE=/c", "REQUESTS_CA_BUNDLE=/f"),
                   NULL)) {
        CHECK_IS(f.spec.http_proxy, "http://lower");
        CHECK_IS(f.spec.https_proxy, "http://s");
        CHECK_IS(f.spec.no_proxy, "a,b");
        CHECK_U64(f.spec.ca_files.count, 5);
        CHECK_IS(f.spec.ca_files.item[0], "/own");
        CHECK_IS(f.spec.ca_files.item[3], "/e");
        spec_release(&f.spec);
    }
    check_row(NULL);
    check_row("longer than ours may be");
    if (fixture_ok(&f, HEAD,
                   ENV("HF_HUB_ETAG_TIMEOUT=86400", "HF_HUB_DOWNLOAD_TIMEOUT= 1000000000000"),
                   NULL)) {
        CHECK_U64(f.spec.connect_timeout_ms, 10 * 60 * 1000);
        CHECK_U64(f.spec.stall_timeout_ms, 60 * 60 * 1000);
        spec_release(&f.spec);
    }
    check_row(NULL);
    fixture_refused(HEAD, ENV("HF_HUB_ETAG_TIMEOUT=2.5"), NULL, "HF_HUB_ETAG_TIMEOUT: not a whole");
    fixture_refused(HEAD, ENV("HF_ENDPOINT=nonsense"), NULL, "HF_ENDPOINT: endpoint: \"nonsense\"");
}

static const struct {
    const char *name, *env[4], *target; /* NULL: no target is found */
} caches[] = {
    {"the cache itself", {"HF_HUB_CACHE=/c", "HF_HOME=/h"}, "/c"},
    {"its old name", {"HUGGINGFACE_HUB_CACHE=/old", "HF_HOME=/h"}, "/old"},
    {"below HF_HOME", {"HF_HOME=/h"}, "/h/hub"},
    {"below XDG_CACHE_HOME", {"XDG_CACHE_HOME=/x"}, "/x/huggingface/hub"},
    {"with a home", {"HF_HUB_CACHE=~/c", "HOME=/root"}, "/root/c"},
    {"with variables", {"HF_HUB_CACHE=$A/${B}/$C", "A=/a", "B=b"}, "/a/b/$C"},
    {"not a pod's HOME, which no other container sees", {"HOME=/root"}, NULL},
    {"an empty one is unset", {"HF_HUB_CACHE=", "HF_HOME=/h"}, "/h/hub"},
};

static void check_cache_target(void)
{
    struct fixture f;

    for (size_t i = 0; i < CHECK_COUNT(caches); i++) {
        check_row(caches[i].name);
        if (!caches[i].target) {
            fixture_refused("layout: cache\nrepos: [{id: a}]\n", caches[i].env, NULL, "target is");
            continue;
        }
        if (!fixture_ok(&f, "layout: cache\nrepos: [{id: a}]\n", caches[i].env, NULL))
            continue;
        CHECK_IS(f.spec.target, caches[i].target);
        spec_release(&f.spec);
    }
    check_row(NULL);
    fixture_refused("repos: [{id: a}]\n", ENV("HF_HUB_CACHE=/c"), NULL, "target is missing");
}

static void check_shard(void)
{
    struct fixture f;

    if (fixture_ok(&f, "shard: {count: 4}\n" HEAD, ENV("JOB_COMPLETION_INDEX=3"), NULL)) {
        CHECK_U64(f.spec.shard_index, 3);
        spec_release(&f.spec);
    }
    if (fixture_ok(&f, HEAD, ENV("JOB_COMPLETION_INDEX=3"), NULL)) {
        CHECK_U64(f.spec.shard_index, 0);
        spec_release(&f.spec);
    }
    fixture_refused("shard: {count: 2}\n" HEAD, ENV("JOB_COMPLETION_INDEX=3"), NULL,
                    "JOB_COMPLETION_INDEX: shard.index 3 is out of range");
}

static const struct {
    const char *name, *yaml, *env[3], *token; /* NULL: refused; "": none */
    const char *origin;
} tokens[] = {
    {"HF_TOKEN", HEAD, {"HF_TOKEN=hf_a"}, "hf_a", "HF_TOKEN"},
    {"its old name", HEAD, {"HUGGING_FACE_HUB_TOKEN=hf_b"}, "hf_b", "HUGGING_FACE_HUB_TOKEN"},
    {"the new name first", HEAD, {"HUGGING_FACE_HUB_TOKEN=b", "HF_TOKEN=a"}, "a", "HF_TOKEN"},
    {"line ends are deleted anywhere", HEAD, {"HF_TOKEN= hf_a\r\nb\n"}, "hf_ab", "HF_TOKEN"},
    {"blanks hide the old name too", HEAD, {"HF_TOKEN= \n", "HUGGING_FACE_HUB_TOKEN=b"}, "", ""},
    {"implicit tokens may be off", HEAD, {"HF_TOKEN=a", "HF_HUB_DISABLE_IMPLICIT_TOKEN=1"}, "", ""},
    {"none wins over HF_TOKEN", "token: {none: true}\n" HEAD, {"HF_TOKEN=a"}, "", ""},
    {"a variable of one's own", "token: {env: T}\n" HEAD, {"T=x", "HF_TOKEN=a"}, "x", "T"},
    {"a missing variable", "token: {env: T}\n" HEAD, {"HF_TOKEN=a"}, NULL, ""},
    {"an optional variable", "token: {env: T, optional: true}\n" HEAD, {"HF_TOKEN=a"}, "", ""},
    {"an optional file", "token: {file: /nonexistent/t, optional: true}\n" HEAD, {NULL}, "", ""},
    {"an official file may be missing", HEAD, {"HF_TOKEN_PATH=/nonexistent/t"}, "", ""},
    {"HF_INIT_TOKEN_ENV over the file",
     "token: {file: /nonexistent/t}\n" HEAD,
     {"HF_INIT_TOKEN_ENV=T", "T=x"},
     "x",
     "T"},
    {"a space inside", HEAD, {"HF_TOKEN=a b"}, NULL, ""},
    {"not ASCII", HEAD, {"HF_TOKEN=\303\251"}, NULL, ""},
    {"a control character", HEAD, {"HF_TOKEN=a\001"}, NULL, ""},
};

static void check_tokens(void)
{
    for (size_t i = 0; i < CHECK_COUNT(tokens); i++) {
        struct fixture f;

        check_row(tokens[i].name);
        if (!tokens[i].token) {
            CHECK(fixture_load(&f, tokens[i].yaml, tokens[i].env, NULL) == -1);
            CHECK(f.err.kind == ERR_SPEC);
            continue;
        }
        if (!fixture_ok(&f, tokens[i].yaml, tokens[i].env, NULL))
            continue;
        CHECK_IS(secret_reveal(&f.spec.token), tokens[i].token);
        CHECK_IS(f.spec.token_origin, tokens[i].origin);
        spec_release(&f.spec);
    }
    check_row(NULL);
}

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");

    if (!CHECK(file != NULL))
        return;
    fwrite(text, 1, len, file);
    fclose(file);
}

/* A Secret is rotated by replacing its file; the token is read again after a 401. */
static void check_rotation(void)
{
    char           path[] = "/tmp/hf-init-token-XXXXXX", flag[64];
    int            fd = mkstemp(path);
    struct fixture f;

    if (!CHECK(fd >= 0))
        return;
    close(fd);
    snprintf(flag, sizeof(flag), "token-file=%s", path);
    write_file(path, "hf_one\n", 7);
    if (fixture_ok(&f, HEAD, NULL, FLAGS(flag))) {
        const char *origin = f.spec.token_origin.p;

        CHECK_IS(secret_reveal(&f.spec.token), "hf_one");
        CHECK_IS(f.spec.token_origin, path);
        CHECK(spec_read_token(&f.spec, &f.err) == 0);
        write_file(path, "hf_two", 6);
        CHECK(spec_read_token(&f.spec, &f.err) == 1);
        CHECK_IS(secret_reveal(&f.spec.token), "hf_two");
        CHECK(f.spec.token_origin.p == origin);
        write_file(path, "hf\0secret", 9);
        CHECK(spec_read_token(&f.spec, &f.err) == -1 && strstr(f.err.text, "secret") == NULL);
        spec_release(&f.spec);
    }
    write_file(path, "\n", 1);
    fixture_refused(HEAD, NULL, FLAGS(flag), "the token file is empty");
    unlink(path);
    fixture_refused(HEAD, NULL, FLAGS(flag), "there is no such file");
    fixture_refused(HEAD, NULL, FLAGS("token-file=/tmp"), "token file");
}

/* Options of commands that need less than a run. */
static void check_partial_commands(void)
{
    struct spec        spec;
    struct err         err;
    struct spec_source source = {.file_text = STR("token: {file: /nonexistent/t}\n" HEAD),
                                 .without_token = true};

    CHECK(spec_load(&spec, &source, &err) == 0);
    spec_release(&spec);
    source = (struct spec_source){.file_text = STR("target: /m"), .without_repos = true};
    CHECK(spec_load(&spec, &source, &err) == 0 && spec.repo_count == 0);
    spec_release(&spec);
    source = (struct spec_source){.file_text = STR("repos: [{id: a}]"), .without_target = true};
    CHECK(spec_load(&spec, &source, &err) == 0 && spec.target.len == 0);
    spec_release(&spec);
    source = (struct spec_source){.file_text = STR("layout: cache\nrepos: [{id: a}]"),
                                  .env = ENV("HOME=/h"),
                                  .home_cache = true};
    if (CHECK(spec_load(&spec, &source, &err) == 0))
        CHECK_IS(spec.target, "/h/.cache/huggingface/hub");
    spec_release(&spec);
    spec_release(&spec); /* an empty one, again */
}

struct seen {
    bool target, token, secret, origin;
};

static void look(const char *path, struct str value, const char *origin, void *user)
{
    struct seen *seen = user;

    if (str_find(value, STR("sEcReT"), 0) >= 0)
        seen->secret = true;
    if (strcmp(path, "target") == 0)
        seen->target = strcmp(origin, "spec:1:9") == 0;
    if (strcmp(path, "(token)") == 0)
        seen->token = strcmp(origin, "HF_TOKEN") == 0;
    if (strcmp(path, "repos[0].revision") == 0)
        seen->origin = strcmp(origin, "--revision") == 0 && str_eq(value, STR("v1"));
}

static void check_visit(void)
{
    struct seen    seen = {0};
    struct fixture f;

    if (!fixture_ok(&f, HEAD,
                    ENV("HF_TOKEN=sEcReT", "HTTPS_PROXY=http://u:sEcReT@p",
                        "HTTP_PROXY=u:sEcReT@p:1"),
                    FLAGS("revision=v1")))
        return;
    spec_visit(&f.spec, look, &seen);
    CHECK(seen.target && seen.token && seen.origin && !seen.secret);
    spec_release(&f.spec);
}

static const struct {
    const char *text;
    bool        ok;
    uint64_t    value;
} sizes[] = {
    {"0", true, 0},
    {"512", true, 512},
    {"64MiB", true, 64 << 20},
    {"10GB", true, 10000000000},
    {"2Gi", true, 2147483648},
    {"1.5Gi", true, 1610612736},
    {"0.1Ki", true, 103},
    {"129e6", true, 129000000},
    {"129E6", true, 129000000},
    {"64 MiB", true, 64 << 20},
    {"5k", true, 5000},
    {"5K", true, 5000},
    {"5kb", true, 5000},
    {"5kib", true, 5120},
    {"7B", true, 7},
    {"1E", true, 1000000000000000000},
    {"15Ei", true, 17293822569102704640u},
    {"16Ei", false, 0},
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551616", false, 0},
    {"1.5", false, 0},
    {"", false, 0},
    {"-1", false, 0},
    {"+1", false, 0},
    {"5m", false, 0},
    {"5M", true, 5000000},
    {"5X", false, 0},
    {"5Mi B", false, 0},
    {"5MM", false, 0},
    {".5G", false, 0},
    {"5.G", false, 0},
    {"2e+10", true, 20000000000},
    {"1.5E+3", true, 1500},
    {"1e+", false, 0},
    {"1e++3", false, 0},
    {"1e-3", false, 0},
    {"1e99", false, 0},
    {"1e", true, 1000000000000000000},
    {" 5", false, 0},
    {"5 ", false, 0},
    {"0x10", false, 0},
    {"1_000", false, 0},
    {"5MiB/s", false, 0},
    {"1.0000000001Gi", false, 0},
};

static const struct {
    const char *text;
    bool        ok;
    uint64_t    value;
} durations[] = {
    {"0", true, 0},
    {"10", true, 10000},
    {"30s", true, 30000},
    {"5m", true, 300000},
    {"2h", true, 7200000},
    {"500ms", true, 500},
    {"1h30m", true, 5400000},
    {"1m1s1ms", true, 61001},
    {"0.5s", true, 500},
    {"2.5", true, 2500},
    {"1.5h", true, 5400000},
    {"", false, 0},
    {"5m2h", false, 0},
    {"1s1s", false, 0},
    {"1h30", false, 0},
    {"-1s", false, 0},
    {"s", false, 0},
    {"1d", false, 0},
    {"1 s", false, 0},
    {"1S", false, 0},
    {"99999999999999999999s", false, 0},
    {"18446744073709551615h", false, 0},
};

static void check_units(void)
{
    uint64_t value;

    for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
        check_row(sizes[i].text);
        value = 0;
        CHECK(spec_parse_size(str_from(sizes[i].text), &value) == sizes[i].ok);
        CHECK_U64(value, sizes[i].value);
    }
    for (size_t i = 0; i < CHECK_COUNT(durations); i++) {
        check_row(durations[i].text);
        value = 0;
        CHECK(spec_parse_duration(str_from(durations[i].text), &value) == durations[i].ok);
        CHECK_U64(value, durations[i].value);
    }
    check_row(NULL);
    CHECK(spec_parse_rate(STR("200MiB/s"), &value) && value == 200 << 20);
    CHECK(spec_parse_rate(STR("1000"), &value) && value == 1000);
    CHECK(!spec_parse_rate(STR("/s"), &value));
}

int main(void)
{
    check_precedence();
    check_blank_lists();
    check_newlines();
    check_flag_names();
    check_other_systems();
    check_without_file();
    check_common();
    check_unknown_variables();
    check_official();
    check_cache_target();
    check_shard();
    check_tokens();
    check_rotation();
    check_partial_commands();
    check_visit();
    check_units();
    return check_end("test_spec_sources");
}
