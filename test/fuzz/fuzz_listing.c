/* Pages of a listing: the same however their bytes come, no path leaves the folder, every file has a
 * size and a hash. Input: a byte for the size of the pieces, then a page. */
#include "fuzz.h"
#include "hub.h"
#include "json.h"
#include "names.h"

static int read_page(struct hub_listing *l, struct str page, size_t step, struct err *err)
{
    hub_listing_begin_page(l);
    for (size_t i = 0; i < page.len; i += step) {
        struct str piece = str_sub(page, i, i + step);

        if (hub_listing_add_text(l, piece.p, piece.len, err))
            return -1;
    }
    return hub_listing_end_page(l, err);
}

static bool is_same_entry(const struct hub_entry *a, const struct hub_entry *b)
{
    return str_eq(a->path, b->path) && a->size_bytes == b->size_bytes &&
           digest_equal(&a->digest, &b->digest) && memcmp(a->oid, b->oid, sizeof(a->oid)) == 0 &&
           a->is_lfs == b->is_lfs && a->xet_masked == b->xet_masked &&
           !a->xet_hash == !b->xet_hash &&
           (!a->xet_hash || memcmp(a->xet_hash, b->xet_hash, 32) == 0);
}

static void makes_sense(const struct hub_entry *e)
{
    REQUIRE(stays_below(e->path));
    REQUIRE(e->size_bytes < 1ull << 53);
    REQUIRE(e->is_lfs == (e->digest.kind == DIGEST_SHA256));
    REQUIRE(!(e->xet_hash && e->xet_masked));
}

/* Of a page that was read, each item of type "file" is an entry. */
static void nothing_is_left_out(struct str page, size_t entries)
{
    struct json *root = NULL;
    struct str   type;
    struct err   err;
    size_t       files = 0;

    REQUIRE(json_parse(page, &root, &err) == 0 && json_is_array(root));
    for (const struct json *item = json_first(root); item; item = json_next(item))
        files += json_str(json_get(item, "type"), &type) && str_eq(type, STR("file"));
    REQUIRE(files == entries);
    json_free(root);
}

static void comes_again(struct hub_listing *l, struct str page, size_t step)
{
    size_t     count = l->count;
    uint64_t   hash = l->page_hash;
    struct err err;

    REQUIRE(read_page(l, page, step, &err) == 0 && l->count == 2 * count);
    REQUIRE(l->page_hash == hash); /* that it came again can be seen */
    for (size_t i = 0; i < count; i++)
        REQUIRE(is_same_entry(&l->entry[i], &l->entry[count + i]));
    hub_listing_drop_page(l);
    REQUIRE(l->count == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input       in = input_of(data, size);
    size_t             step = input_byte(&in) + 1u;
    struct str         page = input_rest(&in);
    struct hub_listing whole = {0}, pieces = {0};
    struct err         err = {0}, other = {0};
    int                rc = read_page(&whole, page, page.len + 1, &err);

    REQUIRE(read_page(&pieces, page, step, &other) == rc);
    REQUIRE(whole.count == pieces.count && err.kind == other.kind);
    for (size_t i = 0; i < whole.count; i++) {
        makes_sense(&whole.entry[i]);
        REQUIRE(is_same_entry(&whole.entry[i], &pieces.entry[i]));
    }
    if (rc == 0) {
        nothing_is_left_out(page, whole.count);
        comes_again(&whole, page, step);
    } else {
        REQUIRE(err.kind == ERR_BAD_ANSWER || err.kind == ERR_UNSAFE_NAME || err.kind == ERR_PROXY);
        hub_listing_drop_page(&whole);
        REQUIRE(whole.count == 0);
    }
    hub_listing_release(&whole);
    hub_listing_release(&pieces);
    input_release(&in);
    return 0;
}
