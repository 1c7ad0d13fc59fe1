/* tls_ca.h: reads the CA certificates that a user named into a chain of trusted ones. */
#ifndef HFI_TLS_CA_H
#define HFI_TLS_CA_H

#include <mbedtls/x509_crt.h>
#include <stdbool.h>

#include "err.h"
#include "str.h"

struct tls_ca {
    mbedtls_x509_crt chain;      /* what was added; empty at first */
    bool             skip_roots; /* a certificate that is a built-in root is not added again */
    size_t           added_count;
    size_t           known_count; /* there already */
    size_t           bad_count;   /* certificates that could not be read and were left out */
};

/* Adds every certificate of the file or folder at `path`: PEM (any number, text between them is
 * fine) or DER. A folder's dot files and subfolders are not looked at: in a mounted ConfigMap or
 * Secret they hold the same files again.
 *   errors  ERR_SPEC if not one certificate in it can be used */
int tls_ca_add(struct tls_ca *ca, struct str path, struct err *err);

#endif
