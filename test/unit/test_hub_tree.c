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

/* One page, in pieces of `step` bytes. */
static int read_page(struct hub_listing *l, struct str body, size_t step, struct err *err)
{
    hub_listing_begin_page(l);
    for (size_t i = 0; i < body.len; i += step) {
        struct str piece = str_sub(body, i, i + step);

        if (hub_listing_add_text(l, piece.p, piece.len, err))
            return -1;
    }
    return hub_listing_end_page(l, err);
}

static void check_hex(const unsigned char *bytes, size_t count, const char *want)
{
    struct buf hex = {0};

    buf_add_hex(&hex, bytes, count);
    CHECK_STR(buf_cstr(&hex), want);
    buf_release(&hex);
}

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
    struct hub_listing      l = {0};
    const struct hub_entry *e;
    struct err              err;
    char                    hex[DIGEST_HEX_MAX];

    check_row(__func__);
    if (!CHECK(read_page(&l, str_from(body), 100, &err) == 0)) {
        printf("%s\n", err.text);
        return;
    }
    e = l.entry;
    CHECK_U64(l.count, 4);
    CHECK(str_eq(e[0].path, STR("config.json")) && !e[0].is_lfs && e[0].size_bytes == 18);
    check_hex(e[0].oid, 20, GIT);
    CHECK_U64(e[0].digest.kind, DIGEST_GIT_SHA1);
    digest_to_hex(&e[0].digest, hex);
    CHECK_STR(hex, GIT);
    CHECK(!e[0].xet_hash && !e[0].xet_masked);

    CHECK(str_eq(e[1].path, STR("onnx/m\xC3\xA9 #1.bin")) && e[1].is_lfs);
    check_hex(e[1].oid, 20, OTHER);
    digest_to_hex(&e[1].digest, hex);
    CHECK_STR(hex, SHA256);
    CHECK(e[1].xet_hash && !e[1].xet_masked);
    check_hex(e[1].xet_hash, 32, XET);

    CHECK_U64(e[2].size_bytes, 500000000000);
    CHECK(e[2].is_lfs && e[2].xet_masked && !e[2].xet_hash);
    CHECK(str_eq(e[3].path, STR("empty")) && e[3].size_bytes == 0);
    hub_listing_release(&l);
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
        {"words of ours in a broken text", "[{\"a\":;\"a NUL in a string\"}]", ERR_BAD_ANSWER,
         NULL},
        {"name: a line break", "[" FILE_("\"a\\nb\"", "1") "]", ERR_UNSAFE_NAME, NULL},
        {"name: a raw line break", "[" FILE_("\"a\nb\"", "1") "]", ERR_BAD_ANSWER, NULL},
        {"name: invalid UTF-8", "[" FILE_("\"a\xFF\"", "1") "]", ERR_BAD_ANSWER, "UTF-8"},
        {"name: half a surrogate", "[" FILE_("\"a\\ud800\"", "1") "]", ERR_BAD_ANSWER, NULL},
    };

    for (size_t i = 0; i < 3 * CHECK_COUNT(rows); i++) { /* however its bytes come */
        static const size_t step[] = {1 << 20, 1, 300};
        const char         *body = rows[i / 3].body, *text = rows[i / 3].text;
        enum err_kind       kind = rows[i / 3].kind;
        struct hub_listing  l = {0};
        struct err          err = {0};
        int                 rc = read_page(&l, str_from(body), step[i % 3], &err);

        check_row(rows[i / 3].name);
        CHECK(rc == (kind == ERR_NONE ? 0 : -1));
        CHECK_STR(err_reason(err.kind), err_reason(kind));
        if (text && !strstr(err.text, text))
            CHECK_STR(err.text, text);
        hub_listing_release(&l);
    }
}

static void a_page_that_breaks_off_leaves_nothing(void)
{
    static const char first[] = "[" FILE_("\"a\"", "1") "]",
                      second[] = "[" FILE_("\"b\"", "2") "," FILE_("\"c\"", "3") "]";
    struct hub_listing l = {0};
    struct buf         cut = {0};
    struct err         err;
    size_t             bytes;

    check_row(__func__);
    buf_printf(&cut, "[" FILE_("\"%0200d\"", "1") ",", 7);
    CHECK(read_page(&l, str_from(first), 7, &err) == 0 && l.count == 1);
    bytes = l.arena.total_bytes;
    for (int i = 0; i < 1000; i++) { /* again and again, at another place each time */
        hub_listing_begin_page(&l);
        CHECK(hub_listing_add_text(&l, cut.p, cut.len, &err) == 0);
        CHECK(hub_listing_add_text(&l, second + 1, (size_t)i % (sizeof(second) - 1), &err) == 0);
    }
    buf_release(&cut);
    CHECK_U64(l.arena.total_bytes, bytes);
    CHECK(read_page(&l, str_from(second), 7, &err) == 0 && l.count == 3);
    CHECK(str_eq(l.entry[0].path, STR("a")) && str_eq(l.entry[1].path, STR("b")));
    hub_listing_drop_page(&l); /* it was whole, but is not wanted */
    CHECK_U64(l.count, 1);
    CHECK(read_page(&l, str_from(second), 7, &err) == 0 && l.count == 3);
    CHECK(str_eq(l.entry[0].path, STR("a")) && str_eq(l.entry[2].path, STR("c")));
    hub_listing_release(&l);
}

static uint64_t hash_of(const char *body)
{
    struct hub_listing l = {0};
    struct err         err;
    uint64_t           hash;

    CHECK(read_page(&l, str_from(body), 5, &err) == 0);
    hash = l.page_hash;
    hub_listing_release(&l);
    return hash;
}

static void a_page_that_comes_again_shows(void)
{
    static const char folder_a[] = "[{\"type\":\"directory\",\"path\":\"a\"}]";
    static const char folder_b[] = "[{\"type\":\"directory\",\"path\":\"b\"}]";

    check_row(__func__);
    CHECK(hash_of(folder_a) == hash_of(folder_a));
    CHECK(hash_of(folder_a) != hash_of(folder_b)); /* pages without a file are not all the same */
    CHECK(hash_of("[]") != hash_of(folder_a));
    CHECK(hash_of("[" FILE_("\"a\"", "1") "," FILE_("\"bc\"", "1") "]") !=
          hash_of("[" FILE_("\"ab\"", "1") "," FILE_("\"c\"", "1") "]"));
}

static void a_hundred_thousand_files_cost_few_bytes_each(void)
{
    struct hub_listing l = {0};
    struct buf         body = {0};
    struct err         err;

    check_row(__func__);
    for (int page = 0; page < 100; page++) {
        buf_clear(&body);
        buf_add_char(&body, '[');
        for (int i = 0; i < 1000; i++)
            buf_printf(&body,
                       "%s{\"type\":\"file\",\"oid\":\"" OTHER
                       "\",\"size\":%d,\"lfs\":{\"oid\":\"" SHA256 "\"},\"xetHash\":\"" XET
                       "\",\"path\":\"d/%d\"}",
                       i ? "," : "", i, page * 1000 + i);
        buf_add_char(&body, ']');
        CHECK(read_page(&l, buf_view(&body), 16384, &err) == 0);
    }
    CHECK_U64(l.count, 100000);
    CHECK(l.count == 100000 && str_eq(l.entry[99999].path, STR("d/99999")) &&
          l.entry[99999].size_bytes == 999);
    CHECK(sizeof(struct hub_entry) <= 104); /* and beside it a path and 32 bytes for Xet */
    CHECK(l.arena.total_bytes < 100000 * (32 + 8 + 2));
    buf_release(&body);
    hub_listing_release(&l);
}

int main(void)
{
    files_of_all_kinds();
    pages_that_are_refused();
    a_page_that_breaks_off_leaves_nothing();
    a_page_that_comes_again_shows();
    a_hundred_thousand_files_cost_few_bytes_each();
    return check_end("test_hub_tree");
}
