/* curl_url.h: a URL as libcurl reads it, which is where a connection really goes. */
#ifndef HFI_CURL_URL_H
#define HFI_CURL_URL_H

#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>

#include "fuzz.h"
#include "url.h"

struct curl_reading {
    char *scheme, *host,
        *user; /* owned by libcurl; host with brackets if it is IPv6, user NULL: none */
    uint16_t port;
    bool     kind_known; /* host is an address */
    bool     is_local;   /* of this machine, this link or a cloud's metadata service */
};

static inline void curl_reading_release(struct curl_reading *c)
{
    curl_free(c->scheme);
    curl_free(c->host);
    curl_free(c->user);
    *c = (struct curl_reading){0};
}

/* "a.b.c.d" by its numbers. */
static inline bool curl_ipv4_is_local(const unsigned char a[4])
{
    return a[0] == 0 || a[0] == 127 || (a[0] == 169 && a[1] == 254) || a[0] >= 224 ||
           (a[0] == 100 && a[1] == 100 && a[2] == 100 && a[3] == 200) ||
           (a[0] == 192 && a[1] == 0 && a[2] == 0 && a[3] == 192);
}

static inline void curl_judge_host(struct curl_reading *c)
{
    static const unsigned char none[12] = {0}, nat64[12] = {0, 0x64, 0xFF, 0x9B},
                               mapped[12] = {[10] = 0xFF, [11] = 0xFF}; /* IPv4 inside IPv6 */

    unsigned char a[16];
    char          bare[128] = "";
    size_t        len = strlen(c->host);

    if (inet_pton(AF_INET, c->host, a) == 1) {
        c->kind_known = true;
        c->is_local = curl_ipv4_is_local(a);
    }
    if (c->host[0] != '[' || len >= sizeof(bare))
        return;
    memcpy(bare, c->host + 1, len - 2);
    if (inet_pton(AF_INET6, bare, a) != 1)
        return;
    c->kind_known = true;
    c->is_local =
        strcmp(bare, "::") == 0 || strcmp(bare, "::1") == 0 || strcmp(bare, "fd00:ec2::254") == 0 ||
        a[0] == 0xFF || (a[0] == 0xFE && a[1] >> 6 == 2) ||
        ((memcmp(a, none, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0) &&
         curl_ipv4_is_local(a + 12));
}

/* False if libcurl would not take it. */
static inline bool curl_read(struct str text, struct curl_reading *out)
{
    CURLU *h = curl_url();
    char  *copy = mem_strndup(text.p, text.len), *port = NULL;
    bool   ok;

    *out = (struct curl_reading){0};
    ok = strlen(copy) == text.len && curl_url_set(h, CURLUPART_URL, copy, 0) == CURLUE_OK &&
         curl_url_get(h, CURLUPART_SCHEME, &out->scheme, 0) == CURLUE_OK &&
         curl_url_get(h, CURLUPART_HOST, &out->host, 0) == CURLUE_OK &&
         curl_url_get(h, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_get(h, CURLUPART_USER, &out->user, 0);
    if (ok) {
        out->port = (uint16_t)strtoul(port, NULL, 10);
        curl_judge_host(out);
    }
    curl_free(port);
    curl_url_cleanup(h);
    free(copy);
    if (!ok)
        curl_reading_release(out);
    return ok;
}

/* Is the host that libcurl found the one that url.c found? It writes addresses in their usual
 * form. */
static inline bool curl_is_host(const struct curl_reading *c, const struct url *url)
{
    char            host[300], theirs[300];
    struct in6_addr a, b;
    struct in_addr  v, w;

    snprintf(host, sizeof(host), "%.*s", STR_ARG(url->host));
    snprintf(theirs, sizeof(theirs), "%s", c->host);
    if (strcasecmp(host, theirs) == 0)
        return true;
    if (url->host_is_ipv6) {
        theirs[strcspn(theirs, "]")] = '\0';
        return theirs[0] == '[' && inet_pton(AF_INET6, host, &a) == 1 &&
               inet_pton(AF_INET6, theirs + 1, &b) == 1 && memcmp(&a, &b, sizeof(a)) == 0;
    }
    if (host[strlen(host) - 1] == '.')
        host[strlen(host) - 1] = '\0';
    return inet_aton(host, &v) && inet_pton(AF_INET, theirs, &w) == 1 && v.s_addr == w.s_addr;
}

/* Would a request to both go to the same scheme, host and port? */
static inline bool curl_same_origin(const struct curl_reading *a, const struct curl_reading *b)
{
    return strcasecmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
           a->port == b->port;
}

#endif
