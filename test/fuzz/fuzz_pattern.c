/* Patterns, against a matcher that is as plain as it can be: the steps of Python's fnmatch.translate
 * on whole arrays, and a table of what matches what. Input: the pattern, a line break, the path. */
#include "fuzz.h"
#include "pattern.h"

enum { UNITS_MAX = 160, INVALID = -1 };

struct units {
    int32_t at[UNITS_MAX];
    size_t  count;
};

/* What stands at one place of a pattern. */
struct item {
    enum { ITEM_STAR, ITEM_ANY, ITEM_ONE, ITEM_CLASS } kind;
    int32_t      one;
    struct units stuff; /* of a class: what is between its brackets */
};

static struct item items[UNITS_MAX + 1];
static size_t      item_count;

static bool decode(struct str text, struct units *out)
{
    out->count = 0;
    for (size_t i = 0, len; i < text.len; i += len) {
        int32_t c = fuzz_character(str_sub(text, i, text.len), &len);

        if (out->count == UNITS_MAX)
            return false;
        out->at[out->count++] = c == '\\' ? '/' : c;
    }
    return true;
}

/* --- classes --- */

struct chunks {
    struct units item[UNITS_MAX / 2];
    size_t       count;
};

static struct units cut(const struct units *u, size_t begin, size_t end)
{
    struct units out = {.count = end - begin};

    memcpy(out.at, u->at + begin, out.count * sizeof(out.at[0]));
    return out;
}

static size_t find_unit(const struct units *u, int32_t unit, size_t from)
{
    while (from < u->count && u->at[from] != unit)
        from++;
    return from;
}

/* Cuts at the hyphens that make ranges; the last of a chunk and the first of the next are one. */
static void cut_at_hyphens(const struct units *stuff, struct chunks *out)
{
    size_t begin = 0, at = stuff->count && stuff->at[0] == '!' ? 2 : 1;

    out->count = 0;
    for (; (at = find_unit(stuff, '-', at)) < stuff->count; begin = at + 1, at += 3)
        out->item[out->count++] = cut(stuff, begin, at);
    if (begin < stuff->count) {
        out->item[out->count++] = cut(stuff, begin, stuff->count);
    } else { /* a hyphen at the end is itself */
        struct units *last = &out->item[out->count - 1];

        last->at[last->count++] = '-';
    }
}

/* Ranges that run backwards are empty: both ends go. */
static void drop_empty_ranges(struct chunks *c)
{
    for (size_t k = c->count - 1; k > 0; k--) {
        struct units *a = &c->item[k - 1], *b = &c->item[k];

        if (a->at[a->count - 1] <= b->at[0])
            continue;
        a->count--;
        memcpy(a->at + a->count, b->at + 1, (b->count - 1) * sizeof(b->at[0]));
        a->count += b->count - 1;
        memmove(b, b + 1, (c->count - k - 1) * sizeof(*b));
        c->count--;
    }
}

static bool chunks_hold(const struct chunks *c, size_t skip, int32_t unit)
{
    for (size_t k = 0; k < c->count; k++) {
        const struct units *u = &c->item[k];

        for (size_t i = k ? 0 : skip; i < u->count; i++)
            if (u->at[i] == unit)
                return true;
        if (k && c->item[k - 1].count > (k == 1 ? skip : 0) &&
            c->item[k - 1].at[c->item[k - 1].count - 1] <= unit && unit <= u->at[0])
            return true;
    }
    return false;
}

static struct chunks chunks;

/* Python turns "[z-a!b]" into a complement by accident; pattern.c says that it does not. */
static bool class_is_odd(const struct units *stuff)
{
    cut_at_hyphens(stuff, &chunks);
    drop_empty_ranges(&chunks);
    return stuff->at[0] != '!' && chunks.item[0].count && chunks.item[0].at[0] == '!';
}

static bool class_matches(const struct units *stuff, int32_t unit)
{
    bool negated = stuff->at[0] == '!';

    if (unit == INVALID)
        return false;
    cut_at_hyphens(stuff, &chunks);
    drop_empty_ranges(&chunks);
    return chunks_hold(&chunks, negated, unit) != negated;
}

/* --- patterns --- */

/* Where the class that opens before `at` closes; the count if it does not. */
static size_t class_end(const struct units *pattern, size_t at)
{
    if (at < pattern->count && pattern->at[at] == '!')
        at++;
    if (at < pattern->count && pattern->at[at] == ']')
        at++;
    return find_unit(pattern, ']', at);
}

/* False if it holds what the two need not agree on. */
static bool read_items(const struct units *pattern)
{
    item_count = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        struct item *item = &items[item_count++];
        size_t       end;

        *item = (struct item){.kind = ITEM_ONE, .one = pattern->at[i]};
        if (item->one == '*')
            item->kind = ITEM_STAR;
        if (item->one == '?')
            item->kind = ITEM_ANY;
        if (item->one != '[' || (end = class_end(pattern, i + 1)) == pattern->count)
            continue;
        item->kind = ITEM_CLASS;
        item->stuff = cut(pattern, i + 1, end);
        if (find_unit(&item->stuff, INVALID, 0) < item->stuff.count || class_is_odd(&item->stuff))
            return false;
        i = end;
    }
    return true;
}

static bool item_matches(const struct item *item, int32_t unit)
{
    switch (item->kind) {
    case ITEM_ANY: return true;
    case ITEM_ONE: return unit == item->one && unit != INVALID;
    case ITEM_CLASS: return class_matches(&item->stuff, unit);
    case ITEM_STAR: break;
    }
    return false;
}

/* matched[j]: the items so far match the first j units. */
static bool reference(const struct units *path)
{
    static bool matched[UNITS_MAX + 1];

    for (size_t j = 0; j <= path->count; j++)
        matched[j] = j == 0;
    for (size_t i = 0; i < item_count; i++) {
        if (items[i].kind == ITEM_STAR) {
            for (size_t j = 1; j <= path->count; j++)
                matched[j] = matched[j] || matched[j - 1];
            continue;
        }
        for (size_t j = path->count; j > 0; j--)
            matched[j] = matched[j - 1] && item_matches(&items[i], path->at[j - 1]);
        matched[0] = false;
    }
    return matched[path->count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct str   pattern = input_line(&in), path = input_rest(&in);
    struct units p, s;

    if (decode(pattern, &p) && decode(path, &s) && p.count < UNITS_MAX) {
        if (p.count && p.at[p.count - 1] == '/')
            p.at[p.count++] = '*';
        if (read_items(&p))
            REQUIRE(pattern_matches(pattern, path) == reference(&s));
    }
    pattern_matches(pattern, path); /* whatever its length */
    input_release(&in);
    return 0;
}
