/* hub_tree.c: the pages of a tree listing become entries.
 *
 * The listing is the truth that everything later is held to, so nothing in it is guessed: a file
 * without a size or a hash is refused, not downloaded and hoped for. Items are read one by one, as
 * their bytes come, and forgotten; what stays is an entry and its path. */
#include <stdlib.h>
#include <string.h>

#include "hub.h"
#include "json.h"

enum { HEAD_BYTES = 256 }; /* enough to tell a web page by */

void hub_listing_release(struct hub_listing *l)
{
    json_list_free(l->page);
    buf_release(&l->page_head);
    free(l->entry);
    arena_release(&l->arena);
    *l = (struct hub_listing){0};
}

struct hub_entry *hub_listing_add(struct hub_listing *l)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 256;
        l->entry = mem_resize(l->entry, l->capacity, sizeof(*l->entry));
    }
    l->entry[l->count] = (struct hub_entry){0};
    return &l->entry[l->count++];
}

/* --- one item --- */

/* The LFS part: the content's sha256, and its size once more. */
static int read_lfs(const struct json *lfs, struct hub_entry *e, struct err *err)
{
    const struct json *size = json_get(lfs, "size");
    struct str         oid;
    uint64_t           size_bytes;

    if (!json_str(json_get(lfs, "oid"), &oid) || oid.len != 64 || !digest_from_hex(oid, &e->digest))
        return err_set(err, ERR_BAD_ANSWER, "\"lfs.oid\" is not 64 hex digits");
    if (size && !json_u64(size, &size_bytes))
        return err_set(err, ERR_BAD_ANSWER, "\"lfs.size\" is not a size");
    if (size && size_bytes != e->size_bytes) /* one of them is the pointer's; which is a guess */
        return err_set(err, ERR_BAD_ANSWER, "\"size\" and \"lfs.size\" differ");
    e->is_lfs = true;
    return 0;
}

static void read_xet_hash(const struct json *item, struct hub_listing *l, struct hub_entry *e)
{
    struct digest hash;
    struct str    hex;

    if (!json_str(json_get(item, "xetHash"), &hex) || hex.len == 0)
        return;
    if (hex.len == 64 && digest_from_hex(hex, &hash))
        e->xet_hash = arena_bytes(&l->arena, hash.byte, sizeof(hash.byte));
    else
        e->xet_masked = true; /* 64 '*': we may list, but not read */
}

static int read_file(const struct json *item, struct hub_listing *l, struct hub_entry *e,
                     struct err *err)
{
    const struct json *lfs = json_get(item, "lfs");
    struct str         oid;

    if (!json_u64(json_get(item, "size"), &e->size_bytes))
        return err_set(err, ERR_BAD_ANSWER, "\"size\" is missing or not a size");
    if (!json_str(json_get(item, "oid"), &oid) || oid.len != 40 ||
        !digest_from_hex(oid, &e->digest))
        return err_set(err, ERR_BAD_ANSWER, "\"oid\" is not 40 hex digits");
    memcpy(e->oid, e->digest.byte, sizeof(e->oid));
    if (lfs && !json_is_null(lfs) && read_lfs(lfs, e, err))
        return -1;
    read_xet_hash(item, l, e);
    return 0;
}

/* FNV-1a, with an end mark so that "ab", "c" is not "a", "bc". */
static uint64_t hash_name(uint64_t h, struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
    return (h ^ 0x100) * 1099511628211u;
}

static int on_item(const struct json *item, size_t index, void *user, struct err *err)
{
    struct hub_listing *l = user;
    struct hub_entry    e = {0};
    struct str          type, path = {"", 0};
    bool                has_path = json_str(json_get(item, "path"), &path);

    l->page_hash = hash_name(l->page_hash, path);
    if (!json_str(json_get(item, "type"), &type))
        return err_set(err, ERR_BAD_ANSWER, "entry %zu of the listing has no \"type\"", index);
    if (!str_eq(type, STR("file")))
        return 0; /* folders come into being with their files */
    if (!has_path)
        return err_set(err, ERR_BAD_ANSWER, "entry %zu of the listing has no \"path\"", index);
    if (repo_check_path(path, err))
        return -1;
    if (read_file(item, l, &e, err))
        return err_wrap(err, "the listing: %.*s", STR_ARG(path));
    e.path = arena_str(&l->arena, path);
    *hub_listing_add(l) = e;
    return 0;
}

/* --- pages --- */

void hub_listing_drop_page(struct hub_listing *l)
{
    json_list_free(l->page);
    l->page = NULL;
    arena_rewind(&l->arena, l->page_mark);
    l->count = l->page_first;
}

void hub_listing_begin_page(struct hub_listing *l)
{
    if (l->page)
        hub_listing_drop_page(l);
    l->page = json_list_new(on_item, l);
    l->page_first = l->count;
    l->page_mark = arena_mark(&l->arena);
    l->page_hash = 14695981039346656037u;
    buf_clear(&l->page_head);
}

static int explain(const struct hub_listing *l, struct err *err)
{
    if (hub_is_html(NULL, buf_view(&l->page_head)))
        return err_set(err, ERR_PROXY, "an HTML page came instead of the list of files");
    /* A NUL cannot come through the JSON reader, but in a listing it is a hostile name like others.
     * Only the start of the message is ours: it quotes the text. */
    if (err->kind == ERR_BAD_ANSWER &&
        str_has_prefix(str_from(err->text), STR("bad JSON: a NUL in a string,")))
        return err_set(err, ERR_UNSAFE_NAME, "the listing contains a name with a NUL character");
    return err->kind == ERR_BAD_ANSWER ? err_wrap(err, "the list of files") : -1;
}

static int read_text(struct hub_listing *l, struct str text, struct err *err)
{
    return json_list_add(l->page, text.p, text.len, err) ? explain(l, err) : 0;
}

/* The head is held back until it is whole, for the sake of `explain`. */
int hub_listing_add_text(struct hub_listing *l, const void *data, size_t len, struct err *err)
{
    struct str text = {data, len};
    size_t     room = HEAD_BYTES - l->page_head.len;

    if (room) {
        buf_add_str(&l->page_head, str_sub(text, 0, room));
        text = str_sub(text, room, text.len);
        if (l->page_head.len < HEAD_BYTES)
            return 0;
        if (read_text(l, buf_view(&l->page_head), err))
            return -1;
    }
    return text.len ? read_text(l, text, err) : 0;
}

int hub_listing_end_page(struct hub_listing *l, struct err *err)
{
    if (l->page_head.len < HEAD_BYTES && read_text(l, buf_view(&l->page_head), err))
        return -1;
    if (json_list_end(l->page, err))
        return explain(l, err);
    json_list_free(l->page);
    l->page = NULL;
    return 0;
}
