/* tls_client.c: looks at the client certificate before the first request.
 *
 * libcurl reads the files again for every connection; its words for a mistake come late and do not
 * tell a missing file from an encrypted key, and it leaks the certificate when the key is bad
 * (8.14.1, mbedtls_close frees nothing before the set-up is complete). */
#include "tls_client.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"

enum { FILE_BYTES_MAX = 1000 * 1000 };

/* mbedTLS, and libcurl after it, open and read whatever is there: a FIFO keeps them waiting, and of
 * a large file they ask for all its memory. */
static int look_at(const char *what, const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_set(err, ERR_SPEC, "client %s %s: %s", what, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_SPEC, "client %s %s: not a file", what, path);
    if (st.st_size > FILE_BYTES_MAX)
        return err_set(err, ERR_SPEC, "client %s %s: over 1 MB, too large", what, path);
    return 0;
}

static int refuse(struct err *err, const char *what, const char *path, int rc, int sys_errno)
{
    char why[128];

    if (rc == MBEDTLS_ERR_PK_FILE_IO_ERROR || rc == MBEDTLS_ERR_X509_FILE_IO_ERROR)
        return err_set(err, ERR_SPEC, "client %s %s: %s", what, path, strerror(sys_errno));
    mbedtls_strerror(rc, why, sizeof(why));
    return err_set(err, ERR_SPEC, "client %s %s cannot be read: %s", what, path, why);
}

static int check(const char *cert_path, const char *key_path, struct err *err)
{
    mbedtls_x509_crt   cert;
    mbedtls_pk_context key;
    int                rc, result = -1;

    mbedtls_x509_crt_init(&cert);
    mbedtls_pk_init(&key);
    if (look_at("certificate", cert_path, err) || look_at("key", key_path, err))
        goto out;
    errno = 0;
    rc = mbedtls_x509_crt_parse_file(&cert, cert_path);
    if (rc != 0) { /* positive: so many of several cannot be read; libcurl takes all or none */
        refuse(err, "certificate", cert_path, rc < 0 ? rc : MBEDTLS_ERR_X509_INVALID_FORMAT, errno);
        goto out;
    }
    rc = mbedtls_pk_parse_keyfile(&key, key_path, NULL, mbedtls_psa_get_random,
                                  MBEDTLS_PSA_RANDOM_STATE);
    if (rc != 0) {
        refuse(err, "key", key_path, rc, errno);
        err_hint(err, "tls.clientKey must be a private key in PEM form without a password");
        goto out;
    }
    if (mbedtls_pk_check_pair(&cert.pk, &key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE)) {
        err_set(err, ERR_SPEC, "client key %s does not belong to the certificate %s", key_path,
                cert_path);
        goto out;
    }
    result = 0;
out:
    mbedtls_pk_free(&key); /* wipes it */
    mbedtls_x509_crt_free(&cert);
    return result;
}

int tls_client_check(struct str cert, struct str key, struct err *err)
{
    char *cert_path = mem_strndup(cert.p, cert.len);
    char *key_path = key.len ? mem_strndup(key.p, key.len) : mem_strdup(cert_path);
    int   rc = check(cert_path, key_path, err);

    free(cert_path);
    free(key_path);
    return rc;
}
