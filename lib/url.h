/* url.h: taking URLs apart and putting them together (RFC 3986, as much as redirects need). */
#ifndef HFI_URL_H
#define HFI_URL_H

#include "buf.h"
#include "str.h"

struct url {                 /* all borrowed from the text */
    struct str scheme;       /* "http" or "https", as written */
    struct str userinfo;     /* empty: none */
    struct str host;         /* IPv6 without its brackets */
    bool       host_is_ipv6; /* was in brackets */
    uint16_t   port;         /* the scheme's default when none is written */
    struct str path;         /* with its leading '/', or empty */
    struct str query;        /* without '?' */
    bool       has_query;
};

/* Absolute http and https URLs only; false for everything else (other schemes, no host, a host with
 * anything but letters, digits and "._-", two '@' or nothing before one, port out of range, control
 * characters or spaces anywhere, over 16 KiB). A fragment is left out. */
bool url_parse(struct str text, struct url *out);

/* Same scheme, host (without case) and port: may a credential go there? */
bool url_same_origin(const struct url *a, const struct url *b);

/* Resolves a Location or Link value against the URL it came from: absolute, "//host/…", "/path",
 * "path" and "?query" forms. Keeps the query, drops the fragment; works out dot segments of the
 * path forms and leaves absolute URLs as they are, for they may be signed. Replaces what `out`
 * holds; base may be a view of it. False, with out untouched, if the result is no http(s) URL or
 * the location is empty. */
bool url_resolve(struct str base, struct str location, struct buf *out);

/* The value of one query parameter, still percent-encoded; the first one of that name. */
bool url_query_param(const struct url *url, struct str name, struct str *value);

/* Is it an address of AF_INET or AF_INET6, without brackets and zone id? */
bool url_is_address(int family, struct str host);

/* The host of "host", "host:port", "[v6]:port" and "v6", as people name hosts in a list; *port is 0 if
 * none is said. A text that is none of these comes back as it is. */
struct str url_cut_port(struct str text, uint64_t *port);

/* Appends text with every byte outside A-Z a-z 0-9 _ . - ~ as %XX; keeps '/' if asked to. */
void url_encode(struct buf *out, struct str text, bool keep_slash);
/* Appends text with %XX decoded; false (nothing added) on a broken escape. */
bool url_decode(struct buf *out, struct str text);

/* Loopback, link-local, unspecified, multicast or a cloud's metadata service as a literal address
 * (in any spelling that curl understands), or the name localhost? A redirect from a public host
 * must not lead there. RFC 1918 addresses are not counted: see the next. */
bool url_host_is_local(const struct url *url);
/* An address of a private network (RFC 1918, RFC 6598, unique local IPv6), or a name that only such
 * a network can have: without a dot, or below .svc or .cluster.local? */
bool url_host_is_private(const struct url *url);

#endif
