/* str.c: reading borrowed text. Nothing here allocates. */
#include "str.h"

#include <string.h>

static char lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c;
}

struct str str_from(const char *zero_terminated)
{
    if (!zero_terminated)
        return (struct str){"", 0};
    return (struct str){zero_terminated, strlen(zero_terminated)};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool str_has_suffix(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_sub(s, s.len - suffix.len, s.len), suffix);
}

bool str_has_prefix_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_sub(s, 0, prefix.len), prefix);
}

bool str_has_suffix_nocase(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_sub(s, s.len - suffix.len, s.len), suffix);
}

ptrdiff_t str_find(struct str s, struct str needle, size_t from)
{
    const char *at;

    if (from > s.len || needle.len > s.len - from)
        return -1;
    if (needle.len == 0) /* also keeps a NULL away from memmem */
        return (ptrdiff_t)from;
    at = memmem(s.p + from, s.len - from, needle.p, needle.len);
    return at ? at - s.p : -1;
}

ptrdiff_t str_find_char(struct str s, char c, size_t from)
{
    const char *at;

    if (from >= s.len)
        return -1;
    at = memchr(s.p + from, c, s.len - from);
    return at ? at - s.p : -1;
}

ptrdiff_t str_rfind_char(struct str s, char c)
{
    const char *at = s.len ? memrchr(s.p, c, s.len) : NULL;

    return at ? at - s.p : -1;
}

struct str str_sub(struct str s, size_t begin, size_t end)
{
    if (end > s.len)
        end = s.len;
    if (begin > end)
        begin = end;
    if (end == 0) /* no arithmetic on a NULL */
        return (struct str){s.p, 0};
    return (struct str){s.p + begin, end - begin};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && is_space(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len && is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

bool str_cut(struct str *rest, char sep, struct str *piece)
{
    ptrdiff_t at;

    if (!rest->p)
        return false;
    at = str_find_char(*rest, sep, 0);
    if (at < 0) {
        *piece = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *piece = str_sub(*rest, 0, (size_t)at);
    *rest = str_sub(*rest, (size_t)at + 1, rest->len);
    return true;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool str_is_hex(struct str s, size_t len)
{
    bool all = s.len == len;

    if (!all)
        return false;
    /* Without leaving early: digits and letters follow each other at random, and a branch for each
     * costs more than the test. */
    for (size_t i = 0; i < len; i++)
        all &= (unsigned char)(s.p[i] - '0') < 10 || (unsigned char)(s.p[i] - 'a') < 6;
    return all;
}

/* Length of the valid sequence at p, or 0. Ranges: Unicode standard, table 3-7. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    unsigned char low = 0x80, high = 0xBF;
    size_t        len;

    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        len = 2;
    else if (c >= 0xE0 && c <= 0xEF)
        len = 3;
    else if (c >= 0xF0 && c <= 0xF4)
        len = 4;
    else
        return 0;
    if (left < len)
        return 0;
    if (c == 0xE0)
        low = 0xA0;
    if (c == 0xED)
        high = 0x9F;
    if (c == 0xF0)
        low = 0x90;
    if (c == 0xF4)
        high = 0x8F;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

size_t str_utf8_len(struct str s)
{
    return s.len ? utf8_sequence((const unsigned char *)s.p, s.len) : 0;
}

bool str_is_control(struct str s)
{
    const unsigned char *c = (const unsigned char *)s.p;
    size_t               len = str_utf8_len(s);

    if (len == 1)
        return c[0] < 0x20 || c[0] == 0x7F;
    if (len == 2)
        return c[0] == 0xC2 && c[1] < 0xA0;
    if (len != 3 || c[0] != 0xE2)
        return false;
    return (c[1] == 0x80 && (c[2] == 0x8E || c[2] == 0x8F || (c[2] >= 0xAA && c[2] <= 0xAE))) ||
           (c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9);
}

/* Moves past ASCII, eight bytes at once. */
static size_t skip_ascii(struct str s, size_t at)
{
    uint64_t eight;

    for (; s.len - at >= sizeof(eight); at += sizeof(eight)) {
        memcpy(&eight, s.p + at, sizeof(eight));
        if (eight & 0x8080808080808080u)
            break;
    }
    return at;
}

bool str_is_utf8(struct str s)
{
    size_t at = 0;

    while ((at = skip_ascii(s, at)) < s.len) {
        size_t len = utf8_sequence((const unsigned char *)s.p + at, s.len - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int    order = shorter ? memcmp(a.p, b.p, shorter) : 0;

    if (order)
        return order < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

size_t str_distance(struct str a, struct str b)
{
    size_t row[65];

    if (a.len > 64 || b.len > 64)
        return 65;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (lower(a.p[i - 1]) != lower(b.p[j - 1]));
            size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[b.len];
}
