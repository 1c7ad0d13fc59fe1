/* Inventories: the same in pieces as at once, what was read is found, and what is written is read
 * back. Input: a byte (bit 0: put the right checksum before each line; bits 1 to 7: size of the
 * pieces), then lines. */
#include "fuzz.h"
#include "store_inventory.h"

static void seal(struct str text, struct buf *out)
{
    struct str line;

    buf_add_str(out, STR("hf-init inventory 1\n"));
    while (str_cut(&text, '\n', &line)) {
        buf_printf(out, "%08x ", (unsigned)digest_crc32(0, line.p, line.len));
        buf_add_str(out, line);
        buf_add_char(out, '\n');
    }
}

static void read_text(struct inventory *inv, struct str text, size_t step, bool merge)
{
    struct inventory_reader reader = {.inv = inv, .merge = merge};

    for (size_t i = 0; i < text.len; i += step)
        inventory_read(&reader, str_sub(text, i, i + step));
    inventory_read(&reader, STR(""));
    REQUIRE(reader.read_bytes == text.len);
}

static void render(const struct inventory *inv, struct buf *out)
{
    struct buf piece = {0};
    size_t     next = 0;
    bool       more = true;

    buf_clear(out);
    while (more) {
        more = inventory_render(inv, &next, &piece);
        buf_add_str(out, buf_view(&piece));
        buf_clear(&piece);
    }
    buf_release(&piece);
}

static void makes_sense(struct inventory *inv)
{
    for (size_t i = 0; i < inv->entry_count; i++) {
        const struct inventory_entry *e = &inv->entry[i];

        REQUIRE(inventory_find(inv, e->path) == e);
        REQUIRE(inv->commit_count > e->commit);
        REQUIRE(e->mtime_ns != INT64_MIN);
    }
    for (size_t i = inv->entry_count; i > 0; i--) /* in another order, too */
        REQUIRE(inventory_find(inv, inv->entry[i - 1].path) == &inv->entry[i - 1]);
    for (size_t i = 0; i < inv->ref_count; i++) {
        char commit[41];

        REQUIRE(inventory_get_ref(inv, inv->ref[i].revision, commit));
        REQUIRE(strlen(commit) == 40 && strspn(commit, "0123456789abcdef") == 40);
    }
}

/* Of what others noted comes only what we did not see ourselves. */
static void what_was_seen_stays(struct str text)
{
    struct inventory        ours = {0};
    struct digest           digest = {.kind = DIGEST_SHA256, .byte = {1, 2, 3}};
    struct stat             st = {.st_size = 123456789, .st_mode = S_IFREG};
    struct inventory_entry *entry = inventory_put(&ours, STR("config.json"), &digest, &st, NULL);

    entry->seen = true;
    read_text(&ours, text, 64, true);
    entry = inventory_find(&ours, STR("config.json"));
    REQUIRE(entry && inventory_proves(entry, &st, &digest));
    REQUIRE(ours.ref_count == 0);
    inventory_release(&ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input     in = input_of(data, size);
    uint8_t          how = input_byte(&in);
    struct str       text = input_rest(&in);
    struct inventory whole = {0}, pieces = {0}, again = {0};
    struct buf       sealed = {0}, a = {0}, b = {0};

    if (how & 1) {
        seal(text, &sealed);
        text = input_keep(&in, buf_view(&sealed));
    }
    read_text(&whole, text, text.len + 1, false);
    read_text(&pieces, text, (how >> 1) + 1u, false);
    makes_sense(&whole);
    render(&whole, &a);
    render(&pieces, &b);
    REQUIRE(str_eq(buf_view(&a), buf_view(&b)));
    read_text(&again, buf_view(&a), 61, false);
    render(&again, &b);
    REQUIRE(str_eq(buf_view(&a), buf_view(&b)));
    REQUIRE(again.entry_count == whole.entry_count && again.ref_count == whole.ref_count);
    what_was_seen_stays(text);
    inventory_release(&whole);
    inventory_release(&pieces);
    inventory_release(&again);
    buf_release(&sealed);
    buf_release(&a);
    buf_release(&b);
    input_release(&in);
    return 0;
}
