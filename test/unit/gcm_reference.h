/* gcm_reference.h: AES-GCM as NIST SP 800-38D writes it down, a bit at a time and slow, to hold fast
 * code against. Only single blocks of AES are mbedTLS's. */
#ifndef HFI_GCM_REFERENCE_H
#define HFI_GCM_REFERENCE_H

#include <mbedtls/aes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct gcm_bits { /* of a block: the first bit is the highest of hi */
    uint64_t hi, lo;
};

struct gcm_reference {
    mbedtls_aes_context aes;
    struct gcm_bits     h;
};

static inline struct gcm_bits gcm_bits_of(const unsigned char *at, size_t len)
{
    unsigned char   b[16] = {0};
    struct gcm_bits v = {0, 0};

    memcpy(b, at, len < 16 ? len : 16);
    for (int i = 0; i < 8; i++) {
        v.hi = v.hi << 8 | b[i];
        v.lo = v.lo << 8 | b[8 + i];
    }
    return v;
}

static inline void gcm_bits_to(struct gcm_bits v, unsigned char out[16])
{
    for (int i = 0; i < 8; i++) {
        out[i] = (unsigned char)(v.hi >> (56 - 8 * i));
        out[8 + i] = (unsigned char)(v.lo >> (56 - 8 * i));
    }
}

static inline struct gcm_bits gcm_xor(struct gcm_bits a, struct gcm_bits b)
{
    return (struct gcm_bits){a.hi ^ b.hi, a.lo ^ b.lo};
}

/* Algorithm 1 of the standard. */
static inline struct gcm_bits gcm_product(struct gcm_bits x, struct gcm_bits y)
{
    struct gcm_bits z = {0, 0};

    for (int i = 0; i < 128; i++) {
        uint64_t bit = i < 64 ? x.hi >> (63 - i) & 1 : x.lo >> (127 - i) & 1;
        uint64_t last = y.lo & 1;

        if (bit)
            z = gcm_xor(z, y);
        y.lo = y.lo >> 1 | y.hi << 63;
        y.hi >>= 1;
        if (last)
            y.hi ^= UINT64_C(0xe1) << 56;
    }
    return z;
}

static inline struct gcm_bits gcm_hash(const struct gcm_reference *r, struct gcm_bits y,
                                       const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i += 16)
        y = gcm_product(gcm_xor(y, gcm_bits_of(data + i, len - i)), r->h);
    return y;
}

static inline struct gcm_bits gcm_encrypt_block(struct gcm_reference *r, struct gcm_bits v)
{
    unsigned char b[16];

    gcm_bits_to(v, b);
    mbedtls_aes_crypt_ecb(&r->aes, MBEDTLS_AES_ENCRYPT, b, b);
    return gcm_bits_of(b, 16);
}

static inline void gcm_reference_key(struct gcm_reference *r, const unsigned char *key,
                                     unsigned bits)
{
    mbedtls_aes_init(&r->aes);
    mbedtls_aes_setkey_enc(&r->aes, key, bits);
    r->h = gcm_encrypt_block(r, (struct gcm_bits){0, 0});
}

/* Algorithm 4; `out` and `in` do not overlap. */
static inline void gcm_reference_seal(struct gcm_reference *r, const unsigned char *iv,
                                      size_t iv_len, const unsigned char *add, size_t add_len,
                                      const unsigned char *in, size_t len, unsigned char *out,
                                      unsigned char tag[16])
{
    struct gcm_bits counter, first, s, zero = {0, 0};

    if (iv_len == 12) {
        first = gcm_bits_of(iv, 12);
        first.lo |= 1;
    } else {
        first = gcm_hash(r, zero, iv, iv_len);
        first = gcm_product(gcm_xor(first, (struct gcm_bits){0, iv_len * 8}), r->h);
    }
    counter = first;
    for (size_t i = 0; i < len; i += 16) {
        unsigned char mask[16];

        counter.lo = (counter.lo & ~UINT64_C(0xffffffff)) | (uint32_t)(counter.lo + 1);
        gcm_bits_to(gcm_encrypt_block(r, counter), mask);
        for (size_t k = i; k < len && k < i + 16; k++)
            out[k] = in[k] ^ mask[k - i];
    }
    s = gcm_hash(r, gcm_hash(r, zero, add, add_len), out, len);
    s = gcm_product(gcm_xor(s, (struct gcm_bits){add_len * 8, len * 8}), r->h);
    gcm_bits_to(gcm_xor(s, gcm_encrypt_block(r, first)), tag);
}

/* The IV of 16 bytes for which the first counter block is `first`: the product undone by H's
 * inverse, which is H^(2^128 - 2). */
static inline void gcm_reference_iv_for(const struct gcm_reference *r, struct gcm_bits first,
                                        unsigned char iv[16])
{
    struct gcm_bits inverse = r->h, power = r->h, v;

    for (int i = 1; i < 127; i++) { /* H^(2^127 - 1), then squared once more */
        power = gcm_product(power, power);
        inverse = gcm_product(inverse, power);
    }
    inverse = gcm_product(inverse, inverse);
    v = gcm_xor(gcm_product(first, inverse), (struct gcm_bits){0, 128});
    gcm_bits_to(gcm_product(v, inverse), iv);
}

#endif
