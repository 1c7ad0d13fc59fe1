/* store_inventory.c: see store_inventory.h. Loaded once per repo; a hash finds a path, so that
 * 100,000 files cost one stat each and nothing else. */
#include "store_inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "hf-init inventory 1\n";

void inventory_release(struct inventory *inv)
{
    arena_release(&inv->names);
    free(inv->entry);
    free(inv->slot);
    free(inv->commit);
    free(inv->ref);
    *inv = (struct inventory){0};
}

static uint64_t hash_path(struct str path)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < path.len; i++)
        h = (h ^ (unsigned char)path.p[i]) * 1099511628211u;
    return h ^ (h >> 32);
}

/* The slot that holds the path, or the free one where it belongs. */
static size_t find_slot(const struct inventory *inv, struct str path)
{
    size_t at = (size_t)hash_path(path) & (inv->slot_count - 1);

    while (inv->slot[at] && !str_eq(inv->entry[inv->slot[at] - 1].path, path))
        at = (at + 1) & (inv->slot_count - 1);
    return at;
}

struct inventory_entry *inventory_find(const struct inventory *inv, struct str path)
{
    size_t at;

    if (inv->slot_count == 0)
        return NULL;
    at = find_slot(inv, path);
    return inv->slot[at] ? &inv->entry[inv->slot[at] - 1] : NULL;
}

/* At most half of the slots are used, so that a search ends soon. */
static void make_room(struct inventory *inv)
{
    if (inv->entry_count == inv->entry_capacity) {
        inv->entry_capacity = inv->entry_capacity ? inv->entry_capacity * 2 : 64;
        inv->entry = mem_resize(inv->entry, inv->entry_capacity, sizeof(*inv->entry));
    }
    if ((inv->entry_count + 1) * 2 <= inv->slot_count)
        return;
    inv->slot_count = inv->slot_count ? inv->slot_count * 2 : 128;
    free(inv->slot);
    inv->slot = mem_alloc(inv->slot_count * sizeof(*inv->slot));
    for (size_t i = 0; i < inv->entry_count; i++)
        inv->slot[find_slot(inv, inv->entry[i].path)] = (uint32_t)i + 1;
}

static struct inventory_entry *entry_for(struct inventory *inv, struct str path)
{
    struct inventory_entry *entry = inventory_find(inv, path);

    if (entry)
        return entry;
    make_room(inv);
    entry = &inv->entry[inv->entry_count];
    *entry = (struct inventory_entry){.path = arena_str(&inv->names, path)};
    inv->slot[find_slot(inv, path)] = (uint32_t)++inv->entry_count;
    return entry;
}

int64_t inventory_mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool inventory_proves(const struct inventory_entry *entry, const struct stat *st,
                      const struct digest *digest)
{
    return entry && S_ISREG(st->st_mode) && entry->size_bytes == (uint64_t)st->st_size &&
           entry->mtime_ns == inventory_mtime_ns(st) && digest_equal(&entry->digest, digest);
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

    entry->digest = *digest;
    entry->size_bytes = (uint64_t)st->st_size;
    entry->mtime_ns = inventory_mtime_ns(st);
    entry->commit = inventory_commit_index(inv, commit ? commit : "-");
    inv->changed = true;
    return entry;
}

void inventory_merge(struct inventory *inv, const struct inventory *more)
{
    for (size_t i = 0; i < more->entry_count; i++) {
        const struct inventory_entry *from = &more->entry[i];
        struct inventory_entry       *to = entry_for(inv, from->path);

        if (to->seen)
            continue;
        to->digest = from->digest;
        to->size_bytes = from->size_bytes;
        to->mtime_ns = from->mtime_ns;
        to->commit = inventory_commit_index(inv, more->commit[from->commit]);
    }
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

/* The word before the next space; what follows stays in *rest. */
static bool cut_word(struct str *rest, struct str *word)
{
    return str_cut(rest, ' ', word) && rest->p;
}

static bool parse_file(struct inventory *inv, struct str text, uint32_t commit)
{
    struct str              hex, size, mtime, rest = text;
    struct inventory_entry *entry, got = {.commit = commit};
    uint64_t                mtime_ns;
    bool                    before_1970;

    if (!cut_word(&rest, &hex) || !cut_word(&rest, &size) || !cut_word(&rest, &mtime) ||
        !digest_from_hex(hex, &got.digest) || !str_to_u64(size, &got.size_bytes))
        return false;
    before_1970 = str_has_prefix(mtime, STR("-"));
    if (!str_to_u64(str_sub(mtime, before_1970, mtime.len), &mtime_ns) || mtime_ns > INT64_MAX)
        return false;
    got.mtime_ns = before_1970 ? -(int64_t)mtime_ns : (int64_t)mtime_ns;
    entry = entry_for(inv, rest);
    got.path = entry->path;
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

/* The line without its checksum, or nothing. */
static bool take_checked(struct str line, struct str *text)
{
    char hex[9];

    if (line.len < 11 || line.p[8] != ' ')
        return false;
    *text = str_sub(line, 9, line.len);
    snprintf(hex, sizeof(hex), "%08" PRIx32, digest_crc32(0, text->p, text->len));
    return memcmp(hex, line.p, 8) == 0;
}

void inventory_parse(struct inventory *inv, struct str text)
{
    struct str rest = text, line, body;
    uint32_t   commit = inventory_commit_index(inv, "-");
    char       name[41];

    if (!str_has_prefix(text, STR("hf-init inventory 1\n")))
        return; /* of another version */
    while (str_cut(&rest, '\n', &line)) {
        if (!take_checked(line, &body)) {
            commit = 0; /* a lost 'c' line must not lend its files to another commit */
        } else if (str_has_prefix(body, STR("f "))) {
            parse_file(inv, str_sub(body, 2, body.len), commit);
        } else if (str_has_prefix(body, STR("r "))) {
            parse_ref(inv, str_sub(body, 2, body.len));
        } else if (str_has_prefix(body, STR("c ")) && body.len <= 42) {
            snprintf(name, sizeof(name), "%.*s", (int)body.len - 2, body.p + 2);
            commit = inventory_commit_index(inv, name);
        }
    }
}

static void add_line(struct buf *out, const struct buf *text)
{
    buf_printf(out, "%08" PRIx32 " ", digest_crc32(0, text->p, text->len));
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
    char hex[DIGEST_HEX_MAX];

    digest_to_hex(&entry->digest, hex);
    buf_clear(text);
    buf_printf(text, "f %s %" PRIu64 " %" PRId64 " ", hex, entry->size_bytes, entry->mtime_ns);
    buf_add_str(text, entry->path);
    add_line(out, text);
}

void inventory_render_entry(const struct inventory *inv, const struct inventory_entry *entry,
                            struct buf *out)
{
    struct buf text = {0};

    add_commit(inv, entry->commit, &text, out);
    add_file(entry, &text, out);
    buf_release(&text);
}

void inventory_render(const struct inventory *inv, struct buf *out)
{
    struct buf text = {0};
    uint32_t   commit = UINT32_MAX;

    buf_add_str(out, str_from(header));
    for (size_t i = 0; i < inv->ref_count; i++) {
        buf_clear(&text);
        buf_printf(&text, "r %s ", inv->ref[i].commit);
        buf_add_str(&text, inv->ref[i].revision);
        add_line(out, &text);
    }
    for (size_t i = 0; i < inv->entry_count; i++) {
        if (inv->entry[i].commit != commit) {
            commit = inv->entry[i].commit;
            add_commit(inv, commit, &text, out);
        }
        add_file(&inv->entry[i], &text, out);
    }
    buf_release(&text);
}
