/* http.c: the wall around libcurl. One multi handle per lane; libcurl follows nothing, retries
 * nothing and reads no environment: every such decision is ours and has a test.
 *
 * Invariant: a request is in exactly one place, the list of active ones or the queue of results. */
#include "http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_proxy.h"
#include "tls.h"
#include "url.h"

enum {
    RECEIVE_BYTES = 128 * 1024, /* 64-128 KiB per recv measured best; 1 MiB leaves the L2 cache */
    HEADER_COUNT_MAX = 200,
    HEADER_BYTES_MAX = 64 * 1024,
    STALL_BYTES_PER_S = 100, /* a slow-loris is below it, a starved but live connection above */
};

struct request {
    struct http        *http;
    uint64_t            id;
    CURL               *easy;
    struct curl_slist  *header;
    struct curl_slist  *connect_to;
    char                error_text[CURL_ERROR_SIZE];
    struct tls_verdict *verdict;
    struct buf          url, host;
    bool                absolute_name; /* the host was looked up with a trailing dot */
    bool                via_proxy;
    bool                replied; /* on_reply was called */
    bool                refused; /* a callback said no, err says why */
    uint64_t            header_bytes, body_bytes;
    struct http_reply   reply;
    struct err          err;
    const struct http_sink *sink;
    void               *owner;
    uint64_t            started_at_ms, total_timeout_ms;
    CURLcode            code; /* once it is in the queue of results */
    struct request     *next;
};

struct http {
    struct http_config config; /* strings borrowed */
    CURLM             *multi;
    struct request    *active;
    struct request    *done_head, **done_tail;
    size_t             active_count;
    uint64_t           last_id;
    uint64_t           speed_bytes_per_s; /* per request, 0: no ceiling */
    struct buf         relative_hosts;    /* "\nhost\n…": names that exist only with a search domain */
};

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned        global_users;

int http_global_init(struct err *err)
{
    CURLcode code = CURLE_OK;

    pthread_mutex_lock(&global_lock);
    if (global_users == 0)
        code = curl_global_init(CURL_GLOBAL_ALL);
    if (code == CURLE_OK)
        global_users++;
    pthread_mutex_unlock(&global_lock);
    if (code != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return 0;
}

void http_global_release(void)
{
    pthread_mutex_lock(&global_lock);
    if (global_users > 0 && --global_users == 0)
        curl_global_cleanup();
    pthread_mutex_unlock(&global_lock);
}

/* --- replies --- */

struct str http_reply_header(const struct http_reply *reply, struct str name)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (str_eq_nocase(reply->header[i].name, name))
            return reply->header[i].value;
    return (struct str){NULL, 0};
}

void http_reply_release(struct http_reply *reply)
{
    arena_release(&reply->storage);
    *reply = (struct http_reply){0};
}

/* --- callbacks: they record and hand on, nothing else --- */

static int refuse(struct request *r)
{
    r->refused = true;
    return -1;
}

static int deliver_reply(struct request *r)
{
    long version = 0;

    curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &version);
    r->reply.is_http2 = version == CURL_HTTP_VERSION_2_0;
    r->replied = true;
    if (r->sink->on_reply && r->sink->on_reply(r->owner, &r->reply, &r->err))
        return refuse(r);
    return 0;
}

static void add_header(struct request *r, struct str line)
{
    ptrdiff_t           colon = str_find_char(line, ':', 0);
    struct http_header *h;

    if (colon <= 0 || r->reply.header_count == HEADER_COUNT_MAX)
        return;
    if (!r->reply.header)
        r->reply.header =
            arena_alloc(&r->reply.storage, HEADER_COUNT_MAX * sizeof(*r->reply.header));
    h = &r->reply.header[r->reply.header_count++];
    h->name = arena_str(&r->reply.storage, str_sub(line, 0, (size_t)colon));
    h->value = arena_str(&r->reply.storage, str_trim(str_sub(line, (size_t)colon + 1, line.len)));
}

/* Called per line: status line, headers, empty line; again from the start after a 1xx, and for the
 * trailers of a chunked body, which we do not want. */
static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct request *r = user;
    size_t          len = size * count;
    struct str      line = str_trim((struct str){data, len});

    if (r->replied)
        return len;
    r->header_bytes += len;
    if (r->header_bytes > HEADER_BYTES_MAX) {
        err_set(&r->err, ERR_BAD_ANSWER, "the headers of the answer are longer than %d bytes",
                HEADER_BYTES_MAX);
        refuse(r);
        return 0;
    }
    if (str_has_prefix(line, STR("HTTP/"))) {
        ptrdiff_t space = str_find_char(line, ' ', 0);
        uint64_t  status = 0;

        http_reply_release(&r->reply);
        if (space > 0)
            str_to_u64(str_sub(line, (size_t)space + 1, (size_t)space + 4), &status);
        r->reply.status = (long)status;
        return len;
    }
    if (line.len > 0) {
        add_header(r, line);
        return len;
    }
    if (r->reply.status >= 100 && r->reply.status < 200)
        return len;
    return deliver_reply(r) ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct request *r = user;
    size_t          len = size * count;

    if (len == 0)
        return 0;
    r->body_bytes += len;
    if (r->sink->on_body && r->sink->on_body(r->owner, data, len, &r->err)) {
        refuse(r);
        return CURL_WRITEFUNC_ERROR;
    }
    return len;
}

static CURLcode on_tls(CURL *easy, void *ssl_config, void *user)
{
    struct request *r = user;

    (void)easy;
    tls_configure(r->http->config.tls, ssl_config, r->verdict);
    return CURLE_OK;
}

/* --- setting up a request --- */

static bool is_address(struct str host)
{
    char          copy[64];
    unsigned char bytes[16];

    if (host.len >= sizeof(copy))
        return false;
    memcpy(copy, host.p, host.len);
    copy[host.len] = '\0';
    return inet_pton(AF_INET, copy, bytes) == 1 || inet_pton(AF_INET6, copy, bytes) == 1;
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
 * search list, so a name that fails as absolute is tried again as written (on_code). */
static bool wants_absolute_name(const struct http *http, const struct url *url)
{
    if (url->host_is_ipv6 || is_address(url->host) || str_find_char(url->host, '.', 0) < 0)
        return false;
    if (str_has_suffix(url->host, STR(".")) || str_has_suffix(url->host, STR(".svc")))
        return false;
    return !is_known_relative(http, url->host);
}

static void set_connect_to(struct request *r, const struct url *url)
{
    struct buf entry = {0};

    curl_slist_free_all(r->connect_to);
    r->connect_to = NULL;
    r->absolute_name = !r->via_proxy && wants_absolute_name(r->http, url);
    if (r->absolute_name) {
        buf_printf(&entry, "%.*s:%u:%.*s.:%u", STR_ARG(url->host), url->port, STR_ARG(url->host),
                   url->port);
        r->connect_to = curl_slist_append(NULL, buf_cstr(&entry));
        buf_release(&entry);
    }
    curl_easy_setopt(r->easy, CURLOPT_CONNECT_TO, r->connect_to);
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
                     (long)(request->may_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT, request->may_http2 ? 1L : 0L);
    curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl_easy_setopt(r->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_S);
    curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_TIME, (long)((c->stall_timeout_ms + 999) / 1000));
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)request->total_timeout_ms);
    curl_easy_setopt(r->easy, CURLOPT_MAX_RECV_SPEED_LARGE,
                     (curl_off_t)r->http->speed_bytes_per_s);
    if (request->accept_gzip)
        curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error_text);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
}

static void request_free(struct request *r)
{
    for (struct curl_slist *line = r->header; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data)); /* one of them may be the token */
    curl_slist_free_all(r->header);
    curl_slist_free_all(r->connect_to);
    curl_easy_cleanup(r->easy);
    tls_verdict_free(r->verdict);
    http_reply_release(&r->reply);
    buf_release(&r->url);
    buf_release(&r->host);
    free(r);
}

static void append_done(struct http *http, struct request *r)
{
    r->next = NULL;
    *http->done_tail = r;
    http->done_tail = &r->next;
}

static void remove_active(struct http *http, struct request *r)
{
    struct request **at = &http->active;

    while (*at && *at != r)
        at = &(*at)->next;
    if (*at)
        *at = r->next;
    http->active_count--;
    curl_multi_remove_handle(http->multi, r->easy);
}

int http_start(struct http *http, const struct http_request *request, uint64_t *handle,
               struct err *err)
{
    struct url      url;
    struct request *r;

    if (!url_parse(request->url, &url))
        return err_set(err, ERR_BAD_ANSWER, "not a URL we can ask: %.200s", request->url.p);
    r = mem_alloc(sizeof(*r));
    r->http = http;
    r->id = ++http->last_id;
    r->easy = curl_easy_init();
    if (!r->easy)
        die("out of memory (curl_easy_init)");
    r->verdict = tls_verdict_new();
    r->sink = request->sink;
    r->owner = request->owner;
    r->total_timeout_ms = request->total_timeout_ms;
    r->started_at_ms = clock_now_ms(&http->config.clock);
    buf_add_str(&r->url, request->url);
    buf_add_str(&r->host, url.host);
    set_transfer(r, request);
    set_proxy(r, &url);
    set_tls(r);
    set_headers(r, request);
    set_connect_to(r, &url);
    r->next = http->active;
    http->active = r;
    http->active_count++;
    if (curl_multi_add_handle(http->multi, r->easy) != CURLM_OK)
        die("curl_multi_add_handle failed");
    if (handle)
        *handle = r->id;
    return 0;
}

void http_cancel(struct http *http, uint64_t handle)
{
    for (struct request *r = http->active; r; r = r->next) {
        if (r->id == handle) {
            remove_active(http, r);
            request_free(r);
            return;
        }
    }
}

void http_set_speed(struct http *http, uint64_t bytes_per_s)
{
    if (bytes_per_s == http->speed_bytes_per_s)
        return;
    http->speed_bytes_per_s = bytes_per_s;
    for (struct request *r = http->active; r; r = r->next)
        curl_easy_setopt(r->easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)bytes_per_s);
}

/* --- from libcurl's codes to ours --- */

static int explain_timeout(struct request *r)
{
    const struct http_config *c = &r->http->config;
    curl_off_t                connected_us = 0;
    uint64_t spent_ms = clock_now_ms(&c->clock) - r->started_at_ms;

    curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
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

static int explain_code(struct request *r)
{
    const char *host = buf_cstr(&r->host);
    const char *detail = r->error_text[0] ? r->error_text : curl_easy_strerror(r->code);
    long        connect_status = 0;

    curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    if (r->via_proxy && connect_status >= 300)
        return explain_proxy(r, connect_status);
    switch (r->code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_set(&r->err, ERR_DNS, "the name %s could not be looked up", host);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return err_set(&r->err, ERR_DNS, "the proxy's name could not be looked up");
    case CURLE_COULDNT_CONNECT:
        return err_set(&r->err, ERR_UNREACHABLE, "no connection to %s: %s", host, detail);
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

static bool retry_as_relative(struct request *r)
{
    struct url url;
    CURL      *fresh;

    if (r->code != CURLE_COULDNT_RESOLVE_HOST || !r->absolute_name ||
        !url_parse(buf_view(&r->url), &url))
        return false;
    buf_printf(&r->http->relative_hosts, "\n%.*s\n", STR_ARG(url.host));
    curl_multi_remove_handle(r->http->multi, r->easy);
    fresh = curl_easy_duphandle(r->easy); /* curl 8.14 leaks a name per second look-up of a handle */
    if (!fresh)
        die("out of memory (curl_easy_duphandle)");
    curl_easy_cleanup(r->easy);
    r->easy = fresh;
    set_connect_to(r, &url);
    r->error_text[0] = '\0';
    if (curl_multi_add_handle(r->http->multi, r->easy) != CURLM_OK)
        die("curl_multi_add_handle failed");
    return true;
}

static void collect(struct http *http)
{
    CURLMsg *msg;
    int      left;

    while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct request *r = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &r);
        r->code = msg->data.result; /* msg is invalid once the handle is removed */
        if (retry_as_relative(r))
            continue;
        if (r->code == CURLE_OUT_OF_MEMORY)
            die("out of memory (libcurl)");
        if (!r->refused && r->code != CURLE_OK)
            explain_code(r);
        remove_active(http, r);
        append_done(http, r);
    }
}

/* --- the loop's side --- */

int http_new(const struct http_config *config, struct http **out, struct err *err)
{
    struct http *http = mem_alloc(sizeof(*http));

    http->config = *config;
    http->done_tail = &http->done_head;
    http->multi = curl_multi_init();
    if (!http->multi) {
        free(http);
        return err_set(err, ERR_INTERNAL, "curl_multi_init failed");
    }
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)config->max_connections + 4);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    *out = http;
    return 0;
}

void http_free(struct http *http)
{
    struct http_result result;

    if (!http)
        return;
    while (http->active) {
        struct request *r = http->active;
        remove_active(http, r);
        request_free(r);
    }
    while (http_next_result(http, &result))
        http_reply_release(&result.reply);
    curl_multi_cleanup(http->multi);
    buf_release(&http->relative_hosts);
    free(http);
}

int http_turn(struct http *http, int stop_fd, uint64_t timeout_ms, struct err *err)
{
    struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
    CURLMcode          code;
    int                running;

    code = curl_multi_perform(http->multi, &running);
    collect(http);
    if (code == CURLM_OK && !http->done_head) {
        int wait_ms = timeout_ms > 60000 ? 60000 : (int)timeout_ms;

        code = curl_multi_poll(http->multi, stop_fd >= 0 ? &stop : NULL, stop_fd >= 0 ? 1 : 0,
                               wait_ms, NULL);
        if (code == CURLM_OK)
            code = curl_multi_perform(http->multi, &running);
        collect(http);
    }
    if (code == CURLM_OUT_OF_MEMORY)
        die("out of memory (libcurl)");
    if (code != CURLM_OK)
        return err_set(err, ERR_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
    return 0;
}

bool http_next_result(struct http *http, struct http_result *out)
{
    struct request *r = http->done_head;
    char           *ip = NULL;

    if (!r)
        return false;
    http->done_head = r->next;
    if (!http->done_head)
        http->done_tail = &http->done_head;
    *out = (struct http_result){.owner = r->owner, .body_bytes = r->body_bytes};
    out->is_error = r->refused || r->code != CURLE_OK;
    if (out->is_error)
        out->err = r->err;
    if (curl_easy_getinfo(r->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip)
        snprintf(out->peer, sizeof(out->peer), "%s", ip);
    out->reply = r->reply;
    r->reply = (struct http_reply){0};
    request_free(r);
    return true;
}

void http_wake(struct http *http)
{
    curl_multi_wakeup(http->multi);
}

size_t http_active(const struct http *http)
{
    return http->active_count;
}
