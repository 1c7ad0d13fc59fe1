/* fuzz.h: what the targets share: a check that ends the process, pieces of the input, and two
 * readers of text that owe nothing to lib, to hold its writers to. */
#ifndef HFI_FUZZ_H
#define HFI_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "str.h"

/* The target. Always returns 0; what must not be ends in abort(). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define REQUIRE(cond)                                                                  \
    do {                                                                               \
        if (!(cond)) {                                                                 \
            fprintf(stderr, "%s:%d: this must hold: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                                   \
        }                                                                              \
    } while (0)

/* --- pieces of the input --- */

/* Each piece is a block of its own, of exactly its size, so that reading past it is seen. */
enum { INPUT_PIECES = 64 };

struct input {
    struct str rest; /* lent by the fuzzer */
    char      *piece[INPUT_PIECES];
    size_t     count;
};

static inline struct input input_of(const uint8_t *data, size_t size)
{
    return (struct input){.rest = {(const char *)data, size}};
}

static inline bool input_holds(const struct input *in, struct str text)
{
    return str_find(in->rest, text, 0) >= 0;
}

static inline void input_release(struct input *in)
{
    while (in->count)
        free(in->piece[--in->count]);
}

static inline struct str input_keep(struct input *in, struct str text)
{
    char *copy;

    REQUIRE(in->count < INPUT_PIECES);
    copy = malloc(text.len ? text.len : 1);
    REQUIRE(copy);
    if (text.len)
        memcpy(copy, text.p, text.len);
    in->piece[in->count++] = copy;
    return (struct str){copy, text.len};
}

/* The same with a NUL behind it; what follows a NUL in the text is lost. */
static inline const char *input_zero_terminated(struct input *in, struct str text)
{
    char *copy = mem_strndup(text.p, text.len);

    REQUIRE(in->count < INPUT_PIECES);
    in->piece[in->count++] = copy;
    return copy;
}

/* 0 when the input is used up. */
static inline uint8_t input_byte(struct input *in)
{
    uint8_t byte;

    if (in->rest.len == 0)
        return 0;
    byte = (uint8_t)in->rest.p[0];
    in->rest = str_sub(in->rest, 1, in->rest.len);
    return byte;
}

static inline struct str input_cut_line(struct input *in)
{
    ptrdiff_t  end = str_find_char(in->rest, '\n', 0);
    struct str line = str_sub(in->rest, 0, end < 0 ? in->rest.len : (size_t)end);

    in->rest = str_sub(in->rest, line.len + 1, in->rest.len);
    return line;
}

/* The text before the next line break; empty when the input is used up. */
static inline struct str input_line(struct input *in)
{
    return input_keep(in, input_cut_line(in));
}

static inline const char *input_cstr(struct input *in)
{
    return input_zero_terminated(in, input_cut_line(in));
}

/* A number of decimal digits on a line of its own, wrapped at 2^64. */
static inline uint64_t input_number(struct input *in)
{
    struct str line = input_cut_line(in);
    uint64_t   number = 0;

    for (size_t i = 0; i < line.len; i++)
        number = number * 10 + (uint64_t)((unsigned char)line.p[i] - '0');
    return number;
}

/* All that is left. */
static inline struct str input_rest(struct input *in)
{
    struct str rest = in->rest;

    in->rest = str_sub(rest, rest.len, rest.len);
    return input_keep(in, rest);
}

/* --- characters --- */

/* The character at the start of s, by its value and not by a table of bytes as str.c knows it;
 * *len bytes of it. -1 and 1 byte if there is none. */
static inline int32_t fuzz_character(struct str s, size_t *len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char  *p = (const unsigned char *)s.p;
    size_t                n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : 4;
    uint32_t              value = n == 1 ? p[0] : p[0] & (0x7Fu >> n);

    *len = 1;
    if ((n == 4 && p[0] >> 3 != 30) || n > s.len)
        return -1;
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return -1;
        value = value << 6 | (p[i] & 0x3F);
    }
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return -1;
    *len = n;
    return (int32_t)value;
}

static inline bool fuzz_is_utf8(struct str s)
{
    for (size_t i = 0, len; i < s.len; i += len)
        if (fuzz_character(str_sub(s, i, s.len), &len) < 0)
            return false;
    return true;
}

/* Moves a cursor, ends a line or turns the direction of writing. */
static inline bool fuzz_is_control(int32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* Fit to be one line on somebody's terminal. */
static inline bool fuzz_is_line(struct str s)
{
    for (size_t i = 0, len; i < s.len; i += len)
        if (fuzz_is_control(fuzz_character(str_sub(s, i, s.len), &len)))
            return false;
    return true;
}

/* The same of a text that was cut off at a fixed size, perhaps inside a character. */
static inline bool fuzz_is_cut_line(struct str s)
{
    for (size_t cut = 0; cut < 4 && cut <= s.len; cut++)
        if (fuzz_is_line(str_sub(s, 0, s.len - cut)))
            return true;
    return false;
}

/* --- JSON, as RFC 8259 has it and no wider --- */

static inline void json_skip_space(struct str *s)
{
    while (s->len && memchr(" \t\r\n", s->p[0], 4))
        *s = str_sub(*s, 1, s->len);
}

static inline bool json_take(struct str *s, struct str word)
{
    if (!str_has_prefix(*s, word))
        return false;
    *s = str_sub(*s, word.len, s->len);
    return true;
}

static inline bool json_take_string(struct str *s)
{
    if (!json_take(s, STR("\"")))
        return false;
    while (s->len) {
        size_t  len;
        int32_t c = fuzz_character(*s, &len);

        if (c < 0x20)
            return false;
        *s = str_sub(*s, len, s->len);
        if (c == '"')
            return true;
        if (c != '\\')
            continue;
        if (json_take(s, STR("u"))) {
            for (int i = 0; i < 4; i++) {
                if (s->len == 0 || !memchr("0123456789abcdefABCDEF", s->p[0], 22))
                    return false;
                *s = str_sub(*s, 1, s->len);
            }
        } else if (s->len == 0 || !memchr("\"\\/bfnrt", s->p[0], 8)) {
            return false;
        } else {
            *s = str_sub(*s, 1, s->len);
        }
    }
    return false;
}

static inline bool json_take_digits(struct str *s)
{
    bool any = false;

    for (; s->len && s->p[0] >= '0' && s->p[0] <= '9'; any = true)
        *s = str_sub(*s, 1, s->len);
    return any;
}

static inline bool json_take_number(struct str *s)
{
    json_take(s, STR("-"));
    if (!json_take(s, STR("0")) && !json_take_digits(s))
        return false;
    if (json_take(s, STR(".")) && !json_take_digits(s))
        return false;
    if (!json_take(s, STR("e")) && !json_take(s, STR("E")))
        return true;
    if (!json_take(s, STR("+")))
        json_take(s, STR("-"));
    return json_take_digits(s);
}

static inline bool json_take_value(struct str *s);

static inline bool json_take_members(struct str *s, bool is_object)
{
    struct str end = is_object ? STR("}") : STR("]");

    json_skip_space(s);
    if (json_take(s, end))
        return true;
    do {
        json_skip_space(s);
        if (is_object && !json_take_string(s))
            return false;
        json_skip_space(s);
        if (is_object && !json_take(s, STR(":")))
            return false;
        if (!json_take_value(s))
            return false;
    } while (json_take(s, STR(",")));
    return json_take(s, end);
}

static inline bool json_take_value(struct str *s)
{
    bool ok;

    json_skip_space(s);
    if (s->len && s->p[0] == '"')
        ok = json_take_string(s);
    else if (json_take(s, STR("{")))
        ok = json_take_members(s, true);
    else if (json_take(s, STR("[")))
        ok = json_take_members(s, false);
    else
        ok = json_take(s, STR("true")) || json_take(s, STR("false")) || json_take(s, STR("null")) ||
             json_take_number(s);
    json_skip_space(s);
    return ok;
}

/* One whole JSON text in UTF-8. For what lib writes: it recurses with the depth of the text. */
static inline bool fuzz_is_json(struct str text)
{
    return json_take_value(&text) && text.len == 0;
}

#endif
