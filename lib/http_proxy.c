/* http_proxy.c: see http_proxy.h. */
#include "http_proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct address {
    int           family;
    unsigned char byte[16];
    unsigned      bits; /* 32 or 128 */
};

static bool read_address(struct str text, struct address *out)
{
    char copy[64];

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    *out = (struct address){0};
    if (inet_pton(AF_INET, copy, out->byte) == 1) {
        out->family = AF_INET;
        out->bits = 32;
        return true;
    }
    if (inet_pton(AF_INET6, copy, out->byte) == 1) {
        out->family = AF_INET6;
        out->bits = 128;
        return true;
    }
    return false;
}

static bool same_prefix(const struct address *a, const struct address *b, unsigned bits)
{
    unsigned      bytes = bits / 8;
    unsigned char mask = (unsigned char)(0xFF00u >> (bits % 8));

    if (a->family != b->family || memcmp(a->byte, b->byte, bytes) != 0)
        return false;
    return bits % 8 == 0 || (a->byte[bytes] & mask) == (b->byte[bytes] & mask);
}

/* One entry of NO_PROXY that is an address or a block of them. */
static bool matches_block(struct str entry, const struct address *host)
{
    ptrdiff_t      slash = str_find_char(entry, '/', 0);
    struct address block;
    uint64_t       bits;

    if (slash < 0)
        return read_address(entry, &block) && same_prefix(&block, host, block.bits);
    if (!read_address(str_sub(entry, 0, (size_t)slash), &block) ||
        !str_to_u64(str_sub(entry, (size_t)slash + 1, entry.len), &bits) || bits > block.bits)
        return false;
    return same_prefix(&block, host, (unsigned)bits);
}

static bool matches_domain(struct str entry, struct str host)
{
    if (entry.len && entry.p[0] == '*')
        entry = str_sub(entry, 1, entry.len);
    if (entry.len && entry.p[0] == '.')
        entry = str_sub(entry, 1, entry.len);
    if (entry.len == 0 || host.len < entry.len)
        return false;
    if (!str_eq_nocase(str_sub(host, host.len - entry.len, host.len), entry))
        return false;
    return host.len == entry.len || host.p[host.len - entry.len - 1] == '.';
}

static bool is_exempt(struct str no_proxy, const struct url *url)
{
    struct address host;
    bool           is_address = read_address(url->host, &host);
    size_t         at = 0;

    while (at < no_proxy.len) {
        size_t     end = at;
        uint64_t   port;
        struct str entry;

        while (end < no_proxy.len && no_proxy.p[end] != ',' && no_proxy.p[end] != ' ')
            end++;
        entry = str_trim(str_sub(no_proxy, at, end));
        at = end + 1;
        if (str_eq(entry, STR("*")))
            return true;
        entry = url_cut_port(entry, &port);
        if (entry.len == 0 || (port != 0 && port != url->port))
            continue;
        if (is_address ? matches_block(entry, &host) : matches_domain(entry, url->host))
            return true;
    }
    return false;
}

struct str http_choose_proxy(const struct http_config *config, const struct url *url)
{
    bool       is_https = str_eq_nocase(url->scheme, STR("https"));
    struct str proxy = is_https ? config->https_proxy : config->http_proxy;

    if (proxy.len == 0)
        proxy = config->all_proxy;
    if (proxy.len == 0 || is_exempt(config->no_proxy, url))
        return (struct str){"", 0};
    return proxy;
}
