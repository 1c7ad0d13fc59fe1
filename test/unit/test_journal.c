/* The journal never claims more than what is there, whatever happened to it. */
#include "store_journal.h"
#include "volume.h"

#define HERE      "11111111-2222-3333-4444-555555555555"
#define ELSEWHERE "99999999-2222-3333-4444-555555555555"

static struct journal_head head(void)
{
    struct journal_head h = {.size_bytes = 1000, .boot_id = HERE, .owner = "key"};

    digest_of_text(STR("x"), &h.digest);
    return h;
}

/* w 0-100, w 200-300, synced, w 100-150: the usual life. */
static void write_sample(int dir)
{
    struct journal      j = JOURNAL_INIT;
    struct journal_view fresh = {.head = head()};
    struct err          err = {0};
    uint64_t            offset;

    CHECK(journal_create(&j, dir, "j", &fresh, &err) == 0);
    CHECK(journal_mark(&j, (struct range){0, 100}, &err) == 0);
    CHECK(journal_mark(&j, (struct range){200, 300}, &err) == 0);
    offset = j.len_bytes;
    CHECK(journal_mark(&j, (struct range){100, 150}, &err) == 0); /* while syncing */
    CHECK(journal_note_sync(&j, offset, &err) == 0);
    CHECK(journal_mark(&j, (struct range){900, 1000}, &err) == 0);
    journal_close(&j);
}

static uint64_t bytes_on(const char *boot_id, struct str text)
{
    struct journal_view view = {0};
    uint64_t            bytes = 0;

    if (journal_parse(text, boot_id, &view))
        bytes = range_set_bytes(&view.written);
    journal_view_release(&view);
    return bytes;
}

static void same_kernel_trusts_what_was_written(int dir)
{
    struct journal_view view = {0};

    CHECK(journal_load(dir, "j", HERE, &view) == 1);
    CHECK_U64(view.head.size_bytes, 1000);
    CHECK_STR(view.head.owner, "key");
    CHECK_U64(range_set_bytes(&view.written), 350);
    CHECK_U64(range_set_bytes(&view.durable), 200);
    CHECK(range_set_covers(&view.written, (struct range){900, 1000}));
    journal_view_release(&view);
}

static void another_kernel_trusts_only_what_was_synced(int dir)
{
    struct journal_view view = {0};

    CHECK(journal_load(dir, "j", ELSEWHERE, &view) == 1);
    CHECK_U64(range_set_bytes(&view.written), 200);
    CHECK(!range_set_covers(&view.written, (struct range){100, 150})); /* marked too late */
    journal_view_release(&view);
    CHECK(journal_load(dir, "j", "-", &view) == 1); /* a kernel that does not tell */
    CHECK_U64(range_set_bytes(&view.written), 200);
    journal_view_release(&view);
    CHECK(journal_load(dir, "missing", HERE, &view) == 0);
}

static void torn_at_any_byte_it_claims_only_whole_lines(struct str whole)
{
    uint64_t last = 0;

    for (size_t len = 0; len <= whole.len; len++) {
        uint64_t bytes = bytes_on(HERE, str_sub(whole, 0, len));

        CHECK(bytes >= last && bytes <= 350);
        CHECK(bytes_on(ELSEWHERE, str_sub(whole, 0, len)) <= 200);
        last = bytes;
    }
    CHECK_U64(last, 350);
}

static void flipped_at_any_bit_it_claims_no_more(struct str whole)
{
    struct buf copy = {0};

    for (size_t i = 0; i < whole.len * 8; i++) {
        buf_clear(&copy);
        buf_add_str(&copy, whole);
        copy.p[i / 8] = (char)(copy.p[i / 8] ^ (1 << (i % 8)));
        CHECK(bytes_on(HERE, buf_view(&copy)) < 350); /* what follows the damage is not believed */
    }
    buf_release(&copy);
}

static void garbage_is_no_journal(void)
{
    static const char *const rows[] = {
        "",
        "\n",
        " \n",
        "\n\n\n",
        "hf-init journal 1\n",
        "x 00000000\n",
        "hf-init journal 2 00000000\n",
        "w 0 100 00000000\n",
    };
    struct journal_view view = {0};

    for (size_t i = 0; i < CHECK_COUNT(rows); i++)
        CHECK(!journal_parse(str_from(rows[i]), HERE, &view));
    CHECK(!journal_parse((struct str){"\0\0\0\0\n\0\0", 7}, HERE, &view));
}

/* Lines with a right checksum that make no sense: somebody else's program, or ours, wrong. */
static void senseless_lines_end_it(void)
{
    static const char *const rows[] = {
        "w 0 1001", "w 5 5",   "w 9 3", "w 1",   "w 1 2 3",
        "w -1 4",   "s 99999", "s",     "q 1 2", "w 0 99999999999999999999"};
    struct journal_head h = head();
    struct buf          text = {0};
    char                hex[DIGEST_HEX_MAX], line[256];

    digest_to_hex(&h.digest, hex);
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        uint32_t crc;

        check_row(rows[i]);
        buf_clear(&text);
        snprintf(line, sizeof(line), "hf-init journal 1 %s 1000 " HERE " key", hex);
        crc = digest_crc32(0, line, strlen(line));
        buf_printf(&text, "%s %08" PRIx32 "\n", line, crc);
        crc = digest_crc32(crc, rows[i], strlen(rows[i]));
        buf_printf(&text, "%s %08" PRIx32 "\n", rows[i], crc);
        crc = digest_crc32(crc, "w 0 10", 6);
        buf_printf(&text, "w 0 10 %08" PRIx32 "\n", crc);
        CHECK_U64(bytes_on(HERE, buf_view(&text)), 0);
    }
    check_row(NULL);
    buf_release(&text);
}

/* --- the running hash --- */

static struct journal_hash hash_at(uint64_t hashed_bytes)
{
    struct journal_hash hash = {.hashed_bytes = hashed_bytes, .len = DIGEST_STATE_MAX};

    for (size_t i = 0; i < hash.len; i++)
        hash.state[i] = (unsigned char)(hashed_bytes + i);
    return hash;
}

/* Hashes at 50, 150 and 250; [0, 200) is on disk, [200, 300) is not. */
static void write_hashed(int dir)
{
    struct journal      j = JOURNAL_INIT;
    struct journal_view fresh = {.head = head()};
    struct journal_hash hash[] = {hash_at(50), hash_at(150), hash_at(250)};
    struct err          err = {0};

    CHECK(journal_create(&j, dir, "h", &fresh, &err) == 0);
    CHECK(journal_mark(&j, (struct range){0, 200}, &err) == 0);
    CHECK(journal_note_hash(&j, &hash[0], &err) == 0);
    CHECK(journal_note_hash(&j, &hash[1], &err) == 0);
    CHECK(journal_note_sync(&j, j.len_bytes, &err) == 0);
    CHECK(journal_mark(&j, (struct range){200, 300}, &err) == 0);
    CHECK(journal_note_hash(&j, &hash[2], &err) == 0);
    journal_close(&j);
}

static uint64_t hashed_on(const char *boot_id, struct str text)
{
    struct journal_view view = {0};
    struct journal_hash hash = {0};

    if (journal_parse(text, boot_id, &view))
        hash = view.durable_hash;
    if (hash.len) {
        struct journal_hash want = hash_at(hash.hashed_bytes);

        CHECK(hash.len == want.len && memcmp(hash.state, want.state, want.len) == 0);
        CHECK(range_set_covers(&view.durable, (struct range){0, hash.hashed_bytes}));
    }
    journal_view_release(&view);
    return hash.hashed_bytes;
}

static void a_hash_counts_only_over_bytes_that_are_on_disk(struct str whole)
{
    CHECK_U64(hashed_on(HERE, whole), 150);
    CHECK_U64(hashed_on(ELSEWHERE, whole), 150);
    CHECK_U64(bytes_on(HERE, whole), 300);
}

static void torn_or_flipped_a_hash_is_whole_or_none(struct str whole)
{
    struct buf copy = {0};

    for (size_t len = 0; len <= whole.len; len++) {
        uint64_t hashed = hashed_on(HERE, str_sub(whole, 0, len));

        CHECK(hashed == 0 || hashed == 150); /* 50 only if an 's' stood between */
    }
    for (size_t i = 0; i < whole.len * 8; i++) {
        buf_clear(&copy);
        buf_add_str(&copy, whole);
        copy.p[i / 8] = (char)(copy.p[i / 8] ^ (1 << (i % 8)));
        CHECK(hashed_on(HERE, buf_view(&copy)) <= 150);
    }
    buf_release(&copy);
}

/* A head, [0, 100) on disk, and this line; the checksums are right. */
static void journal_with(const char *line, struct buf *text)
{
    struct journal_head h = head();
    struct buf          lines[4] = {{0}};
    uint32_t            crc = 0;
    char                hex[DIGEST_HEX_MAX];

    digest_to_hex(&h.digest, hex);
    buf_printf(&lines[0], "hf-init journal 1 %s 1000 " HERE " key", hex);
    buf_printf(&lines[1], "w 0 100");
    buf_printf(&lines[2], "s 150");
    buf_printf(&lines[3], "%s", line);
    buf_clear(text);
    for (size_t i = 0; i < CHECK_COUNT(lines); i++) {
        crc = digest_crc32(crc, lines[i].p, lines[i].len);
        buf_printf(text, "%s %08" PRIx32 "\n", lines[i].p, crc);
        buf_release(&lines[i]);
    }
}

static void a_senseless_hash_is_none(void)
{
    static const char *const rows[] = {"h",       "h 10",   "h 10 ",     "h 10 0",     "h 10 0G",
                                       "h -1 00", "h x 00", "h 1001 00", "h 10 00 00", "h 10 AA"};
    struct buf               text = {0}, line = {0};

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i]);
        journal_with(rows[i], &text);
        CHECK_U64(hashed_on(HERE, buf_view(&text)), 0);
        CHECK_U64(bytes_on(HERE, buf_view(&text)), 100);
    }
    check_row("one that makes sense");
    buf_printf(&line, "h 10 ");
    for (size_t i = 0; i < DIGEST_STATE_MAX; i++)
        buf_printf(&line, "%02x", hash_at(10).state[i]);
    journal_with(buf_cstr(&line), &text);
    CHECK_U64(hashed_on(HERE, buf_view(&text)), 10);
    check_row("a state that is too long");
    buf_clear(&line);
    buf_printf(&line, "h 10 %0*d", 2 * DIGEST_STATE_MAX + 2, 0);
    journal_with(buf_cstr(&line), &text);
    CHECK_U64(hashed_on(HERE, buf_view(&text)), 0);
    check_row(NULL);
    buf_release(&line);
    buf_release(&text);
}

static void a_rewritten_one_keeps_the_best_hash_and_the_newest(int dir)
{
    struct journal      j = JOURNAL_INIT;
    struct journal_view view = {0};
    struct journal_hash at_250 = hash_at(250);
    struct err          err = {0};

    CHECK(journal_load(dir, "h", HERE, &view) == 1);
    CHECK_U64(view.newest_hash.hashed_bytes, 0);
    view.newest_hash = at_250;
    CHECK(journal_create(&j, dir, "i", &view, &err) == 0);
    journal_view_release(&view);
    CHECK(journal_load(dir, "i", HERE, &view) == 1);
    CHECK_U64(view.durable_hash.hashed_bytes, 150);
    journal_view_release(&view);
    CHECK(journal_note_sync(&j, j.len_bytes, &err) == 0); /* now [200, 300) is on disk, too */
    journal_close(&j);
    CHECK(journal_load(dir, "i", ELSEWHERE, &view) == 1);
    CHECK(view.durable_hash.len == at_250.len &&
          memcmp(view.durable_hash.state, at_250.state, at_250.len) == 0);
    CHECK_U64(view.durable_hash.hashed_bytes, 250);
    journal_view_release(&view);
}

static void a_rewritten_one_says_the_same(int dir)
{
    struct journal      j = JOURNAL_INIT;
    struct journal_view view = {0};
    struct err          err = {0};

    CHECK(journal_load(dir, "j", HERE, &view) == 1);
    CHECK(journal_create(&j, dir, "k", &view, &err) == 0);
    journal_close(&j);
    journal_view_release(&view);
    CHECK(journal_load(dir, "k", HERE, &view) == 1);
    CHECK_U64(range_set_bytes(&view.written), 350);
    journal_view_release(&view);
    CHECK(journal_load(dir, "k", ELSEWHERE, &view) == 1);
    CHECK_U64(range_set_bytes(&view.written), 200);
    journal_view_release(&view);
}

int main(void)
{
    struct buf whole = {0};
    struct err err = {0};
    int        dir;

    volume_new();
    dir = fs_open_dir(volume, &err);
    write_sample(dir);
    same_kernel_trusts_what_was_written(dir);
    another_kernel_trusts_only_what_was_synced(dir);
    CHECK(fs_read_small_at(dir, "j", 1 << 20, &whole, &err) == 1);
    torn_at_any_byte_it_claims_only_whole_lines(buf_view(&whole));
    flipped_at_any_bit_it_claims_no_more(buf_view(&whole));
    garbage_is_no_journal();
    senseless_lines_end_it();
    a_rewritten_one_says_the_same(dir);
    write_hashed(dir);
    CHECK(fs_read_small_at(dir, "h", 1 << 20, &whole, &err) == 1);
    a_hash_counts_only_over_bytes_that_are_on_disk(buf_view(&whole));
    torn_or_flipped_a_hash_is_whole_or_none(buf_view(&whole));
    a_senseless_hash_is_none();
    a_rewritten_one_keeps_the_best_hash_and_the_newest(dir);
    buf_release(&whole);
    fs_close(&dir);
    volume_remove();
    return check_end("test_journal");
}
