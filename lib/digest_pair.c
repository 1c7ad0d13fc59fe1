/* digest_pair.c: two sha256 at once. A SHA round waits for the one before it, so one hash leaves the
 * unit of the processor idle most of the time; a second, independent one is nearly free there.
 * libgcrypt has no such function. Only for x86-64 with SHA instructions: else one after the other. */
#include <kernels.h>
#include <string.h>

#include "digest.h"

enum { BLOCK = 64 };

#if defined(__x86_64__)
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

/* The round constants of FIPS 180-4, 4.2.2. */
static const uint32_t round_constant[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* One hash, in the order in which the instructions want it. */
struct half {
    __m128i abef, cdgh, message[4];
};

WITH_SHA void load(struct half *h, const uint32_t chain[8])
{
    __m128i abcd = _mm_loadu_si128((const __m128i *)(const void *)chain);
    __m128i efgh = _mm_loadu_si128((const __m128i *)(const void *)(chain + 4));

    abcd = _mm_shuffle_epi32(abcd, 0xB1);
    efgh = _mm_shuffle_epi32(efgh, 0x1B);
    h->abef = _mm_alignr_epi8(abcd, efgh, 8);
    h->cdgh = _mm_blend_epi16(efgh, abcd, 0xF0);
}

WITH_SHA void store(const struct half *h, uint32_t chain[8])
{
    __m128i feba = _mm_shuffle_epi32(h->abef, 0x1B), dchg = _mm_shuffle_epi32(h->cdgh, 0xB1);

    _mm_storeu_si128((__m128i *)(void *)chain, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(chain + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* The words of rounds 4 * group … + 3: from the block, then from the words before them. */
WITH_SHA void next_words(struct half *h, const unsigned char *block, unsigned group)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i      *m = h->message, words;

    if (group < 4) {
        words = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * group));
        m[group] = _mm_shuffle_epi8(words, swap);
        return;
    }
    words = _mm_sha256msg1_epu32(m[group % 4], m[(group + 1) % 4]);
    words = _mm_add_epi32(words, _mm_alignr_epi8(m[(group + 3) % 4], m[(group + 2) % 4], 4));
    m[group % 4] = _mm_sha256msg2_epu32(words, m[(group + 3) % 4]);
}

WITH_SHA void four_rounds(struct half *h, unsigned group)
{
    const __m128i *constant = (const __m128i *)(const void *)round_constant + group;
    __m128i        words = _mm_add_epi32(h->message[group % 4], _mm_load_si128(constant));

    h->cdgh = _mm_sha256rnds2_epu32(h->cdgh, h->abef, words);
    h->abef = _mm_sha256rnds2_epu32(h->abef, h->cdgh, _mm_shuffle_epi32(words, 0x0E));
}

__attribute__((target("sha,sse4.1,ssse3"))) static void two_at_once(uint32_t             chain_a[8],
                                                                    const unsigned char *a,
                                                                    uint32_t             chain_b[8],
                                                                    const unsigned char *b,
                                                                    size_t               blocks)
{
    struct half x, y;

    load(&x, chain_a);
    load(&y, chain_b);
    for (; blocks > 0; blocks--, a += BLOCK, b += BLOCK) {
        __m128i x_abef = x.abef, x_cdgh = x.cdgh, y_abef = y.abef, y_cdgh = y.cdgh;

#pragma GCC unroll 16
        for (unsigned group = 0; group < 16; group++) {
            next_words(&x, a, group);
            next_words(&y, b, group);
            four_rounds(&x, group);
            four_rounds(&y, group);
        }
        x.abef = _mm_add_epi32(x.abef, x_abef);
        x.cdgh = _mm_add_epi32(x.cdgh, x_cdgh);
        y.abef = _mm_add_epi32(y.abef, y_abef);
        y.cdgh = _mm_add_epi32(y.cdgh, y_cdgh);
    }
    store(&x, chain_a);
    store(&y, chain_b);
}

bool digest_has_pairs(void)
{
    return strstr(hf_kernels_name(), "intel-shaext") != NULL;
}
#else
static void two_at_once(uint32_t chain_a[8], const unsigned char *a, uint32_t chain_b[8],
                        const unsigned char *b, size_t blocks)
{
    hf_sha256_blocks(chain_a, a, blocks);
    hf_sha256_blocks(chain_b, b, blocks);
}

bool digest_has_pairs(void)
{
    return false;
}
#endif

static bool is_between_blocks(const struct digest_run *run)
{
    return run->kind == DIGEST_SHA256 && run->framed_bytes % BLOCK == 0;
}

void digest_add_pair(struct digest_run *a, const void *data_a, struct digest_run *b,
                     const void *data_b, size_t len)
{
    size_t whole = len / BLOCK * BLOCK;

    if (!digest_has_pairs() || !is_between_blocks(a) || !is_between_blocks(b))
        whole = 0;
    if (whole) {
        two_at_once(a->chain, data_a, b->chain, data_b, whole / BLOCK);
        a->framed_bytes += whole;
        a->hashed_bytes += whole;
        b->framed_bytes += whole;
        b->hashed_bytes += whole;
    }
    digest_add(a, (const unsigned char *)data_a + whole, len - whole);
    digest_add(b, (const unsigned char *)data_b + whole, len - whole);
}
