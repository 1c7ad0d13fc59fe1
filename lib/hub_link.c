/* hub_link.c: where an answer sends us: the next page of a listing, or the target of a redirect.
 *
 * Every URL that a server hands us passes here. What comes out is http or https, without userinfo,
 * and on a host that the rules allow; whether a token may go there is decided by its origin. */
#include <stdio.h>

#include "hub.h"
#include "log.h"
#include "url.h"

enum { LOCATION_MAX = 16 * 1024 };

/* A mirror passes on what the Hub wrote: its own public address. There a mirror's user may be
 * unable to go, and should not. */
static bool is_public_hub(const struct url *url)
{
    return str_eq_nocase(url->scheme, STR("https")) && url->port == 443 &&
           (str_eq_nocase(url->host, STR("huggingface.co")) ||
            str_eq_nocase(url->host, STR("hub-ci.huggingface.co")));
}

/* Puts the endpoint in the place of the public Hub's origin, if the endpoint is another one. A
 * mirror that answers a request with the very same address at the Hub means what it says: there
 * the rewritten URL would be the one we just asked. So does the Hub, once we have been sent there. */
static void rewrite_to_endpoint(struct str endpoint, struct str asked, struct buf *url)
{
    struct url parsed, base, from;
    struct buf text = {0};

    if (!url_parse(buf_view(url), &parsed) || !url_parse(endpoint, &base))
        return;
    if (url_parse(asked, &from) && is_public_hub(&from))
        return;
    if (!is_public_hub(&parsed) || parsed.userinfo.len || url_same_origin(&parsed, &base))
        return;
    buf_add_str(&text, endpoint);
    buf_add_str(&text, parsed.path);
    if (parsed.has_query) {
        buf_add_char(&text, '?');
        buf_add_str(&text, parsed.query);
    }
    if (!str_eq(buf_view(&text), asked)) {
        buf_clear(url);
        buf_add_str(url, buf_view(&text));
    }
    buf_release(&text);
}

/* --- Link: <URL>; rel="next", <URL>; rel="xet-auth" --- */

/* Index of the next `stop` outside of quotes, or the length. */
static size_t find_unquoted(struct str s, char stop, size_t from)
{
    bool quoted = false;

    for (size_t at = from; at < s.len; at++) {
        if (s.p[at] == '"')
            quoted = !quoted;
        else if (s.p[at] == stop && !quoted)
            return at;
    }
    return s.len;
}

/* Is "next" among the words of a rel value? */
static bool rel_is_next(struct str value)
{
    struct str word;

    if (value.len >= 2 && value.p[0] == '"' && value.p[value.len - 1] == '"')
        value = str_sub(value, 1, value.len - 1);
    while (str_cut(&value, ' ', &word))
        if (str_eq_nocase(word, STR("next")))
            return true;
    return false;
}

/* Takes one link off the front of a header value. */
static bool take_link(struct str *rest, struct str *target, bool *is_next)
{
    ptrdiff_t open = str_find_char(*rest, '<', 0);
    ptrdiff_t close = open < 0 ? -1 : str_find_char(*rest, '>', (size_t)open);
    size_t    at, end;

    *is_next = false;
    if (close < 0)
        return false;
    *target = str_sub(*rest, (size_t)open + 1, (size_t)close);
    end = find_unquoted(*rest, ',', (size_t)close);
    for (at = (size_t)close + 1; at < end;) {
        size_t     stop = find_unquoted(str_sub(*rest, 0, end), ';', at);
        struct str param = str_trim(str_sub(*rest, at, stop));
        ptrdiff_t  equals = str_find_char(param, '=', 0);
        if (equals > 0 && str_eq_nocase(str_trim(str_sub(param, 0, (size_t)equals)), STR("rel")) &&
            rel_is_next(str_trim(str_sub(param, (size_t)equals + 1, param.len))))
            *is_next = true;
        at = stop + 1;
    }
    *rest = str_sub(*rest, end, rest->len);
    return true;
}

/* Can all of it be read? A URL that does not end, or a quote: what stands behind may be the next page. */
static bool is_readable(struct str value, struct str rest)
{
    size_t quotes = 0;

    for (size_t i = 0; i < value.len; i++)
        quotes += value.p[i] == '"';
    return quotes % 2 == 0 && str_find_char(rest, '<', 0) < 0;
}

/* 1 and its target, 0 there is none, -1 nobody can tell. */
static int find_next_link(const struct http_reply *reply, struct str *target)
{
    bool is_next;

    for (size_t i = 0; i < reply->header_count; i++) {
        struct str rest = reply->header[i].value;
        if (!str_eq_nocase(reply->header[i].name, STR("link")))
            continue;
        while (take_link(&rest, target, &is_next))
            if (is_next)
                return 1;
        if (!is_readable(reply->header[i].value, rest))
            return -1;
    }
    return 0;
}

/* May the listing go on at `next`? */
static int check_next_page(struct str next, struct str endpoint, struct str url, struct err *err)
{
    struct url to, base, from;

    if (str_eq(next, url))
        return err_set(err, ERR_BAD_ANSWER, "the list of files: the next page is the same page");
    if (!url_parse(next, &to) || to.userinfo.len)
        return err_set(err, ERR_BAD_ANSWER, "the list of files: the next page has no usable URL");
    if (url_parse(endpoint, &base) && url_same_origin(&to, &base))
        return 0;
    if (url_parse(url, &from) && url_same_origin(&to, &from))
        return 0;
    return err_set(err, ERR_BAD_ANSWER, "the list of files: the next page is at another host, %.*s",
                   STR_ARG(to.host));
}

int hub_read_next_page(const struct http_reply *reply, struct str endpoint, struct str url,
                       struct buf *next, struct err *err)
{
    struct buf found = {0};
    struct str target;
    int        rc = find_next_link(reply, &target);

    if (rc < 0) /* to take it for the last page would leave out all files behind it */
        return err_set(err, ERR_BAD_ANSWER, "the list of files: its Link header cannot be read");
    if (rc == 0)
        return 0;
    rc = -1;
    if (!url_resolve(url, str_trim(target), &found)) {
        err_set(err, ERR_BAD_ANSWER, "the list of files: the next page has no usable URL");
        goto out;
    }
    rewrite_to_endpoint(endpoint, url, &found);
    if (check_next_page(buf_view(&found), endpoint, url, err))
        goto out;
    buf_clear(next);
    buf_add_str(next, buf_view(&found));
    rc = 1;
out:
    buf_release(&found);
    return rc;
}

/* --- redirects --- */

static struct str without_dot(struct str host)
{
    return str_has_suffix(host, STR(".")) ? str_sub(host, 0, host.len - 1) : host;
}

/* An entry is a host, or "*.suffix" for every host below it; its port was cut off. */
static bool host_matches(struct str host, struct str entry)
{
    size_t below;

    host = without_dot(host);
    if (!str_has_prefix(entry, STR("*.")))
        return str_eq_nocase(host, without_dot(entry));
    entry = without_dot(str_sub(entry, 1, entry.len)); /* with its leading dot */
    if (entry.len < 2 || host.len <= entry.len)        /* "*." names no domain */
        return false;
    below = host.len - entry.len;
    return str_eq_nocase(str_sub(host, below, host.len), entry);
}

static bool is_named(const struct url *to, const struct str *allowed_host,
                     size_t allowed_host_count)
{
    for (size_t i = 0; i < allowed_host_count; i++) {
        uint64_t   port;
        struct str entry = url_cut_port(allowed_host[i], &port);

        if ((port == 0 || port == to->port) && host_matches(to->host, entry))
            return true;
    }
    return false;
}

/* What is wrong with going from one place to the other, or NULL. */
static const char *trouble_with(const struct url *from, const struct url *to)
{
    if (str_eq_nocase(from->scheme, STR("https")) && !str_eq_nocase(to->scheme, STR("https")))
        return "it leaves https";
    if (to->userinfo.len && !(url_same_origin(from, to) && str_eq(from->userinfo, to->userinfo)))
        return "its URL carries a user name";
    return NULL;
}

/* A host outside must not ask through us what only we can ask: the node's metadata service, say, or
 * a service of the cluster. Where the chain already is inside, it may go on there. */
static int check_inward(const struct url *from, const struct url *to, bool named, struct err *err)
{
    if (url_host_is_local(from) || url_host_is_private(from))
        return 0;
    if (url_host_is_local(to)) {
        err_set(err, ERR_HOST_NOT_ALLOWED,
                "a redirect from %.*s leads to %.*s, an address of this machine",
                STR_ARG(from->host), STR_ARG(to->host));
        return err_hint(err, "check the endpoint: is it a Hub, or a faithful mirror of one");
    }
    if (!url_host_is_private(to) || named)
        return 0;
    err_set(err, ERR_HOST_NOT_ALLOWED,
            "a redirect from %.*s leads to %.*s, inside of the private network",
            STR_ARG(from->host), STR_ARG(to->host));
    return err_hint(err, "name %.*s in allowedHosts if you trust it, and the other hosts it takes",
                    STR_ARG(to->host));
}

static int check_redirect(struct str next, struct str endpoint, const struct url *from,
                          const struct str *allowed_host, size_t allowed_host_count,
                          struct err *err)
{
    struct url  to, base;
    const char *trouble;
    bool        named;

    if (!url_parse(next, &to) || !url_parse(endpoint, &base))
        return err_set(err, ERR_BAD_ANSWER, "a redirect from %.*s leads to no usable URL",
                       STR_ARG(from->host));
    trouble = trouble_with(from, &to);
    if (trouble)
        return err_set(err, ERR_BAD_ANSWER, "a redirect from %.*s to %.*s is refused: %s",
                       STR_ARG(from->host), STR_ARG(to.host), trouble);
    if (str_eq_nocase(to.host, base.host))
        return 0;
    named = is_named(&to, allowed_host, allowed_host_count);
    if (allowed_host_count && !named) {
        err_set(err, ERR_HOST_NOT_ALLOWED,
                "a redirect from %.*s leads to %.*s, which is not in allowedHosts",
                STR_ARG(from->host), STR_ARG(to.host));
        return err_hint(err, "add %.*s to allowedHosts if you trust it", STR_ARG(to.host));
    }
    return check_inward(from, &to, named, err);
}

int hub_read_redirect(const struct http_reply *reply, struct str endpoint, struct str url,
                      const struct str *allowed_host, size_t allowed_host_count, struct buf *next,
                      struct err *err)
{
    struct str location = str_trim(http_reply_header(reply, STR("location")));
    struct buf found = {0};
    struct url from;
    int        rc = -1;

    if (!url_parse(url, &from))
        return err_set(err, ERR_INTERNAL, "redirected from something that is no URL");
    if (location.len == 0) {
        err_set(err, ERR_BAD_ANSWER, "%.*s answered %ld without a Location", STR_ARG(from.host),
                reply->status);
        goto out;
    }
    if (location.len > LOCATION_MAX || !url_resolve(url, location, &found)) {
        err_set(err, ERR_BAD_ANSWER, "a redirect from %.*s leads to no usable URL (%zu bytes)",
                STR_ARG(from.host), location.len);
        goto out;
    }
    rewrite_to_endpoint(endpoint, url, &found);
    if (check_redirect(buf_view(&found), endpoint, &from, allowed_host, allowed_host_count, err))
        goto out;
    buf_clear(next);
    buf_add_str(next, buf_view(&found));
    rc = 0;
out:
    if (rc) {
        struct buf shown = {0};
        log_add_url(&shown, url);
        snprintf(err->url, sizeof(err->url), "%s", buf_cstr(&shown));
        err->http_status = reply->status;
        buf_release(&shown);
    }
    buf_release(&found);
    return rc;
}
