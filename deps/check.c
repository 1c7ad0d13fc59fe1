/* check.c: run by deps/build once the libraries are there: are they the ones we meant, and do they
 * work together? Every root must parse with our mbedTLS, and HTTP/2 must really be in. */
#include <cJSON.h>
#include <curl/curl.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "roots.h"

#define NEED(x)                                         \
    do {                                                \
        if (!(x)) {                                     \
            fprintf(stderr, "check: not so: %s\n", #x); \
            exit(1);                                    \
        }                                               \
    } while (0)

int main(void)
{
    unsigned char                 random[32];
    mbedtls_entropy_context       entropy;
    mbedtls_x509_crt              chain;
    const curl_version_info_data *v;
    int                           features;

    NEED(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
    v = curl_version_info(CURLVERSION_NOW);
    puts(curl_version());
    features = CURL_VERSION_HTTP2 | CURL_VERSION_SSL | CURL_VERSION_LIBZ | CURL_VERSION_ASYNCHDNS |
               CURL_VERSION_IPV6 | CURL_VERSION_HTTPS_PROXY | CURL_VERSION_THREADSAFE;
    NEED((v->features & features) == features);
    for (const char *const *p = v->protocols; *p; p++)
        NEED(strcmp(*p, "http") == 0 || strcmp(*p, "https") == 0);
    NEED(!v->cainfo && !v->capath);

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
    printf("%zu roots of %s, yaml %s, cJSON %s\n", hf_roots_count, hf_roots_date,
           yaml_get_version_string(), cJSON_Version());
    mbedtls_x509_crt_free(&chain);
    mbedtls_entropy_free(&entropy);
    curl_global_cleanup();
    return 0;
}
