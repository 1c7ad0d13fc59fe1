/* hub_tree.c: one page of a tree listing becomes entries.
 *
 * The listing is the truth that everything later is held to, so nothing in it is guessed: a file
 * without a size or a hash is refused, not downloaded and hoped for. Items are read one by one and
 * forgotten; what stays is in the caller's arena. */
#include <stdlib.h>
#include <string.h>

#include "hub.h"
#include "json.h"

struct page {
    struct arena     *arena; /* borrowed */
    struct hub_entry *entry; /* owned while reading */
    size_t            count, capacity;
};

/* The LFS part: the content's sha256, and its size once more. */
static int read_lfs(const struct json *lfs, struct hub_entry *e, struct err *err)
{
    const struct json *size = json_get(lfs, "size");
    struct str         oid;
    uint64_t           size_bytes;

    if (!json_str(json_get(lfs, "oid"), &oid) || !str_is_hex(oid, 64))
        return err_set(err, ERR_BAD_ANSWER, "\"lfs.oid\" is not 64 hex digits");
    if (size && !json_u64(size, &size_bytes))
        return err_set(err, ERR_BAD_ANSWER, "\"lfs.size\" is not a size");
    if (size && size_bytes != e->size_bytes) /* one of them is the pointer's; which is a guess */
        return err_set(err, ERR_BAD_ANSWER, "\"size\" and \"lfs.size\" differ");
    e->is_lfs = true;
    digest_from_hex(oid, &e->digest);
    return 0;
}

static void read_xet_hash(const struct json *item, struct page *page, struct hub_entry *e)
{
    struct str hash;

    if (!json_str(json_get(item, "xetHash"), &hash) || hash.len == 0)
        return;
    if (str_is_hex(hash, 64))
        e->xet_hash = arena_str(page->arena, hash);
    else
        e->xet_masked = true; /* 64 '*': we may list, but not read */
}

static int read_file(const struct json *item, struct page *page, struct hub_entry *e,
                     struct err *err)
{
    const struct json *lfs = json_get(item, "lfs");
    struct str         oid;

    if (!json_u64(json_get(item, "size"), &e->size_bytes))
        return err_set(err, ERR_BAD_ANSWER, "\"size\" is missing or not a size");
    if (!json_str(json_get(item, "oid"), &oid) || !str_is_hex(oid, 40))
        return err_set(err, ERR_BAD_ANSWER, "\"oid\" is not 40 hex digits");
    memcpy(e->oid, oid.p, 40);
    if (lfs && !json_is_null(lfs)) {
        if (read_lfs(lfs, e, err))
            return -1;
    } else {
        digest_from_hex(oid, &e->digest);
    }
    read_xet_hash(item, page, e);
    return 0;
}

static void add_entry(struct page *page, const struct hub_entry *e)
{
    if (page->count == page->capacity) {
        page->capacity = page->capacity ? page->capacity * 2 : 1024;
        page->entry = mem_resize(page->entry, page->capacity, sizeof(*page->entry));
    }
    page->entry[page->count++] = *e;
}

static int on_item(const struct json *item, size_t index, void *user, struct err *err)
{
    struct page     *page = user;
    struct hub_entry e = {.xet_hash = {"", 0}};
    struct str       type, path;

    if (!json_str(json_get(item, "type"), &type))
        return err_set(err, ERR_BAD_ANSWER, "entry %zu of the listing has no \"type\"", index);
    if (!str_eq(type, STR("file")))
        return 0; /* folders come into being with their files */
    if (!json_str(json_get(item, "path"), &path))
        return err_set(err, ERR_BAD_ANSWER, "entry %zu of the listing has no \"path\"", index);
    if (repo_check_path(path, err))
        return -1;
    if (read_file(item, page, &e, err))
        return err_wrap(err, "the listing: %.*s", STR_ARG(path));
    e.path = arena_str(page->arena, path);
    add_entry(page, &e);
    return 0;
}

/* A NUL cannot come through the JSON reader, but in a listing it is a hostile name like others. */
static bool is_nul_in_name(struct str body, const struct err *err)
{
    return err->kind == ERR_BAD_ANSWER && strstr(err->text, "a NUL in a string") &&
           str_find(body, STR("\\u0000"), 0) >= 0;
}

int hub_read_tree_page(struct str body, struct arena *arena, struct hub_entry **entry,
                       size_t *count, struct err *err)
{
    struct page page = {.arena = arena};
    int         rc = -1;

    if (hub_is_html(NULL, body))
        return err_set(err, ERR_PROXY, "an HTML page came instead of the list of files");
    if (json_each_item(body, on_item, &page, err)) {
        if (is_nul_in_name(body, err))
            err_set(err, ERR_UNSAFE_NAME, "the listing contains a name with a NUL character");
        else if (err->kind == ERR_BAD_ANSWER)
            err_wrap(err, "the list of files");
        goto out;
    }
    *entry = arena_alloc(arena, page.count * sizeof(**entry));
    if (page.count)
        memcpy(*entry, page.entry, page.count * sizeof(**entry));
    *count = page.count;
    rc = 0;
out:
    free(page.entry);
    return rc;
}
