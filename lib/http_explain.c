/* http_explain.c: what libcurl's code means for the person who reads it, and for the retry rule. */
#include <errno.h>
#include <string.h>

#include "http_internal.h"
#include "tls.h"

bool http_name_failed(const struct request *r)
{
    return r->code == CURLE_COULDNT_RESOLVE_HOST ||
           (r->code == CURLE_OPERATION_TIMEDOUT &&
            str_has_prefix(str_from(r->error_text), STR("Resolving timed out")));
}

static int explain_timeout(struct request *r)
{
    const struct http_config *c = &r->http->config;
    curl_off_t                connected_us = 0, tcp_us = 0;
    uint64_t                  spent_ms = clock_now_ms(&c->clock) - r->started_at_ms;
    long                      connect_status = 0;

    curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    curl_easy_getinfo(r->easy, CURLINFO_CONNECT_TIME_T, &tcp_us);
    curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    if (http_name_failed(r))
        return err_set(&r->err, ERR_DNS, "no name server answered about %s within %llu s",
                       r->via_proxy ? "the proxy" : buf_cstr(&r->host),
                       (unsigned long long)(c->connect_timeout_ms / 1000));
    /* Who is behind it was not asked. */
    if (connected_us == 0 && r->via_proxy && connect_status == 0)
        return err_set(&r->err, ERR_UNREACHABLE, "the proxy opened no way to %s within %llu s",
                       buf_cstr(&r->host), (unsigned long long)(c->connect_timeout_ms / 1000));
    if (connected_us == 0 && tcp_us > 0)
        return err_set(&r->err, ERR_UNREACHABLE,
                       "%s took the connection, but not the TLS handshake, within %llu s",
                       buf_cstr(&r->host), (unsigned long long)(c->connect_timeout_ms / 1000));
    if (connected_us == 0)
        return err_set(&r->err, ERR_UNREACHABLE, "no connection to %s within %llu s",
                       buf_cstr(&r->host), (unsigned long long)(c->connect_timeout_ms / 1000));
    if (r->total_timeout_ms && spent_ms >= r->total_timeout_ms)
        return err_set(&r->err, ERR_STALLED, "%s did not finish its answer within %llu s",
                       buf_cstr(&r->host), (unsigned long long)(r->total_timeout_ms / 1000));
    return err_set(&r->err, ERR_STALLED, "%s sent nothing, or next to nothing, for %llu s",
                   buf_cstr(&r->host), (unsigned long long)(c->stall_timeout_ms / 1000));
}

static int explain_proxy(struct request *r, long connect_status)
{
    if (connect_status == 407)
        err_set(&r->err, ERR_PROXY, "the proxy wants a user name and password (407)");
    else
        err_set(&r->err, ERR_PROXY, "the proxy refused the way to %s (%ld)", buf_cstr(&r->host),
                connect_status);
    r->err.http_status = connect_status;
    return err_hint(&r->err, "check HTTPS_PROXY, its user and password, and NO_PROXY");
}

/* libcurl refuses the URL of the proxy, and quotes all of it, password included (its lib/url.c). */
static bool is_proxy_unusable(const struct request *r)
{
    return r->via_proxy && str_has_prefix(str_from(r->error_text), STR("Unsupported proxy"));
}

static int explain_unusable_proxy(struct request *r)
{
    err_set(&r->err, ERR_SPEC, "the proxy for %s has a URL that cannot be used",
            buf_cstr(&r->host));
    return err_hint(&r->err, "write HTTPS_PROXY and its like as http://USER:PASSWORD@HOST:PORT");
}

static int explain_connect(struct request *r, const char *detail)
{
    const char *host = buf_cstr(&r->host);
    long        sys_errno = 0;

    curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &sys_errno);
    if (sys_errno == 0)
        err_set(&r->err, ERR_UNREACHABLE, "no connection to %s: %s", host, detail);
    else if (r->via_proxy)
        err_set(&r->err, ERR_UNREACHABLE, "no connection to the proxy for %s: %s", host,
                strerror((int)sys_errno));
    else
        err_set(&r->err, ERR_UNREACHABLE, "no connection to %s port %u: %s", host, r->port,
                strerror((int)sys_errno));
    r->err.sys_errno = (int)sys_errno;
    if (sys_errno == EADDRNOTAVAIL)
        err_hint(&r->err, "every local port is in use: set concurrency.connections, or widen "
                          "net.ipv4.ip_local_port_range");
    return -1;
}

bool http_lacks_thread(const struct request *r)
{
    return r->code == CURLE_COULDNT_RESOLVE_HOST && strstr(r->error_text, "thread failed to start");
}

static int explain_no_thread(struct request *r)
{
    err_set(&r->err, ERR_DNS, "no thread could be had to look up the name %s", buf_cstr(&r->host));
    return err_hint(&r->err, "%s", err_more_threads);
}

int http_explain(struct request *r)
{
    const char *host = buf_cstr(&r->host);
    const char *detail = r->error_text[0] ? r->error_text : curl_easy_strerror(r->code);
    long        connect_status = 0;

    if (is_proxy_unusable(r))
        return explain_unusable_proxy(r);
    curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    if (r->via_proxy && connect_status >= 300)
        return explain_proxy(r, connect_status);
    switch (r->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        if (http_lacks_thread(r))
            return explain_no_thread(r);
        return err_set(&r->err, ERR_DNS, "the name %s could not be looked up", host);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return err_set(&r->err, ERR_DNS, "the proxy's name could not be looked up");
    case CURLE_COULDNT_CONNECT: return explain_connect(r, detail);
    case CURLE_OPERATION_TIMEDOUT: return explain_timeout(r);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR: return tls_explain(r->verdict, host, detail, &r->err);
    case CURLE_SSL_CERTPROBLEM:
        return err_set(&r->err, ERR_SPEC, "tls.clientCert or tls.clientKey: %s", detail);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_TOO_LARGE:
    case CURLE_FILESIZE_EXCEEDED:
        return err_set(&r->err, ERR_BAD_ANSWER, "the answer of %s makes no sense: %s", host,
                       detail);
    case CURLE_RECV_ERROR: /* TLS 1.3 learns of a missing client certificate only when it reads */
    case CURLE_SEND_ERROR:
        if (strstr(detail, "ssl_"))
            return tls_explain(r->verdict, host, detail, &r->err);
        return err_set(&r->err, ERR_UNREACHABLE, "the connection to %s broke: %s", host, detail);
    case CURLE_PARTIAL_FILE:
        return err_set(&r->err, ERR_UNREACHABLE, "%s closed the connection before the end", host);
    default:
        return err_set(&r->err, ERR_UNREACHABLE, "the connection to %s broke: %s", host, detail);
    }
}
