/* http_hook.c: requests that a hook answers in place of the network.
 *
 * Such a request never enters the multi handle: it is held until its turn, and then answered from its
 * status to its last byte in one call. The receiver sees what libcurl would have shown it. */
#include "http_internal.h"

struct http_answer {
    struct request *request;
};

void http_keep_question(struct request *r, const struct http_request *request)
{
    buf_add_str(&r->range, request->range);
    if (request->token)
        secret_set(&r->token, secret_reveal(request->token));
}

void http_answer_status(struct http_answer *answer, long status)
{
    if (!answer->request->replied && !answer->request->refused)
        answer->request->reply.status = status;
}

void http_answer_header(struct http_answer *answer, struct str name, struct str value)
{
    if (!answer->request->replied && !answer->request->refused)
        http_add_header(answer->request, name, value);
}

void http_answer_fail(struct http_answer *answer, enum err_kind kind, const char *why)
{
    struct request *r = answer->request;

    if (r->refused)
        return;
    err_set(&r->err, kind, "%s", why);
    http_refuse(r);
}

/* Before the first byte of the body, or the end. */
static int complete_headers(struct request *r)
{
    if (r->refused)
        return -1;
    if (r->replied)
        return 0;
    if (r->reply.status < 200 || r->reply.status > 599) {
        err_set(&r->err, ERR_BAD_ANSWER, "the transport gave %ld as the status of an answer",
                r->reply.status);
        return http_refuse(r);
    }
    return http_deliver_reply(r);
}

int http_answer_body(struct http_answer *answer, const void *data, size_t len)
{
    struct request *r = answer->request;

    return complete_headers(r) || http_deliver_body(r, data, len) ? -1 : 0;
}

/* A body that breaks off is one that was cut, as it is on a connection. */
static void check_length(struct request *r)
{
    struct str length = http_reply_header(&r->reply, STR("Content-Length"));
    uint64_t   want;

    if (r->refused || !str_to_u64(length, &want) || want == r->body_bytes)
        return;
    err_set(&r->err, ERR_UNREACHABLE, "the answer ended after %llu of %llu bytes",
            (unsigned long long)r->body_bytes, (unsigned long long)want);
    http_refuse(r);
}

static void ask(struct request *r)
{
    const struct http_config *c = &r->http->config;
    struct http_answer        answer = {r};
    struct http_question      question = {
             .url = buf_view(&r->url),
             .range = buf_view(&r->range),
             .token = secret_reveal(&r->token),
             .user_agent = c->user_agent,
    };

    c->hook(&question, &answer, c->hook_user);
    if (complete_headers(r) == 0)
        check_length(r);
    r->is_over = true;
    r->code = CURLE_OK; /* r->refused says whether it failed */
}

void http_hook_turn(struct http *http)
{
    struct request *r = http->active;

    while (r && r->next)
        r = r->next;
    if (!r)
        return;
    ask(r);
    http_end(r);
}
