/* tls.h: whom we trust and how we speak, for libcurl's mbedTLS backend.
 *
 * The roots are parsed once, by the first connection that needs them, and shared by every
 * connection of every lane; parsing them per connection would cost 6 ms and 461 KB each time. */
#ifndef HFI_TLS_H
#define HFI_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

struct tls; /* one per run; unchanging after tls_new as seen from outside, so lanes share it */
struct tls_verdict; /* what one request's handshakes found wrong with the certificates shown */

struct tls_options {
    const struct str *ca_file; /* PEM or DER files, or folders; added to the built-in roots */
    size_t            ca_file_count;
    bool              no_builtin_roots;
    /* Looked at, so that a mistake is told before the first request, but not kept: libcurl reads
     * them itself. Empty: none; an empty key is in the certificate's file. */
    struct str client_cert, client_key;
};

/* A file or folder in which at least one certificate can be used is good; certificates that it
 * shares with the built-in roots cost nothing.
 *   errors  ERR_SPEC naming the file and what is wrong with it: not there, unreadable, empty, over
 *           10 MB, no certificate in it, a private key instead; a client certificate or key that
 *           cannot be read (or needs a password), or that do not belong together */
int  tls_new(const struct tls_options *options, struct tls **out, struct err *err);
void tls_free(struct tls *tls); /* after the last connection; NULL is fine */
/* Of the files named: certificates that were added; that could not be read and were left out. */
size_t tls_added_count(const struct tls *tls);
size_t tls_ignored_count(const struct tls *tls);

/* Configures one connection; to be called from CURLOPT_SSL_CTX_FUNCTION with the pointer given
 * there (mbedtls_ssl_config *). Sets trust chain, verification, TLS 1.2 and 1.3, ciphers and
 * signature algorithms. The verdict must outlive the connection's handshake. Any thread. */
void tls_configure(const struct tls *tls, void *ssl_config, struct tls_verdict *verdict);

struct tls_verdict *tls_verdict_new(void);
void                tls_verdict_free(struct tls_verdict *verdict); /* NULL is fine */

/* Turns a failed handshake, or a TLS connection that broke later, into an error. `detail` is
 * libcurl's text (CURLOPT_ERRORBUFFER), which has mbedTLS's code in it. Returns -1.
 *   errors  ERR_TLS_UNTRUSTED: the certificate is expired, not valid yet, for another host, of an
 *           unknown issuer …, or there is no protocol both sides speak
 *           ERR_UNREACHABLE: it broke, which may be better next time. An alert counts as such: a
 *           load balancer without a backend sends one too, and mbedTLS does not tell which it is */
int tls_explain(const struct tls_verdict *verdict, const char *host, const char *detail,
                struct err *err);

const char *tls_roots_date(
    void); /* "2025-04-19": when Debian took the built-in roots from Mozilla */
size_t tls_roots_count(void);
bool   tls_cpu_has_aes(void); /* then AES-GCM goes first, else ChaCha20 */

#endif
