/* secret.c: see secret.h. */
#include "secret.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

void secret_set(struct secret *s, struct str value)
{
    secret_release(s);
    s->p = mem_strndup(value.p, value.len);
    s->len = value.len;
}

void secret_release(struct secret *s)
{
    if (s->p)
        explicit_bzero(s->p, s->len);
    free(s->p);
    *s = (struct secret){0};
}

bool secret_is_set(const struct secret *s)
{
    return s->p && s->len;
}

struct str secret_reveal(const struct secret *s)
{
    return (struct str){s->p ? s->p : "", s->len};
}

void secret_scrub(const struct secret *s, char *text)
{
    enum { SHORTEST = 8 };

    if (!s->p || s->len < SHORTEST)
        return;
    for (char *at = strstr(text, s->p); at; at = strstr(at, s->p))
        memset(at, '*', s->len);
}
