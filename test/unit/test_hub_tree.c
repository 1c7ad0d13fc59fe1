/* A page of a listing: what it must contain, and what makes it hostile or senseless. */
#include "check.h"
#include "hub.h"

#define GIT    "8e07cfc20f2c66d26f8295d573a91a16deb27710"
#define OTHER  "41bd0a7be51d4c2f8a6e0b1d2c3e4f5061728394"
#define SHA256 "8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d"
#define XET    "5f0c5844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d"
#define STARS  "****************************************************************"

#define FILE_(path, size) \
    "{\"type\":\"file\",\"oid\":\"" GIT "\",\"size\":" size ",\"path\":" path "}"
#define LFS_(lfs) \
    "[{\"type\":\"file\",\"oid\":\"" OTHER "\",\"size\":1000,\"path\":\"m.bin\",\"lfs\":" lfs "}]"

static void files_of_all_kinds(void)
{
    static const char body[] =
        "[{\"type\":\"directory\",\"oid\":\"3b18e512dba79e4c8300dd08aeb37f8e728b8dad\",\"size\":0,"
        "\"path\":\"onnx\"},"
        "{\"type\":\"file\",\"oid\":\"" GIT "\",\"size\":18,\"path\":\"config.json\",\"lfs\":null},"
        "{\"type\":\"file\",\"oid\":\"" OTHER "\",\"size\":1000,\"path\":\"onnx/m\\u00e9 #1.bin\","
        "\"lfs\":{\"oid\":\"" SHA256 "\",\"size\":1000,\"pointerSize\":134},\"xetHash\":\"" XET
        "\"},"
        "{\"type\":\"file\",\"oid\":\"" OTHER "\",\"size\":500000000000,\"path\":\"g\",\"lfs\":"
        "{\"oid\":\"" SHA256 "\"},\"xetHash\":\"" STARS "\"},"
        "{\"type\":\"unknown\",\"path\":\"submodule\"},"
        "{\"type\":\"file\",\"oid\":\"" GIT "\",\"size\":0,\"path\":\"empty\"}]";
    struct arena      arena = {0};
    struct hub_entry *e = NULL;
    struct err        err;
    size_t            count = 0;
    char              hex[DIGEST_HEX_MAX];

    check_row(__func__);
    if (!CHECK(hub_read_tree_page(str_from(body), &arena, &e, &count, &err) == 0)) {
        printf("%s\n", err.text);
        return;
    }
    CHECK_U64(count, 4);
    CHECK(str_eq(e[0].path, STR("config.json")) && !e[0].is_lfs && e[0].size_bytes == 18);
    CHECK_STR(e[0].oid, GIT);
    CHECK_U64(e[0].digest.kind, DIGEST_GIT_SHA1);
    digest_to_hex(&e[0].digest, hex);
    CHECK_STR(hex, GIT);
    CHECK(e[0].xet_hash.len == 0 && !e[0].xet_masked);

    CHECK(str_eq(e[1].path, STR("onnx/m\xC3\xA9 #1.bin")) && e[1].is_lfs);
    CHECK_STR(e[1].oid, OTHER);
    digest_to_hex(&e[1].digest, hex);
    CHECK_STR(hex, SHA256);
    CHECK(str_eq(e[1].xet_hash, STR(XET)) && !e[1].xet_masked);

    CHECK_U64(e[2].size_bytes, 500000000000);
    CHECK(e[2].is_lfs && e[2].xet_masked && e[2].xet_hash.len == 0);
    CHECK(str_eq(e[3].path, STR("empty")) && e[3].size_bytes == 0);
    arena_release(&arena);
}

static void pages_that_are_refused(void)
{
    static const struct {
        const char   *name, *body;
        enum err_kind kind; /* ERR_NONE: fine */
        const char   *text;
    } rows[] = {
        {"an empty page", "[]", ERR_NONE, NULL},
        {"folders only", "[{\"type\":\"directory\",\"path\":\"a\"}]", ERR_NONE, NULL},
        {"a byte order mark", "\xEF\xBB\xBF[]", ERR_NONE, NULL},
        {"an unsafe folder is never made", "[{\"type\":\"directory\",\"path\":\"../a\"}]", ERR_NONE,
         NULL},
        {"no body", "", ERR_BAD_ANSWER, NULL},
        {"an HTML page", "<html><title>x</title>", ERR_PROXY, NULL},
        {"not JSON", "Entry not found", ERR_BAD_ANSWER, "the list of files: bad JSON"},
        {"an object", "{\"error\":\"x\"}", ERR_BAD_ANSWER, "not an array"},
        {"cut off", "[" FILE_("\"a\"", "1") ",", ERR_BAD_ANSWER, NULL},
        {"cut off in an entry", "[{\"type\":\"file\",\"oid\":\"8e07", ERR_BAD_ANSWER, NULL},
        {"trailing garbage", "[]<!-- -->", ERR_BAD_ANSWER, "follows"},
        {"an entry that is no object", "[1]", ERR_BAD_ANSWER, "entry 0"},
        {"no type", "[{\"path\":\"a\"}]", ERR_BAD_ANSWER, "\"type\""},
        {"no path", "[{\"type\":\"file\",\"oid\":\"" GIT "\",\"size\":1}]", ERR_BAD_ANSWER,
         "\"path\""},
        {"a path that is no string", "[" FILE_("7", "1") "]", ERR_BAD_ANSWER, "\"path\""},

        {"size: missing", "[{\"type\":\"file\",\"oid\":\"" GIT "\",\"path\":\"a\"}]",
         ERR_BAD_ANSWER, "a: \"size\" is missing"},
        {"size: null", "[" FILE_("\"a\"", "null") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: negative", "[" FILE_("\"a\"", "-1") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: a string", "[" FILE_("\"a\"", "\"1\"") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: a fraction", "[" FILE_("\"a\"", "1.5") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: 2^53", "[" FILE_("\"a\"", "9007199254740992") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: 2^64", "[" FILE_("\"a\"", "18446744073709551616") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: infinite", "[" FILE_("\"a\"", "1e999") "]", ERR_BAD_ANSWER, "\"size\""},
        {"size: NaN", "[" FILE_("\"a\"", "NaN") "]", ERR_BAD_ANSWER, NULL},
        {"size: 2^53 - 1", "[" FILE_("\"a\"", "9007199254740991") "]", ERR_NONE, NULL},

        {"oid: short", "[{\"type\":\"file\",\"oid\":\"8e07\",\"size\":1,\"path\":\"a\"}]",
         ERR_BAD_ANSWER, "\"oid\""},
        {"oid: missing", "[{\"type\":\"file\",\"size\":1,\"path\":\"a\"}]", ERR_BAD_ANSWER,
         "\"oid\""},
        {"oid: a path",
         "[{\"type\":\"file\",\"oid\":\"../../../../../../../../../../../../../a\","
         "\"size\":1,\"path\":\"a\"}]",
         ERR_BAD_ANSWER, "\"oid\""},
        {"lfs: fine", LFS_("{\"oid\":\"" SHA256 "\",\"size\":1000}"), ERR_NONE, NULL},
        {"lfs: no oid", LFS_("{\"size\":1000}"), ERR_BAD_ANSWER, "\"lfs.oid\""},
        {"lfs: a git oid", LFS_("{\"oid\":\"" GIT "\",\"size\":1000}"), ERR_BAD_ANSWER,
         "\"lfs.oid\""},
        {"lfs: with a prefix", LFS_("{\"oid\":\"sha256:" SHA256 "\"}"), ERR_BAD_ANSWER,
         "\"lfs.oid\""},
        {"lfs: no object", LFS_("true"), ERR_BAD_ANSWER, "\"lfs.oid\""},
        {"lfs: another size", LFS_("{\"oid\":\"" SHA256 "\",\"size\":134}"), ERR_BAD_ANSWER,
         "m.bin: \"size\" and \"lfs.size\" differ"},
        {"lfs: a size that is none", LFS_("{\"oid\":\"" SHA256 "\",\"size\":-1}"), ERR_BAD_ANSWER,
         "\"lfs.size\""},

        {"name: up", "[" FILE_("\"../x\"", "1") "]", ERR_UNSAFE_NAME, NULL},
        {"name: up in the middle", "[" FILE_("\"a/../../b\"", "1") "]", ERR_UNSAFE_NAME, NULL},
        {"name: absolute", "[" FILE_("\"/etc/x\"", "1") "]", ERR_UNSAFE_NAME, NULL},
        {"name: empty", "[" FILE_("\"\"", "1") "]", ERR_UNSAFE_NAME, NULL},
        {"name: a NUL", "[" FILE_("\"config.json\\u0000/../x\"", "1") "]", ERR_UNSAFE_NAME, "NUL"},
        {"name: a line break", "[" FILE_("\"a\\nb\"", "1") "]", ERR_UNSAFE_NAME, NULL},
        {"name: a raw line break", "[" FILE_("\"a\nb\"", "1") "]", ERR_BAD_ANSWER, NULL},
        {"name: invalid UTF-8", "[" FILE_("\"a\xFF\"", "1") "]", ERR_BAD_ANSWER, "UTF-8"},
        {"name: half a surrogate", "[" FILE_("\"a\\ud800\"", "1") "]", ERR_BAD_ANSWER, NULL},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct arena      arena = {0};
        struct hub_entry *e = NULL;
        struct err        err = {0};
        size_t            count = 77;
        int               rc = hub_read_tree_page(str_from(rows[i].body), &arena, &e, &count, &err);

        check_row(rows[i].name);
        CHECK(rc == (rows[i].kind == ERR_NONE ? 0 : -1));
        CHECK_STR(err_reason(err.kind), err_reason(rows[i].kind));
        if (rows[i].text && !strstr(err.text, rows[i].text))
            CHECK_STR(err.text, rows[i].text);
        CHECK(rc == 0 || (e == NULL && count == 77)); /* a result only on success */
        arena_release(&arena);
    }
}

static void a_hundred_thousand_files_in_one_page(void)
{
    struct buf        body = {0};
    struct arena      arena = {0};
    struct hub_entry *e = NULL;
    struct err        err;
    size_t            count = 0;

    check_row(__func__);
    buf_add_char(&body, '[');
    for (int i = 0; i < 100000; i++)
        buf_printf(&body, "%s{\"type\":\"file\",\"oid\":\"" GIT "\",\"size\":%d,\"path\":\"d/%d\"}",
                   i ? "," : "", i, i);
    buf_add_char(&body, ']');
    CHECK(hub_read_tree_page(buf_view(&body), &arena, &e, &count, &err) == 0);
    CHECK_U64(count, 100000);
    CHECK(count == 100000 && str_eq(e[99999].path, STR("d/99999")) && e[99999].size_bytes == 99999);
    CHECK(arena.total_bytes < 32u << 20);
    buf_release(&body);
    arena_release(&arena);
}

int main(void)
{
    files_of_all_kinds();
    pages_that_are_refused();
    a_hundred_thousand_files_in_one_page();
    return check_end("test_hub_tree");
}
