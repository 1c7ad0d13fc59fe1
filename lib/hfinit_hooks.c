/* hfinit_hooks.c: what a program may put in the place of the world: time, the network, the
 * environment, the token. */
#include "hfinit_internal.h"

void hfinit_set_token(hfinit *h, const char *token)
{
    secret_release(&h->token);
    h->has_token = token != NULL;
    if (token)
        secret_set(&h->token, str_from(token));
}

void hfinit_set_environment(hfinit *h, const char *const *env)
{
    h->env = env;
}

/* --- time: the system's functions take any `user` --- */

void hfinit_set_clock(hfinit *h, const hfinit_clock *clock)
{
    h->clock = clock_system();
    if (!clock)
        return;
    h->clock.user = clock->user;
    if (clock->now_ms)
        h->clock.now_ms = clock->now_ms;
    if (clock->wall_ms)
        h->clock.wall_ms = clock->wall_ms;
    if (clock->random)
        h->clock.random = clock->random;
}

/* --- the network --- */

void hfinit_set_transport(hfinit *h, hfinit_transport_fn *transport, void *user)
{
    h->on_request = transport;
    h->on_request_user = user;
}

void hfinit_ask_transport(const struct http_question *ask, struct http_answer *answer, void *user)
{
    hfinit       *h = user;
    struct secret token = {0}; /* so that the copy with a NUL is wiped */
    struct buf    text = {0};
    size_t        range, agent;

    secret_set(&token, ask->token);
    buf_add_str(&text, ask->url);
    buf_add_char(&text, '\0');
    range = text.len;
    buf_add_str(&text, ask->range);
    buf_add_char(&text, '\0');
    agent = text.len;
    buf_add_str(&text, ask->user_agent);
    pthread_mutex_lock(&h->transport_lock);
    h->on_request(
        &(hfinit_request){
            .url = text.p,
            .range = text.p + range,
            .token = token.p,
            .user_agent = text.p + agent,
        },
        (hfinit_answer *)answer, h->on_request_user);
    pthread_mutex_unlock(&h->transport_lock);
    secret_release(&token);
    buf_release(&text);
}

static struct http_answer *inner(hfinit_answer *answer)
{
    return (struct http_answer *)answer;
}

void hfinit_answer_status(hfinit_answer *answer, int status)
{
    http_answer_status(inner(answer), status);
}

void hfinit_answer_header(hfinit_answer *answer, const char *name, const char *value)
{
    http_answer_header(inner(answer), str_from(name), str_from(value));
}

int hfinit_answer_body(hfinit_answer *answer, const void *data, size_t len)
{
    return http_answer_body(inner(answer), data, len);
}

void hfinit_answer_fail(hfinit_answer *answer, hfinit_code code, const char *why)
{
    http_answer_fail(inner(answer), hfinit_kind_of(code), why);
}
