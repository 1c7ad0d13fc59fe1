/* kernels_gcrypt.c: kernels.h by libgcrypt. Compiled against its source tree.
 *
 * Its public interface has no block functions and no way to save a running hash. But each hash of
 * the kind has, at the start of its context, a block function that was chosen for the processor,
 * and the chaining value right behind. This is all of libgcrypt's inside that we touch; deps/check
 * hashes something with it, so another layout would end the build. */
#include <config.h>
#include <gcrypt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types.h"

#include "cipher-proto.h"
#include "hash-common.h"
#include "kernels.h"

extern const gcry_md_spec_t _gcry_digest_spec_sha1, _gcry_digest_spec_sha256;

struct context { /* SHA256_CONTEXT in cipher/sha256.c; SHA1_CONTEXT has five of these words */
    gcry_md_block_ctx_t block;
    u32                 h[8];
};

static struct {
    pthread_once_t         once;
    _gcry_md_block_write_t sha256, sha1;
    char                   name[160];
} kernels = {.once = PTHREAD_ONCE_INIT};

static _gcry_md_block_write_t choose(const gcry_md_spec_t *spec)
{
    struct context c;

    if (spec->contextsize > sizeof(c))
        abort(); /* another libgcrypt: seen by deps/check */
    spec->init(&c, 0);
    return c.block.bwrite;
}

static bool is_telling(const char *feature)
{
    static const char *const telling[] = {
        "intel-aesni",  "intel-pclmul", "intel-vaes-vpclmul", "intel-avx2", "intel-avx512",
        "intel-shaext", "arm-aes",      "arm-pmull",          "arm-sha1",   "arm-sha2",
    };

    for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++)
        if (strcmp(feature, telling[i]) == 0)
            return true;
    return false;
}

/* libgcrypt tells its features as "hwflist:intel-cpu:intel-bmi2:...:\n". */
static void write_name(void)
{
    char  *list = gcry_get_config(0, "hwflist"), *rest = NULL;
    size_t used =
        (size_t)snprintf(kernels.name, sizeof(kernels.name), "libgcrypt %s", GCRYPT_VERSION);
    bool any = false;

    for (char *word = list ? strtok_r(list, ":\n", &rest) : NULL; word;
         word = strtok_r(NULL, ":\n", &rest)) {
        if (!is_telling(word) || used + strlen(word) + 3 >= sizeof(kernels.name))
            continue;
        used += (size_t)snprintf(kernels.name + used, sizeof(kernels.name) - used, "%s%s",
                                 any ? " " : " (", word);
        any = true;
    }
    if (any)
        snprintf(kernels.name + used, sizeof(kernels.name) - used, ")");
    gcry_free(list);
}

/* Not in this process: memory that is locked (a pod may lock none, and keys live next to the
 * plain text anyway), random numbers, and FIPS mode, which a node's kernel would switch on and in
 * which libgcrypt encrypts nothing with an IV that the caller gives, as TLS does. */
static void start(void)
{
    gcry_cipher_hd_t     cipher;
    static const uint8_t key[16];

    gcry_check_version(NULL);
    gcry_control(GCRYCTL_NO_FIPS_MODE, 0);
    gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    /* The first key of all makes AES test itself, and a plain variable says that it did. */
    if (gcry_cipher_open(&cipher, GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM, 0) == 0) {
        gcry_cipher_setkey(cipher, key, sizeof(key));
        gcry_cipher_close(cipher);
    }
    kernels.sha256 = choose(&_gcry_digest_spec_sha256);
    kernels.sha1 = choose(&_gcry_digest_spec_sha1);
    write_name();
}

void hf_kernels_start(void)
{
    pthread_once(&kernels.once, start);
}

void hf_sha256_blocks(uint32_t state[8], const void *data, size_t blocks)
{
    struct context c;

    if (blocks == 0)
        return;
    hf_kernels_start();
    memcpy(c.h, state, 8 * sizeof(state[0]));
    kernels.sha256(&c, data, blocks);
    memcpy(state, c.h, 8 * sizeof(state[0]));
}

void hf_sha1_blocks(uint32_t state[5], const void *data, size_t blocks)
{
    struct context c;

    if (blocks == 0)
        return;
    hf_kernels_start();
    memcpy(c.h, state, 5 * sizeof(state[0]));
    kernels.sha1(&c, data, blocks);
    memcpy(state, c.h, 5 * sizeof(state[0]));
}

const char *hf_kernels_name(void)
{
    hf_kernels_start();
    return kernels.name;
}
