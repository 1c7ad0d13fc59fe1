/* Sizes, rates and durations: what is printed is read back as the same number, and other spellings
 * of a text mean the same. Input: a number, a text. */
#include "fuzz.h"
#include "report.h"
#include "spec.h"
#include "spec_value.h"

typedef bool parse_fn(struct str text, uint64_t *out);

/* What is read here is read the same from both; false: from neither. */
static void means_the_same(parse_fn *parse, struct str a, struct str b)
{
    uint64_t x = 1, y = 2;

    REQUIRE(parse(a, &x) == parse(b, &y));
    REQUIRE(!parse(a, &x) || x == y);
}

static void with_leading_zero(parse_fn *parse, struct str text)
{
    struct buf longer = {0};

    if (text.len == 0 || text.p[0] < '0' || text.p[0] > '9')
        return;
    buf_add_char(&longer, '0');
    buf_add_str(&longer, text);
    means_the_same(parse, text, buf_view(&longer));
    buf_release(&longer);
}

/* Sizes alone may be written in any case, but for the lone "m". */
static void in_upper_case(struct str text)
{
    struct buf upper = {0};

    if (str_has_suffix(text, STR("m")))
        return;
    for (size_t i = 0; i < text.len; i++)
        buf_add_char(&upper,
                     text.p[i] >= 'a' && text.p[i] <= 'z' ? (char)(text.p[i] - 32) : text.p[i]);
    means_the_same(spec_parse_size, text, buf_view(&upper));
    buf_release(&upper);
}

static void comes_back(uint64_t number)
{
    char     text[SPEC_NUMBER_TEXT];
    uint64_t back = ~number;

    spec_show_size(number, text);
    REQUIRE(spec_parse_size(str_from(text), &back) && back == number);
    back = ~number;
    REQUIRE(spec_parse_rate(str_from(text), &back) && back == number);
    back = ~number;
    spec_show_duration(number, text);
    REQUIRE(spec_parse_duration(str_from(text), &back) && back == number);
}

/* A kibibyte is 1024 bytes in every spelling. */
static void units_are_factors(uint64_t number)
{
    static const struct {
        const char *unit;
        uint64_t    factor;
    } units[] = {{"B", 1},        {"k", 1000},         {"KiB", 1 << 10},    {"Ki", 1 << 10},
                 {"MB", 1000000}, {"MiB", 1 << 20},    {"g", 1000000000},   {"Gi", 1 << 30},
                 {"e3", 1000},    {"TiB", 1ull << 40}, {"EiB", 1ull << 60}, {"e+3", 1000}};
    char text[64];

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        uint64_t want, got = 0;
        bool     fits = !__builtin_mul_overflow(number, units[i].factor, &want);

        snprintf(text, sizeof(text), "%llu%s", (unsigned long long)number, units[i].unit);
        REQUIRE(spec_parse_size(str_from(text), &got) == fits);
        REQUIRE(!fits || got == want);
    }
}

static void are_shown_to_people(uint64_t number, uint64_t other)
{
    char text[48];

    report_bytes(number, text);
    REQUIRE(strlen(text) < 24);
    report_duration(number, text);
    REQUIRE(strlen(text) < 24);
    report_bytes_of(other, number, text);
    REQUIRE(strlen(text) < 48);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    uint64_t     number = input_number(&in), got;
    struct str   text = input_rest(&in);

    comes_back(number);
    units_are_factors(number);
    with_leading_zero(spec_parse_size, text);
    with_leading_zero(spec_parse_rate, text);
    with_leading_zero(spec_parse_duration, text);
    in_upper_case(text);
    if (spec_parse_size(text, &got) || spec_parse_duration(text, &got)) {
        comes_back(got);
        are_shown_to_people(number, got);
    }
    input_release(&in);
    return 0;
}
