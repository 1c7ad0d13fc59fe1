/* Growing text: a ceiling holds, a refused addition adds nothing, the NUL is always there. */
#include "arena.h"
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

static void numbers_and_hex(void)
{
    struct buf b = {0};

    check_row(__func__);
    CHECK(buf_add_u64(&b, 0) && buf_add_char(&b, ' ') && buf_add_u64(&b, UINT64_MAX));
    CHECK(buf_add_char(&b, ' ') && buf_add_hex(&b, "\x00\xAF\x10", 3) && buf_add_hex(&b, "", 0));
    CHECK_STR(buf_cstr(&b), "0 18446744073709551615 00af10");
    b.max = b.len + 1;
    CHECK(!buf_add_hex(&b, "\x01", 1) && b.full);
    CHECK_STR(buf_cstr(&b), "0 18446744073709551615 00af10");
    buf_release(&b);
}

static void an_arena_takes_back_what_came_after_a_mark(void)
{
    struct arena      a = {0};
    struct arena_mark empty = arena_mark(&a), mark;
    struct str        kept = arena_str(&a, STR("kept"));
    uint64_t         *number;
    size_t            bytes = a.total_bytes;

    check_row(__func__);
    mark = arena_mark(&a);
    for (int i = 0; i < 3; i++) {
        CHECK_STR(arena_strdup(&a, STR("gone")), "gone");
        number = arena_alloc(&a, 3 * sizeof(*number));
        CHECK((uintptr_t)number % 16 == 0 && number[0] == 0 && number[2] == 0);
        memset(number, 0xFF, 3 * sizeof(*number));
        CHECK(memcmp(arena_bytes(&a, "\0x", 3), "\0x", 3) == 0);
        memset(arena_alloc(&a, 100000), 0xFF, 100000); /* a block of its own */
        memset(arena_alloc(&a, 100), 0xFF, 100);
        CHECK(a.total_bytes > 100000);
        arena_rewind(&a, mark);
        CHECK_U64(a.total_bytes, bytes);
    }
    CHECK_STR(kept.p, "kept");
    for (int i = 0; i < 6000; i++) /* texts lie side by side */
        arena_str(&a, STR("123456789"));
    CHECK_U64(a.total_bytes, bytes);
    arena_rewind(&a, empty);
    CHECK_U64(a.total_bytes, 0);
    arena_release(&a);
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
    numbers_and_hex();
    an_arena_takes_back_what_came_after_a_mark();
    copies_of_plain_strings();
    return check_end("test_buf");
}
