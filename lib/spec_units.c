/* spec_units.c: sizes, rates and durations as people and Kubernetes write them, and back.
 *
 * Whole numbers all the way: "0.1Gi" is computed as digits times unit, never through a double. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spec.h"
#include "spec_value.h"

enum { DIGITS_MAX = 19, FRACTION_MAX = 9 };

/* "12.5": value 125, scale 10. */
struct decimal {
    uint64_t value, scale;
    bool     has_fraction;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes digits[.digits] off the front. */
static bool take_decimal(struct str *text, struct decimal *out)
{
    struct decimal d = {.scale = 1};
    size_t         at = 0, dot;

    while (at < text->len && is_digit(text->p[at])) {
        if (__builtin_mul_overflow(d.value, 10u, &d.value) ||
            __builtin_add_overflow(d.value, (uint64_t)(text->p[at] - '0'), &d.value))
            return false;
        at++;
    }
    if (at == 0)
        return false;
    dot = at;
    if (at < text->len && text->p[at] == '.') {
        at++;
        while (at < text->len && is_digit(text->p[at])) {
            if (at - dot > FRACTION_MAX || __builtin_mul_overflow(d.value, 10u, &d.value) ||
                __builtin_add_overflow(d.value, (uint64_t)(text->p[at] - '0'), &d.value))
                return false;
            d.scale *= 10;
            at++;
        }
        if (at == dot + 1)
            return false;
        d.has_fraction = true;
    }
    *text = str_sub(*text, at, text->len);
    *out = d;
    return true;
}

/* value × unit ÷ scale, rounded up as Kubernetes rounds its quantities. */
static bool decimal_times(struct decimal d, uint64_t unit, uint64_t *out)
{
    unsigned __int128 product = (unsigned __int128)d.value * unit;

    product = (product + d.scale - 1) / d.scale;
    if (product > UINT64_MAX)
        return false;
    *out = (uint64_t)product;
    return true;
}

static bool power(uint64_t base, uint64_t exponent, uint64_t *out)
{
    uint64_t value = 1;

    for (uint64_t i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(value, base, &value))
            return false;
    *out = value;
    return true;
}

/* "", B, k, kB, Ki, KiB, M … E, in any case. A lone "m" is Kubernetes' thousandth: refused, since
 * whoever wrote it meant a million. */
static bool size_unit(struct str text, uint64_t *unit)
{
    static const char letters[] = "kmgtpe";
    const char       *letter;
    uint64_t          exponent;

    if (text.len == 0 || str_eq_nocase(text, STR("B"))) {
        *unit = 1;
        return true;
    }
    if (str_eq(text, STR("m")))
        return false;
    letter = memchr(letters, text.p[0] | 0x20, sizeof(letters) - 1);
    if (!letter)
        return false;
    exponent = (uint64_t)(letter - letters) + 1;
    text = str_sub(text, 1, text.len);
    if (text.len == 0 || str_eq_nocase(text, STR("B")))
        return power(1000, exponent, unit);
    if (str_eq_nocase(text, STR("i")) || str_eq_nocase(text, STR("iB")))
        return power(1024, exponent, unit);
    return false;
}

/* Takes "e" or "e+" off the front, if a digit follows: "5e" and "5E" are units. */
static bool take_exponent(struct str *text)
{
    size_t sign = text->len >= 2 && text->p[1] == '+' ? 1 : 0;

    if (text->len < 2 + sign || (text->p[0] | 0x20) != 'e' || !is_digit(text->p[1 + sign]))
        return false;
    *text = str_sub(*text, 1 + sign, text->len);
    return true;
}

bool spec_parse_size(struct str text, uint64_t *bytes)
{
    struct decimal number;
    uint64_t       unit, exponent;

    if (!take_decimal(&text, &number))
        return false;
    if (take_exponent(&text)) { /* 129e6; 2e+10, as Helm writes a large number */
        if (!str_to_u64(text, &exponent) || exponent > DIGITS_MAX || !power(10, exponent, &unit))
            return false;
        return decimal_times(number, unit, bytes);
    }
    if (text.len >= 2 && text.p[0] == ' ')
        text = str_sub(text, 1, text.len);
    if (!size_unit(text, &unit) || (number.has_fraction && unit == 1))
        return false;
    return decimal_times(number, unit, bytes);
}

bool spec_parse_rate(struct str text, uint64_t *bytes_per_s)
{
    if (str_has_suffix(text, STR("/s")))
        text = str_sub(text, 0, text.len - 2);
    return spec_parse_size(text, bytes_per_s);
}

/* Takes "ms", "s", "m" or "h" off the front; nothing left at all counts as seconds if `alone`. */
static bool take_duration_unit(struct str *text, bool alone, uint64_t *unit_ms)
{
    static const struct {
        struct str name;
        uint64_t   ms;
    } units[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};

    if (text->len == 0 && alone) {
        *unit_ms = 1000;
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!str_has_prefix(*text, units[i].name))
            continue;
        *unit_ms = units[i].ms;
        *text = str_sub(*text, units[i].name.len, text->len);
        return true;
    }
    return false;
}

bool spec_parse_duration(struct str text, uint64_t *ms)
{
    uint64_t total = 0, smallest = UINT64_MAX;
    bool     is_first = true;

    do {
        struct decimal number;
        uint64_t       unit_ms, part_ms;

        if (!take_decimal(&text, &number) || !take_duration_unit(&text, is_first, &unit_ms))
            return false;
        if (unit_ms >= smallest) /* 5m2h and 1s1s are slips, not durations */
            return false;
        smallest = unit_ms;
        if (!decimal_times(number, unit_ms, &part_ms) ||
            __builtin_add_overflow(total, part_ms, &total))
            return false;
        is_first = false;
    } while (text.len > 0);
    *ms = total;
    return true;
}

void spec_show_size(uint64_t bytes, char out[SPEC_NUMBER_TEXT])
{
    static const char letters[] = "KMGTPE";
    int               exponent = 0;

    while (bytes > 0 && bytes % 1024 == 0 && exponent < 6) {
        bytes /= 1024;
        exponent++;
    }
    if (exponent == 0)
        snprintf(out, SPEC_NUMBER_TEXT, "%" PRIu64, bytes);
    else
        snprintf(out, SPEC_NUMBER_TEXT, "%" PRIu64 "%ciB", bytes, letters[exponent - 1]);
}

void spec_show_duration(uint64_t ms, char out[SPEC_NUMBER_TEXT])
{
    uint64_t    value = ms;
    const char *unit = "ms";

    if (ms % 3600000 == 0) {
        value = ms / 3600000;
        unit = "h";
    } else if (ms % 60000 == 0) {
        value = ms / 60000;
        unit = "m";
    } else if (ms % 1000 == 0) {
        value = ms / 1000;
        unit = "s";
    }
    snprintf(out, SPEC_NUMBER_TEXT, "%" PRIu64 "%s", value, value ? unit : "");
}
