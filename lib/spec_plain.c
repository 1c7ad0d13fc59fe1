/* spec_plain.c: what other YAML readers make of a text without quotes.
 *
 * We read the text as it stands, but Helm, kubectl and editors do not: `revision: 1.10` comes out of
 * them as 1.1. So where a string is needed, a text that YAML 1.1 takes for something else is
 * refused, and the author is told to quote it. */
#include <string.h>

#include "spec_value.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Skips digits and underscores; true if there was a digit. */
static bool skip_digits(struct str *s)
{
    bool any = false;

    while (s->len && (is_digit(s->p[0]) || s->p[0] == '_')) {
        any = any || is_digit(s->p[0]);
        *s = str_sub(*s, 1, s->len);
    }
    return any;
}

static bool skip_char(struct str *s, const char *set)
{
    if (s->len == 0 || s->p[0] == '\0' || !strchr(set, s->p[0]))
        return false;
    *s = str_sub(*s, 1, s->len);
    return true;
}

static bool is_based_integer(struct str s)
{
    static const char *const bases[] = {"0x", "0o", "0b", "0X", "0O", "0B"};

    for (size_t i = 0; i < 6; i++) {
        if (!str_has_prefix(s, str_from(bases[i])) || s.len == 2)
            continue;
        for (size_t j = 2; j < s.len; j++)
            if (!str_to_u64(str_sub(s, j, j + 1), &(uint64_t){0}) &&
                !strchr("abcdefABCDEF_", s.p[j]))
                return false;
        return true;
    }
    return false;
}

/* Integers, floats with a point or an exponent, 12:30:45 in base 60, .inf and .nan. */
static bool is_number(struct str s)
{
    bool has_digits;

    skip_char(&s, "+-");
    if (is_based_integer(s))
        return true;
    if (str_eq_nocase(s, STR(".inf")) || str_eq_nocase(s, STR(".nan")))
        return true;
    if (s.len == 0 || s.p[0] == '_')
        return false;
    has_digits = skip_digits(&s);
    while (has_digits && skip_char(&s, ":"))
        if (!skip_digits(&s))
            return false;
    if (skip_char(&s, "."))
        has_digits = skip_digits(&s) || has_digits;
    if (!has_digits || s.len == 0)
        return has_digits;
    if (!skip_char(&s, "eE"))
        return false;
    skip_char(&s, "+-");
    return skip_digits(&s) && s.len == 0;
}

static bool is_date(struct str s)
{
    struct str rest = s, year, month, day;
    uint64_t   ignored;

    if (s.len < 8 || !str_cut(&rest, '-', &year) || !rest.p || !str_cut(&rest, '-', &month) ||
        !rest.p)
        return false;
    day = str_sub(rest, 0, 2);
    if (day.len == 2 && !is_digit(day.p[1]))
        day = str_sub(day, 0, 1);
    if (year.len != 4 || !str_to_u64(year, &ignored) || month.len > 2 ||
        !str_to_u64(month, &ignored) || !str_to_u64(day, &ignored))
        return false;
    rest = str_sub(rest, day.len, rest.len);
    return rest.len == 0 || rest.p[0] == 'T' || rest.p[0] == 't' || rest.p[0] == ' ';
}

const char *spec_yaml_type(struct str text)
{
    static const char *const booleans[] = {"true", "false", "yes", "no", "on", "off"};

    if (text.len == 0 || str_eq(text, STR("~")) || str_eq_nocase(text, STR("null")))
        return "nothing";
    for (size_t i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++)
        if (str_eq_nocase(text, str_from(booleans[i])))
            return "a boolean";
    if (is_number(text))
        return "a number";
    if (is_date(text))
        return "a date";
    return NULL;
}
