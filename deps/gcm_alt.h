/* gcm_alt.h: mbedTLS's GCM context when libgcrypt does the work; <mbedtls/gcm.h> includes it. The
 * functions are in mbedtls_alt.c. */
#ifndef HF_GCM_ALT_H
#define HF_GCM_ALT_H

struct gcry_cipher_handle;

typedef struct mbedtls_gcm_context {
    struct gcry_cipher_handle *cipher; /* owned; one per key, none before mbedtls_gcm_setkey */
    int                        mode;   /* MBEDTLS_GCM_ENCRYPT or _DECRYPT */
    int                        is_open; /* begun and not finished: what is left over must go */
} mbedtls_gcm_context;

#endif
