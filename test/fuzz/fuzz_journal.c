/* Journals: what one claims is inside the file, what is durable was written, damage only takes away,
 * and what is written anew says the same. Input: a byte (bit 0: put the right checksum behind each
 * line), two bytes for the place of the damage, then lines. */
#include "../../lib/store_journal.c"

#include "fuzz.h"

#define HERE      "11111111-2222-3333-4444-555555555555"
#define ELSEWHERE "99999999-2222-3333-4444-555555555555"

/* Each line gets its checksum, so that the fuzzer need not guess it. */
static void seal(struct str text, struct buf *out)
{
    struct str line;
    uint32_t   crc = 0;

    while (str_cut(&text, '\n', &line)) {
        crc = digest_crc32(crc, line.p, line.len);
        buf_add_str(out, line);
        buf_printf(out, " %08" PRIx32 "\n", crc);
    }
}

static void is_a_set(const struct range_set *set, uint64_t size_bytes)
{
    uint64_t end = 0;

    for (size_t i = 0; i < set->count; i++) {
        REQUIRE(set->item[i].begin < set->item[i].end && set->item[i].end <= size_bytes);
        REQUIRE(i == 0 || set->item[i].begin > end);
        end = set->item[i].end;
    }
}

static bool holds_all_of(const struct range_set *all, const struct range_set *part)
{
    for (size_t i = 0; i < part->count; i++)
        if (!range_set_covers(all, part->item[i]))
            return false;
    return true;
}

static bool is_same_set(const struct range_set *a, const struct range_set *b)
{
    return holds_all_of(a, b) && holds_all_of(b, a);
}

/* A noted hash is either refused or the one that would be noted again. */
static void hash_is_whole(const struct journal_hash *hash)
{
    struct digest_run run = {0};
    struct digest     digest;
    unsigned char     again[DIGEST_STATE_MAX];

    if (hash->len == 0 || !digest_restore(&run, hash->state, hash->len))
        return;
    REQUIRE(digest_save(&run, again) == hash->len && memcmp(again, hash->state, hash->len) == 0);
    digest_add(&run, "x", 1);
    digest_end(&run, &digest);
}

static void makes_sense(const struct journal_view *v)
{
    is_a_set(&v->durable, v->head.size_bytes);
    is_a_set(&v->written, v->head.size_bytes);
    REQUIRE(holds_all_of(&v->written, &v->durable));
    REQUIRE(strlen(v->head.boot_id) < sizeof(v->head.boot_id) && v->head.boot_id[0]);
    REQUIRE(strlen(v->head.owner) < sizeof(v->head.owner) && v->head.owner[0]);
    REQUIRE(v->durable_hash.len <= DIGEST_STATE_MAX);
    hash_is_whole(&v->durable_hash);
    REQUIRE(range_set_front(&v->durable, 0) >= v->durable_hash.hashed_bytes);
}

/* What the next process would write at its start. */
static void says_the_same_again(const struct journal_view *v)
{
    struct journal_view again = {0};
    struct buf          lines = {0};
    uint32_t            crc = 0;

    add_content(&lines, &crc, v);
    REQUIRE(journal_parse(buf_view(&lines), v->head.boot_id, &again));
    REQUIRE(digest_equal(&again.head.digest, &v->head.digest));
    REQUIRE(again.head.size_bytes == v->head.size_bytes);
    REQUIRE(strcmp(again.head.owner, v->head.owner) == 0);
    REQUIRE(is_same_set(&again.durable, &v->durable));
    if (strcmp(v->head.boot_id, "-") != 0)
        REQUIRE(is_same_set(&again.written, &v->written));
    REQUIRE(again.durable_hash.hashed_bytes == v->durable_hash.hashed_bytes &&
            again.durable_hash.len == v->durable_hash.len &&
            memcmp(again.durable_hash.state, v->durable_hash.state, v->durable_hash.len) == 0);
    journal_view_release(&again);
    buf_release(&lines);
}

static void claims_no_more(struct str text, const struct journal_view *whole)
{
    struct journal_view less = {0};

    if (journal_parse(text, HERE, &less)) {
        REQUIRE(less.head.size_bytes == whole->head.size_bytes);
        REQUIRE(holds_all_of(&whole->written, &less.written));
        REQUIRE(holds_all_of(&whole->durable, &less.durable));
        REQUIRE(less.durable_hash.hashed_bytes <= whole->durable_hash.hashed_bytes);
    }
    journal_view_release(&less);
}

/* Cut off, and with one byte changed. */
static void damage_takes_away(struct str text, size_t place, const struct journal_view *whole)
{
    struct buf copy = {0};

    if (text.len == 0)
        return;
    claims_no_more(str_sub(text, 0, place % text.len), whole);
    buf_add_str(&copy, text);
    copy.p[place % text.len] ^= (char)(1 << (place / text.len % 8));
    claims_no_more(buf_view(&copy), whole);
    buf_release(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input        in = input_of(data, size);
    bool                sealed = input_byte(&in) & 1;
    size_t              place = input_byte(&in) * 256u + input_byte(&in);
    struct str          text = input_rest(&in);
    struct journal_view here = {0}, elsewhere = {0};
    struct buf          lines = {0};

    if (sealed) {
        seal(text, &lines);
        text = input_keep(&in, buf_view(&lines));
    }
    if (journal_parse(text, HERE, &here)) {
        makes_sense(&here);
        REQUIRE(journal_parse(text, ELSEWHERE, &elsewhere));
        makes_sense(&elsewhere);
        REQUIRE(is_same_set(&here.durable, &elsewhere.durable));
        REQUIRE(strcmp(here.head.boot_id, ELSEWHERE) == 0 ||
                is_same_set(&elsewhere.written, &elsewhere.durable));
        REQUIRE(strcmp(here.head.boot_id, HERE) == 0 || is_same_set(&here.written, &here.durable));
        says_the_same_again(&here);
        damage_takes_away(text, place, &here);
    } else {
        REQUIRE(here.written.count == 0 && here.durable.count == 0);
    }
    journal_view_release(&here);
    journal_view_release(&elsewhere);
    buf_release(&lines);
    input_release(&in);
    return 0;
}
