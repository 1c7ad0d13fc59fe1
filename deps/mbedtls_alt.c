/* mbedtls_alt.c: mbedTLS's AES-GCM and the block function of its SHA-256, by libgcrypt. Switched on
 * in mbedtls-config.h.
 *
 * Same contract as the stock code in library/gcm.c, with the same errors. A context takes memory
 * once per key and none per record. Different contexts may be used by different threads. */
#include <gcrypt.h>
#include <mbedtls/cipher.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <string.h>

#include "kernels.h"

enum { TAG_BYTES_MIN = 4, TAG_BYTES_MAX = 16 };

int mbedtls_internal_sha256_process(mbedtls_sha256_context *ctx, const unsigned char data[64])
{
    hf_sha256_blocks(ctx->MBEDTLS_PRIVATE(state), data, 1);
    return 0;
}

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
    memset(ctx, 0, sizeof(*ctx));
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
    if (!ctx)
        return;
    gcry_cipher_close(ctx->cipher); /* wipes it; NULL is fine */
    mbedtls_platform_zeroize(ctx, sizeof(*ctx));
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher,
                       const unsigned char *key, unsigned int keybits)
{
    int algorithm = keybits == 128   ? GCRY_CIPHER_AES128
                    : keybits == 192 ? GCRY_CIPHER_AES192
                    : keybits == 256 ? GCRY_CIPHER_AES256
                                     : 0;

    if (cipher != MBEDTLS_CIPHER_ID_AES || !algorithm)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    hf_kernels_start();
    mbedtls_gcm_free(ctx);
    if (gcry_cipher_open(&ctx->cipher, algorithm, GCRY_CIPHER_MODE_GCM, 0))
        return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
    if (gcry_cipher_setkey(ctx->cipher, key, keybits / 8)) {
        mbedtls_gcm_free(ctx);
        return MBEDTLS_ERR_ERROR_GENERIC_ERROR;
    }
    return 0;
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
    if (!ctx->cipher || iv_len == 0)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (ctx->is_open)
        gcry_cipher_reset(ctx->cipher);
    ctx->mode = mode;
    ctx->is_open = 1;
    return gcry_cipher_setiv(ctx->cipher, iv, iv_len) ? MBEDTLS_ERR_GCM_BAD_INPUT : 0;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
    if (!ctx->is_open)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (add_len == 0)
        return 0;
    return gcry_cipher_authenticate(ctx->cipher, add, add_len) ? MBEDTLS_ERR_GCM_BAD_INPUT : 0;
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length,
                       unsigned char *output, size_t output_size, size_t *output_length)
{
    gcry_error_t failed;

    if (output_size < input_length)
        return MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL;
    if (!ctx->is_open)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    *output_length = input_length;
    if (input_length == 0)
        return 0;
    if (output > input && (size_t)(output - input) < input_length)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    /* In place is fine with libgcrypt, any other overlap is not. */
    if (output < input && (size_t)(input - output) < input_length) {
        memmove(output, input, input_length);
        input = output;
    }
    if (ctx->mode == MBEDTLS_GCM_ENCRYPT)
        failed = gcry_cipher_encrypt(ctx->cipher, output, input_length, input, input_length);
    else
        failed = gcry_cipher_decrypt(ctx->cipher, output, input_length, input, input_length);
    return failed ? MBEDTLS_ERR_GCM_BAD_INPUT : 0;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size,
                       size_t *output_length, unsigned char *tag, size_t tag_len)
{
    unsigned char whole[TAG_BYTES_MAX];

    (void)output; /* no output is ever held back */
    (void)output_size;
    *output_length = 0;
    if (!ctx->is_open || tag_len < TAG_BYTES_MIN || tag_len > TAG_BYTES_MAX)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (gcry_cipher_gettag(ctx->cipher, whole, sizeof(whole)))
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    memcpy(tag, whole, tag_len);
    ctx->is_open = 0;
    return 0;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length,
                              const unsigned char *iv, size_t iv_len, const unsigned char *add,
                              size_t add_len, const unsigned char *input, unsigned char *output,
                              size_t tag_len, unsigned char *tag)
{
    size_t used;
    int    rc = mbedtls_gcm_starts(ctx, mode, iv, iv_len);

    if (rc == 0)
        rc = mbedtls_gcm_update_ad(ctx, add, add_len);
    if (rc == 0)
        rc = mbedtls_gcm_update(ctx, input, length, output, length, &used);
    if (rc == 0)
        rc = mbedtls_gcm_finish(ctx, NULL, 0, &used, tag, tag_len);
    return rc;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv,
                             size_t iv_len, const unsigned char *add, size_t add_len,
                             const unsigned char *tag, size_t tag_len, const unsigned char *input,
                             unsigned char *output)
{
    unsigned char want[TAG_BYTES_MAX];
    int rc = mbedtls_gcm_crypt_and_tag(ctx, MBEDTLS_GCM_DECRYPT, length, iv, iv_len, add, add_len,
                                       input, output, tag_len, want);

    if (rc == 0 && mbedtls_ct_memcmp(tag, want, tag_len) != 0) {
        mbedtls_platform_zeroize(output, length);
        rc = MBEDTLS_ERR_GCM_AUTH_FAILED;
    }
    return rc;
}
