/* hub_words.c: see hub_words.h. Foreign text ends up in logs and terminals, so it is cleaned here,
 * once, and a token that a server echoes is masked. */
#include "hub_words.h"

#include <string.h>

#include "hub.h"
#include "json.h"

enum { PIECES_MAX = 8 };

/* --- cleaning --- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Appends one character and returns how many bytes it took. */
static size_t add_one(struct buf *out, struct str rest)
{
    size_t len = str_utf8_len(rest);

    if (is_space(rest.p[0])) {
        if (out->len && out->p[out->len - 1] != ' ')
            buf_add_char(out, ' ');
        return 1;
    }
    if (len && !str_is_control(rest)) {
        buf_add(out, rest.p, len);
        return len;
    }
    if (len == 0)
        len = 1;
    for (size_t i = 0; i < len; i++)
        buf_printf(out, "\\x%02x", (unsigned)(unsigned char)rest.p[i]);
    return len;
}

void hub_add_clean(struct buf *out, struct str text, size_t max)
{
    struct buf clean = {0};
    struct str rest = str_trim(text);

    while (rest.len && clean.len < max)
        rest = str_sub(rest, add_one(&clean, rest), rest.len);
    buf_add_str(out, buf_view(&clean));
    if (rest.len)
        buf_add_str(out, STR("…"));
    buf_release(&clean);
}

/* Length of the run of characters that credentials are made of. */
static size_t credential_len(struct str s)
{
    size_t len = 0;

    while (len < s.len && (unsigned char)s.p[len] > ' ' && !strchr("\"',;()<>", s.p[len]))
        len++;
    return len;
}

/* Length of the query that this '?' begins, up to the next '?'; 0 if it begins none. */
static size_t query_len(struct str s)
{
    size_t len = 1;
    bool   has_value = false;

    if (s.p[0] != '?')
        return 0;
    while (len < s.len && (unsigned char)s.p[len] > ' ' && !strchr("?\"'<>", s.p[len]))
        has_value |= s.p[len++] == '=';
    return has_value ? len : 0;
}

/* Appends the text without what looks like a credential that the server echoes: what follows
 * "Bearer ", hf_ with many characters behind it, and the query of a URL, which may be signed. */
static void add_masked(struct buf *out, struct str text)
{
    for (size_t at = 0; at < text.len;) {
        struct str rest = str_sub(text, at, text.len);
        size_t     lead = str_has_prefix_nocase(rest, STR("bearer ")) ? 7
                          : str_has_prefix(rest, STR("hf_"))          ? 3
                                                                      : 0;
        size_t     secret = lead ? credential_len(str_sub(rest, lead, rest.len)) : 0;
        size_t     query = query_len(rest);
        if (query) {
            buf_add_str(out, STR("?***"));
            at += query;
        } else if (secret >= 16) {
            buf_add_str(out, str_sub(rest, 0, lead));
            buf_add_str(out, STR("***"));
            at += lead + secret;
        } else {
            buf_add_char(out, text.p[at++]);
        }
    }
}

void hub_add_foreign(struct buf *out, struct str text, size_t max)
{
    struct buf masked = {0};

    add_masked(&masked, text);
    hub_add_clean(out, buf_view(&masked), max);
    buf_release(&masked);
}

/* --- gathering --- */

struct words {
    struct str piece[PIECES_MAX]; /* borrowed from reply, body or the parsed body */
    size_t     count;
};

static void add_piece(struct words *w, struct str text)
{
    text = str_trim(text);
    if (text.len == 0 || w->count == PIECES_MAX)
        return;
    for (size_t i = 0; i < w->count; i++)
        if (str_eq(w->piece[i], text))
            return;
    w->piece[w->count++] = text;
}

/* A string, or a list of strings. */
static void add_json_value(struct words *w, const struct json *v)
{
    struct str text;

    if (json_str(v, &text))
        add_piece(w, text);
    if (!json_is_array(v))
        return;
    for (const struct json *item = json_first(v); item; item = json_next(item))
        if (json_str(item, &text))
            add_piece(w, text);
}

static void add_json_words(struct words *w, const struct json *root)
{
    add_json_value(w, root); /* a bare "sentence" */
    add_json_value(w, json_get(root, "error"));
    add_json_value(w, json_get(root, "error_description"));
    for (const struct json *item = json_first(json_get(root, "errors")); item;
         item = json_next(item))
        add_json_value(w, json_get(item, "message"));
}

/* What stands between <tag> and the next '<'. */
static struct str inside(struct str body, struct str tag)
{
    for (size_t at = 0; at < body.len; at++) {
        ptrdiff_t end;
        if (body.p[at] != '<' || !str_has_prefix_nocase(str_sub(body, at, body.len), tag))
            continue;
        at += tag.len;
        end = str_find_char(body, '<', at);
        return str_sub(body, at, end < 0 ? body.len : (size_t)end);
    }
    return (struct str){"", 0};
}

static void add_text_words(struct words *w, const struct http_reply *reply, struct str body)
{
    struct str text = str_trim(body);

    if (hub_is_html(reply, body))
        add_piece(w, inside(body, STR("<title>")));
    else if (str_has_prefix(text, STR("<")))
        add_piece(w, inside(body, STR("<Message>")));
    else if (!str_has_prefix(text, STR("{")) && !str_has_prefix(text, STR("[")))
        add_piece(w, text);
}

/* *root owns what some pieces borrow; the caller frees it. */
static void gather(struct words *w, const struct http_reply *reply, struct str body,
                   struct json **root)
{
    struct err ignored;

    *root = NULL;
    add_piece(w, http_reply_header(reply, STR("x-error-message")));
    if (str_trim(body).len == 0)
        return;
    if (!hub_is_html(reply, body) && json_parse(body, root, &ignored) == 0)
        add_json_words(w, *root);
    else
        add_text_words(w, reply, body);
}

void hub_add_words(struct buf *out, const struct http_reply *reply, struct str body)
{
    struct words w = {0};
    struct json *root;
    struct buf   joined = {0};

    gather(&w, reply, body, &root);
    for (size_t i = 0; i < w.count; i++) {
        if (i)
            buf_add_str(&joined, STR("; "));
        buf_add_str(&joined, w.piece[i]);
    }
    hub_add_foreign(out, buf_view(&joined), HUB_WORDS_MAX);
    buf_release(&joined);
    json_free(root);
}

bool hub_said(const struct http_reply *reply, struct str body, struct str sentence)
{
    struct str   header = str_trim(http_reply_header(reply, STR("x-error-message")));
    struct words w = {0};
    struct json *root;
    bool         said = false;

    if (header.len)
        return str_eq(header, sentence);
    gather(&w, reply, body, &root);
    for (size_t i = 0; i < w.count && !said; i++)
        said = str_eq(w.piece[i], sentence);
    json_free(root);
    return said;
}
