/* trees/COMMIT.json, by Python or by us: the same in pieces as at once, no path leaves the folder, and
 * what is written of it is read back. Input: a byte for the size of the pieces, then the text. */
#include "../../lib/store_tree.c"

#include "fuzz.h"
#include "names.h"

struct kept {
    struct store_tree_entry entry;
    struct digest           oid, xet;
};

struct listing {
    struct arena names;
    struct kept *item;
    size_t       count;
};

static int keep(const struct store_tree_entry *entry, void *user, struct err *err)
{
    struct listing *l = user;
    struct kept    *k;

    (void)err;
    REQUIRE(entry && stays_below(entry->path));
    REQUIRE(entry->is_lfs == (entry->digest.kind == DIGEST_SHA256));
    l->item = mem_resize(l->item, l->count + 1, sizeof(*l->item));
    k = &l->item[l->count++];
    *k = (struct kept){.entry = *entry};
    k->entry.path = arena_str(&l->names, entry->path);
    memcpy(k->oid.byte, entry->oid, 20);
    if (entry->xet_hash)
        memcpy(k->xet.byte, entry->xet_hash, 32);
    return 0;
}

static void listing_release(struct listing *l)
{
    arena_release(&l->names);
    free(l->item);
    *l = (struct listing){0};
}

/* As read_tree does it, without a file. */
static bool read_text(struct str text, size_t step, struct listing *out)
{
    struct reader r = {.visit = keep, .user = out};
    struct err    err;
    int           rc = 0;

    r.list = json_list_new_inside("files", on_file, on_other, &r);
    for (size_t i = 0; rc == 0 && i < text.len; i += step)
        rc = json_list_add(r.list, text.p + i, str_sub(text, i, i + step).len, &err);
    if (rc == 0)
        rc = json_list_end(r.list, &err);
    json_list_free(r.list);
    return rc == 0 && r.is_version_1 && r.count;
}

static bool is_same(const struct kept *a, const struct kept *b)
{
    return str_eq(a->entry.path, b->entry.path) && a->entry.size_bytes == b->entry.size_bytes &&
           a->entry.is_lfs == b->entry.is_lfs && digest_equal(&a->entry.digest, &b->entry.digest) &&
           memcmp(a->oid.byte, b->oid.byte, 20) == 0 && !a->entry.xet_hash == !b->entry.xet_hash &&
           memcmp(a->xet.byte, b->xet.byte, 32) == 0;
}

static bool holds(const struct listing *l, const struct kept *k)
{
    for (size_t i = 0; i < l->count; i++)
        if (is_same(&l->item[i], k))
            return true;
    return false;
}

static void give(const void *user, size_t i, struct store_tree_entry *out)
{
    struct kept *k = &((const struct listing *)user)->item[i];

    *out = k->entry;
    out->oid = k->oid.byte;
    out->xet_hash = k->entry.xet_hash ? k->xet.byte : NULL;
}

static void comes_back(const struct listing *l)
{
    struct store_tree tree = {l->count, give, l, true};
    struct renderer   r = {.tree = &tree};
    struct listing    back = {0};
    struct buf        text = {0};

    r.order = mem_resize(NULL, l->count, sizeof(*r.order));
    for (size_t i = 0; i < l->count; i++)
        r.order[i] = (uint32_t)i;
    qsort_r(r.order, l->count, sizeof(*r.order), by_path, &tree);
    render_piece(&r, NULL);
    while (render_piece(&r, &text))
        ;
    REQUIRE(fuzz_is_json(buf_view(&text)));
    for (size_t i = 0; i < text.len; i++)
        REQUIRE((unsigned char)text.p[i] < 0x80);
    REQUIRE(read_text(buf_view(&text), 7, &back) && back.count == l->count);
    for (size_t i = 0; i < l->count; i++)
        REQUIRE(holds(&back, &l->item[i]));
    listing_release(&back);
    buf_release(&text);
    free(r.order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input   in = input_of(data, size);
    size_t         step = input_byte(&in) + 1u;
    struct str     text = input_rest(&in);
    struct listing whole = {0}, pieces = {0};
    bool           ok = read_text(text, text.len + 1, &whole);

    REQUIRE(read_text(text, step, &pieces) == ok && whole.count == pieces.count);
    for (size_t i = 0; i < whole.count; i++)
        REQUIRE(is_same(&whole.item[i], &pieces.item[i]));
    if (ok)
        comes_back(&whole);
    listing_release(&whole);
    listing_release(&pieces);
    input_release(&in);
    return 0;
}
