/* http_setup.c: what a request asks libcurl for. Nothing is left to libcurl's own reading of the
 * environment, and nothing is followed or retried by it. */
#include <arpa/inet.h>
#include <string.h>

#include "http_internal.h"
#include "http_proxy.h"
#include "tls.h"

enum {
    RECEIVE_BYTES = 128 * 1024, /* 64-128 KiB per recv measured best; 1 MiB leaves the L2 cache */
    STALL_BYTES_PER_S = 100,    /* a slow-loris is below it, a starved but live connection above */
};

static CURLcode on_tls(CURL *easy, void *ssl_config, void *user)
{
    struct request *r = user;

    (void)easy;
    tls_configure(r->http->config.tls, ssl_config, r->verdict);
    return CURLE_OK;
}

bool http_is_address(struct str host)
{
    return url_is_address(AF_INET, host) || url_is_address(AF_INET6, host);
}

static bool is_known_relative(const struct http *http, struct str host)
{
    struct buf line = {0};
    bool       known;

    buf_printf(&line, "\n%.*s\n", STR_ARG(host));
    known = str_find(buf_view(&http->relative_hosts), buf_view(&line), 0) >= 0;
    buf_release(&line);
    return known;
}

/* With a pod's ndots:5, musl tries the search domains first and gives up when one of them answers
 * NODATA; an absolute name asks the right question at once. Names inside a cluster may need the
 * search list, so a name that fails as absolute is tried again as written (may_be_relative). */
bool http_is_absolute_name(struct str host)
{
    return !http_is_address(host) && str_find_char(host, '.', 0) >= 0 &&
           !str_has_suffix(host, STR(".")) && !str_has_suffix(host, STR(".svc"));
}

/* An address of our choice gets half of the time: there are others. */
static void set_connect_time(struct request *r)
{
    uint64_t ms = r->http->config.connect_timeout_ms;

    curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->edge_chosen ? ms / 2 : ms));
}

void http_set_connect_to(struct request *r)
{
    struct str host = buf_view(&r->host);
    struct buf entry = {0};

    curl_slist_free_all(r->connect_to);
    r->connect_to = NULL;
    r->absolute_name = !r->via_proxy && !r->edge_chosen && http_is_absolute_name(host) &&
                       !is_known_relative(r->http, host);
    buf_printf(&entry, "%.*s:%u:", STR_ARG(host), r->port);
    if (r->edge_chosen && strchr(http_edge_address(r->edge), ':'))
        buf_printf(&entry, "[%s]", http_edge_address(r->edge));
    else if (r->edge_chosen)
        buf_printf(&entry, "%s", http_edge_address(r->edge));
    else
        buf_printf(&entry, "%.*s.", STR_ARG(host));
    buf_printf(&entry, ":%u", r->port);
    if (r->edge_chosen || r->absolute_name)
        r->connect_to = curl_slist_append(NULL, buf_cstr(&entry));
    buf_release(&entry);
    curl_easy_setopt(r->easy, CURLOPT_CONNECT_TO, r->connect_to);
    set_connect_time(r);
}

static void add_header_line(struct request *r, const char *line)
{
    struct curl_slist *longer = curl_slist_append(r->header, line);

    if (!longer)
        die("out of memory (request header)");
    r->header = longer;
}

static void set_headers(struct request *r, const struct http_request *request)
{
    struct buf line = {0};

    if (request->token && secret_is_set(request->token)) {
        buf_printf(&line, "Authorization: Bearer %.*s", STR_ARG(secret_reveal(request->token)));
        add_header_line(r, buf_cstr(&line));
        explicit_bzero(line.p, line.len);
        buf_clear(&line);
    }
    if (request->range.len) {
        buf_printf(&line, "Range: %.*s", STR_ARG(request->range));
        add_header_line(r, buf_cstr(&line));
        buf_clear(&line);
    }
    if (request->put.p) { /* nobody waits to be told to go on, as libcurl would with a long body */
        buf_printf(&line, "Content-Type: %s", request->put_type);
        add_header_line(r, buf_cstr(&line));
        add_header_line(r, "Expect:");
    }
    if (!request->accept_gzip) /* a compressed file has no ranges and another length */
        add_header_line(r, "Accept-Encoding: identity");
    add_header_line(r, "Accept: */*");
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->header);
    buf_release(&line);
}

static void set_proxy(struct request *r, const struct url *url)
{
    struct str proxy = http_choose_proxy(&r->http->config, url);
    struct buf text = {0};

    r->via_proxy = proxy.len > 0;
    buf_add_str(&text, proxy);
    /* "" switches off libcurl's own reading of the environment. */
    curl_easy_setopt(r->easy, CURLOPT_PROXY, buf_cstr(&text));
    curl_easy_setopt(r->easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(r->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    buf_release(&text);
}

static void set_tls(struct request *r)
{
    const struct http_config *c = &r->http->config;

    curl_easy_setopt(r->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_DATA, r);
    /* A cached session pins its TLS version in the next hello, which a server of another version
     * behind the same name refuses; it would save 2 ms. */
    curl_easy_setopt(r->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (c->client_cert.len) {
        curl_easy_setopt(r->easy, CURLOPT_SSLCERT, c->client_cert.p);
        curl_easy_setopt(r->easy, CURLOPT_SSLKEY,
                         c->client_key.len ? c->client_key.p : c->client_cert.p);
    }
}

static void set_transfer(struct request *r, const struct http_request *request)
{
    const struct http_config *c = &r->http->config;
    struct buf                agent = {0};

    buf_add_str(&agent, c->user_agent);
    curl_easy_setopt(r->easy, CURLOPT_USERAGENT, buf_cstr(&agent));
    buf_release(&agent);
    curl_easy_setopt(r->easy, CURLOPT_URL, buf_cstr(&r->url));
    curl_easy_setopt(r->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(r->easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    /* Who is stopped does not wait for a name server: the thread that asks ends by itself. */
    curl_easy_setopt(r->easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION,
                     (long)(r->may_share ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT, r->may_share ? 1L : 0L);
    curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl_easy_setopt(r->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_S);
    curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_TIME, (long)((c->stall_timeout_ms + 999) / 1000));
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)request->total_timeout_ms);
    curl_easy_setopt(r->easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)r->http->speed_bytes_per_s);
    if (request->put.p) {
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->put.len);
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, request->put.p);
        curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, "PUT");
    }
    if (request->accept_gzip)
        curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error_text);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
}

void http_set_up(struct request *r, const struct http_request *request, const struct url *url)
{
    /* Without TLS nobody agrees on HTTP/2, and whoever waits to see would wait for the first answer. */
    r->may_share = request->may_http2 && str_eq_nocase(url->scheme, STR("https"));
    set_transfer(r, request);
    set_proxy(r, url);
    set_tls(r);
    set_headers(r, request);
    r->may_spread = r->http->config.edges && !request->may_http2 && !r->via_proxy &&
                    !http_is_address(url->host);
}
