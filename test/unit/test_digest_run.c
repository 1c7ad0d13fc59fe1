/* Hashes in any pieces, of any length, saved and restored anywhere, with any kernel. What the hash
 * of many hashes must be was computed by another implementation (Python's, which is OpenSSL's). */
#include <stdlib.h>

#include "check.h"
#include "digest.h"
#include "levels.h"

enum { PATTERN_BYTES = 20000 };

static unsigned char pattern[PATTERN_BYTES];

static void make_pattern(void)
{
    for (size_t i = 0; i < PATTERN_BYTES; i++)
        pattern[i] = (unsigned char)(i * 131 + (i >> 8) * 7 + 3);
}

static void hash(enum digest_kind kind, const void *data, size_t len, struct digest *out)
{
    struct digest_run run;

    digest_begin(&run, kind, len);
    digest_add(&run, data, len);
    digest_end(&run, out);
}

static void check_hex(const struct digest *d, const char *want)
{
    char hex[DIGEST_HEX_MAX];

    digest_to_hex(d, hex);
    CHECK_STR(hex, want);
}

static size_t from_hex(const char *hex, unsigned char *out)
{
    size_t len = strlen(hex) / 2;

    for (size_t i = 0; i < len; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    return len;
}

/* NIST: FIPS 180-4 examples and SHA256ShortMsg of the validation suite. */
static void known_answers(void)
{
    static const struct {
        const char *hex, *want;
    } rows[] = {
        {"d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
        {"11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"},
        {"b4190e", "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2"},
        {"74ba2521", "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e"},
        {"5a86b737eaea8ee976a0a24da63e7ed7eefad18a101c1211e2b3650c5187c2a8"
         "a650547208251f6d4237e661c7bf4c77f335390394c37fa1a9f9be836ac28509",
         "42e61e174fbb3897d6dd6cef3dd2802fe67b331953b06114a65c772859dfc1aa"},
    };
    unsigned char message[64];
    struct digest d;
    char         *a = malloc(1000000);

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        hash(DIGEST_SHA256, message, from_hex(rows[i].hex, message), &d);
        check_hex(&d, rows[i].want);
    }
    digest_of_text(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), &d);
    check_hex(&d, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(a, 'a', 1000000);
    hash(DIGEST_SHA256, a, 1000000, &d);
    check_hex(&d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hash(DIGEST_GIT_SHA1, a, 1000000, &d);
    check_hex(&d, "de1fbf0c2f34f67f01f355f31ed0cf7319643c5e");
    free(a);
}

static void all_lengths(enum digest_kind kind, size_t digest_bytes, const char *want)
{
    struct digest_run all;
    struct digest     d;

    digest_begin(&all, DIGEST_SHA256, 0);
    for (size_t len = 0; len <= 16384 + 70; len++) {
        if (len > 600 && len < 16384 - 70)
            continue;
        hash(kind, pattern, len, &d);
        digest_add(&all, d.byte, digest_bytes);
    }
    digest_end(&all, &d);
    check_hex(&d, want);
}

static void every_length(void)
{
    all_lengths(DIGEST_SHA256, 32,
                "e60575cd76712afe27629e978fd9eb478332e45fae1dbe1cc403170213065520");
    all_lengths(DIGEST_GIT_SHA1, 20,
                "ec5dc08994ad0130f6ffe25c87c986464eb339a2e2499b242185c5fc41b5fe74");
}

/* Also unaligned: the second piece begins anywhere. */
static void every_split(enum digest_kind kind)
{
    enum { LEN = 300 };
    struct digest_run run;
    struct digest     want, got;

    hash(kind, pattern, LEN, &want);
    for (size_t a = 0; a <= LEN; a++) {
        for (size_t b = a; b <= LEN; b += 1 + (b & 15)) {
            digest_begin(&run, kind, LEN);
            digest_add(&run, pattern, a);
            digest_add(&run, pattern + a, b - a);
            digest_add(&run, NULL, 0);
            digest_add(&run, pattern + b, LEN - b);
            digest_end(&run, &got);
            if (!digest_equal(&want, &got))
                CHECK(!"split");
        }
    }
    CHECK(digest_equal(&want, &got));
}

static void pieces_do_not_matter(void)
{
    every_split(DIGEST_SHA256);
    every_split(DIGEST_GIT_SHA1);
}

static void a_saved_run_goes_on_anywhere(void)
{
    unsigned char     state[DIGEST_STATE_MAX];
    struct digest_run run, other;
    struct digest     want, got;

    hash(DIGEST_SHA256, pattern, 1000, &want);
    digest_begin(&run, DIGEST_SHA256, 1000);
    for (size_t at = 0; at <= 1000; at++) {
        size_t len = digest_save(&run, state);

        memset(&other, 0xA5, sizeof(other));
        CHECK(len >= 41 && len <= sizeof(state) && digest_restore(&other, state, len));
        CHECK_U64(other.hashed_bytes, at);
        digest_add(&other, pattern + at, 1000 - at);
        digest_end(&other, &got);
        CHECK(digest_equal(&want, &got));
        if (at < 1000)
            digest_add(&run, pattern + at, 1); /* saving has not disturbed it */
    }
    digest_end(&run, &got);
    CHECK(digest_equal(&want, &got));
}

/* Journals of an older version must be readable; both texts come from another implementation. */
static void the_form_on_disk_is_fixed(void)
{
    static const char at_67[] = "01000000000000004307cc1b41ae4e7213c17a9ba6207031fa4ff3e43d78f429"
                                "d656c9833b4aeebfc5c346c9";
    static const char at_8_gib[] = "0100000002000000056a09e667bb67ae853c6ef372a54ff53a510e527f9b"
                                   "05688c1f83d9ab5be0cd1968656c6c6f";
    unsigned char     want[DIGEST_STATE_MAX], got[DIGEST_STATE_MAX];
    struct digest_run run;
    struct digest     d;
    size_t            len = from_hex(at_67, want);

    digest_begin(&run, DIGEST_SHA256, 0);
    digest_add(&run, pattern, 67);
    CHECK_U64(digest_save(&run, got), len);
    CHECK(memcmp(got, want, len) == 0);

    CHECK(digest_restore(&run, want, from_hex(at_8_gib, want)));
    CHECK_U64(run.hashed_bytes, (UINT64_C(1) << 33) + 5);
    digest_end(&run, &d);
    check_hex(&d, "979ea2203de744b90ff4ab1bc8f3f2f477aedaab880b50b239548c6ced338675");
}

static void a_malformed_state_is_refused(void)
{
    unsigned char     state[DIGEST_STATE_MAX + 1] = {0}, bad[DIGEST_STATE_MAX + 1];
    struct digest_run run, before, git;
    size_t            len;

    digest_begin(&run, DIGEST_SHA256, 0);
    digest_add(&run, pattern, 100);
    len = digest_save(&run, state);
    before = run;
    for (size_t other = 0; other <= sizeof(state); other++)
        CHECK(digest_restore(&run, state, other) == (other == len));
    for (int format = 0; format < 256; format++) {
        memcpy(bad, state, sizeof(bad));
        bad[0] = (unsigned char)format;
        CHECK(digest_restore(&run, bad, len) == (format == 1));
    }
    memcpy(bad, state, sizeof(bad));
    bad[8] ^= 1; /* a count that does not go with the length */
    CHECK(!digest_restore(&run, bad, len));
    memcpy(bad, state, sizeof(bad));
    bad[1] = 0x20; /* more bits than the padding can hold */
    CHECK(!digest_restore(&run, bad, len));
    CHECK(memcmp(&run, &before, sizeof(run)) == 0);

    digest_begin(&git, DIGEST_GIT_SHA1, 10);
    CHECK_U64(digest_save(&git, state), 0);
    CHECK(!digest_restore(&run, state, 0));
}

static void a_copy_runs_on_by_itself(void)
{
    struct digest_run run, copy;
    struct digest     want, got, got_copy;

    hash(DIGEST_SHA256, pattern, 200, &want);
    digest_begin(&run, DIGEST_SHA256, 200);
    digest_add(&run, pattern, 90);
    copy = run;
    digest_add(&run, pattern + 90, 110);
    digest_add(&copy, pattern + 90, 110);
    digest_end(&run, &got);
    digest_end(&copy, &got_copy);
    CHECK(digest_equal(&want, &got) && digest_equal(&want, &got_copy));
}

/* Whatever each of them had before, and in whatever kind. */
static void two_at_once_are_as_one_by_one(void)
{
    static const size_t before[] = {0, 64, 1, 63, 65};

    for (size_t len = 0; len <= 700; len += len < 260 ? 1 : 61) {
        for (size_t i = 0; i < CHECK_COUNT(before); i++) {
            struct digest_run a, b, c;
            struct digest     want, got;

            digest_begin(&a, DIGEST_SHA256, 0);
            digest_begin(&b, DIGEST_SHA256, 0);
            digest_begin(&c, DIGEST_GIT_SHA1, before[i] + len);
            digest_add(&b, pattern, before[i]);
            digest_add(&c, pattern, before[i]);
            digest_add_pair(&a, pattern + 300, &b, pattern + before[i], len);
            CHECK_U64(a.hashed_bytes, len);
            CHECK_U64(b.hashed_bytes, before[i] + len);
            hash(DIGEST_SHA256, pattern + 300, len, &want);
            digest_end(&a, &got);
            CHECK(digest_equal(&want, &got));
            hash(DIGEST_SHA256, pattern, before[i] + len, &want);
            digest_end(&b, &got);
            CHECK(digest_equal(&want, &got));
            digest_begin(&a, DIGEST_SHA256, 0);
            digest_add_pair(&c, pattern + before[i], &a, pattern, len);
            hash(DIGEST_GIT_SHA1, pattern, before[i] + len, &want);
            digest_end(&c, &got);
            CHECK(digest_equal(&want, &got));
        }
    }
}

static void tests(void)
{
    two_at_once_are_as_one_by_one();
    known_answers();
    every_length();
    pieces_do_not_matter();
    a_saved_run_goes_on_anywhere();
    the_form_on_disk_is_fixed();
    a_malformed_state_is_refused();
    a_copy_runs_on_by_itself();
}

int main(void)
{
    make_pattern();
    check_at_every_level(tests);
    return check_end("test_digest_run");
}
