/* The hashes are those that the Hub and git compute. */
#include <stdlib.h>

#include "buf.h"
#include "check.h"
#include "digest.h"

static char thousand_z[1001];

static const struct {
    const char      *name;
    enum digest_kind kind;
    const char      *text, *want;
} rows[] = {
    {"git: nothing", DIGEST_GIT_SHA1, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
    {"git: no newline", DIGEST_GIT_SHA1, "Hello, World!",
     "b45ef6fec89518d314f546fd6c3025367b721684"},
    {"git: a line", DIGEST_GIT_SHA1, "hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"},
    {"sha256: nothing", DIGEST_SHA256, "",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"sha256: 1000 Z", DIGEST_SHA256, thousand_z,
     "8fe15844cfeedd35f5dc30a9fa5ed38afd849dbe4f8dcae5642d934be0afb13d"},
};

static void hash_in_pieces(const char *text, enum digest_kind kind, size_t piece,
                           char hex[DIGEST_HEX_MAX])
{
    struct digest_run run;
    struct digest     d;
    size_t            len = strlen(text);

    digest_begin(&run, kind, len);
    for (size_t i = 0; i < len; i += piece)
        digest_add(&run, text + i, len - i < piece ? len - i : piece);
    CHECK_U64(run.hashed_bytes, len);
    digest_end(&run, &d);
    digest_to_hex(&d, hex);
}

static void hashes_match_the_hub(void)
{
    char hex[DIGEST_HEX_MAX];

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].name);
        hash_in_pieces(rows[i].text, rows[i].kind, 1000000, hex);
        CHECK_STR(hex, rows[i].want);
        hash_in_pieces(rows[i].text, rows[i].kind, 7, hex);
        CHECK_STR(hex, rows[i].want);
    }
    check_row(NULL);
}

static void hex_decides_the_kind(void)
{
    struct digest d, e;
    char          hex[DIGEST_HEX_MAX];

    CHECK(digest_from_hex(str_from(rows[0].want), &d) && d.kind == DIGEST_GIT_SHA1);
    CHECK(digest_from_hex(str_from(rows[3].want), &e) && e.kind == DIGEST_SHA256);
    digest_to_hex(&e, hex);
    CHECK_STR(hex, rows[3].want);
    CHECK(!digest_equal(&d, &e));
    CHECK(digest_equal(&e, &e));
    CHECK(!digest_from_hex(STR(""), &d));
    CHECK(!digest_from_hex(STR("e69de29bb2d1d6434b8b29ae775ad8c2e48c539"), &d));
    CHECK(!digest_from_hex(STR("E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391"), &d));
    CHECK(!digest_from_hex(STR("g69de29bb2d1d6434b8b29ae775ad8c2e48c5391"), &d));
}

static void released_runs_leave_nothing(void)
{
    struct digest_run run = {0};
    struct digest     d;
    char              hex[DIGEST_HEX_MAX];

    digest_release(&run);
    digest_begin(&run, DIGEST_SHA256, 3);
    digest_release(&run);
    digest_release(&run);
    digest_of_text(STR(""), &d);
    digest_to_hex(&d, hex);
    CHECK_STR(hex, rows[3].want);
    CHECK(strlen(digest_implementation()) > 8);
}

static void crc_is_the_one_of_zlib(void)
{
    CHECK_U64(digest_crc32(0, "123456789", 9), 0xCBF43926);
    CHECK_U64(digest_crc32(digest_crc32(0, "1234", 4), "56789", 5), 0xCBF43926);
    CHECK_U64(digest_crc32(0, "", 0), 0);
}

int main(void)
{
    memset(thousand_z, 'Z', 1000);
    hashes_match_the_hub();
    hex_decides_the_kind();
    released_runs_leave_nothing();
    crc_is_the_one_of_zlib();
    return check_end("test_digest");
}
