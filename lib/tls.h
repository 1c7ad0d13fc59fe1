/* tls.h: whom we trust and how we speak, for libcurl's mbedTLS backend.
 *
 * The roots are parsed once for the process's client object and shared by every connection of
 * every lane, read-only; parsing them per connection would cost 6 ms and 461 KB each time. */
#ifndef HFI_TLS_H
#define HFI_TLS_H

#include "err.h"
#include "str.h"

struct tls; /* one per run; immutable after tls_new, so lanes may share it */

struct tls_options {
    const struct str *ca_file; /* PEM or DER files, or folders of PEM files, added to the built-in roots */
    size_t            ca_file_count;
    bool              no_builtin_roots;
};

/* ERR_SPEC naming the file and what is wrong with it (empty, no certificate, unreadable, a key). */
int  tls_new(const struct tls_options *options, struct tls **out, struct err *err);
void tls_free(struct tls *tls);

/* For CURLOPT_SSL_CTX_FUNCTION: configures one connection's mbedtls_ssl_config (void *ssl_config):
 * trust chain, verification required, TLS 1.2 and 1.3, cipher order (AES-128-GCM first where the
 * CPU has AES instructions), signature algorithms a TLS 1.2 server can be held to. */
void tls_configure(const struct tls *tls, void *ssl_config);

/* "2026-02-14": date of the built-in roots. */
const char *tls_roots_date(void);
size_t      tls_roots_count(void);

#endif
