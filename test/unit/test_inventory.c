/* The inventory: what is damaged is not believed, however the text comes and in whatever pieces. */
#include "check.h"
#include "store_inventory.h"

#define COMMIT "9c3f0a7be51d4c2f8a6e0b1d2c3e4f5061728394"
#define OTHER  "0123456789abcdef0123456789abcdef01234567"

static struct digest digest_of(unsigned n)
{
    struct digest d = {.kind = n % 2 ? DIGEST_SHA256 : DIGEST_GIT_SHA1};

    memcpy(d.byte, &n, sizeof(n));
    return d;
}

static const char *path_of(unsigned n)
{
    static char path[32];

    snprintf(path, sizeof(path), "d%u/%u", n / 10, n);
    return path;
}

static void put(struct inventory *inv, unsigned n, const char *commit)
{
    struct digest digest = digest_of(n);
    struct stat   st = {.st_size = (off_t)n, .st_mode = S_IFREG};

    st.st_mtim.tv_sec = n % 3 ? (time_t)n : -(time_t)n; /* before 1970, too */
    inventory_put(inv, str_from(path_of(n)), &digest, &st, commit);
}

static bool holds(struct inventory *inv, unsigned n)
{
    const struct inventory_entry *e = inventory_find(inv, str_from(path_of(n)));
    struct digest                 digest = digest_of(n);
    struct stat                   st = {.st_size = (off_t)n, .st_mode = S_IFREG};

    st.st_mtim.tv_sec = n % 3 ? (time_t)n : -(time_t)n;
    return e && str_eq(e->path, str_from(path_of(n))) && inventory_proves(e, &st, &digest);
}

static void render(const struct inventory *inv, struct buf *text)
{
    struct buf piece = {0};
    size_t     next = 0, pieces = 0;
    bool       more = true;

    for (; more; pieces++) {
        buf_clear(&piece);
        more = inventory_render(inv, &next, &piece);
        CHECK(piece.len < (65 << 10));
        buf_add_str(text, buf_view(&piece));
    }
    CHECK(pieces == text->len / (64 << 10) + 1);
    buf_release(&piece);
}

/* Returns what it held at most of a line that was not whole. */
static size_t read_text(struct inventory *inv, struct str text, size_t step, bool merge)
{
    struct inventory_reader reader = {.inv = inv, .merge = merge};
    size_t                  held = 0;

    for (size_t i = 0; i < text.len; i += step) {
        inventory_read(&reader, str_sub(text, i, i + step));
        held = reader.rest.capacity > held ? reader.rest.capacity : held;
    }
    inventory_read(&reader, STR(""));
    return held;
}

static void it_comes_back_as_it_was_written(void)
{
    enum { FILES = 3000 };
    static const size_t steps[] = {1, 7, 4096, 1 << 20};
    struct inventory    inv = {0};
    struct buf          text = {0};

    for (unsigned n = 0; n < FILES; n++)
        put(&inv, n, n % 4 ? COMMIT : NULL);
    inventory_set_ref(&inv, STR("main"), COMMIT);
    render(&inv, &text);
    for (size_t i = 0; i < CHECK_COUNT(steps); i++) {
        struct inventory back = {0};
        struct buf       again = {0};
        char             commit[41];
        unsigned         held = 0;

        check_row("read");
        read_text(&back, buf_view(&text), steps[i], false);
        CHECK_U64(back.entry_count, FILES);
        for (unsigned n = 0; n < FILES; n++) /* in order */
            held += holds(&back, n);
        for (unsigned n = 0; n < FILES; n++) /* and not */
            held += holds(&back, (n * 1009) % FILES);
        CHECK_U64(held, 2 * FILES);
        CHECK(!inventory_find(&back, STR("d0/00")));
        CHECK(inventory_get_ref(&back, STR("main"), commit));
        CHECK_STR(commit, COMMIT);
        render(&back, &again);
        CHECK(str_eq(buf_view(&again), buf_view(&text)));
        inventory_release(&back);
        buf_release(&again);
    }
    check_row(NULL);
    inventory_release(&inv);
    buf_release(&text);
}

static void lines_that_do_not_check_are_not_there(void)
{
    struct inventory inv = {0};
    struct buf       text = {0}, damaged = {0};
    size_t           begin;

    for (unsigned n = 1; n <= 3; n++)
        put(&inv, n, NULL);
    render(&inv, &text);
    begin = (size_t)str_find(buf_view(&text), STR("d0/2"), 0);
    for (int how = 0; how < 5; how++) {
        static const size_t left[] = {2, 1, 1, 0, 3};
        struct inventory    back = {0};
        char                row[2] = {(char)('0' + how), '\0'};

        check_row(row);
        buf_clear(&damaged);
        buf_add_str(&damaged, buf_view(&text));
        if (how == 0)
            damaged.p[begin] ^= 1; /* a flipped bit */
        if (how == 1)
            damaged.p[begin + 4] = ' '; /* two lines that became one */
        if (how == 2)
            damaged.len = begin + 2; /* cut off */
        if (how == 3)
            damaged.p[0] ^= 1; /* another format */
        if (how == 4)
            for (int i = 0; i < 100000; i++) /* a line without end */
                buf_add_str(&damaged, STR("xx"));
        CHECK(read_text(&back, buf_view(&damaged), 5000, false) < 64 << 10);
        CHECK_U64(back.entry_count, left[how]);
        CHECK(holds(&back, 1) == (how != 3));
        CHECK(holds(&back, 2) == (how == 4));
        CHECK(holds(&back, 3) == (how == 0 || how == 4));
        inventory_release(&back);
    }
    check_row(NULL);
    inventory_release(&inv);
    buf_release(&text);
    buf_release(&damaged);
}

static void of_what_others_noted_comes_what_we_did_not_see(void)
{
    struct inventory ours = {0}, theirs = {0};
    struct digest    other = digest_of(9);
    struct stat      st = {.st_size = 9, .st_mode = S_IFREG};
    struct buf       text = {0};
    char             commit[41];

    for (unsigned n = 1; n <= 2; n++) {
        put(&ours, n, NULL);
        inventory_put(&theirs, str_from(path_of(n)), &other, &st, COMMIT);
    }
    put(&theirs, 3, COMMIT);
    inventory_set_ref(&theirs, STR("main"), COMMIT);
    inventory_find(&ours, str_from(path_of(1)))->seen = true;
    render(&theirs, &text);
    read_text(&ours, buf_view(&text), 50, true);
    CHECK(holds(&ours, 1) && !holds(&ours, 2) && holds(&ours, 3));
    CHECK(inventory_find(&ours, str_from(path_of(2)))->size_bytes == 9);
    CHECK(
        !inventory_get_ref(&ours, STR("main"), commit)); /* which commit the folder holds we know */
    inventory_release(&ours);
    inventory_release(&theirs);
    buf_release(&text);
}

static void what_is_forgotten_does_not_come_back(void)
{
    struct inventory inv = {0}, back = {0}, older = {0};
    struct buf       text = {0}, before = {0};
    char             commit[41];

    put(&inv, 1, COMMIT);
    put(&inv, 2, COMMIT);
    inventory_set_place(&inv, true, "models--acme--tiny");
    inventory_add_ref(&inv, STR("main"), COMMIT);
    inventory_add_ref(&inv, STR("v1"), OTHER);
    inventory_add_ref(&inv, STR("main"), OTHER);
    render(&inv, &before);
    inventory_forget(&inv, inventory_find(&inv, str_from(path_of(1))));
    inventory_drop_commit(&inv, COMMIT);
    render(&inv, &text);
    read_text(&back, buf_view(&text), 7, false);
    CHECK(str_eq(back.place, STR("cache models--acme--tiny")));
    CHECK(!holds(&back, 1) && holds(&back, 2));
    CHECK(inventory_get_ref(&back, STR("v1"), commit) && strcmp(commit, OTHER) == 0);
    CHECK(inventory_get_ref(&back, STR("main"), commit) && strcmp(commit, OTHER) == 0);
    read_text(&inv, buf_view(&before), 64, true); /* others still know of it */
    buf_clear(&text);
    render(&inv, &text);
    read_text(&older, buf_view(&text), 64, false);
    CHECK(!holds(&older, 1) && holds(&older, 2));
    put(&inv, 1, COMMIT); /* but a file that is put there again does */
    CHECK(holds(&inv, 1));
    inventory_drop_commit(&back, OTHER);
    CHECK(back.ref_count == 0);
    inventory_release(&inv);
    inventory_release(&back);
    inventory_release(&older);
    buf_release(&text);
    buf_release(&before);
}

int main(void)
{
    it_comes_back_as_it_was_written();
    lines_that_do_not_check_are_not_there();
    of_what_others_noted_comes_what_we_did_not_see();
    what_is_forgotten_does_not_come_back();
    return check_end("test_inventory");
}
