/* mbedtls-config.h: all that mbedTLS 3.6 is asked to be. It replaces the stock configuration and is
 * installed as <mbedtls/mbedtls_config.h>, so the library, curl and our own code cannot disagree.
 *
 * In short: a TLS 1.2 and 1.3 client with forward secrecy and AEAD ciphers only, on threads.
 * What is absent here is not compiled: no server, no DTLS, no PSK without (EC)DHE, no CBC, no
 * renegotiation, no curve below 256 bits, no key generation. */

/* ---- the platform ---- */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE          /* certificates expire */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_FS_IO
#define MBEDTLS_ERROR_C                 /* "SSL - ...", not "-0x6600", in a log read at night */
#define MBEDTLS_VERSION_C               /* curl prints the version */
#define MBEDTLS_THREADING_C             /* several lanes share one parsed chain of roots */
#define MBEDTLS_THREADING_PTHREAD

/* ---- randomness: getrandom(2) ----
 * Stock mbedTLS calls getrandom on glibc only; on musl it opens /dev/random, which an image without
 * /dev would not have. getrandom.c beside this file is the source instead. */
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_NO_PLATFORM_ENTROPY
#define MBEDTLS_ENTROPY_HARDWARE_ALT
#define MBEDTLS_CTR_DRBG_C

/* ---- ciphers ---- */
#define MBEDTLS_AES_C
#define MBEDTLS_AESNI_C                 /* both are found at run time; no -march needed */
#define MBEDTLS_AESCE_C
#define MBEDTLS_AES_ROM_TABLES          /* else the first users of several threads race to fill them */
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_CIPHER_C

/* ---- hashes ---- */
#define MBEDTLS_MD_C
#define MBEDTLS_SHA1_C                  /* git's object names; no signature with it is accepted */
#define MBEDTLS_SHA224_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_HKDF_C
#define MBEDTLS_HMAC_DRBG_C             /* deterministic ECDSA */

/* ---- public keys: what servers and the Mozilla roots use ---- */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_OID_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_PARSE_EC_COMPRESSED
#define MBEDTLS_PK_PARSE_EC_EXTENDED
#define MBEDTLS_PK_WRITE_C              /* curl's pinned public key, and PSA */

/* ---- certificates ---- */
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT

/* ---- TLS ---- */
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED   /* tickets, still with ECDHE */
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE    /* curl shows and pins it; TLS 1.3 needs it */
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
#define MBEDTLS_SSL_IN_CONTENT_LEN  16384    /* servers send full records */
#define MBEDTLS_SSL_OUT_CONTENT_LEN 4096     /* we send requests: 12 KiB less per connection */

/* TLS 1.3 takes its key schedule from PSA, so PSA is there; but MBEDTLS_USE_PSA_CRYPTO stays off:
 * with it every record would take PSA's one global mutex. */
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC   /* each TLS 1.3 handshake holds a key; a fixed store has 32 places */

/* ---- libgcrypt's kernels, see mbedtls_alt.c; without them with make CRYPTO=stock ---- */
#ifndef HF_STOCK_CRYPTO
#define MBEDTLS_GCM_ALT
#define MBEDTLS_SHA256_PROCESS_ALT
#elif defined(__aarch64__)
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT
#endif
