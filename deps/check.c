/* check.c: run by deps/build once the libraries are there: are they the ones we meant, and do they
 * work together? Every root must parse with our mbedTLS, and HTTP/2 must really be in. */
#include <cJSON.h>
#include <curl/curl.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/x509_crt.h>
#include <microhttpd.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "kernels.h"
#include "roots.h"

#define NEED(x)                                         \
    do {                                                \
        if (!(x)) {                                     \
            fprintf(stderr, "check: not so: %s\n", #x); \
            exit(1);                                    \
        }                                               \
    } while (0)

/* Known answers: "abc" padded by hand, FIPS 180-4; and the second case of the GCM proposal. */
static void check_kernels(void)
{
    uint32_t       sha256[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t       sha1[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint32_t want256[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    const uint32_t want1[5] = {0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d};
    const uint8_t  want_tag[4] = {0xab, 0x6e, 0x47, 0xd4}, zero[16] = {0};
    uint8_t        block[64] = {'a', 'b', 'c', 0x80, [63] = 24}, out[16], tag[16];

    mbedtls_gcm_context gcm;

    hf_sha256_blocks(sha256, block, 1);
    NEED(memcmp(sha256, want256, sizeof(sha256)) == 0);
    hf_sha1_blocks(sha1, block, 1);
    NEED(memcmp(sha1, want1, sizeof(sha1)) == 0);
    mbedtls_gcm_init(&gcm);
    NEED(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, zero, 128) == 0);
    NEED(mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, 16, zero, 12, NULL, 0, zero, out, 16,
                                   tag) == 0);
    NEED(memcmp(tag, want_tag, sizeof(want_tag)) == 0);
    mbedtls_gcm_free(&gcm);
    puts(hf_kernels_name());
}

int main(void)
{
    unsigned char                 random[32];
    mbedtls_entropy_context       entropy;
    mbedtls_x509_crt              chain;
    const curl_version_info_data *v;
    int                           features;

    check_kernels();
    NEED(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
    v = curl_version_info(CURLVERSION_NOW);
    puts(curl_version());
    features = CURL_VERSION_HTTP2 | CURL_VERSION_SSL | CURL_VERSION_LIBZ | CURL_VERSION_ASYNCHDNS |
               CURL_VERSION_IPV6 | CURL_VERSION_HTTPS_PROXY | CURL_VERSION_THREADSAFE;
    NEED((v->features & features) == features);
    for (const char *const *p = v->protocols; *p; p++)
        NEED(strcmp(*p, "http") == 0 || strcmp(*p, "https") == 0);
    NEED(!v->cainfo && !v->capath);

    NEED(MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES);
    NEED(MHD_is_feature_supported(MHD_FEATURE_TLS) == MHD_NO);
    NEED(MHD_is_feature_supported(MHD_FEATURE_DIGEST_AUTH) == MHD_NO);

    NEED(psa_crypto_init() == PSA_SUCCESS);
    mbedtls_entropy_init(&entropy);
    NEED(mbedtls_entropy_func(&entropy, random, sizeof random) == 0);
    mbedtls_x509_crt_init(&chain);
    for (size_t i = 0; i < hf_roots_count; i++) {
        int  rc = mbedtls_x509_crt_parse_der_nocopy(&chain, hf_roots[i].der, hf_roots[i].len);
        char why[100];
        mbedtls_strerror(rc, why, sizeof why);
        if (rc != 0)
            fprintf(stderr, "check: root %zu: %s\n", i, why);
        NEED(rc == 0);
    }
    printf("%zu roots of %s, yaml %s, cJSON %s, microhttpd %s\n", hf_roots_count, hf_roots_date,
           yaml_get_version_string(), cJSON_Version(), MHD_get_version());
    mbedtls_x509_crt_free(&chain);
    mbedtls_entropy_free(&entropy);
    curl_global_cleanup();
    return 0;
}
