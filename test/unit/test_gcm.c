/* mbedTLS's AES-GCM, whoever does the work, is the one of NIST SP 800-38D: answers of the standard,
 * and a slow reference for everything else. Through mbedTLS's own interface, as TLS uses it. */
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "gcm_reference.h"
#include "levels.h"

enum { LONGEST = 16384 + 256 + 40, GUARD = 64 };

static const mbedtls_cipher_id_t AES = MBEDTLS_CIPHER_ID_AES;

static uint64_t chance_state;

static uint64_t chance(uint64_t below)
{
    chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
    return (chance_state >> 33) % below;
}

static void fill(unsigned char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)chance(256);
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

/* One message and what must come of it. */
struct message {
    unsigned bits;
    size_t   iv_len, add_len, len;

    unsigned char key[32], iv[512], add[1024], plain[LONGEST], sealed[LONGEST], tag[16];
};

static struct message *message_new(void)
{
    return calloc(1, sizeof(struct message));
}

static void message_seal(struct message *m)
{
    struct gcm_reference r;

    gcm_reference_key(&r, m->key, m->bits);
    gcm_reference_seal(&r, m->iv, m->iv_len, m->add, m->add_len, m->plain, m->len, m->sealed,
                       m->tag);
    mbedtls_aes_free(&r.aes);
}

static void message_make(struct message *m, unsigned bits, size_t iv_len, size_t add_len,
                         size_t len)
{
    m->bits = bits;
    m->iv_len = iv_len;
    m->add_len = add_len;
    m->len = len;
    fill(m->key, sizeof(m->key));
    fill(m->iv, iv_len);
    fill(m->add, add_len);
    fill(m->plain, len);
    message_seal(m);
}

static bool start(mbedtls_gcm_context *gcm, const struct message *m)
{
    mbedtls_gcm_init(gcm);
    return mbedtls_gcm_setkey(gcm, AES, m->key, m->bits) == 0;
}

static int seal(mbedtls_gcm_context *gcm, const struct message *m, const unsigned char *in,
                unsigned char *out, unsigned char tag[16])
{
    return mbedtls_gcm_crypt_and_tag(gcm, MBEDTLS_GCM_ENCRYPT, m->len, m->iv, m->iv_len, m->add,
                                     m->add_len, in, out, 16, tag);
}

static int unseal(mbedtls_gcm_context *gcm, const struct message *m, const unsigned char *in,
                  unsigned char *out)
{
    return mbedtls_gcm_auth_decrypt(gcm, m->len, m->iv, m->iv_len, m->add, m->add_len, m->tag, 16,
                                    in, out);
}

/* Sealed and opened again, elsewhere, in place, and `shift` bytes towards the beginning; nothing
 * around the output is touched. In any thread. */
static bool survives(const struct message *m, size_t shift)
{
    unsigned char      *room = malloc(m->len + 2 * GUARD), tag[16];
    unsigned char      *at = room + GUARD;
    mbedtls_gcm_context gcm;
    bool                good = start(&gcm, m);

    memset(room, 0x5A, m->len + 2 * GUARD);
    good &= seal(&gcm, m, m->plain, at, tag) == 0;
    good &= memcmp(at, m->sealed, m->len) == 0 && memcmp(tag, m->tag, 16) == 0;
    good &= unseal(&gcm, m, at, at) == 0 && memcmp(at, m->plain, m->len) == 0;
    good &= seal(&gcm, m, at, at, tag) == 0;
    good &= memcmp(at, m->sealed, m->len) == 0 && memcmp(tag, m->tag, 16) == 0;
    for (size_t i = 0; i < GUARD; i++)
        good &= room[i] == 0x5A && at[m->len + i] == 0x5A;
    good &= unseal(&gcm, m, at, at - shift) == 0 && memcmp(at - shift, m->plain, m->len) == 0;
    memmove(at, at - shift, m->len);
    good &= seal(&gcm, m, at, at - shift, tag) == 0;
    good &= memcmp(at - shift, m->sealed, m->len) == 0 && memcmp(tag, m->tag, 16) == 0;
    mbedtls_gcm_free(&gcm);
    free(room);
    return good;
}

/* The eighteen of "The Galois/Counter Mode of Operation" (McGrew, Viega), appendix B. */
static void known_answers(void)
{
    static const char iv12[] = "cafebabefacedbaddecaf888";
    static const char iv8[] = "cafebabefacedbad";
    static const char iv60[] = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318"
                               "a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";
    static const char add[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    static const char zero12[] = "000000000000000000000000";
    static const struct {
        const char *name;
        unsigned    bits;
        const char *iv, *add;
        size_t      len; /* of zeros with the IV of zeros, else of the text below */
        const char *tag;
    } rows[] = {
        {"1", 128, zero12, "", 0, "58e2fccefa7e3061367f1d57a4e7455a"},
        {"2", 128, zero12, "", 16, "ab6e47d42cec13bdf53a67b21257bddf"},
        {"3", 128, iv12, "", 64, "4d5c2af327cd64a62cf35abd2ba6fab4"},
        {"4", 128, iv12, add, 60, "5bc94fbc3221a5db94fae95ae7121a47"},
        {"5", 128, iv8, add, 60, "3612d2e79e3b0785561be14aaca2fccb"},
        {"6", 128, iv60, add, 60, "619cc5aefffe0bfa462af43c1699d050"},
        {"7", 192, zero12, "", 0, "cd33b28ac773f74ba00ed1f312572435"},
        {"8", 192, zero12, "", 16, "2ff58d80033927ab8ef4d4587514f0fb"},
        {"9", 192, iv12, "", 64, "9924a7c8587336bfb118024db8674a14"},
        {"10", 192, iv12, add, 60, "2519498e80f1478f37ba55bd6d27618c"},
        {"11", 192, iv8, add, 60, "65dcc57fcf623a24094fcca40d3533f8"},
        {"12", 192, iv60, add, 60, "dcf566ff291c25bbb8568fc3d376a6d9"},
        {"13", 256, zero12, "", 0, "530f8afbc74536b9a963b4f1c4cb738b"},
        {"14", 256, zero12, "", 16, "d0d1c8a799996bf0265b98b5d48ab919"},
        {"15", 256, iv12, "", 64, "b094dac5d93471bdec1a502270e3cc6c"},
        {"16", 256, iv12, add, 60, "76fc6ece0f4e1768cddf8853bb2d551b"},
        {"17", 256, iv8, add, 60, "3a337dbf46a792c45e454913fe2ea8f2"},
        {"18", 256, iv60, add, 60, "a44a8266ee1c8eb0c8b5d4cf5ae9f19a"},
    };
    struct message *m = message_new();

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        unsigned char want[16];

        check_row(rows[i].name);
        memset(m, 0, sizeof(*m));
        m->bits = rows[i].bits;
        m->len = rows[i].len;
        m->iv_len = from_hex(rows[i].iv, m->iv);
        m->add_len = from_hex(rows[i].add, m->add);
        from_hex(rows[i].tag, want);
        if (rows[i].iv != zero12) {
            from_hex("feffe9928665731c6d6a8f9467308308", m->key);
            from_hex("feffe9928665731c6d6a8f9467308308", m->key + 16);
            from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
                     m->plain);
        }
        message_seal(m);
        CHECK(memcmp(m->tag, want, 16) == 0);
        CHECK(survives(m, 0));
    }
    check_row(NULL);
    free(m);
}

static void every_length(void)
{
    static const unsigned bits[] = {128, 256, 192};
    struct message       *m = message_new();

    for (size_t len = 0; len <= LONGEST; len++) {
        static const size_t add_len[] = {5, 13, 0, 16, 20}; /* TLS 1.3, TLS 1.2 */

        message_make(m, bits[len % 3], 12, add_len[len % 5], len);
        if (!survives(m, len % GUARD))
            CHECK_U64(len, UINT64_MAX);
        if (len == 600)
            len = 16384 - 40;
        else if (len == 16384 + 40)
            len = 16384 + 256 - 40; /* the largest record of TLS 1.3 */
    }
    CHECK(survives(m, 0));
    free(m);
}

static void every_iv_length(void)
{
    struct message *m = message_new();

    for (size_t iv_len = 1; iv_len <= 300; iv_len++) {
        message_make(m, 128, iv_len, 7, 100);
        if (!survives(m, 0))
            CHECK_U64(iv_len, UINT64_MAX);
    }
    CHECK(survives(m, 0));
    free(m);
}

/* The counter is 32 bits wide and never carries into the IV, wherever it begins. */
static void the_counter_wraps(void)
{
    struct message      *m = message_new();
    struct gcm_reference r;

    for (uint32_t before = 0; before < 80; before++) {
        message_make(m, 128, 16, 0, 16 * 90 + 3);
        gcm_reference_key(&r, m->key, 128);
        gcm_reference_iv_for(
            &r, (struct gcm_bits){UINT64_MAX, UINT64_MAX << 32 | (uint32_t)(0 - before)}, m->iv);
        mbedtls_aes_free(&r.aes);
        message_seal(m);
        if (!survives(m, 0))
            CHECK_U64(before, UINT64_MAX);
    }
    CHECK(survives(m, 0));
    free(m);
}

/* Pieces of any size, the data in place, with a stream given up halfway before it. */
static bool survives_in_pieces(const struct message *m, mbedtls_gcm_context *gcm, int mode)
{
    const unsigned char *from = mode == MBEDTLS_GCM_ENCRYPT ? m->plain : m->sealed;
    const unsigned char *want = mode == MBEDTLS_GCM_ENCRYPT ? m->sealed : m->plain;
    unsigned char       *data = malloc(m->len + 1), tag[16];
    size_t               most = 1 + (size_t)chance(100), done = 0;
    bool                 good = true;

    memcpy(data, from, m->len);
    good &= mbedtls_gcm_starts(gcm, mode, m->iv, m->iv_len) == 0;
    for (size_t at = 0, n; at < m->add_len; at += n) {
        n = (size_t)chance(most + 1);
        n = n < m->add_len - at ? n : m->add_len - at;
        good &= mbedtls_gcm_update_ad(gcm, m->add + at, n) == 0;
    }
    for (size_t at = 0, n; at < m->len; at += n) {
        n = (size_t)chance(most + 1);
        n = n < m->len - at ? n : m->len - at;
        good &= mbedtls_gcm_update(gcm, data + at, n, data + at, n, &done) == 0 && done == n;
    }
    good &= mbedtls_gcm_finish(gcm, NULL, 0, &done, tag, 16) == 0 && done == 0;
    good &= memcmp(tag, m->tag, 16) == 0 && memcmp(data, want, m->len) == 0;

    good &= mbedtls_gcm_starts(gcm, mode, m->iv, m->iv_len) == 0;
    good &= mbedtls_gcm_update_ad(gcm, m->add, m->add_len) == 0;
    good &= mbedtls_gcm_update(gcm, data, m->len / 2, data, m->len / 2, &done) == 0;
    free(data);
    return good;
}

static void pieces_do_not_matter(void)
{
    struct message *m = message_new();

    for (int i = 0; i < 120; i++) {
        mbedtls_gcm_context gcm;

        message_make(m, i & 1 ? 128 : 256, 1 + (size_t)chance(40), (size_t)chance(1000),
                     (size_t)chance(2000));
        CHECK(start(&gcm, m));
        for (int mode = 0; mode < 6; mode++)
            if (!survives_in_pieces(m, &gcm, mode & 1))
                CHECK_U64((uint64_t)i, UINT64_MAX);
        mbedtls_gcm_free(&gcm);
    }
    CHECK(survives(m, 0));
    free(m);
}

static bool is_zero(const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

/* Refused, nothing of the plain text left, and the context is as good as before. */
static void check_refused(mbedtls_gcm_context *gcm, const struct message *m)
{
    unsigned char *out = malloc(m->len + 1);

    memset(out, 0x5A, m->len + 1);
    CHECK(unseal(gcm, m, m->sealed, out) == MBEDTLS_ERR_GCM_AUTH_FAILED);
    CHECK(is_zero(out, m->len) && out[m->len] == 0x5A);
    free(out);
}

static void a_forgery_is_refused(void)
{
    struct message     *m = message_new();
    unsigned char       out[200];
    mbedtls_gcm_context gcm;

    message_make(m, 128, 12, 13, 150);
    CHECK(start(&gcm, m));
    for (int bit = 0; bit < 128; bit++) {
        m->tag[bit / 8] ^= (unsigned char)(1 << bit % 8);
        check_refused(&gcm, m);
        m->tag[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t at = 0; at < m->len; at++) {
        m->sealed[at] ^= 0x80;
        check_refused(&gcm, m);
        m->sealed[at] ^= 0x80;
    }
    for (size_t at = 0; at < m->add_len; at++) {
        m->add[at] ^= 1;
        check_refused(&gcm, m);
        m->add[at] ^= 1;
    }
    m->iv[11] ^= 1;
    check_refused(&gcm, m);
    m->iv[11] ^= 1;
    m->add_len--;
    check_refused(&gcm, m);
    m->add_len++;
    m->len--;
    check_refused(&gcm, m);
    m->len = 0;
    check_refused(&gcm, m);
    m->len = 150;
    CHECK(unseal(&gcm, m, m->sealed, out) == 0 && memcmp(out, m->plain, m->len) == 0);
    mbedtls_gcm_free(&gcm);
    free(m);
}

static void short_tags_are_the_beginning_of_long_ones(void)
{
    struct message     *m = message_new();
    unsigned char       out[64], tag[17];
    mbedtls_gcm_context gcm;

    message_make(m, 256, 12, 3, 33);
    CHECK(start(&gcm, m));
    for (size_t len = 0; len <= 17; len++) {
        bool valid = len >= 4 && len <= 16;

        memset(tag, 0x5A, sizeof(tag));
        CHECK(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, m->len, m->iv, 12, m->add, 3,
                                        m->plain, out, len,
                                        tag) == (valid ? 0 : MBEDTLS_ERR_GCM_BAD_INPUT));
        if (!valid)
            continue;
        CHECK(memcmp(tag, m->tag, len) == 0 && tag[len] == 0x5A);
        CHECK(mbedtls_gcm_auth_decrypt(&gcm, m->len, m->iv, 12, m->add, 3, tag, len, m->sealed,
                                       out) == 0);
        tag[len - 1] ^= 1;
        CHECK(mbedtls_gcm_auth_decrypt(&gcm, m->len, m->iv, 12, m->add, 3, tag, len, m->sealed,
                                       out) == MBEDTLS_ERR_GCM_AUTH_FAILED);
    }
    mbedtls_gcm_free(&gcm);
    free(m);
}

static void misuse_is_an_error(void)
{
    static const unsigned char zero[64];
    unsigned char              data[64] = {0}, tag[16];
    mbedtls_gcm_context        gcm;
    size_t                     done;

    mbedtls_gcm_init(&gcm);
    mbedtls_gcm_free(&gcm);
    mbedtls_gcm_free(NULL);
    mbedtls_gcm_init(&gcm);
    CHECK(mbedtls_gcm_setkey(&gcm, AES, zero, 127) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_CHACHA20, zero, 256) ==
          MBEDTLS_ERR_GCM_BAD_INPUT);
#ifdef MBEDTLS_GCM_ALT /* where the stock code would follow a NULL */
    CHECK(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, zero, 12) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_update_ad(&gcm, zero, 5) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_update(&gcm, zero, 5, data, 5, &done) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_finish(&gcm, NULL, 0, &done, tag, 16) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_setkey(&gcm, AES, zero, 128) == 0);
    CHECK(mbedtls_gcm_update(&gcm, zero, 5, data, 5, &done) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, zero, 12) == 0);
    CHECK(mbedtls_gcm_update(&gcm, zero, 5, data, 5, &done) == 0);
    CHECK(mbedtls_gcm_update_ad(&gcm, zero, 5) == MBEDTLS_ERR_GCM_BAD_INPUT);
#endif
    CHECK(mbedtls_gcm_setkey(&gcm, AES, zero, 256) == 0); /* another key, the old one is gone */
    CHECK(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, zero, 0) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_starts(&gcm, MBEDTLS_GCM_ENCRYPT, zero, 12) == 0);
    CHECK(mbedtls_gcm_update(&gcm, zero, 5, data, 4, &done) == MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL);
    CHECK(mbedtls_gcm_update(&gcm, data, 20, data + 1, 20, &done) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_update(&gcm, NULL, 0, NULL, 0, &done) == 0 && done == 0);
    CHECK(mbedtls_gcm_finish(&gcm, NULL, 0, &done, tag, 3) == MBEDTLS_ERR_GCM_BAD_INPUT);
    CHECK(mbedtls_gcm_finish(&gcm, NULL, 0, &done, tag, 16) == 0);
    CHECK(tag[0] == 0x53 && tag[15] == 0x8b); /* case 13 above */
    mbedtls_gcm_free(&gcm);
    mbedtls_gcm_free(&gcm);
}

static void anything_at_random(void)
{
    struct message *m = message_new();

    for (int i = 0; i < 400; i++) {
        message_make(m, 128 + 64 * (unsigned)chance(3), chance(2) ? 12 : 1 + (size_t)chance(500),
                     (size_t)chance(chance(8) ? 40 : 1024), (size_t)chance(chance(4) ? 300 : 5000));
        if (!survives(m, (size_t)chance(GUARD)))
            CHECK_U64((uint64_t)i, UINT64_MAX);
    }
    CHECK(survives(m, 0));
    free(m);
}

static void tests(void)
{
    chance_state = 1;
    known_answers();
    every_length();
    every_iv_length();
    the_counter_wraps();
    pieces_do_not_matter();
    a_forgery_is_refused();
    short_tags_are_the_beginning_of_long_ones();
    misuse_is_an_error();
    anything_at_random();
}

static void *work(void *messages)
{
    struct message **m = messages;
    bool            *good = malloc(sizeof(*good));

    *good = true;
    for (int round = 0; round < 40; round++)
        *good &= survives(m[round % 4], 0);
    return good;
}

/* The very first use of all comes from several at once. */
static void threads_have_their_own_contexts(void)
{
    struct message *m[4];
    pthread_t       thread[4];

    chance_state = 2;
    for (int i = 0; i < 4; i++)
        message_make(m[i] = message_new(), 128, 12, 5, 3000 + 7 * (size_t)i);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, work, m) == 0);
    for (int i = 0; i < 4; i++) {
        void *good;

        pthread_join(thread[i], &good);
        CHECK(*(bool *)good);
        free(good);
    }
    for (int i = 0; i < 4; i++)
        free(m[i]);
}

/* On a node in FIPS mode libgcrypt would switch it on by itself, and then seal nothing. */
static void fips_mode_of_the_node_is_no_trouble(void)
{
    setenv("LIBGCRYPT_FORCE_FIPS_MODE", "1", 1);
    chance_state = 3;
    known_answers();
    anything_at_random();
}

int main(void)
{
    check_in_child("threads", threads_have_their_own_contexts);
    check_in_child("FIPS mode", fips_mode_of_the_node_is_no_trouble);
    check_at_every_level(tests);
    return check_end("test_gcm");
}
