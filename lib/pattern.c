/* pattern.c: shell patterns as Python's fnmatchcase reads them.
 *
 * Only the last '*' is ever tried again: an earlier one took the shortest text that lets the part
 * up to the next '*' match, and a longer one could not help what follows. So the time is at most
 * pattern × path, whatever the pattern. */
#include "pattern.h"

/* A code point, or less than 0 for a byte that is not part of valid UTF-8. */
static int32_t next_unit(struct str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[*at];
    size_t        len = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    int32_t       unit;

    if (len == 1 || *at + len > s.len || !str_is_utf8(str_sub(s, *at, *at + len))) {
        (*at)++;
        if (c == '\\')
            return '/';
        return c < 0x80 ? c : -1;
    }
    unit = c & (0x7F >> len);
    for (size_t i = 1; i < len; i++)
        unit = (unit << 6) | (s.p[*at + i] & 0x3F);
    *at += len;
    return unit;
}

/* Index of the ']' that ends the class whose '[' lies at `open`, or 0 if none does. A ']' right
 * after "[" or "[!" stands for itself. */
static size_t class_end(struct str pattern, size_t open, ptrdiff_t last_close)
{
    size_t at = open + 1;

    if (at < pattern.len && pattern.p[at] == '!')
        at++;
    if (at < pattern.len && pattern.p[at] == ']')
        at++;
    if (last_close < (ptrdiff_t)at) /* without this, "[[[[…" would be searched again and again */
        return 0;
    return (size_t)str_find_char(pattern, ']', at);
}

/* `set` is what stands between the brackets. One oddity of Python is left out: when a reversed range
 * stands first and a '!' follows it, as in "[z-a!b]", Python takes that '!' for a complement. */
static bool class_matches(struct str set, int32_t unit)
{
    size_t at = 0;
    bool   negated = set.len > 0 && set.p[0] == '!';
    bool   found = false;

    if (unit < 0)
        return false;
    if (negated)
        at = 1;
    while (at < set.len) {
        int32_t low = next_unit(set, &at), high = low;

        if (at + 1 < set.len && set.p[at] == '-') { /* a '-' at the end is itself */
            at++;
            high = next_unit(set, &at);
        }
        if (low >= 0 && high >= 0 && low <= unit && unit <= high)
            found = true;
    }
    return found != negated;
}

/* Does one unit of the path match the pattern's item at *at, which is not '*'? Moves *at on. */
static bool item_matches(struct str pattern, size_t *at, ptrdiff_t last_close, int32_t unit)
{
    if (pattern.p[*at] == '?') {
        (*at)++;
        return true;
    }
    if (pattern.p[*at] == '[') {
        size_t begin = *at + 1, end = class_end(pattern, *at, last_close);

        if (end) {
            *at = end + 1;
            return class_matches(str_sub(pattern, begin, end), unit);
        }
    }
    return next_unit(pattern, at) == unit && unit >= 0;
}

static bool ends_in_folder(struct str pattern)
{
    return pattern.len > 0 &&
           (pattern.p[pattern.len - 1] == '/' || pattern.p[pattern.len - 1] == '\\');
}

/* Where the last '*' may end at the earliest, from `at` on: if a plain character follows it in the
 * pattern, at the next such one. SIZE_MAX: nowhere. */
static size_t next_try(struct str pattern, size_t p, struct str path, size_t at)
{
    unsigned char c = p < pattern.len ? (unsigned char)pattern.p[p] : '*';
    ptrdiff_t     found;

    if (c >= 0x80 || c == '*' || c == '?' || c == '[' || c == '/' || c == '\\')
        return at;
    found = str_find_char(path, (char)c, at);
    return found < 0 ? SIZE_MAX : (size_t)found;
}

bool pattern_matches(struct str pattern, struct str path)
{
    const size_t none = SIZE_MAX;
    ptrdiff_t    last_close = str_rfind_char(pattern, ']');
    bool         is_folder = ends_in_folder(pattern); /* as if a '*' followed */
    size_t       p = 0, s = 0, star_p = none, star_s = 0;

    while (s < path.len) {
        size_t  after_unit = s, after_item = p;
        int32_t unit;

        if (p < pattern.len && pattern.p[p] == '*') {
            star_p = ++p;
            star_s = s;
            continue;
        }
        if (p == pattern.len && is_folder)
            return true;
        unit = next_unit(path, &after_unit);
        if (p < pattern.len && item_matches(pattern, &after_item, last_close, unit)) {
            p = after_item;
            s = after_unit;
            continue;
        }
        if (star_p == none)
            return false;
        next_unit(path, &star_s); /* let the last '*' take one more, or as many as it must */
        star_s = next_try(pattern, star_p, path, star_s);
        if (star_s == SIZE_MAX)
            return false;
        p = star_p;
        s = star_s;
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}

static bool any_matches(const struct pattern_list *list, struct str path)
{
    for (size_t i = 0; i < list->count; i++)
        if (pattern_matches(list->item[i], path))
            return true;
    return false;
}

bool pattern_selects(const struct pattern_list *allow, const struct pattern_list *ignore,
                     struct str path)
{
    if (allow->is_set && !any_matches(allow, path))
        return false;
    return !any_matches(ignore, path);
}
