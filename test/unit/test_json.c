/* JSON: what is not exactly JSON is refused, what is odd inside it does not pass as a number. */
#include "check.h"
#include "json.h"

#include <stdlib.h>

#include "buf.h"

static struct json *parse(const char *text)
{
    struct json *root = NULL;
    struct err   err;

    if (json_parse(str_from(text), &root, &err))
        printf("%s\n", err.text);
    return root;
}

static void whole_texts_are_accepted(void)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        " [1, 2]\r\n\t",
        "\"x\"",
        "null",
        "true",
        "-1.5e-3",
        "\xEF\xBB\xBF{}",
        "{\"a\":{\"b\":[{}]}}",
        "\"\\u00e9\\ud83d\\ude00\\\\u0000\"",
        "\"[[[[[{{{{\"",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct json *root = parse(rows[i]);
        check_row(rows[i]);
        CHECK(root != NULL);
        json_free(root);
    }
}

static void broken_texts_are_refused(void)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "missing"},
        {"  ", "missing"},
        {"{", "not a value"},
        {"[1,", "not a value"},
        {"[1 2]", "not a value"},
        {"{\"a\":1,}", "not a value"},
        {"{a:1}", "not a value"},
        {"{'a':1}", "not a value"},
        {"NaN", "not a value"},
        {"[Infinity]", "not a value"},
        {"[-Infinity]", "not a value"},
        {"nul", "not a value"},
        {"{} {}", "follows"},
        {"[]x", "follows"},
        {"1.2.3", "follows"},
        {"]", "never opened"},
        {"[}", "not a value"},
        {"\"abc", "ends inside a string"},
        {"\"abc\\", "ends inside a string"},
        {"\"a\nb\"", "control character"},
        {"[1,\x01"
         "2]",
         "control character"},
        {"\"a\\u0000b\"", "NUL"},
        {"\"\\ud800\"", "not a value"},
        {"\"\\x\"", "not a value"},
        {"\"\xFF\"", "UTF-8"},
        {"\"\xC0\x80\"", "UTF-8"},
        {"\"\xED\xA0\x80\"", "UTF-8"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "32 levels"},
        {"<html>", "not a value"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct json *root = NULL;
        struct err   err = {0};
        check_row(rows[i].text);
        CHECK(json_parse(str_from(rows[i].text), &root, &err) == -1);
        CHECK(root == NULL);
        CHECK_U64(err.kind, ERR_BAD_ANSWER);
        if (!strstr(err.text, rows[i].why))
            CHECK_STR(err.text, rows[i].why);
    }
}

static void a_message_says_where_reading_stopped(void)
{
    struct json *root;
    struct err   err;

    check_row(__func__);
    CHECK(json_parse(STR("{\"a\": oops}"), &root, &err) == -1);
    CHECK_STR(err.text, "bad JSON: not a value, at byte 6 of 11, near 'oops}'");
    CHECK(json_parse((struct str){"[1]\0", 4}, &root, &err) == -1);
}

static void a_text_need_not_end_in_a_nul(void)
{
    struct json *root = NULL;
    struct err   err;
    uint64_t     n = 0;
    char        *exact = malloc(4); /* so that the sanitizer sees a read past the end */

    check_row(__func__);
    memcpy(exact, "1234", 4);
    CHECK(json_parse((struct str){exact, 3}, &root, &err) == 0);
    CHECK(json_u64(root, &n));
    CHECK_U64(n, 123);
    json_free(root);
    CHECK(json_parse((struct str){exact, 4}, &root, &err) == 0);
    CHECK(json_u64(root, &n));
    CHECK_U64(n, 1234);
    json_free(root);
    free(exact);
}

/* N54: 100,000 levels, and many brackets that cost cJSON far more memory than text. */
static void bombs_are_refused_before_they_cost_anything(void)
{
    struct buf   text = {0};
    struct json *root;
    struct err   err;

    check_row(__func__);
    for (int i = 0; i < 100000; i++)
        buf_add_str(&text, STR("[{\"a\":"));
    CHECK(json_parse(buf_view(&text), &root, &err) == -1);
    CHECK(strstr(err.text, "32 levels"));
    buf_clear(&text);
    buf_add_char(&text, '[');
    for (int i = 0; i < 262144; i++)
        buf_add_str(&text, STR("[],"));
    buf_add_str(&text, STR("[]]"));
    CHECK(json_parse(buf_view(&text), &root, &err) == -1);
    CHECK(strstr(err.text, "more than 262144 values"));
    buf_release(&text);
    CHECK(json_parse((struct str){"", (64 << 20) + 1}, &root, &err) == -1);
    CHECK(strstr(err.text, "64 MiB"));
}

static void whole_numbers_only(void)
{
    static const struct {
        const char *text;
        bool        ok;
        uint64_t    want;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"4294967296", true, 4294967296},
        {"500000000000", true, 500000000000},
        {"9007199254740991", true, 9007199254740991},
        {"1e3", true, 1000},
        {"10.0", true, 10},
        {"9007199254740992", false, 0},
        {"9007199254740993", false, 0},
        {"18446744073709551616", false, 0},
        {"1e999", false, 0},
        {"-1", false, 0},
        {"-1e-400", true, 0},
        {"0.5", false, 0},
        {"1e-3", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
        {"null", false, 0},
        {"[1]", false, 0},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct json *root = parse(rows[i].text);
        uint64_t     n = 77;
        check_row(rows[i].text);
        CHECK(json_u64(root, &n) == rows[i].ok);
        CHECK_U64(n, rows[i].ok ? rows[i].want : 77);
        json_free(root);
    }
}

static void lookups_need_no_checks(void)
{
    struct json       *root = parse("{\"a\":{\"s\":\"x\",\"t\":true,\"n\":null},\"l\":[1,2,3],"
                                          "\"d\":1,\"d\":2,\"D\":3}");
    const struct json *a = json_get(root, "a"), *item;
    struct str         s = {0};
    uint64_t           n = 0, sum = 0;
    bool               b = false;

    check_row(__func__);
    CHECK(json_is_object(root) && !json_is_array(root) && json_is_object(a));
    CHECK(json_str(json_get(a, "s"), &s) && str_eq(s, STR("x")));
    CHECK(json_bool(json_get(a, "t"), &b) && b);
    CHECK(json_is_null(json_get(a, "n")) && !json_is_null(json_get(a, "none")));
    CHECK(!json_str(json_get(json_get(json_get(root, "x"), "y"), "z"), &s));
    CHECK(!json_u64(NULL, &n) && !json_bool(NULL, &b) && !json_str(NULL, &s));
    CHECK(json_get(json_get(root, "l"), "a") == NULL);
    CHECK(json_first(json_get(a, "s")) == NULL && json_first(NULL) == NULL);
    CHECK(json_next(NULL) == NULL && json_key(NULL).len == 0);
    for (item = json_first(json_get(root, "l")); item; item = json_next(item))
        if (CHECK(json_u64(item, &n)))
            sum += n;
    CHECK_U64(sum, 6);
    CHECK(str_eq(json_key(json_first(root)), STR("a")));
    CHECK(json_u64(json_get(root, "d"), &n) && n == 1); /* the first of duplicates */
    CHECK(json_u64(json_get(root, "D"), &n) && n == 3);
    json_free(root);
    json_free(NULL);
}

/* --- item by item --- */

struct seen {
    uint64_t sum;
    size_t   count, stop_at;
};

static int on_item(const struct json *item, size_t index, void *user, struct err *err)
{
    struct seen *seen = user;
    uint64_t     n = 0;

    if (index != seen->count++)
        return err_set(err, ERR_INTERNAL, "wrong index");
    if (seen->stop_at && seen->count == seen->stop_at)
        return err_set(err, ERR_UNSAFE_NAME, "stop");
    if (json_u64(item, &n) || json_u64(json_get(item, "n"), &n))
        seen->sum += n;
    return 0;
}

/* Feeds a list in pieces of `step` bytes. */
static int read_list(struct json_list *list, struct str text, size_t step, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < text.len && rc == 0; i += step) {
        struct str piece = str_sub(text, i, i + step);

        rc = json_list_add(list, piece.p, piece.len, err);
    }
    if (rc == 0)
        rc = json_list_end(list, err);
    json_list_free(list);
    return rc;
}

static int each_item(struct str text, size_t step, struct seen *seen, struct err *err)
{
    return read_list(json_list_new(on_item, seen), text, step, err);
}

static void a_big_array_is_read_item_by_item(void)
{
    static const struct {
        const char *text;
        size_t      count; /* SIZE_MAX: refused */
        uint64_t    sum;
    } rows[] = {
        {"[]", 0, 0},
        {" [ ] ", 0, 0},
        {"\xEF\xBB\xBF[1]", 1, 1},
        {"[1,2,3]", 3, 6},
        {"[ {\"n\":1} ,\n{\"n\":2,\"x\":[1,2,\"],[\"]} ]\n", 2, 3},
        {"[\"a,]\\\"\",5]", 2, 5},
        {"", SIZE_MAX, 0},
        {"{}", SIZE_MAX, 0},
        {"1", SIZE_MAX, 0},
        {"[", SIZE_MAX, 0},
        {"[ ", SIZE_MAX, 0},
        {"[1", SIZE_MAX, 0},
        {"[1,", SIZE_MAX, 0},
        {"[1,]", SIZE_MAX, 0},
        {"[,1]", SIZE_MAX, 0},
        {"[1,,2]", SIZE_MAX, 0},
        {"[1 2]", SIZE_MAX, 0},
        {"[1]]", SIZE_MAX, 0},
        {"[1] x", SIZE_MAX, 0},
        {"[}]", SIZE_MAX, 0},
        {"[{]}]", SIZE_MAX, 0},
        {"[\"a]", SIZE_MAX, 0},
        {"[\"\\u0000\"]", SIZE_MAX, 0},
        {"[\"\xFF\"]", SIZE_MAX, 0},
    };

    for (size_t i = 0; i < 8 * CHECK_COUNT(rows); i++) { /* whole, and in pieces of 1 to 7 bytes */
        const char *text = rows[i / 8].text;
        struct seen seen = {0};
        struct err  err = {0};
        int         rc = each_item(str_from(text), i % 8 ? i % 8 : SIZE_MAX / 2, &seen, &err);

        check_row(text);
        CHECK(rc == (rows[i / 8].count == SIZE_MAX ? -1 : 0));
        if (rc) {
            CHECK_U64(err.kind, ERR_BAD_ANSWER);
            continue;
        }
        CHECK_U64(seen.count, rows[i / 8].count);
        CHECK_U64(seen.sum, rows[i / 8].sum);
    }
}

static void a_visitor_may_stop_with_its_own_error(void)
{
    struct seen seen = {.stop_at = 2};
    struct err  err = {0};

    check_row(__func__);
    CHECK(each_item(STR("[1,2,3]"), 1, &seen, &err) == -1);
    CHECK_U64(err.kind, ERR_UNSAFE_NAME);
    CHECK_U64(seen.count, 2);
}

static void items_may_be_many_but_not_deep(void)
{
    struct buf  text = {0};
    struct seen seen = {0};
    struct err  err = {0};

    check_row(__func__);
    buf_add_char(&text, '[');
    for (int i = 0; i < 1100000; i++)
        buf_add_str(&text, STR("1,"));
    buf_add_str(&text, STR("1]"));
    CHECK(each_item(buf_view(&text), 1000, &seen, &err) == 0);
    CHECK_U64(seen.count, 1100001);
    buf_clear(&text);
    buf_add_char(&text, '[');
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, '{');
    CHECK(each_item(buf_view(&text), 1000, &seen, &err) == -1);
    CHECK(strstr(err.text, "32 levels"));
    buf_release(&text);
}

/* The place of an error is counted from the start of the whole, not of what is still held. */
static void a_list_says_where_reading_stopped(void)
{
    struct seen seen = {0};
    struct err  err = {0};

    check_row(__func__);
    CHECK(each_item(STR("[1, 2, 3, 4, 5, x, 7]"), 3, &seen, &err) == -1);
    CHECK(strstr(err.text, "at byte 16"));
    CHECK_U64(seen.count, 5);
}

/* Nobody can make us hold, or go over again and again, an item that does not end. */
static void an_item_has_at_most_256_kib(void)
{
    static const char *const begins[] = {"[\"", "[[", "[ "};

    for (size_t i = 0; i < CHECK_COUNT(begins); i++) {
        struct buf  text = {0};
        struct seen seen = {0};
        struct err  err = {0};

        check_row(begins[i]);
        buf_add_str(&text, str_from(begins[i]));
        while (text.len < 250000)
            buf_add_str(&text, i ? STR(" ") : STR("a"));
        buf_add_str(&text, i == 0 ? STR("\"]") : i == 1 ? STR("]]") : STR("1]"));
        CHECK(each_item(buf_view(&text), 16384, &seen, &err) == 0 && seen.count == 1);
        buf_clear(&text);
        buf_add_str(&text, str_from(begins[i]));
        while (text.len < 300000)
            buf_add_str(&text, i == 2 ? STR("1") : i ? STR(" ") : STR("a"));
        CHECK(each_item(buf_view(&text), 16384, &seen, &err) == -1);
        CHECK(strstr(err.text, "256 KiB"));
        buf_add_str(&text, i == 0 ? STR("\"]") : i == 1 ? STR("]]") : STR("]"));
        CHECK(each_item(buf_view(&text), 1 << 20, &seen, &err) ==
              -1); /* also when it is all there */
        CHECK(strstr(err.text, "256 KiB"));
        buf_release(&text);
    }
}

struct members {
    struct buf seen; /* "key=value " of the inner list, "(key) " of the others */
};

static int on_member(const struct json *item, size_t index, void *user, struct err *err)
{
    struct members *m = user;
    uint64_t        n = 0;

    (void)index;
    (void)err;
    json_u64(item, &n);
    buf_printf(&m->seen, "%.*s=%u ", STR_ARG(json_key(item)), (unsigned)n);
    return 0;
}

static int on_other(const struct json *item, size_t index, void *user, struct err *err)
{
    (void)index;
    (void)err;
    buf_printf(&((struct members *)user)->seen, "(%.*s) ", STR_ARG(json_key(item)));
    return 0;
}

static void the_members_of_a_member_are_read_one_by_one(void)
{
    static const struct {
        const char *text, *seen; /* NULL: refused */
    } rows[] = {
        {"{}", ""},
        {"{\"f\":{}}", ""},
        {"{\"v\": 1, \"f\" : { \"a\":1 , \"b\":2}}", "(v) a=1 b=2 "},
        {"{\"f\":{\"a\":1},\"v\":{\"f\":{\"x\":9}}} ", "a=1 (v) "},
        {"{\"f\":{\"a\":1},\"f\":{\"b\":2}}", "a=1 b=2 "},
        {"{\"f\":{\"f\":3,\"{\":4}}", "f=3 {=4 "},
        {"{\"f\":[1,2]}", "(f) "},
        {"{\"f\":1}", "(f) "},
        {"{\"\\u0066\":{\"a\":1}}", "(f) "}, /* an escaped key is another spelling, and nobody's */
        {"[]", NULL},
        {"{\"f\":{\"a\":1}", NULL},
        {"{\"f\":{\"a\":1,}}", NULL},
        {"{\"f\":{\"a\":1]}", NULL},
        {"{\"f\":{\"a\":1} \"v\":2}", NULL},
        {"{\"f\":{\"a\" 1}}", NULL},
        {"{\"f\" {\"a\":1}}", NULL},
        {"{\"f\":{1:1}}", NULL},
        {"{\"f\":{\"a\"}}", NULL},
        {"{\"f\":{\"a\":1}}}", NULL},
        {"{\"f\"", NULL},
    };

    for (size_t i = 0; i < 4 * CHECK_COUNT(rows); i++) {
        struct members    m = {{0}};
        struct err        err = {0};
        struct json_list *list = json_list_new_inside("f", on_member, on_other, &m);
        const char       *want = rows[i / 4].seen;
        int rc = read_list(list, str_from(rows[i / 4].text), i % 4 ? i % 4 : 1000, &err);

        check_row(rows[i / 4].text);
        CHECK(rc == (want ? 0 : -1));
        if (want)
            CHECK_STR(buf_cstr(&m.seen), want);
        buf_release(&m.seen);
    }
}

int main(void)
{
    whole_texts_are_accepted();
    broken_texts_are_refused();
    a_message_says_where_reading_stopped();
    a_text_need_not_end_in_a_nul();
    bombs_are_refused_before_they_cost_anything();
    whole_numbers_only();
    lookups_need_no_checks();
    a_big_array_is_read_item_by_item();
    a_visitor_may_stop_with_its_own_error();
    items_may_be_many_but_not_deep();
    a_list_says_where_reading_stopped();
    an_item_has_at_most_256_kib();
    the_members_of_a_member_are_read_one_by_one();
    return check_end("test_json");
}
