/* tls.c: trust and ciphers of every connection.
 *
 * Invariant: the chain is complete before the first connection sees it and never changes after.
 * mbedTLS only reads it, except for a cache inside each RSA key, which has its own mutex. */
#include "tls.h"

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#ifndef HWCAP_AES
#define HWCAP_AES   (1 << 3)
#define HWCAP_PMULL (1 << 4)
#endif
#endif

#include "buf.h"
#include "roots.h"
#include "tls_ca.h"
#include "tls_client.h"
#include "tls_verdict.h"

struct trust {
    pthread_mutex_t lock; /* held while roots_pending is looked at and served */
    bool            roots_pending;
    struct tls_ca   ca;
};

struct tls {
    struct trust *trust; /* owned; behind a pointer since a const tls may still have to parse */
};

/* ECDHE and AEAD only. 128 before 256: servers that follow the client's order save their CPU and
 * ours. The pointers are kept by mbedTLS: static. */
static const int suites_with_aes[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};
static const int suites_without_aes[] = {
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

/* mbedTLS 3.6.6 offers rsa_pss_rsae_* for TLS 1.3 but refuses them (-0x6600) when the server picks
 * TLS 1.2 and signs its ServerKeyExchange with one (Mbed-TLS/mbedtls#10668; what we build has the
 * fix). pkcs1 before pss keeps servers that follow the client's order out of that corner even
 * with another library; in TLS 1.3 only pss counts. sha256 first, being the cheapest. */
static const uint16_t signatures[] = {
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
    MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,       MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
    MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,    MBEDTLS_TLS1_3_SIG_NONE,
};

bool tls_cpu_has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & (HWCAP_AES | HWCAP_PMULL)) == (HWCAP_AES | HWCAP_PMULL);
#else
    return false;
#endif
}

/* mbedTLS finds out about CPU and ciphers when first asked and keeps the answer in plain globals.
 * Ask before there are lanes: thread sanitizer saw two lanes race for them. Both calls may be
 * repeated, and PSA is never given back, since another client of the process may use it. */
static int warm_up(struct err *err)
{
    if (psa_crypto_init() != PSA_SUCCESS)
        return err_set(err, ERR_INTERNAL,
                       "TLS has no random numbers: none from the kernel (getrandom), or no memory "
                       "for them");
    mbedtls_ssl_list_ciphersuites();
    return 0;
}

int tls_new(const struct tls_options *options, struct tls **out, struct err *err)
{
    struct tls   *tls;
    struct trust *trust;

    if (warm_up(err))
        return -1;
    if (options->client_cert.len &&
        tls_client_check(options->client_cert, options->client_key, err))
        return -1;
    tls = mem_alloc(sizeof(*tls));
    trust = tls->trust = mem_alloc(sizeof(*trust));
    pthread_mutex_init(&trust->lock, NULL);
    mbedtls_x509_crt_init(&trust->ca.chain);
    trust->ca.skip_roots = trust->roots_pending = !options->no_builtin_roots;
    for (size_t i = 0; i < options->ca_file_count; i++) {
        if (tls_ca_add(&trust->ca, options->ca_file[i], err)) {
            tls_free(tls);
            return -1;
        }
    }
    *out = tls;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    mbedtls_x509_crt_free(&tls->trust->ca.chain);
    pthread_mutex_destroy(&tls->trust->lock);
    free(tls->trust);
    free(tls);
}

size_t tls_added_count(const struct tls *tls)
{
    return tls->trust->ca.added_count;
}

size_t tls_ignored_count(const struct tls *tls)
{
    return tls->trust->ca.bad_count;
}

/* Lazily: a run that finds everything in place makes no connection and should not pay 6 ms. That
 * every root parses was checked when they were built in. */
static mbedtls_x509_crt *trusted_chain(struct trust *trust)
{
    pthread_mutex_lock(&trust->lock);
    for (size_t i = 0; trust->roots_pending && i < hf_roots_count; i++)
        mbedtls_x509_crt_parse_der_nocopy(&trust->ca.chain, hf_roots[i].der, hf_roots[i].len);
    trust->roots_pending = false;
    pthread_mutex_unlock(&trust->lock);
    return &trust->ca.chain;
}

void tls_configure(const struct tls *tls, void *ssl_config, struct tls_verdict *verdict)
{
    mbedtls_ssl_config *config = ssl_config;

    mbedtls_ssl_conf_ca_chain(config, trusted_chain(tls->trust), NULL);
    tls_verdict_watch(verdict, config);
    /* libcurl's own profile takes SHA-1 and 1024-bit RSA. */
    mbedtls_ssl_conf_cert_profile(config, &mbedtls_x509_crt_profile_default);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_ciphersuites(config, tls_cpu_has_aes() ? suites_with_aes : suites_without_aes);
    mbedtls_ssl_conf_sig_algs(config, signatures);
    /* No resumption (http_setup.c switches libcurl's cache off): a session pins its TLS version in the
     * next ClientHello, which breaks against a fleet of mixed servers, and saves 2 ms. */
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_DISABLED);
    /* Curves stay at the default, X25519 before P-256, P-384 and P-521: mbedTLS took its list when
     * libcurl set the connection up, a new one here would have no effect. */
}

const char *tls_roots_date(void)
{
    return hf_roots_date;
}

size_t tls_roots_count(void)
{
    return hf_roots_count;
}
