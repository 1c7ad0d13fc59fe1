/* URLs: libcurl, which connects, reads the same host and port as url.c, which decides where a token
 * may go. Input: a URL, a line break, a Location. */
#include <arpa/inet.h>
#include <strings.h>

#include "curl_url.h"
#include "fuzz.h"
#include "log.h"
#include "url.h"

static bool has_none_of(struct str s, const char *bytes)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(bytes, s.p[i]) && s.p[i])
            return false;
    return true;
}

/* The pieces lie in the text one behind the other. */
static void tiles(struct str text, const struct url *url)
{
    const char *host_end = url->host.p + url->host.len, *path_end = url->path.p + url->path.len;

    REQUIRE(url->scheme.p == text.p && (url->scheme.len == 4 || url->scheme.len == 5));
    REQUIRE(str_eq(str_sub(text, url->scheme.len, url->scheme.len + 3), STR("://")));
    REQUIRE(url->host.len && has_none_of(url->host, "/?#@\\ "));
    REQUIRE(url->host_is_ipv6 || has_none_of(url->host, ":[]"));
    REQUIRE(url->host.p > text.p && host_end <= url->path.p);
    REQUIRE(url->path.len == 0 || url->path.p[0] == '/');
    REQUIRE(has_none_of(url->path, "?#") && has_none_of(url->query, "#"));
    REQUIRE(!url->has_query || (url->query.p == path_end + 1 && *path_end == '?'));
    REQUIRE(url->port);
}

static void agrees_with_curl(struct str text, const struct url *url)
{
    struct curl_reading c;

    if (!curl_read(text, &c))
        return; /* then it connects nowhere */
    REQUIRE(curl_is_host(&c, url));
    REQUIRE(c.port == url->port);
    REQUIRE(strcasecmp(c.scheme, url->scheme.len == 5 ? "https" : "http") == 0);
    if (c.kind_known)
        REQUIRE(c.is_local == url_host_is_local(url));
    curl_reading_release(&c);
}

/* In a log there is neither a password nor a signature. */
static void is_logged_bare(struct str text, const struct url *url)
{
    struct buf shown = {0};
    struct url again;

    log_add_url(&shown, text);
    REQUIRE(has_none_of(buf_view(&shown), "?#"));
    REQUIRE(url_parse(buf_view(&shown), &again) && url_same_origin(&again, url));
    REQUIRE(again.userinfo.len == 0 && !again.has_query && str_eq(again.path, url->path));
    buf_release(&shown);
}

static void codes(struct str text)
{
    struct buf coded = {0}, back = {0};

    for (int keep_slash = 0; keep_slash < 2; keep_slash++) {
        buf_clear(&coded);
        buf_clear(&back);
        url_encode(&coded, text, keep_slash);
        REQUIRE(url_decode(&back, buf_view(&coded)) && str_eq(buf_view(&back), text));
        for (size_t i = 0; i < coded.len; i++)
            REQUIRE((unsigned char)coded.p[i] > ' ' && (unsigned char)coded.p[i] < 0x7F);
    }
    buf_clear(&back);
    REQUIRE(url_decode(&back, text) || back.len == 0);
    buf_release(&coded);
    buf_release(&back);
}

static void has_no_dot_segments(struct str path)
{
    struct str segment;

    while (str_cut(&path, '/', &segment))
        REQUIRE(!str_eq(segment, STR(".")) && !str_eq(segment, STR("..")));
}

static void resolves(struct str base, struct str location)
{
    struct buf out = {0}, again = {0};
    struct url from, to, same;
    bool       is_absolute = url_parse(location, &same);

    buf_add_str(&out, STR("untouched"));
    if (!url_resolve(base, location, &out)) {
        REQUIRE(str_eq(buf_view(&out), STR("untouched")));
        REQUIRE(!is_absolute || !url_parse(base, &from));
        buf_release(&out);
        return;
    }
    REQUIRE(url_parse(base, &from) && url_parse(buf_view(&out), &to));
    REQUIRE(str_find_char(buf_view(&out), '#', 0) < 0);
    REQUIRE(url_resolve(base, buf_view(&out), &again) && str_eq(buf_view(&out), buf_view(&again)));
    if (is_absolute) {
        REQUIRE(str_has_prefix(location, buf_view(&out))); /* signed ones must not change */
        REQUIRE(url_same_origin(&to, &same));
    } else if (!str_has_prefix(location, STR("//")) && str_find_char(location, ':', 0) < 0) {
        REQUIRE(url_same_origin(&to, &from) && str_eq(to.userinfo, from.userinfo));
        if (location.p[0] != '?')
            has_no_dot_segments(to.path);
    }
    buf_release(&out);
    buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct str   base = input_line(&in), location = input_rest(&in);
    struct url   url, other;

    if (url_parse(base, &url)) {
        tiles(base, &url);
        agrees_with_curl(base, &url);
        is_logged_bare(base, &url);
        REQUIRE(url_same_origin(&url, &url));
        REQUIRE(!(url_host_is_local(&url) && url_host_is_private(&url)));
        if (url_parse(location, &other))
            REQUIRE(url_same_origin(&url, &other) == url_same_origin(&other, &url));
    }
    codes(base);
    resolves(base, location);
    input_release(&in);
    return 0;
}
