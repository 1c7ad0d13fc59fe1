/* Borrowed text: lengths are respected, foreign numbers are checked, NULL is an empty text. */
#include "check.h"
#include "str.h"

static const struct str none = {NULL, 0};

static void comparing(void)
{
    check_row(__func__);
    CHECK(str_eq(STR("ab"), STR("ab")) && !str_eq(STR("ab"), STR("abc")));
    CHECK(!str_eq(STR("ab"), STR("aB")) && str_eq_nocase(STR("aB-1"), STR("Ab-1")));
    CHECK(!str_eq_nocase(STR("[a"), STR("{a"))); /* neighbours of the letters in ASCII */
    CHECK(!str_eq_nocase(STR("\xC3\xA9"), STR("\xC3\x89")));
    CHECK(str_eq(none, STR("")) && str_eq(none, none) && str_eq(str_from(NULL), STR("")));
    CHECK(str_has_prefix(STR("abc"), STR("ab")) && !str_has_prefix(STR("a"), STR("ab")));
    CHECK(str_has_suffix(STR("abc"), STR("bc")) && !str_has_suffix(STR("c"), STR("bc")));
    CHECK(str_has_prefix(STR("abc"), STR("")) && str_has_suffix(STR(""), STR("")));
    CHECK(str_has_prefix_nocase(STR("HTTPS://x"), STR("https://")));
    CHECK(str_has_prefix(none, none) && str_has_suffix(none, none) &&
          !str_has_prefix(none, STR("a")));
    CHECK(str_cmp(STR("a"), STR("b")) == -1 && str_cmp(STR("b"), STR("a")) == 1);
    CHECK(str_cmp(STR("a"), STR("ab")) == -1 && str_cmp(STR("ab"), STR("a")) == 1);
    CHECK(str_cmp(STR("a"), STR("a")) == 0 && str_cmp(none, STR("")) == 0);
    CHECK(str_cmp(STR("\xC3"), STR("z")) == 1); /* bytes are unsigned */
}

static void finding(void)
{
    struct str s = STR("a/b/c");

    check_row(__func__);
    CHECK(str_find(s, STR("b/"), 0) == 2 && str_find(s, STR("b/"), 3) == -1);
    CHECK(str_find(s, STR("/"), 1) == 1 && str_find(s, STR("/"), 2) == 3);
    CHECK(str_find(s, STR("abc"), 0) == -1 && str_find(s, STR("a/b/c/d"), 0) == -1);
    CHECK(str_find(s, STR(""), 0) == 0 && str_find(s, STR(""), 5) == 5);
    CHECK(str_find(s, STR(""), 6) == -1 && str_find(s, STR("c"), 99) == -1);
    CHECK(str_find(none, STR("x"), 0) == -1 && str_find(none, none, 0) == 0);
    CHECK(str_find_char(s, '/', 0) == 1 && str_find_char(s, '/', 2) == 3);
    CHECK(str_find_char(s, 'x', 0) == -1 && str_find_char(s, 'c', 5) == -1);
    CHECK(str_rfind_char(s, '/') == 3 && str_rfind_char(s, 'x') == -1);
    CHECK(str_find_char(none, 'x', 0) == -1 && str_rfind_char(none, 'x') == -1);
    CHECK(str_find_char((struct str){"a\0b", 3}, 'b', 0) == 2);
}

static void pieces(void)
{
    struct str s = STR("abc");

    check_row(__func__);
    CHECK(str_eq(str_sub(s, 1, 2), STR("b")) && str_eq(str_sub(s, 0, 99), s));
    CHECK(str_sub(s, 2, 1).len == 0 && str_sub(s, 99, 100).len == 0 &&
          str_sub(none, 0, 9).len == 0);
    CHECK(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")) && str_trim(STR(" \n")).len == 0);
    CHECK(str_trim(none).len == 0 && str_eq(str_trim(STR("\va")), STR("\va")));
}

static void cutting_gives_every_piece_once(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"a,,b", "[a][][b]"}, {"", "[]"},      {",", "[][]"},
        {"a", "[a]"},         {"a,", "[a][]"}, {",a", "[][a]"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct str rest = str_from(rows[i].text), piece;
        char       got[64] = "";
        while (str_cut(&rest, ',', &piece))
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "[%.*s]", STR_ARG(piece));
        check_row(rows[i].text);
        CHECK_STR(got, rows[i].want);
    }
    check_row("nothing");
    CHECK(!str_cut(&(struct str){NULL, 0}, ',', &(struct str){0}));
}

static void numbers(void)
{
    static const struct {
        const char *text;
        bool        ok;
        uint64_t    want;
    } rows[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x10", false, 0},
        {"1e3", false, 0},
        {"1.0", false, 0},
        {"\xD9\xA1", false, 0}, /* an Arabic digit */
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        uint64_t n = 77;
        check_row(rows[i].text);
        CHECK(str_to_u64(str_from(rows[i].text), &n) == rows[i].ok);
        CHECK_U64(n, rows[i].ok ? rows[i].want : 77);
    }
    check_row("only as far as the length");
    CHECK(str_to_u64((struct str){"123", 2}, &(uint64_t){0}));
    CHECK(!str_to_u64((struct str){"12\0", 3}, &(uint64_t){0}) &&
          !str_to_u64(none, &(uint64_t){0}));
}

static void hex(void)
{
    check_row(__func__);
    CHECK(str_is_hex(STR("09af"), 4) && !str_is_hex(STR("09af"), 3) && !str_is_hex(STR("09af"), 5));
    CHECK(!str_is_hex(STR("09aF"), 4) && !str_is_hex(STR("09ag"), 4) &&
          !str_is_hex(STR("09a/"), 4));
    CHECK(!str_is_hex(STR("09a:"), 4) && !str_is_hex(STR("09a`"), 4) && str_is_hex(none, 0));
}

static void utf8(void)
{
    static const struct {
        const char *name, *text;
        bool        want;
    } rows[] = {
        {"empty", "", true},
        {"ASCII", "az\x7F", true},
        {"two bytes", "\xC2\x80\xDF\xBF", true},
        {"three bytes", "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", true},
        {"four bytes", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", true},
        {"lone continuation", "\x80", false},
        {"overlong slash", "\xC0\xAF", false},
        {"overlong in two", "\xC1\xBF", false},
        {"overlong in three", "\xE0\x9F\xBF", false},
        {"overlong in four", "\xF0\x8F\xBF\xBF", false},
        {"surrogate", "\xED\xA0\x80", false},
        {"last surrogate", "\xED\xBF\xBF", false},
        {"above U+10FFFF", "\xF4\x90\x80\x80", false},
        {"F5", "\xF5\x80\x80\x80", false},
        {"FE", "\xFE", false},
        {"cut after one", "\xE2", false},
        {"cut after two", "\xE2\x82", false},
        {"cut by ASCII", "\xE2\x82z", false},
        {"Latin-1", "caf\xE9", false},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].name);
        CHECK(str_is_utf8(str_from(rows[i].text)) == rows[i].want);
    }
    check_row("a sequence that goes on after the end");
    CHECK(!str_is_utf8((struct str){"\xE2\x82\xAC", 2}) && str_is_utf8(none));
}

static void characters_that_must_not_reach_a_terminal(void)
{
    static const struct {
        const char *text;
        size_t      len;
        bool        control;
    } rows[] = {
        {"a", 1, false},
        {"\x1b[", 1, true},
        {"\x7F", 1, true},
        {"\xC2\x80", 2, true},
        {"\xC2\x9F", 2, true},
        {"\xC2\xA0", 2, false},
        {"\xE2\x80\x8D", 3, false},
        {"\xE2\x80\x8F", 3, true},
        {"\xE2\x80\xAA", 3, true},
        {"\xE2\x80\xAF", 3, false},
        {"\xE2\x81\xA6", 3, true},
        {"\xE2\x81\xAA", 3, false},
        {"\xF0\x9F\x98\x80", 4, false},
        {"\xFF", 0, false},
        {"", 0, false},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].text);
        CHECK_U64(str_utf8_len(str_from(rows[i].text)), rows[i].len);
        CHECK(str_is_control(str_from(rows[i].text)) == rows[i].control);
    }
}

static void distances(void)
{
    static const char long_word[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    check_row(__func__);
    CHECK_U64(str_distance(STR("allow"), STR("allow")), 0);
    CHECK_U64(str_distance(STR("allow"), STR("alow")), 1);
    CHECK_U64(str_distance(STR("revison"), STR("revision")), 1);
    CHECK_U64(str_distance(STR("kitten"), STR("sitting")), 3);
    CHECK_U64(str_distance(STR(""), STR("abc")), 3);
    CHECK_U64(str_distance(STR("abc"), none), 3);
    CHECK_U64(str_distance(STR("Allow"), STR("allow")), 0);
    CHECK_U64(str_distance(str_from(long_word), STR("a")), 65);
    CHECK_U64(str_distance(str_sub(str_from(long_word), 0, 64), STR("")), 64);
}

int main(void)
{
    comparing();
    finding();
    pieces();
    cutting_gives_every_piece_once();
    numbers();
    hex();
    utf8();
    characters_that_must_not_reach_a_terminal();
    distances();
    return check_end("test_str");
}
