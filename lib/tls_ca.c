/* tls_ca.c: CA certificates from files and folders.
 *
 * People name such a file once and then look for their mistake in the proxy, so every way in which
 * it can be wrong has its own words. A bundle in which some certificates cannot be read is good as
 * long as one can: public bundles carry oddities, and leaving them out only trusts less. */
#include "tls_ca.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "roots.h"

enum { FILE_BYTES_MAX = 10 * 1000 * 1000 };

static const char begin_mark[] = "-----BEGIN CERTIFICATE-----";
static const char end_mark[] = "-----END CERTIFICATE-----";

static bool is_known(const struct tls_ca *ca, const unsigned char *der, size_t len)
{
    for (size_t i = 0; ca->skip_roots && i < hf_roots_count; i++)
        if (hf_roots[i].len == len && memcmp(hf_roots[i].der, der, len) == 0)
            return true;
    for (const mbedtls_x509_crt *c = &ca->chain; c && c->raw.p; c = c->next)
        if (c->raw.len == len && memcmp(c->raw.p, der, len) == 0)
            return true;
    return false;
}

/* A certificate that there was no memory for is not a bad one. */
static void check_memory(int rc)
{
    if (rc == MBEDTLS_ERR_X509_ALLOC_FAILED || rc == MBEDTLS_ERR_PEM_ALLOC_FAILED ||
        rc == MBEDTLS_ERR_X509_ALLOC_FAILED + MBEDTLS_ERR_ASN1_ALLOC_FAILED)
        die("out of memory (CA certificates)");
}

/* 0 or mbedTLS's error. */
static int add_der(struct tls_ca *ca, const unsigned char *der, size_t len)
{
    int rc;

    if (is_known(ca, der, len)) {
        ca->known_count++;
        return 0;
    }
    rc = mbedtls_x509_crt_parse_der(&ca->chain, der, len);
    if (rc == 0)
        ca->added_count++;
    return rc;
}

/* One certificate in PEM form, which ends in the NUL-terminated text. 0 or mbedTLS's error. */
static int add_pem_block(struct tls_ca *ca, const char *text)
{
    mbedtls_pem_context  pem;
    size_t               used, len;
    const unsigned char *der;
    int                  rc;

    mbedtls_pem_init(&pem);
    rc = mbedtls_pem_read_buffer(&pem, begin_mark, end_mark, (const unsigned char *)text, NULL, 0,
                                 &used);
    if (rc == 0) {
        der = mbedtls_pem_get_buffer(&pem, &len);
        rc = add_der(ca, der, len);
    }
    mbedtls_pem_free(&pem);
    check_memory(rc);
    return rc;
}

/* The certificates in PEM form. *first_bad: the error of the first that could not be read.
 * mbedTLS is only shown blocks that have an end: it would look for one through the rest of the
 * file, again for each of the 350,000 beginnings that 10 MB can hold. */
static void add_pem(struct tls_ca *ca, struct str text, int *first_bad)
{
    const struct str begin_text = str_from(begin_mark), end_text = str_from(end_mark);
    ptrdiff_t        next, end = 0;

    for (ptrdiff_t at = str_find(text, begin_text, 0); at >= 0; at = next) {
        int rc = MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT;

        next = str_find(text, begin_text, (size_t)at + 1);
        if (end >= 0 && end <= at) /* 0: not looked for yet; -1: there is none any more */
            end = str_find(text, end_text, (size_t)at);
        if (end >= 0 && (next < 0 || end < next))
            rc = add_pem_block(ca, text.p + at);
        check_memory(rc);
        if (rc == 0)
            continue;
        ca->bad_count++;
        if (*first_bad == 0)
            *first_bad = rc;
    }
}

/* "RSA PRIVATE KEY" of the first line "-----BEGIN RSA PRIVATE KEY-----"; empty if there is none. */
static struct str pem_label(struct str text)
{
    ptrdiff_t begin = str_find(text, STR("-----BEGIN "), 0), end;

    if (begin < 0)
        return STR("");
    begin += (ptrdiff_t)STR("-----BEGIN ").len;
    end = str_find(text, STR("-----"), (size_t)begin);
    if (end < 0 || end - begin > 40)
        return STR("");
    return str_sub(text, (size_t)begin, (size_t)end);
}

/* Why there is no certificate in `text`. */
static int explain_none(struct str text, int first_bad, struct err *err)
{
    struct str label = pem_label(text);
    char       why[128];

    if (str_trim(text).len == 0)
        return err_set(err, ERR_SPEC, "the file is empty");
    if (str_find(text, STR("PRIVATE KEY-----"), 0) >= 0)
        return err_set(err, ERR_SPEC,
                       "a private key, but no certificate in it; the CA's certificate is needed, "
                       "and its key should not be here");
    if (label.len && !str_eq(label, STR("CERTIFICATE")))
        return err_set(err, ERR_SPEC, "\"BEGIN %.*s\", but no \"BEGIN CERTIFICATE\" in it",
                       STR_ARG(label));
    if (!label.len)
        return err_set(err, ERR_SPEC, "no certificate in it, neither PEM nor DER");
    mbedtls_strerror(first_bad, why, sizeof(why));
    return err_set(err, ERR_SPEC, "its certificate cannot be read: %s", why);
}

/* `text` ends in a NUL that is not counted. */
static int add_text(struct tls_ca *ca, struct str text, struct err *err)
{
    size_t good = ca->added_count + ca->known_count;
    int    first_bad = 0;

    if (str_find(text, str_from(begin_mark), 0) >= 0)
        add_pem(ca, text, &first_bad);
    else if (text.len && text.p[0] == 0x30) /* an ASN.1 sequence: DER */
        first_bad = add_der(ca, (const unsigned char *)text.p, text.len);
    return ca->added_count + ca->known_count > good ? 0 : explain_none(text, first_bad, err);
}

static int read_all(int fd, struct buf *out, struct err *err)
{
    char    block[16 * 1024];
    ssize_t n;

    buf_init(out, FILE_BYTES_MAX);
    for (;;) {
        n = read(fd, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_SPEC, "%s", strerror(errno));
        if (n == 0)
            return 0;
        if (!buf_add(out, block, (size_t)n))
            return err_set(err, ERR_SPEC, "over 10 MB, too large for CA certificates");
    }
}

static int add_file(struct tls_ca *ca, int dir_fd, const char *name, struct err *err)
{
    struct buf  text = {0};
    struct stat st;
    /* O_NONBLOCK: a FIFO in its place must not stop us for ever. */
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc;

    if (fd < 0)
        return err_set(err, ERR_SPEC, "%s", strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = err_set(err, ERR_SPEC, "not a file");
    else
        rc = read_all(fd, &text, err);
    close(fd);
    if (rc == 0)
        rc = add_text(ca, (struct str){buf_cstr(&text), text.len}, err);
    if (text.p)
        explicit_bzero(text.p, text.capacity); /* a careless bundle may hold a key */
    buf_release(&text);
    return rc;
}

static int add_folder(struct tls_ca *ca, const char *path, struct err *err)
{
    size_t         good = ca->added_count + ca->known_count;
    struct dirent *entry;
    struct err     ignored;
    DIR           *dir = opendir(path);

    if (!dir)
        return err_set(err, ERR_SPEC, "%s", strerror(errno));
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            add_file(ca, dirfd(dir), entry->d_name, &ignored); /* a README or a key is no mistake */
    closedir(dir);
    if (ca->added_count + ca->known_count == good)
        return err_set(err, ERR_SPEC, "no file with a certificate in this folder");
    return 0;
}

int tls_ca_add(struct tls_ca *ca, struct str path, struct err *err)
{
    char       *name = mem_strndup(path.p, path.len);
    struct stat st;
    int         rc;

    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
        rc = add_folder(ca, name, err);
    else
        rc = add_file(ca, AT_FDCWD, name, err);
    if (rc != 0)
        err_wrap(err, "CA certificates from %s", name);
    free(name);
    return rc;
}
