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

const char *secret_form(const struct secret *s)
{
    if (!secret_is_set(s))
        return "";
    return str_has_prefix(secret_reveal(s), STR("hf_")) ? "hf_…redacted" : "…redacted";
}

/* How many characters the text has in common with the secret from here on. */
static size_t common_len(const struct secret *s, const char *text)
{
    size_t len = 0;

    while (len < s->len && text[len] && text[len] == s->p[len])
        len++;
    return len;
}

void secret_scrub(const struct secret *s, char *text)
{
    enum { SHORTEST = 8 };
    size_t len;

    if (!s->p || s->len < SHORTEST)
        return;
    for (char *at = text; *at; at += len ? len : 1) {
        len = common_len(s, at);
        if (len < SHORTEST)
            len = 0;
        memset(at, '*', len);
    }
}

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* Length of the word behind "hf_" in tokens that were made for an app: hf_oauth_eyJ…, hf_jwt_eyJ… */
static size_t kind_len(struct str text)
{
    static const struct str kinds[] = {{"oauth_", 6}, {"jwt_", 4}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_has_prefix(text, kinds[i]))
            return kinds[i].len;
    return 0;
}

bool secret_may_be_in(struct str text)
{
    enum { TOKEN_CHARS_MIN = 16 };
    ptrdiff_t at = str_find(text, STR("hf_"), 0);

    while (at >= 0) {
        size_t begin = (size_t)at + 3, end;

        begin += kind_len(str_sub(text, begin, text.len));
        end = begin;
        while (end < text.len && is_token_char(text.p[end]))
            end++;
        if (end - begin >= TOKEN_CHARS_MIN)
            return true;
        at = str_find(text, STR("hf_"), end);
    }
    return false;
}
