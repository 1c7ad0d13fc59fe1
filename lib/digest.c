/* digest.c: hashes, by mbedTLS. The only file besides tls.c that knows which library computes. */
#include "digest.h"

#include <inttypes.h>
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"

union hash_state {
    mbedtls_sha256_context sha256;
    mbedtls_sha1_context   sha1;
};

static size_t digest_len(enum digest_kind kind)
{
    return kind == DIGEST_SHA256 ? 32 : 20;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return a->kind == b->kind && memcmp(a->byte, b->byte, digest_len(a->kind)) == 0;
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

bool digest_from_hex(struct str hex, struct digest *out)
{
    struct digest d = {.kind = hex.len == 64 ? DIGEST_SHA256 : DIGEST_GIT_SHA1};

    if (!str_is_hex(hex, digest_len(d.kind) * 2))
        return false;
    for (size_t i = 0; i < digest_len(d.kind); i++)
        d.byte[i] = (unsigned char)(hex_value(hex.p[2 * i]) << 4 | hex_value(hex.p[2 * i + 1]));
    *out = d;
    return true;
}

void digest_to_hex(const struct digest *d, char out[DIGEST_HEX_MAX])
{
    static const char digit[] = "0123456789abcdef";
    size_t            len = digest_len(d->kind);

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digit[d->byte[i] >> 4];
        out[2 * i + 1] = digit[d->byte[i] & 15];
    }
    out[2 * len] = '\0';
}

/* mbedTLS can only fail for want of hardware; software hashing has no excuse. */
static void must(int rc)
{
    if (rc != 0)
        die("hashing failed (mbedTLS -0x%04x)", (unsigned)-rc);
}

void digest_begin(struct digest_run *run, enum digest_kind kind, uint64_t size_bytes)
{
    union hash_state *state = mem_alloc(sizeof(*state));
    char              header[32];
    int               len;

    *run = (struct digest_run){.kind = kind, .state = state};
    if (kind == DIGEST_SHA256) {
        mbedtls_sha256_init(&state->sha256);
        must(mbedtls_sha256_starts(&state->sha256, 0));
        return;
    }
    mbedtls_sha1_init(&state->sha1);
    must(mbedtls_sha1_starts(&state->sha1));
    len = snprintf(header, sizeof(header), "blob %" PRIu64, size_bytes);
    must(mbedtls_sha1_update(&state->sha1, (const unsigned char *)header, (size_t)len + 1));
}

void digest_add(struct digest_run *run, const void *data, size_t len)
{
    union hash_state *state = run->state;

    if (run->kind == DIGEST_SHA256)
        must(mbedtls_sha256_update(&state->sha256, data, len));
    else
        must(mbedtls_sha1_update(&state->sha1, data, len));
    run->hashed_bytes += len;
}

void digest_end(struct digest_run *run, struct digest *out)
{
    union hash_state *state = run->state;

    *out = (struct digest){.kind = run->kind};
    if (run->kind == DIGEST_SHA256)
        must(mbedtls_sha256_finish(&state->sha256, out->byte));
    else
        must(mbedtls_sha1_finish(&state->sha1, out->byte));
    digest_release(run);
}

void digest_release(struct digest_run *run)
{
    union hash_state *state = run->state;

    if (state && run->kind == DIGEST_SHA256)
        mbedtls_sha256_free(&state->sha256);
    else if (state)
        mbedtls_sha1_free(&state->sha1);
    free(state);
    run->state = NULL;
}

uint32_t digest_crc32(uint32_t crc, const void *data, size_t len)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    const unsigned char *at = data;

    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        crc = nibble[crc & 15] ^ (crc >> 4);
        crc = nibble[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

void digest_of_text(struct str text, struct digest *out)
{
    struct digest_run run;

    digest_begin(&run, DIGEST_SHA256, text.len);
    digest_add(&run, text.p, text.len);
    digest_end(&run, out);
}

const char *digest_implementation(void)
{
    return "mbedTLS " MBEDTLS_VERSION_STRING;
}
