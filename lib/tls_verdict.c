/* tls_verdict.c: why a certificate was refused, for a person who cannot see it.
 *
 * mbedTLS asks a callback about every certificate of the chain, from the top down to the server's
 * own. The flags it brings along decide; we only add to them, where libcurl's callback, which ours
 * replaces, could clear some. Text is made there, while the certificates exist. */
#include "tls_verdict.h"

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "tls.h"

struct tls_verdict {
    uint32_t flags; /* MBEDTLS_X509_BADCERT_… of the whole chain; 0: nothing wrong, or none seen */
    bool     alone; /* the server sent its own certificate and not its issuer's */
    struct buf text;
};

enum { TEXT_BYTES_MAX = 360, NAMES_SHOWN = 3, NAME_BYTES_SHOWN = 80 };

static void say_name(struct buf *out, const mbedtls_x509_name *dn)
{
    char text[256];

    if (mbedtls_x509_dn_gets(text, sizeof(text), dn) < 0 || !text[0])
        snprintf(text, sizeof(text), "(no readable name)");
    buf_printf(out, "\"%s\"", text);
}

static void say_alt_name(struct buf *out, const mbedtls_x509_buf *name)
{
    const unsigned char *p = name->p;
    int                  kind = name->tag & MBEDTLS_ASN1_TAG_VALUE_MASK;

    if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && name->len == 4) {
        buf_printf(out, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    } else if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && name->len == 16) {
        for (size_t i = 0; i < 16; i += 2)
            buf_printf(out, "%s%x", i ? ":" : "", p[i] << 8 | p[i + 1]);
    } else if (kind == MBEDTLS_X509_SAN_DNS_NAME) {
        for (size_t i = 0; i < name->len && i < NAME_BYTES_SHOWN; i++)
            buf_add_char(out, p[i] > ' ' && p[i] < 0x7f ? (char)p[i] : '?');
    } else {
        buf_printf(out, "(a name of kind %d)", kind);
    }
}

static bool has_alt_names(const mbedtls_x509_crt *crt)
{
    return mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) != 0;
}

static void say_alt_names(struct buf *out, const mbedtls_x509_crt *crt)
{
    size_t count = 0;

    if (!has_alt_names(crt)) {
        buf_add_str(out, STR("it names no host (no subjectAltName)"));
        return;
    }
    buf_add_str(out, STR("it is for "));
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s; s = s->next, count++) {
        if (count >= NAMES_SHOWN)
            continue;
        buf_add_str(out, count ? STR(", ") : STR(""));
        say_alt_name(out, &s->buf);
    }
    if (count > NAMES_SHOWN)
        buf_printf(out, " and %zu more", count - NAMES_SHOWN);
}

static void say_date(struct buf *out, const mbedtls_x509_crt *crt, const char *what,
                     const mbedtls_x509_time *t)
{
    time_t    now = time(NULL); /* as mbedTLS does */
    struct tm tm;
    char      today[32] = "";

    if (gmtime_r(&now, &tm))
        strftime(today, sizeof(today), "%Y-%m-%d", &tm);
    say_name(out, &crt->subject);
    buf_printf(out, " %s %04d-%02d-%02d, and this node's clock says %s", what, t->year, t->mon,
               t->day, today);
}

static void say_expired(struct buf *out, const mbedtls_x509_crt *crt)
{
    say_date(out, crt, "expired on", &crt->valid_to);
}

static void say_future(struct buf *out, const mbedtls_x509_crt *crt)
{
    say_date(out, crt, "is not valid before", &crt->valid_from);
}

static bool is_self_issued(const mbedtls_x509_crt *crt)
{
    return crt->subject_raw.len == crt->issuer_raw.len &&
           memcmp(crt->subject_raw.p, crt->issuer_raw.p, crt->subject_raw.len) == 0;
}

static void say_issuer(struct buf *out, const mbedtls_x509_crt *crt)
{
    buf_add_str(out, is_self_issued(crt) ? STR("unknown, self-signed ") : STR("unknown issuer "));
    say_name(out, &crt->issuer);
}

static void say_usage(struct buf *out, const mbedtls_x509_crt *crt)
{
    (void)crt;
    buf_add_str(out, STR("it may not be used by a TLS server (key usage)"));
}

static const struct {
    uint32_t flags;
    void (*say)(struct buf *out, const mbedtls_x509_crt *crt);
} problems[] = {
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, say_issuer},
    {MBEDTLS_X509_BADCERT_EXPIRED, say_expired},
    {MBEDTLS_X509_BADCERT_FUTURE, say_future},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, say_alt_names},
    {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_KEY_USAGE, say_usage},
};

/* The problems of one certificate; the others of the chain have calls of their own. */
static void say(struct buf *out, const mbedtls_x509_crt *crt, uint32_t flags)
{
    char rest[160];

    for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
        if (!(flags & problems[i].flags))
            continue;
        buf_add_str(out, out->len ? STR("; ") : STR(""));
        problems[i].say(out, crt);
        flags &= ~problems[i].flags;
    }
    if (flags && mbedtls_x509_crt_verify_info(rest, sizeof(rest), "", flags) > 0)
        buf_printf(out, "%s%.*s", out->len ? "; " : "", (int)strcspn(rest, "\n"), rest);
}

static int on_certificate(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct tls_verdict *verdict = user;

    if (depth == 0) {
        verdict->alone = !crt->next && !is_self_issued(crt);
        /* mbedTLS would still look at the common name; RFC 9525 and Python's urllib3 do not. */
        if (!has_alt_names(crt))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        /* mbedTLS checks these two later and without a word, libcurl then reports error 35. */
        if (mbedtls_x509_crt_check_key_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE))
            *flags |= MBEDTLS_X509_BADCERT_KEY_USAGE;
        if (mbedtls_x509_crt_check_extended_key_usage(crt, MBEDTLS_OID_SERVER_AUTH,
                                                      MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)))
            *flags |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
    }
    if (*flags) {
        verdict->flags |= *flags;
        say(&verdict->text, crt, *flags);
    }
    return 0;
}

struct tls_verdict *tls_verdict_new(void)
{
    struct tls_verdict *verdict = mem_alloc(sizeof(*verdict));

    buf_init(&verdict->text, TEXT_BYTES_MAX);
    return verdict;
}

void tls_verdict_free(struct tls_verdict *verdict)
{
    if (!verdict)
        return;
    buf_release(&verdict->text);
    free(verdict);
}

void tls_verdict_watch(struct tls_verdict *verdict, mbedtls_ssl_config *config)
{
    verdict->flags = 0;
    buf_clear(&verdict->text);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_verify(config, on_certificate, verdict);
}

static int explain_certificate(const struct tls_verdict *v, const char *host, struct err *err)
{
    err_set(err, ERR_TLS_UNTRUSTED, "the certificate of %s is not trusted: %s", host,
            buf_cstr(&v->text));
    if (v->flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return v->alone
                   ? err_hint(err, "if this is your proxy or mirror, name its CA in tls.caFile "
                                   "or SSL_CERT_FILE; a server may also forget to send its "
                                   "intermediate certificate")
                   : -1; /* the kind's own hint: name the CA */
    if (v->flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))
        return err_hint(err, "correct the node's clock, or have the server's certificate renewed");
    if (v->flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
        return err_hint(err,
                        "check the host in the endpoint; a proxy or DNS may also lead elsewhere");
    return err_hint(err, "the server needs another certificate");
}

/* mbedTLS's error out of libcurl's "ssl_handshake returned: (-0x7780) SSL - A fatal alert…". */
static int error_in(const char *detail)
{
    const char *p = strstr(detail, "(-0x");

    return p ? -(int)strtoul(p + strlen("(-0x"), NULL, 16) : 0;
}

static int explain_alert(const char *host, bool at_handshake, struct err *err)
{
    err_set(err, ERR_UNREACHABLE, "%s ended the TLS %s with an alert", host,
            at_handshake ? "handshake" : "connection");
    return err_hint(err, "it may want a client certificate (tls.clientCert), speak only TLS 1.1 or "
                         "older, or not serve this host name");
}

static int explain_break(const char *host, bool at_handshake, int code, const char *detail,
                         struct err *err)
{
    if (at_handshake && code == MBEDTLS_ERR_SSL_BAD_INPUT_DATA)
        return err_set(err, ERR_UNREACHABLE, "%s sends a certificate chain over 16 KiB", host);
    if (at_handshake)
        return err_set(err, ERR_UNREACHABLE, "the TLS handshake with %s failed: %s", host, detail);
    if (code == 0)
        return err_set(err, ERR_UNREACHABLE, "%s closed the connection before the end", host);
    return err_set(err, ERR_UNREACHABLE, "the connection to %s broke: %s", host, detail);
}

int tls_explain(const struct tls_verdict *verdict, const char *host, const char *detail,
                struct err *err)
{
    /* Errors of lower layers are added to these as small numbers. */
    int  code = -(-error_in(detail) & 0xff80);
    bool at_handshake = !strstr(detail, "ssl_read");

    if (verdict->flags)
        return explain_certificate(verdict, host, err);
    switch (code) {
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: return explain_alert(host, at_handshake, err);
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
        err_set(err, ERR_TLS_UNTRUSTED, "%s speaks no TLS that we accept: %s", host, detail);
        return err_hint(err, "the server must offer TLS 1.2 with ECDHE and AES-GCM or ChaCha20, "
                             "or TLS 1.3");
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
        err_set(err, ERR_UNREACHABLE, "%s does not answer in TLS on this port", host);
        return err_hint(err, "check the endpoint's port, or whether it is http://");
    case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
        return err_set(err, ERR_TLS_UNTRUSTED, "the certificate of %s is not trusted: %s", host,
                       detail);
    default:
        if (code <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && code >= MBEDTLS_ERR_X509_FATAL_ERROR)
            return err_set(err, ERR_TLS_UNTRUSTED,
                           "the certificate of %s cannot be read, or has too long a chain: %s",
                           host, detail);
        return explain_break(host, at_handshake, code, detail, err);
    }
}
