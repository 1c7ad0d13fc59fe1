/* Growing text: a ceiling holds, a refused addition adds nothing, the NUL is always there. */
#include "buf.h"
#include "check.h"

#include <stdlib.h>

static void it_grows_and_ends_in_a_nul(void)
{
    struct buf b = {0};

    check_row(__func__);
    CHECK_STR(buf_cstr(&b), "");
    CHECK(buf_view(&b).p != NULL && buf_view(&b).len == 0);
    CHECK(buf_add_str(&b, STR("ab")) && buf_add_char(&b, 'c') && buf_printf(&b, "%d%s", 1, "!"));
    CHECK_STR(buf_cstr(&b), "abc1!");
    for (int i = 0; i < 10000; i++)
        buf_add_char(&b, (char)('a' + i % 26));
    CHECK_U64(b.len, 10005);
    CHECK(b.p[b.len] == '\0' && b.p[10004] == 'a' + 9999 % 26);
    CHECK(buf_add(&b, "\0x", 2) && b.p[b.len - 1] == 'x');
    buf_clear(&b);
    CHECK_STR(buf_cstr(&b), "");
    CHECK(b.capacity > 10000);
    CHECK(buf_add(&b, NULL, 0) && b.len == 0);
    buf_release(&b);
    CHECK(b.p == NULL && b.len == 0);
    buf_release(&b);
}

static void the_ceiling_holds(void)
{
    struct buf b;

    check_row(__func__);
    buf_init(&b, 5);
    CHECK(buf_add_str(&b, STR("abc")) && !b.full);
    CHECK(!buf_add_str(&b, STR("def")) && b.full);
    CHECK_STR(buf_cstr(&b), "abc");
    CHECK(!buf_printf(&b, "%s", "def"));
    CHECK_STR(buf_cstr(&b), "abc");
    CHECK(buf_add_str(&b, STR("de")));
    CHECK_STR(buf_cstr(&b), "abcde");
    CHECK(!buf_add_char(&b, 'f'));
    CHECK(!buf_add(&b, "x", SIZE_MAX) && !buf_add(&b, "x", SIZE_MAX - 5));
    CHECK_STR(buf_cstr(&b), "abcde");
    buf_clear(&b);
    CHECK(!b.full && b.max == 5);
    buf_release(&b);
    CHECK_U64(b.max, 5);
}

static void taking_moves_the_text_out(void)
{
    struct buf b = {0};
    char      *text;

    check_row(__func__);
    text = buf_take(&b);
    CHECK_STR(text, "");
    free(text);
    buf_add_str(&b, STR("abc"));
    text = buf_take(&b);
    CHECK_STR(text, "abc");
    CHECK(b.p == NULL && b.len == 0 && buf_add_char(&b, 'x'));
    CHECK_STR(text, "abc");
    free(text);
    buf_release(&b);
}

static void copies_of_plain_strings(void)
{
    char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 2), *c = mem_strndup(NULL, 0);

    check_row(__func__);
    CHECK_STR(a, "abc");
    CHECK_STR(b, "ab");
    CHECK_STR(c, "");
    CHECK(mem_strdup(NULL) == NULL);
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    it_grows_and_ends_in_a_nul();
    the_ceiling_holds();
    taking_moves_the_text_out();
    copies_of_plain_strings();
    return check_end("test_buf");
}
