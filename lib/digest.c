/* digest.c: hashes. The framing of FIPS 180-4 is ours, so that a running hash is a plain value and
 * can be saved; the block functions are those of kernels.h, chosen for the processor. */
#include "digest.h"

#include <inttypes.h>
#include <kernels.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64, LENGTH_AT = 56, STATE_FORMAT = 1, STATE_HEAD = 41 };

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

static void put_u32(unsigned char *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void put_u64(unsigned char *out, uint64_t v)
{
    put_u32(out, (uint32_t)(v >> 32));
    put_u32(out + 4, (uint32_t)v);
}

static uint32_t get_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void add_blocks(struct digest_run *run, const unsigned char *data, size_t blocks)
{
    if (run->kind == DIGEST_SHA256)
        hf_sha256_blocks(run->chain, data, blocks);
    else
        hf_sha1_blocks(run->chain, data, blocks);
}

static void add_framed(struct digest_run *run, const unsigned char *data, size_t len)
{
    size_t have = run->framed_bytes % BLOCK;

    run->framed_bytes += len;
    if (have) {
        size_t take = len < BLOCK - have ? len : BLOCK - have;

        memcpy(run->block + have, data, take);
        if (have + take < BLOCK)
            return;
        add_blocks(run, run->block, 1);
        data += take;
        len -= take;
    }
    add_blocks(run, data, len / BLOCK);
    memcpy(run->block, data + len / BLOCK * BLOCK, len % BLOCK);
}

void digest_begin(struct digest_run *run, enum digest_kind kind, uint64_t size_bytes)
{
    static const uint32_t sha256[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                       0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
    static const uint32_t sha1[8] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    char                  header[32];
    int                   len;

    *run = (struct digest_run){.kind = kind};
    memcpy(run->chain, kind == DIGEST_SHA256 ? sha256 : sha1, sizeof(run->chain));
    if (kind == DIGEST_SHA256)
        return;
    len = snprintf(header, sizeof(header), "blob %" PRIu64, size_bytes);
    add_framed(run, (const unsigned char *)header, (size_t)len + 1);
}

void digest_add(struct digest_run *run, const void *data, size_t len)
{
    if (len)
        add_framed(run, data, len);
    run->hashed_bytes += len;
}

void digest_end(struct digest_run *run, struct digest *out)
{
    size_t         have = run->framed_bytes % BLOCK;
    struct digest  d = {.kind = run->kind};
    unsigned char *block = run->block;

    block[have++] = 0x80;
    if (have > LENGTH_AT) {
        memset(block + have, 0, BLOCK - have);
        add_blocks(run, block, 1);
        have = 0;
    }
    memset(block + have, 0, LENGTH_AT - have);
    put_u64(block + LENGTH_AT, run->framed_bytes * 8);
    add_blocks(run, block, 1);
    for (size_t i = 0; i < digest_len(d.kind) / 4; i++)
        put_u32(d.byte + 4 * i, run->chain[i]);
    *out = d;
    digest_release(run);
}

void digest_release(struct digest_run *run)
{
    *run = (struct digest_run){0};
}

size_t digest_save(const struct digest_run *run, unsigned char out[DIGEST_STATE_MAX])
{
    size_t have = run->hashed_bytes % BLOCK;

    if (run->kind != DIGEST_SHA256)
        return 0;
    out[0] = STATE_FORMAT;
    put_u64(out + 1, run->hashed_bytes);
    for (size_t i = 0; i < 8; i++)
        put_u32(out + 9 + 4 * i, run->chain[i]);
    memcpy(out + STATE_HEAD, run->block, have);
    return STATE_HEAD + have;
}

bool digest_restore(struct digest_run *run, const unsigned char *state, size_t len)
{
    struct digest_run r = {.kind = DIGEST_SHA256};

    if (len < STATE_HEAD || state[0] != STATE_FORMAT)
        return false;
    r.hashed_bytes = r.framed_bytes = (uint64_t)get_u32(state + 1) << 32 | get_u32(state + 5);
    if (r.hashed_bytes >> 61 || len != STATE_HEAD + r.hashed_bytes % BLOCK)
        return false;
    for (size_t i = 0; i < 8; i++)
        r.chain[i] = get_u32(state + 9 + 4 * i);
    memcpy(r.block, state + STATE_HEAD, len - STATE_HEAD);
    *run = r;
    return true;
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
    return hf_kernels_name();
}
