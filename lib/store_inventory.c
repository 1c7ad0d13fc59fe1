/* store_inventory.c: see store_inventory.h. Loaded once per repo; a hash finds a path, so that
 * 100,000 files cost one stat each and nothing else. */
#include "store_inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 64 << 10, LINE_BYTES_MAX = 16 << 10 };

static const struct str header = {"hf-init inventory 1", 19};

void inventory_release(struct inventory *inv)
{
    arena_release(&inv->names);
    free(inv->entry);
    free(inv->slot);
    free(inv->commit);
    free(inv->ref);
    *inv = (struct inventory){0};
}

static uint32_t hash_path(struct str path)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < path.len; i++)
        h = (h ^ (unsigned char)path.p[i]) * 1099511628211u;
    return (uint32_t)(h ^ (h >> 32));
}

/* The slot that holds the path, or the free one where it belongs. */
static struct inventory_slot *find_slot(const struct inventory *inv, struct str path, uint32_t hash)
{
    size_t                 mask = inv->slot_count - 1, at = hash & mask;
    struct inventory_slot *slot;

    for (;; at = (at + 1) & mask) {
        slot = &inv->slot[at];
        if (!slot->entry || (slot->hash == hash && str_eq(inv->entry[slot->entry - 1].path, path)))
            return slot;
    }
}

/* Paths are asked for in the order of a listing, and an inventory is mostly in that order, too. */
struct inventory_entry *inventory_find(struct inventory *inv, struct str path)
{
    const struct inventory_slot *slot;

    if (inv->expected < inv->entry_count && str_eq(inv->entry[inv->expected].path, path))
        return &inv->entry[inv->expected++];
    if (inv->slot_count == 0)
        return NULL;
    slot = find_slot(inv, path, hash_path(path));
    if (!slot->entry)
        return NULL;
    inv->expected = slot->entry;
    return &inv->entry[slot->entry - 1];
}

/* At most half of the slots are used, so that a search ends soon. */
static void make_room(struct inventory *inv)
{
    struct inventory_slot *old = inv->slot;
    size_t                 old_count = inv->slot_count;

    if (inv->entry_count == inv->entry_capacity) {
        inv->entry_capacity = inv->entry_capacity ? inv->entry_capacity * 2 : 64;
        inv->entry = mem_resize(inv->entry, inv->entry_capacity, sizeof(*inv->entry));
    }
    if ((inv->entry_count + 1) * 2 <= inv->slot_count)
        return;
    inv->slot_count = old_count ? old_count * 2 : 128;
    inv->slot = mem_alloc(inv->slot_count * sizeof(*inv->slot));
    for (size_t i = 0; i < old_count; i++) {
        size_t at = old[i].hash & (inv->slot_count - 1);

        while (old[i].entry && inv->slot[at].entry)
            at = (at + 1) & (inv->slot_count - 1);
        if (old[i].entry)
            inv->slot[at] = old[i];
    }
    free(old);
}

static struct inventory_entry *entry_for(struct inventory *inv, struct str path)
{
    struct inventory_slot  *slot;
    struct inventory_entry *entry;
    uint32_t                hash = hash_path(path);

    make_room(inv);
    slot = find_slot(inv, path, hash);
    if (slot->entry)
        return &inv->entry[slot->entry - 1];
    entry = &inv->entry[inv->entry_count++];
    *entry = (struct inventory_entry){.path = arena_str(&inv->names, path)};
    *slot = (struct inventory_slot){(uint32_t)inv->entry_count, hash};
    return entry;
}

int64_t inventory_mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool inventory_proves(const struct inventory_entry *entry, const struct stat *st,
                      const struct digest *digest)
{
    return entry && !entry->doubted && S_ISREG(st->st_mode) &&
           entry->size_bytes == (uint64_t)st->st_size &&
           entry->mtime_ns == inventory_mtime_ns(st) && digest_equal(&entry->digest, digest);
}

void inventory_doubt(struct inventory *inv)
{
    for (size_t i = 0; i < inv->entry_count; i++)
        inv->entry[i].doubted = true;
}

uint32_t inventory_commit_index(struct inventory *inv, const char *commit)
{
    if (inv->commit_count == 0) {
        inv->commit = mem_resize(inv->commit, 1, sizeof(*inv->commit));
        snprintf(inv->commit[inv->commit_count++], 41, "-");
    }
    for (size_t i = 0; i < inv->commit_count; i++)
        if (strcmp(inv->commit[i], commit) == 0)
            return (uint32_t)i;
    inv->commit = mem_resize(inv->commit, inv->commit_count + 1, sizeof(*inv->commit));
    snprintf(inv->commit[inv->commit_count], 41, "%s", commit);
    return (uint32_t)inv->commit_count++;
}

struct inventory_entry *inventory_put(struct inventory *inv, struct str path,
                                      const struct digest *digest, const struct stat *st,
                                      const char *commit)
{
    struct inventory_entry *entry = entry_for(inv, path);

    entry->gone = false;
    entry->digest = *digest;
    entry->size_bytes = (uint64_t)st->st_size;
    entry->mtime_ns = inventory_mtime_ns(st);
    entry->commit = inventory_commit_index(inv, commit ? commit : "-");
    inv->changed = true;
    return entry;
}

bool inventory_get_ref(const struct inventory *inv, struct str revision, char commit[41])
{
    for (size_t i = 0; i < inv->ref_count; i++)
        if (str_eq(inv->ref[i].revision, revision)) {
            memcpy(commit, inv->ref[i].commit, 41);
            return true;
        }
    return false;
}

static void add_ref(struct inventory *inv, struct str revision, const char *commit)
{
    for (size_t i = 0; i < inv->ref_count; i++)
        if (str_eq(inv->ref[i].revision, revision)) {
            memcpy(inv->ref[i].commit, commit, 41);
            return;
        }
    inv->ref = mem_resize(inv->ref, inv->ref_count + 1, sizeof(*inv->ref));
    inv->ref[inv->ref_count].revision = arena_str(&inv->names, revision);
    memcpy(inv->ref[inv->ref_count++].commit, commit, 41);
}

void inventory_set_ref(struct inventory *inv, struct str revision, const char *commit)
{
    char   now[41];
    size_t kept = 0;

    if (inventory_get_ref(inv, revision, now) && strcmp(now, commit) == 0)
        return;
    for (size_t i = 0; i < inv->ref_count; i++) /* other commits are gone from the folder */
        if (strcmp(inv->ref[i].commit, commit) == 0)
            inv->ref[kept++] = inv->ref[i];
    inv->ref_count = kept;
    add_ref(inv, revision, commit);
    inv->changed = true;
}

void inventory_add_ref(struct inventory *inv, struct str revision, const char *commit)
{
    char now[41];

    if (inventory_get_ref(inv, revision, now) && strcmp(now, commit) == 0)
        return;
    add_ref(inv, revision, commit);
    inv->changed = true;
}

void inventory_drop_commit(struct inventory *inv, const char *commit)
{
    size_t kept = 0;

    for (size_t i = 0; i < inv->ref_count; i++)
        if (strcmp(inv->ref[i].commit, commit) != 0)
            inv->ref[kept++] = inv->ref[i];
    inv->changed |= kept != inv->ref_count;
    inv->ref_count = kept;
}

void inventory_set_place(struct inventory *inv, bool is_cache, const char *folder)
{
    struct buf place = {0};

    buf_printf(&place, "%s %s", is_cache ? "cache" : "dir", folder);
    if (!str_eq(buf_view(&place), inv->place)) {
        inv->place = arena_str(&inv->names, buf_view(&place));
        inv->changed = true;
    }
    buf_release(&place);
}

void inventory_forget(struct inventory *inv, struct inventory_entry *entry)
{
    entry->gone = true;
    inv->changed = true;
}

/* The word before the next space; what follows stays in *rest. */
static bool cut_word(struct str *rest, struct str *word)
{
    return str_cut(rest, ' ', word) && rest->p;
}

static bool same_proof(const struct inventory_entry *a, const struct inventory_entry *b)
{
    return a->size_bytes == b->size_bytes && a->mtime_ns == b->mtime_ns &&
           digest_equal(&a->digest, &b->digest);
}

/* Merging: does what we have of a file stay as it is? */
static bool stays(const struct inventory_reader *r, const struct inventory_entry *ours,
                  const struct inventory_entry *theirs)
{
    if (!ours->seen || ours->gone)
        return ours->gone;
    return !r->holds || same_proof(ours, theirs) || !r->holds(theirs, r->user);
}

static bool parse_file(const struct inventory_reader *r, struct str text)
{
    struct str              hex, size, mtime, rest = text;
    struct inventory_entry *entry, got = {.commit = r->commit};
    uint64_t                mtime_ns;
    bool                    before_1970;

    if (!cut_word(&rest, &hex) || !cut_word(&rest, &size) || !cut_word(&rest, &mtime) ||
        !digest_from_hex(hex, &got.digest) || !str_to_u64(size, &got.size_bytes))
        return false;
    before_1970 = str_has_prefix(mtime, STR("-"));
    if (!str_to_u64(str_sub(mtime, before_1970, mtime.len), &mtime_ns) || mtime_ns > INT64_MAX)
        return false;
    got.mtime_ns = before_1970 ? -(int64_t)mtime_ns : (int64_t)mtime_ns;
    entry = entry_for(r->inv, rest);
    got.path = entry->path;
    if (r->merge && stays(r, entry, &got))
        return true;
    got.seen = entry->seen;
    *entry = got;
    return true;
}

static bool parse_ref(struct inventory *inv, struct str text)
{
    struct str commit, rest = text;
    char       zero_terminated[41];

    if (!cut_word(&rest, &commit) || !str_is_hex(commit, 40))
        return false;
    memcpy(zero_terminated, commit.p, 40);
    zero_terminated[40] = '\0';
    add_ref(inv, rest, zero_terminated);
    return true;
}

static void checksum_of(struct str text, char hex[9])
{
    static const char digit[] = "0123456789abcdef";
    uint32_t          crc = digest_crc32(0, text.p, text.len);

    for (int i = 0; i < 8; i++)
        hex[i] = digit[crc >> (28 - 4 * i) & 15];
    hex[8] = ' ';
}

/* The line without its checksum, or nothing. */
static bool take_checked(struct str line, struct str *text)
{
    char hex[9];

    if (line.len < 11)
        return false;
    *text = str_sub(line, 9, line.len);
    checksum_of(*text, hex);
    return memcmp(hex, line.p, sizeof(hex)) == 0;
}

static void read_line(struct inventory_reader *r, struct str line)
{
    struct str text;
    char       name[41];

    if (!r->begun) {
        r->begun = true;
        r->foreign = !str_eq(line, header);
        r->commit = inventory_commit_index(r->inv, "-");
    } else if (!take_checked(line, &text)) {
        r->commit = 0; /* a lost 'c' line must not lend its files to another commit */
    } else if (str_has_prefix(text, STR("f "))) {
        parse_file(r, str_sub(text, 2, text.len));
    } else if (str_has_prefix(text, STR("r "))) {
        if (!r->merge || r->holds)
            parse_ref(r->inv, str_sub(text, 2, text.len));
    } else if (str_has_prefix(text, STR("p "))) {
        if (!r->merge)
            r->inv->place = arena_str(&r->inv->names, str_sub(text, 2, text.len));
    } else if (str_has_prefix(text, STR("c ")) && text.len <= 42) {
        snprintf(name, sizeof(name), "%.*s", (int)text.len - 2, text.p + 2);
        r->commit = inventory_commit_index(r->inv, name);
    }
}

void inventory_read(struct inventory_reader *r, struct str piece)
{
    ptrdiff_t end;
    bool      is_last = piece.len == 0;

    r->read_bytes += piece.len;
    while (!r->foreign && (end = str_find_char(piece, '\n', 0)) >= 0) {
        struct str line = str_sub(piece, 0, (size_t)end);

        if (r->rest.len) {
            buf_add_str(&r->rest, line);
            line = buf_view(&r->rest);
        }
        read_line(r, line);
        buf_clear(&r->rest);
        piece = str_sub(piece, (size_t)end + 1, piece.len);
    }
    if (r->rest.len < LINE_BYTES_MAX) /* what is longer checks as little as half of it */
        buf_add_str(&r->rest, piece);
    if (!is_last)
        return;
    if (r->rest.len && !r->foreign)
        read_line(r, buf_view(&r->rest));
    buf_release(&r->rest);
}

static void add_line(struct buf *out, const struct buf *text)
{
    char hex[9];

    checksum_of(buf_view(text), hex);
    buf_add(out, hex, sizeof(hex));
    buf_add_str(out, buf_view(text));
    buf_add_char(out, '\n');
}

static void add_commit(const struct inventory *inv, uint32_t commit, struct buf *text,
                       struct buf *out)
{
    buf_clear(text);
    buf_printf(text, "c %s", commit < inv->commit_count ? inv->commit[commit] : "-");
    add_line(out, text);
}

static void add_file(const struct inventory_entry *entry, struct buf *text, struct buf *out)
{
    buf_clear(text);
    buf_add_str(text, STR("f "));
    buf_add_hex(text, entry->digest.byte, entry->digest.kind == DIGEST_SHA256 ? 32 : 20);
    buf_add_char(text, ' ');
    buf_add_u64(text, entry->size_bytes);
    buf_printf(text, " %" PRId64 " ", entry->mtime_ns);
    buf_add_str(text, entry->path);
    add_line(out, text);
}

void inventory_render_head(const struct inventory *inv, struct buf *out)
{
    struct buf text = {0};

    buf_add_str(out, header);
    buf_add_char(out, '\n');
    if (inv->place.len) {
        buf_printf(&text, "p %.*s", STR_ARG(inv->place));
        add_line(out, &text);
    }
    buf_release(&text);
}

void inventory_render_entry(const struct inventory *inv, const struct inventory_entry *entry,
                            struct buf *out)
{
    struct buf text = {0};

    add_commit(inv, entry->commit, &text, out);
    add_file(entry, &text, out);
    buf_release(&text);
}

/* Counted are the references first, then the entries. */
bool inventory_render(const struct inventory *inv, size_t *next, struct buf *out)
{
    struct buf text = {0};
    uint32_t   commit = UINT32_MAX;
    size_t     all = inv->ref_count + inv->entry_count;

    if (*next == 0)
        inventory_render_head(inv, out);
    for (; *next < all && out->len < PIECE_BYTES; ++*next) {
        const struct inventory_entry *entry;

        if (*next < inv->ref_count) {
            buf_clear(&text);
            buf_printf(&text, "r %s ", inv->ref[*next].commit);
            buf_add_str(&text, inv->ref[*next].revision);
            add_line(out, &text);
            continue;
        }
        entry = &inv->entry[*next - inv->ref_count];
        if (entry->gone)
            continue;
        if (entry->commit != commit) {
            commit = entry->commit;
            add_commit(inv, commit, &text, out);
        }
        add_file(entry, &text, out);
    }
    buf_release(&text);
    return *next < all;
}
