/* test_tls.c: CA files as people have them, the built-in roots, what a failed handshake says. */
#include <mbedtls/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"
#include "roots.h"
#include "tls.h"

static char       folder[] = "/tmp/hf-init-test-tls-XXXXXX";
static struct buf cert[3]; /* some built-in roots as PEM; no certificate of ours can expire here */

static void add_base64(struct buf *out, const unsigned char *data, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        size_t   n = len - i < 3 ? len - i : 3;
        unsigned v = (unsigned)data[i] << 16;

        v |= n > 1 ? (unsigned)data[i + 1] << 8 : 0;
        v |= n > 2 ? data[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            buf_add_char(out, k <= n ? digit[v >> (18 - 6 * k) & 63] : '=');
        if (i % 48 == 45)
            buf_add_char(out, '\n');
    }
}

static void make_pem(struct buf *out, size_t root)
{
    buf_add_str(out, STR("-----BEGIN CERTIFICATE-----\n"));
    add_base64(out, hf_roots[root].der, hf_roots[root].len);
    buf_add_str(out, STR("\n-----END CERTIFICATE-----\n"));
}

static void write_file(const char *name, const void *data, size_t len)
{
    char  path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "wb");
    if (!f || fwrite(data, 1, len, f) != len || fclose(f))
        die("cannot write %s", path);
}

#define KEY "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"

/* A "%" stands for the next of our certificates, "!" for one whose base64 is broken. */
static const struct {
    const char *name, *content, *want_error; /* want_error: a piece of it, or NULL */
    size_t      want_added, want_ignored;
} files[] = {
    {"one certificate", "%", NULL, 1, 0},
    {"a bundle with text between", "# A\n%\n\nsubject=CN=B\n%\n%# end", NULL, 3, 0},
    {"no newline at the end", "% ", NULL, 1, 0},
    {"certificate and key", KEY "%", NULL, 1, 0},
    {"one good, one broken", "!%", NULL, 1, 1},
    {"one good, one cut off", "%-----BEGIN CERTIFICATE-----\nMIID", NULL, 1, 1},
    {"empty", "", "the file is empty", 0, 0},
    {"only white space", " \n\n\t", "the file is empty", 0, 0},
    {"text", "hello, world\n", "neither PEM nor DER", 0, 0},
    {"an HTML page", "<html></html>", "neither PEM nor DER", 0, 0},
    {"broken DER", "0\202\001\002garbage", "neither PEM nor DER", 0, 0},
    {"a private key", KEY, "a private key, but no certificate", 0, 0},
    {"a request", "-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n",
     "\"BEGIN CERTIFICATE REQUEST\"", 0, 0},
    {"OpenSSL's own form",
     "-----BEGIN TRUSTED CERTIFICATE-----\nMA==\n-----END TRUSTED CERTIFICATE-----\n",
     "\"BEGIN TRUSTED CERTIFICATE\"", 0, 0},
    {"only a broken one", "!", "cannot be read", 0, 0},
    {"only one cut off", "-----BEGIN CERTIFICATE-----\nMIID", "cannot be read", 0, 0},
    {"a bracket and no end", "-----BEGIN ", "neither PEM nor DER", 0, 0},
};

static void fill(struct buf *out, const char *content)
{
    size_t next = 0;

    for (const char *p = content; *p; p++) {
        if (*p == '%')
            buf_add_str(out, buf_view(&cert[next++]));
        else if (*p == '!')
            buf_add_str(out, STR("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"));
        else
            buf_add_char(out, *p);
    }
}

static void check_piece(const char *text, const char *piece)
{
    if (!CHECK(strstr(text, piece) != NULL))
        CHECK_STR(text, piece);
}

/* 0 or -1 as tls_new; the counts and the error's text. */
static int load(const char *name, bool builtin, size_t *added, size_t *ignored, struct err *err)
{
    struct tls        *tls = NULL;
    char               path[256];
    struct str         file;
    struct tls_options options = {
        .ca_file = &file, .ca_file_count = 1, .no_builtin_roots = !builtin};

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = str_from(path);
    err_clear(err);
    if (tls_new(&options, &tls, err)) {
        CHECK(err->kind == ERR_SPEC);
        CHECK(strstr(err->text, path) != NULL); /* every message names the file */
        return -1;
    }
    *added = tls_added_count(tls);
    *ignored = tls_ignored_count(tls);
    tls_free(tls);
    return 0;
}

static void check_load(const char *name, const char *want_error, size_t want_added,
                       size_t want_ignored)
{
    struct err err;
    size_t     added = 0, ignored = 0;
    int        rc = load(name, false, &added, &ignored, &err);

    CHECK(rc == (want_error ? -1 : 0));
    if (want_error)
        check_piece(err.text, want_error);
    else if (rc)
        CHECK_STR(err.text, "");
    CHECK_U64(added, want_added);
    CHECK_U64(ignored, want_ignored);
}

static void test_files(void)
{
    for (size_t i = 0; i < CHECK_COUNT(files); i++) {
        struct buf content = {0};

        check_row(files[i].name);
        fill(&content, files[i].content);
        write_file("ca.pem", buf_cstr(&content), content.len);
        check_load("ca.pem", files[i].want_error, files[i].want_added, files[i].want_ignored);
        buf_release(&content);
    }
    check_row(NULL);
}

static void test_other_forms(void)
{
    char       path[256];
    struct buf big = {0};
    struct err err;
    size_t     added, ignored;

    write_file("ca.der", hf_roots[0].der, hf_roots[0].len);
    check_load("ca.der", NULL, 1, 0);
    check_load("missing.pem", "No such file", 0, 0);

    write_file("ca.pem", buf_cstr(&cert[0]), cert[0].len); /* a built-in root is not added twice */
    CHECK(load("ca.pem", true, &added, &ignored, &err) == 0);
    CHECK_U64(added, 0);

    while (big.len <= 10 * 1000 * 1000)
        buf_add_str(&big, buf_view(&cert[0]));
    write_file("big.pem", big.p, big.len);
    buf_release(&big);
    check_load("big.pem", "over 10 MB", 0, 0);

    snprintf(path, sizeof(path), "%s/fifo", folder);
    CHECK(mkfifo(path, 0600) == 0);
    check_load("fifo", "not a file", 0, 0);

    if (geteuid() != 0) {
        snprintf(path, sizeof(path), "%s/ca.pem", folder);
        chmod(path, 0);
        check_load("ca.pem", "Permission denied", 0, 0);
        chmod(path, 0600);
    }
}

/* As a mounted ConfigMap looks: links into a dot folder, and something that is no certificate. */
static void test_folder(void)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/folder", folder);
    CHECK(mkdir(path, 0700) == 0);
    check_load("folder", "no file with a certificate", 0, 0);
    write_file("folder/README", "text", 4);
    check_load("folder", "no file with a certificate", 0, 0);
    snprintf(path, sizeof(path), "%s/folder/..data", folder);
    CHECK(mkdir(path, 0700) == 0);
    write_file("folder/..data/a.pem", buf_cstr(&cert[0]), cert[0].len);
    snprintf(path, sizeof(path), "%s/folder/a.pem", folder);
    CHECK(symlink("..data/a.pem", path) == 0);
    write_file("folder/b.crt", buf_cstr(&cert[1]), cert[1].len);
    write_file("folder/same.crt", buf_cstr(&cert[1]), cert[1].len);
    write_file("folder/.hidden.pem", buf_cstr(&cert[2]), cert[2].len);
    check_load("folder", NULL, 2, 0);
}

static void test_roots(void)
{
    const char *date = tls_roots_date();

    CHECK(tls_roots_count() > 100 && tls_roots_count() < 300);
    CHECK(strlen(date) == 10 && date[4] == '-' && date[7] == '-');
    CHECK(strspn(date, "0123456789-") == 10 && strcmp(date, "2025-01-01") > 0);
}

static void *configure(void *user)
{
    struct tls_verdict *verdict = tls_verdict_new();
    mbedtls_ssl_config  config;

    mbedtls_ssl_config_init(&config);
    tls_configure(user, &config, verdict);
    mbedtls_ssl_config_free(&config);
    tls_verdict_free(verdict);
    return NULL;
}

/* Several lanes may be the first to connect; see also `make tsan`. */
static void test_first_use(void)
{
    struct tls_options options = {0};
    struct tls        *tls = NULL;
    struct err         err;
    pthread_t          lane[4];

    CHECK(tls_new(&options, &tls, &err) == 0);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&lane[i], NULL, configure, tls) == 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(lane[i], NULL);
    tls_free(tls);
    tls_free(NULL);
    tls_verdict_free(NULL);
}

static const struct {
    const char   *detail;
    enum err_kind want;
    const char   *want_text;
} handshakes[] = {
    {"ssl_handshake returned: (-0x7780) SSL - A fatal alert message", ERR_UNREACHABLE, "alert"},
    {"ssl_handshake returned: (-0x6E80) SSL - Bad version", ERR_TLS_UNTRUSTED, "no TLS that we"},
    {"ssl_handshake returned: (-0x6E00) SSL - Failed", ERR_TLS_UNTRUSTED, "no TLS that we"},
    {"ssl_handshake returned: (-0x7200) SSL - An invalid", ERR_UNREACHABLE, "not answer in TLS"},
    {"ssl_handshake returned: (-0x3000) X509 - A fatal error", ERR_TLS_UNTRUSTED,
     "too long a chain"},
    {"ssl_handshake returned: (-0x2562) X509 - Extension", ERR_TLS_UNTRUSTED, "cannot be read"},
    {"ssl_handshake returned: (-0x7280) SSL - The connection indicated an EOF", ERR_UNREACHABLE,
     "EOF"},
    {"Recv failure: Connection reset by peer", ERR_UNREACHABLE, "reset by peer"},
    {"ssl_handshake returned: (-0x7100) SSL - Bad input", ERR_UNREACHABLE, "over 16 KiB"},
    {"ssl_read returned: (-0x7780) SSL - A fatal alert", ERR_UNREACHABLE,
     "the TLS connection with"},
    {"ssl_read returned: (-0x0000) ", ERR_UNREACHABLE, "closed the connection before the end"},
    {"ssl_read returned: (-0x7700) SSL - An unexpected", ERR_UNREACHABLE, "broke"},
    {"", ERR_UNREACHABLE, "handshake with hub.test failed"},
};

/* Whether a good pair is taken needs a fresh key: test/run/test_tls.py has it. */
static void test_client(void)
{
    char               cert_path[256], key_path[256];
    struct tls_options options = {0};
    struct tls        *tls = NULL;
    struct err         err;

    snprintf(cert_path, sizeof(cert_path), "%s/client.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/client.key", folder);
    options.client_cert = str_from(cert_path);
    CHECK(tls_new(&options, &tls, &err) == -1 && err.kind == ERR_SPEC);
    check_piece(err.text, "client.pem: No such file");
    write_file("client.pem", "text", 4);
    CHECK(tls_new(&options, &tls, &err) == -1 && err.kind == ERR_SPEC);
    check_piece(err.text, "client.pem cannot be read");
    write_file("client.pem", cert[0].p, cert[0].len); /* and no key in it */
    CHECK(tls_new(&options, &tls, &err) == -1 && err.kind == ERR_SPEC);
    check_piece(err.text, "client key");
    check_piece(err.text, "client.pem cannot be read");
    check_piece(err.hint, "without a password");
    options.client_key = str_from(key_path);
    CHECK(tls_new(&options, &tls, &err) == -1 && err.kind == ERR_SPEC);
    check_piece(err.text, "client.key: No such file");
}

static void test_explain(void)
{
    struct tls_verdict *verdict = tls_verdict_new();

    for (size_t i = 0; i < CHECK_COUNT(handshakes); i++) {
        struct err err = {0};

        check_row(handshakes[i].detail);
        CHECK(tls_explain(verdict, "hub.test", handshakes[i].detail, &err) == -1);
        CHECK(err.kind == handshakes[i].want);
        CHECK_HAS(err.text, "hub.test");
        check_piece(err.text, handshakes[i].want_text);
    }
    check_row(NULL);
    tls_verdict_free(verdict);
}

int main(void)
{
    char command[128];

    if (!mkdtemp(folder))
        die("mkdtemp failed");
    for (size_t i = 0; i < 3; i++)
        make_pem(&cert[i], i);
    test_files();
    test_other_forms();
    test_folder();
    test_roots();
    test_first_use();
    test_client();
    test_explain();
    for (size_t i = 0; i < 3; i++)
        buf_release(&cert[i]);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        printf("%s stays behind\n", folder);
    return check_end("test_tls");
}
