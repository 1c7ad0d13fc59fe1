/* http.c: the wall around libcurl. One multi handle per lane; libcurl follows nothing, retries
 * nothing and reads no environment: every such decision is ours and has a test.
 *
 * Invariant: a request is in exactly one place, the list of active ones or the queue of results. */
#include "http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "http_internal.h"
#include "tls.h"

enum { GATHER_MS = 1, MANY_ACTIVE = 8, LITTLE_BYTES = 128 * 1024 };

enum {
    HEADER_COUNT_MAX = 200,
    HEADER_BYTES_MAX = 64 * 1024,
    /* libcurl counts the busy ones too, and their number grows at run time. */
    CONNECTIONS_KEPT_MIN = 128,
    TURN_MS_MAX = 60 * 1000,
    CLOCK_MS = 1000,        /* libcurl counts silence by seconds */
    COUNTING_TURN_MS = 250, /* the table of edges is told of silence in time */
    HOOKED_TURN_MS = 20, /* who brings a network of his own mostly brings a clock, and it leaps */
};

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned        global_users;

/* libcurl's memory, which never fails: libcurl forgets what it has no memory for, in 8.14 the query of
 * a URL, and a listing that was not asked to be recursive looks whole. */
static void *take(size_t size)
{
    return mem_resize(NULL, size, 1);
}

static void *take_zeroed(size_t count, size_t size)
{
    void *p = mem_resize(NULL, count, size);

    return memset(p, 0, count * size);
}

static void *resize(void *p, size_t size)
{
    return mem_resize(p, size, 1);
}

int http_global_init(struct err *err)
{
    CURLcode code = CURLE_OK;

    pthread_mutex_lock(&global_lock);
    if (global_users == 0)
        code = curl_global_init_mem(CURL_GLOBAL_ALL, take, free, resize, mem_strdup, take_zeroed);
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

int http_refuse(struct request *r)
{
    r->refused = true;
    return -1;
}

static void note_heard(struct request *r)
{
    if (r->may_share)
        r->http->heard_at_ms = clock_now_ms(&r->http->config.clock);
}

int http_deliver_reply(struct request *r)
{
    long version = 0;

    curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &version);
    r->reply.is_http2 = version == CURL_HTTP_VERSION_2_0;
    r->replied = true;
    note_heard(r);
    http_note_peer(r);
    if (r->sink->on_reply && r->sink->on_reply(r->owner, &r->reply, &r->err))
        return http_refuse(r);
    return 0;
}

int http_add_header(struct request *r, struct str name, struct str value)
{
    struct http_header *h;

    /* The next one may be the link to more files. */
    if (r->reply.header_count == HEADER_COUNT_MAX) {
        err_set(&r->err, ERR_BAD_ANSWER, "the answer has more than %d headers", HEADER_COUNT_MAX);
        return http_refuse(r);
    }
    if (!r->reply.header)
        r->reply.header =
            arena_alloc(&r->reply.storage, HEADER_COUNT_MAX * sizeof(*r->reply.header));
    h = &r->reply.header[r->reply.header_count++];
    h->name = arena_str(&r->reply.storage, name);
    h->value = arena_str(&r->reply.storage, str_trim(value));
    return 0;
}

/* Called per line: status line, headers, empty line; again from the start after a 1xx, and for the
 * trailers of a chunked body, which we do not want. */
static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct request *r = user;
    size_t          len = size * count;
    struct str      line = str_trim((struct str){data, len});
    ptrdiff_t       colon = str_find_char(line, ':', 0);

    if (r->replied)
        return len;
    r->header_bytes += len;
    if (r->header_bytes > HEADER_BYTES_MAX) {
        err_set(&r->err, ERR_BAD_ANSWER, "the headers of the answer are longer than %d bytes",
                HEADER_BYTES_MAX);
        http_refuse(r);
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
        if (colon > 0 && http_add_header(r, str_sub(line, 0, (size_t)colon),
                                         str_sub(line, (size_t)colon + 1, line.len)))
            return 0;
        return len;
    }
    if (r->reply.status >= 100 && r->reply.status < 200)
        return len;
    return http_deliver_reply(r) ? 0 : len;
}

int http_deliver_body(struct request *r, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    r->body_bytes += len;
    r->http->turn_bytes += len;
    note_heard(r);
    if (r->sink->on_body && r->sink->on_body(r->owner, data, len, &r->err))
        return http_refuse(r);
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    return http_deliver_body(user, data, size * count) ? CURL_WRITEFUNC_ERROR : size * count;
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
    buf_release(&r->range);
    secret_release(&r->token);
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
    http_leave_place(r);
    if (!r->held)
        curl_multi_remove_handle(http->multi, r->easy);
}

void http_end(struct request *r)
{
    struct http *http = r->http;

    remove_active(http, r);
    append_done(http, r);
}

/* Sends it on its way, or holds it until an address has room or the hook its turn. */
static void dispatch(struct request *r)
{
    r->held = r->http->config.hook || !http_place(r);
    if (!r->held && curl_multi_add_handle(r->http->multi, r->easy) != CURLM_OK)
        die("curl_multi_add_handle failed");
}

static void dispatch_held(struct http *http)
{
    for (struct request *r = http->active; r; r = r->next)
        if (r->held)
            dispatch(r);
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
    if (http->config.hook)
        http_keep_question(r, request);
    r->port = url.port;
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    http_set_up(r, request, &url);
    r->next = http->active;
    http->active = r;
    http->active_count++;
    dispatch(r);
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

bool http_is_surplus(struct http *http, uint64_t handle)
{
    if (!http->config.edges || !http_edges_have_ceilings(http->config.edges))
        return false;
    for (struct request *r = http->active; r; r = r->next)
        if (r->id == handle)
            return r->edge && http_edges_is_surplus(http->config.edges, r->edge);
    return false;
}

bool http_is_held(const struct http *http, uint64_t handle)
{
    for (const struct request *r = http->active; r; r = r->next)
        if (r->id == handle)
            return r->held;
    return false;
}

/* The absolute name does not exist: the name as written may. Where that fails too, or the name server
 * is silent, the next request begins with the other form. */
static bool may_be_relative(struct request *r)
{
    if (!http_name_failed(r) || http_lacks_thread(r))
        return false;
    if (!r->absolute_name) {
        buf_clear(&r->http->relative_hosts);
        return false;
    }
    buf_printf(&r->http->relative_hosts, "\n%s\n", buf_cstr(&r->host));
    return r->code == CURLE_COULDNT_RESOLVE_HOST;
}

static void go_again(struct request *r)
{
    CURL *fresh;

    http_leave_place(r);
    curl_multi_remove_handle(r->http->multi, r->easy);
    fresh =
        curl_easy_duphandle(r->easy); /* curl 8.14 leaks a name per second look-up of a handle */
    if (!fresh)
        die("out of memory (curl_easy_duphandle)");
    curl_easy_cleanup(r->easy);
    r->easy = fresh;
    r->error_text[0] = '\0';
    r->is_over = false;
    dispatch(r);
}

/* libcurl keeps the connection of a stream that was given up, for the sake of the others. Where they
 * heard nothing either it is dead, a NAT has forgotten it say, and whatever is asked over it next
 * would wait as long. */
static void end_silent_connection(struct request *r)
{
    const struct http *http = r->http;
    curl_socket_t      fd = CURL_SOCKET_BAD;
    uint64_t           silent_ms = clock_now_ms(&http->config.clock) - http->heard_at_ms;

    if (r->code != CURLE_OPERATION_TIMEDOUT || !r->may_share ||
        silent_ms + CLOCK_MS < http->config.stall_timeout_ms)
        return;
    if (curl_easy_getinfo(r->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
        (void)shutdown(fd, SHUT_RDWR);
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
        r->is_over = true;
        r->code = msg->data.result; /* msg is invalid once the handle is removed */
        if (may_be_relative(r) || http_may_go_elsewhere(r)) {
            go_again(r);
            continue;
        }
        if (r->code == CURLE_OUT_OF_MEMORY)
            die("out of memory (libcurl)");
        end_silent_connection(r);
        if (!r->refused && r->code != CURLE_OK)
            http_explain(r);
        http_end(r);
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
    if (config->edges)
        http->lane = http_edges_join(config->edges);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                      config->max_connections > CONNECTIONS_KEPT_MIN ? (long)config->max_connections
                                                                     : (long)CONNECTIONS_KEPT_MIN);
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

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t http_idle_ms(const struct http *http)
{
    return atomic_load_explicit(&http->idle_ns, memory_order_relaxed) / 1000000;
}

/* Far away each of many connections brings a packet at a time, and libcurl looks at all of them for
 * every one. A moment's patience brings many at once, for less CPU time. */
static void let_bytes_gather(struct http *http)
{
    const struct timespec moment = {.tv_nsec = GATHER_MS * 1000000};

    if (http->active_count >= MANY_ACTIVE && http->turn_bytes < LITTLE_BYTES)
        nanosleep(&moment, NULL);
    http->turn_bytes = 0;
}

int http_turn(struct http *http, int stop_fd, uint64_t timeout_ms, struct err *err)
{
    struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
    CURLMcode          code;
    int                running;

    if (http->config.hook)
        http_hook_turn(http);
    else
        dispatch_held(http);
    code = curl_multi_perform(http->multi, &running);
    collect(http);
    if (code == CURLM_OK && !http->done_head) {
        uint64_t longest_ms = http->config.hook    ? HOOKED_TURN_MS
                              : http->config.edges ? COUNTING_TURN_MS
                                                   : TURN_MS_MAX;
        int      wait_ms = (int)(timeout_ms < longest_ms ? timeout_ms : longest_ms);
        uint64_t began_ns = now_ns();

        code = curl_multi_poll(http->multi, stop_fd >= 0 ? &stop : NULL, stop_fd >= 0 ? 1 : 0,
                               wait_ms, NULL);
        let_bytes_gather(http);
        atomic_fetch_add_explicit(&http->idle_ns, now_ns() - began_ns, memory_order_relaxed);
        if (code == CURLM_OK)
            code = curl_multi_perform(http->multi, &running);
        collect(http);
    }
    http_count(http);
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
