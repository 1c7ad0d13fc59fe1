/* http_proxy.h: which proxy a request goes through. Decided by us, not by libcurl, because the
 * absolute-name rule (http.c) must know the answer. */
#ifndef HFI_HTTP_PROXY_H
#define HFI_HTTP_PROXY_H

#include "http.h"
#include "url.h"

/* The proxy for this URL, or the empty string for a direct connection.
 *   source  the conventions of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY as curl and httpx
 *           read them: NO_PROXY is "*" or a list of hosts, domains (with or without a leading dot,
 *           subdomains included), addresses and CIDR blocks, each optionally with ":port" */
struct str http_choose_proxy(const struct http_config *config, const struct url *url);

#endif
