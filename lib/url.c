/* url.c: see url.h.
 *
 * Strict where a lenient reading would let two readers disagree about the host (this file decides
 * whether a token may travel, curl then connects): no spaces, controls or backslashes, one '@' at
 * most, and only plain characters in a host name. */
#include "url.h"

#include <arpa/inet.h>
#include <string.h>

enum { URL_MAX = 16 * 1024 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 3986, 2.3 */
static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-' || c == '~';
}

/* Index of the first of `stops` at or after `from`, or the length. */
static size_t find_any(struct str s, const char *stops, size_t from)
{
    size_t at = from;

    while (at < s.len && (s.p[at] == '\0' || !strchr(stops, s.p[at])))
        at++;
    return at;
}

static bool has_forbidden_byte(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7F)
            return true;
    return false;
}

static bool parse_port(struct str text, uint16_t fallback, uint16_t *out)
{
    uint64_t value = fallback;

    if (text.len && (!str_to_u64(text, &value) || value == 0 || value > UINT16_MAX))
        return false;
    *out = (uint16_t)value;
    return true;
}

bool url_is_address(int family, struct str host)
{
    char            text[INET6_ADDRSTRLEN];
    struct in6_addr address; /* room for either */

    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    return inet_pton(family, text, &address) == 1;
}

static bool is_host_name(struct str host)
{
    if (host.len == 0 || host.len > 255)
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (!is_alpha(host.p[i]) && !is_digit(host.p[i]) && !strchr("._-", host.p[i]))
            return false;
    return host.p[0] != '.';
}

static bool parse_authority(struct str text, uint16_t default_port, struct url *out)
{
    ptrdiff_t  at = str_find_char(text, '@', 0), colon;
    struct str rest = text, port = {"", 0};

    if (at != str_rfind_char(text, '@') || str_find_char(text, '\\', 0) >= 0)
        return false;
    if (at == 0) /* to libcurl "//@host" has a user, whose name is empty */
        return false;
    if (at >= 0) {
        out->userinfo = str_sub(text, 0, (size_t)at);
        rest = str_sub(text, (size_t)at + 1, text.len);
    }
    if (rest.len && rest.p[0] == '[') {
        ptrdiff_t close = str_find_char(rest, ']', 0);
        if (close < 0)
            return false;
        out->host = str_sub(rest, 1, (size_t)close);
        out->host_is_ipv6 = true;
        rest = str_sub(rest, (size_t)close + 1, rest.len);
        if (!url_is_address(AF_INET6, out->host) || (rest.len && rest.p[0] != ':'))
            return false;
        port = str_sub(rest, 1, rest.len);
    } else {
        colon = str_find_char(rest, ':', 0);
        out->host = str_sub(rest, 0, colon < 0 ? rest.len : (size_t)colon);
        if (colon >= 0)
            port = str_sub(rest, (size_t)colon + 1, rest.len);
        if (!is_host_name(out->host))
            return false;
    }
    return parse_port(port, default_port, &out->port);
}

bool url_parse(struct str text, struct url *out)
{
    struct url url = {.userinfo = {"", 0}, .query = {"", 0}};
    bool       is_https = str_has_prefix_nocase(text, STR("https://"));
    size_t     authority = is_https ? 8 : 7, path, query, fragment;

    if (text.len > URL_MAX || has_forbidden_byte(text))
        return false;
    if (!is_https && !str_has_prefix_nocase(text, STR("http://")))
        return false;
    path = find_any(text, "/?#", authority);
    fragment = find_any(text, "#", path);
    query = find_any(text, "?", path);
    if (query > fragment)
        query = fragment;
    url.scheme = str_sub(text, 0, authority - 3);
    url.path = str_sub(text, path, query);
    url.has_query = query < fragment;
    if (url.has_query)
        url.query = str_sub(text, query + 1, fragment);
    if (!parse_authority(str_sub(text, authority, path), is_https ? 443 : 80, &url))
        return false;
    *out = url;
    return true;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return str_eq_nocase(a->scheme, b->scheme) && str_eq_nocase(a->host, b->host) &&
           a->host_is_ipv6 == b->host_is_ipv6 && a->port == b->port;
}

/* RFC 3986, 5.2.4: appends `path` with its "." and ".." segments worked out. */
static void add_without_dots(struct buf *out, struct str path)
{
    size_t     floor = out->len;
    struct str rest = path, segment;

    str_cut(&rest, '/', &segment); /* the empty piece before the first '/' */
    while (str_cut(&rest, '/', &segment)) {
        bool is_last = !rest.p;
        if (str_eq(segment, STR(".."))) {
            while (out->len > floor && out->p[out->len - 1] != '/')
                out->len--;
            if (out->len > floor)
                out->len--;
            if (is_last)
                buf_add_char(out, '/');
        } else if (str_eq(segment, STR("."))) {
            if (is_last)
                buf_add_char(out, '/');
        } else {
            buf_add_char(out, '/');
            buf_add_str(out, segment);
        }
    }
    if (out->p)
        out->p[out->len] = '\0';
}

/* "scheme:" before any '/', '?' or '#'? */
static bool has_scheme(struct str s)
{
    size_t colon = find_any(s, ":/?#", 0);

    if (colon >= s.len || s.p[colon] != ':' || colon == 0 || !is_alpha(s.p[0]))
        return false;
    for (size_t i = 0; i < colon; i++)
        if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && !strchr("+-.", s.p[i]))
            return false;
    return true;
}

/* The path forms of a reference: "/path", "path", each with or without a query, and "?query". */
static void add_relative(struct buf *out, struct str base, const struct url *from, struct str ref)
{
    size_t     query = find_any(ref, "?", 0);
    struct str path = str_sub(ref, 0, query);
    struct buf merged = {0};
    size_t     origin_len = (size_t)(from->path.p - base.p);

    buf_add_str(out, str_sub(base, 0, origin_len));
    if (path.len == 0) {
        buf_add_str(out, from->path);
    } else {
        if (path.p[0] != '/') {
            ptrdiff_t slash = str_rfind_char(from->path, '/');
            buf_add_str(&merged, slash < 0 ? STR("/") : str_sub(from->path, 0, (size_t)slash + 1));
        }
        buf_add_str(&merged, path);
        add_without_dots(out, buf_view(&merged));
        buf_release(&merged);
    }
    buf_add_str(out, str_sub(ref, query, ref.len));
}

bool url_resolve(struct str base, struct str location, struct buf *out)
{
    struct url from, result;
    struct str ref = str_sub(location, 0, find_any(location, "#", 0));
    struct buf text = {0}; /* apart from out: base may be a view of it */
    bool       ok;

    if (ref.len == 0 || location.len > URL_MAX || !url_parse(base, &from))
        return false;
    if (has_scheme(ref)) {
        buf_add_str(&text, ref);
    } else if (str_has_prefix(ref, STR("//"))) {
        buf_add_str(&text, from.scheme);
        buf_add_char(&text, ':');
        buf_add_str(&text, ref);
    } else {
        add_relative(&text, base, &from, ref);
    }
    ok = url_parse(buf_view(&text), &result);
    if (ok) {
        buf_clear(out);
        ok = buf_add_str(out, buf_view(&text));
    }
    buf_release(&text);
    return ok;
}

bool url_query_param(const struct url *url, struct str name, struct str *value)
{
    struct str rest = url->query, pair;

    while (str_cut(&rest, '&', &pair)) {
        ptrdiff_t equals = str_find_char(pair, '=', 0);
        size_t    end = equals < 0 ? pair.len : (size_t)equals;
        if (str_eq(str_sub(pair, 0, end), name)) {
            *value = str_sub(pair, end + 1, pair.len);
            return true;
        }
    }
    return false;
}

struct str url_cut_port(struct str text, uint64_t *port)
{
    ptrdiff_t colon = str_rfind_char(text, ':');

    *port = 0;
    if (text.len && text.p[0] == '[') {
        ptrdiff_t close = str_find_char(text, ']', 0);
        if (close < 0)
            return text;
        if (colon > close)
            str_to_u64(str_sub(text, (size_t)colon + 1, text.len), port);
        return str_sub(text, 1, (size_t)close);
    }
    if (colon < 0 || str_find_char(text, ':', 0) != colon)
        return text;
    if (!str_to_u64(str_sub(text, (size_t)colon + 1, text.len), port))
        return text;
    return str_sub(text, 0, (size_t)colon);
}

void url_encode(struct buf *out, struct str text, bool keep_slash)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (is_unreserved(c) || (keep_slash && c == '/'))
            buf_add_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool url_decode(struct buf *out, struct str text)
{
    struct buf plain = {0};
    bool       ok = true;

    for (size_t i = 0; ok && i < text.len; i++) {
        if (text.p[i] != '%') {
            buf_add_char(&plain, text.p[i]);
        } else if (text.len - i > 2 && hex_value(text.p[i + 1]) >= 0 &&
                   hex_value(text.p[i + 2]) >= 0) {
            buf_add_char(&plain, (char)(hex_value(text.p[i + 1]) * 16 + hex_value(text.p[i + 2])));
            i += 2;
        } else {
            ok = false;
        }
    }
    ok = ok && buf_add_str(out, buf_view(&plain));
    buf_release(&plain);
    return ok;
}

/* --- what kind of address a host is --- */

enum host_kind { HOST_PUBLIC, HOST_PRIVATE, HOST_LOCAL };

static enum host_kind kind_of_ipv4(uint32_t a)
{
    if (a >> 24 == 0 || a >> 24 == 127 || a >> 16 == 0xA9FE || a >> 28 >= 0xE)
        return HOST_LOCAL; /* 0/8, 127/8, 169.254/16, 224/4 and above */
    if (a == 0x646464C8 || a == 0xC00000C0)
        return HOST_LOCAL; /* 100.100.100.200, 192.0.0.192: metadata services of two clouds */
    if (a >> 24 == 10 || a >> 20 == 0xAC1 || a >> 16 == 0xC0A8 || a >> 22 == 0x191)
        return HOST_PRIVATE; /* RFC 1918, and 100.64/10 of RFC 6598 */
    return HOST_PUBLIC;
}

static enum host_kind kind_of_ipv6(const unsigned char a[16])
{
    static const unsigned char zero[15] = {0};
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    static const unsigned char nat64[12] = {0, 0x64, 0xFF, 0x9B};
    static const unsigned char metadata[16] = {0xFD, 0, 0x0E, 0xC2, [14] = 0x02, 0x54};
    uint32_t low = (uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 | a[15];

    if ((memcmp(a, zero, 15) == 0 && a[15] <= 1) || memcmp(a, metadata, 16) == 0)
        return HOST_LOCAL; /* ::, ::1, fd00:ec2::254 */
    if (memcmp(a, zero, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return kind_of_ipv4(low);
    if ((a[0] == 0xFE && (a[1] & 0xC0) == 0x80) || a[0] == 0xFF)
        return HOST_LOCAL; /* link-local, multicast */
    return (a[0] & 0xFE) == 0xFC ? HOST_PRIVATE : HOST_PUBLIC;
}

static bool is_below(struct str name, struct str domain)
{
    return name.len > domain.len &&
           str_eq_nocase(str_sub(name, name.len - domain.len, name.len), domain);
}

static enum host_kind kind_of_name(struct str name)
{
    if (str_eq_nocase(name, STR("localhost")) || is_below(name, STR(".localhost")))
        return HOST_LOCAL;
    if (str_eq_nocase(name, STR("metadata.google.internal")))
        return HOST_LOCAL;
    if (str_find_char(name, '.', 0) < 0 || is_below(name, STR(".svc")) ||
        is_below(name, STR(".cluster.local")))
        return HOST_PRIVATE; /* only a name of this network can look like that */
    return HOST_PUBLIC;
}

static enum host_kind kind_of_host(const struct url *url)
{
    char            text[256] = "";
    struct str      name = url->host;
    struct in_addr  v4;
    struct in6_addr v6;

    if (str_has_suffix(name, STR(".")))
        name.len--;
    if (name.len >= sizeof(text))
        return HOST_PUBLIC;
    memcpy(text, name.p, name.len);
    if (url->host_is_ipv6)
        return inet_pton(AF_INET6, text, &v6) == 1 ? kind_of_ipv6(v6.s6_addr) : HOST_LOCAL;
    if (inet_aton(text, &v4)) /* also "127.1" and "0x7f000001", as curl reads them */
        return kind_of_ipv4(ntohl(v4.s_addr));
    return kind_of_name(name);
}

bool url_host_is_local(const struct url *url)
{
    return kind_of_host(url) == HOST_LOCAL;
}

bool url_host_is_private(const struct url *url)
{
    return kind_of_host(url) == HOST_PRIVATE;
}
