/* kernels_stock.c: kernels.h by mbedTLS, for make CRYPTO=stock. */
#include "kernels.h"

#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <string.h>

void hf_kernels_start(void)
{
}

void hf_sha256_blocks(uint32_t state[8], const void *data, size_t blocks)
{
    mbedtls_sha256_context c;

    memcpy(c.MBEDTLS_PRIVATE(state), state, sizeof(c.MBEDTLS_PRIVATE(state)));
    for (size_t i = 0; i < blocks; i++)
        mbedtls_internal_sha256_process(&c, (const unsigned char *)data + 64 * i);
    memcpy(state, c.MBEDTLS_PRIVATE(state), sizeof(c.MBEDTLS_PRIVATE(state)));
}

void hf_sha1_blocks(uint32_t state[5], const void *data, size_t blocks)
{
    mbedtls_sha1_context c;

    memcpy(c.MBEDTLS_PRIVATE(state), state, sizeof(c.MBEDTLS_PRIVATE(state)));
    for (size_t i = 0; i < blocks; i++)
        mbedtls_internal_sha1_process(&c, (const unsigned char *)data + 64 * i);
    memcpy(state, c.MBEDTLS_PRIVATE(state), sizeof(c.MBEDTLS_PRIVATE(state)));
}

const char *hf_kernels_name(void)
{
    return "mbedTLS " MBEDTLS_VERSION_STRING;
}
