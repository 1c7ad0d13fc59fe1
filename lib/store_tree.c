/* store_tree.c: trees/COMMIT.json, the listing of a commit that huggingface_hub keeps and offline
 * readers hold a snapshot against.
 *
 * Byte for byte what Python's json.dump(data, f, indent=1) writes, and always the whole commit:
 * Python believes what it reads there, and an online reader of a shorter one would call a snapshot
 * complete that lacks files. Where even the whole one would mislead (offline readers take every file
 * that it lists and the volume lacks for missing), it is kept below .hf-init for ourselves.
 *
 * source  huggingface_hub, _tree_cache.py */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "json.h"
#include "store_internal.h"

enum { TREE_MAX_BYTES = 64 << 20 };

static int order(const void *a, const void *b)
{
    const struct store_tree_entry *const *x = a, *const *y = b;

    return str_cmp((*x)->path, (*y)->path); /* bytes of UTF-8 sort like Python's code points */
}

/* One code point of checked UTF-8. */
static uint32_t next_code_point(struct str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[(*at)++];
    unsigned      more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
    uint32_t      point = more == 3 ? c & 7u : more == 2 ? c & 15u : more ? c & 31u : c;

    while (more-- && *at < s.len)
        point = point << 6 | ((unsigned char)s.p[(*at)++] & 63u);
    return point;
}

/* Python's ensure_ascii: everything but printable ASCII and DEL as \uXXXX, in surrogate pairs. */
static void add_json_string(struct buf *out, struct str s)
{
    static const char escaped[] = "\"\\\n\r\t\f\b", letter[] = "\"\\nrtfb";
    const char       *special;

    buf_add_char(out, '"');
    for (size_t at = 0; at < s.len;) {
        uint32_t point = next_code_point(s, &at);

        if (point && point < 0x80 && (special = strchr(escaped, (int)point)) != NULL)
            buf_printf(out, "\\%c", letter[special - escaped]);
        else if (point >= 0x20 && point < 0x80)
            buf_add_char(out, (char)point);
        else if (point < 0x10000)
            buf_printf(out, "\\u%04" PRIx32, point);
        else
            buf_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xD800 + ((point - 0x10000) >> 10),
                       0xDC00 + ((point - 0x10000) & 0x3FF));
    }
    buf_add_char(out, '"');
}

static void add_entry(struct buf *out, const struct store_tree_entry *entry)
{
    buf_add_str(out, STR("\n  "));
    add_json_string(out, entry->path);
    buf_printf(out, ": {\n   \"size\": %" PRIu64 ",\n   \"blob_id\": \"%s\"", entry->size_bytes,
               entry->oid);
    if (entry->lfs_sha256.len)
        buf_printf(out, ",\n   \"lfs_sha256\": \"%.*s\",\n   \"lfs_size\": %" PRIu64,
                   STR_ARG(entry->lfs_sha256), entry->size_bytes);
    if (entry->xet_hash.len)
        buf_printf(out, ",\n   \"xet_hash\": \"%.*s\"", STR_ARG(entry->xet_hash));
    buf_add_str(out, STR("\n  }"));
}

static void render(const struct store_tree_entry *tree, size_t count, struct buf *out)
{
    const struct store_tree_entry **sorted = mem_alloc((count + 1) * sizeof(*sorted));

    for (size_t i = 0; i < count; i++)
        sorted[i] = &tree[i];
    qsort(sorted, count, sizeof(*sorted), order);
    buf_add_str(out, STR("{\n \"format_version\": 1,\n \"files\": {"));
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(out, ',');
        add_entry(out, sorted[i]);
    }
    buf_add_str(out, count ? STR("\n }") : STR("}"));
    buf_add_str(out, STR("\n}"));
    free(sorted);
}

/* Where readers look; and where only we do, if the user wants no metadata beside the files or the
 * Hub masked a hash, so that Python would throw the listing away. */
static void tree_path(const struct store_repo *repo, char out[128])
{
    snprintf(out, 128, "%s/%s.json", repo->layout->tree_folder, repo->options.commit);
}

static void private_path(const struct store_repo *repo, char out[128])
{
    snprintf(out, 128, "trees/%s.%s.json", repo->key, repo->options.commit);
}

static int visit_old(const char *name, void *user, struct err *err)
{
    struct store_repo *repo = user;
    char               rel[300], keep[128];

    private_path(repo, keep);
    snprintf(rel, sizeof(rel), "trees/%s", name);
    if (str_has_prefix(str_from(name), str_from(repo->key)) && strcmp(rel, keep) != 0)
        return fs_unlink_at(repo->store->place->state_fd, rel, err);
    return 0;
}

/* One private listing per repo: those of other commits go. */
static int write_private(struct store_repo *repo, struct str text, struct err *err)
{
    struct store *store = repo->store;
    struct buf    old = {0};
    char          path[128];
    int           rc = 0;

    private_path(repo, path);
    if (fs_read_small_at(store->place->state_fd, path, TREE_MAX_BYTES, &old, err) != 1 ||
        !str_eq(buf_view(&old), text)) {
        rc = fs_make_dirs_at(store->place->state_fd, "trees", (mode_t)store->options.dir_mode, err);
        if (rc == 0)
            rc = store_replace(store, store->place, store->place->state_fd, path, text, false, err);
        if (rc == 0)
            rc = fs_list_at(store->place->state_fd, "trees", visit_old, repo, err);
    }
    buf_release(&old);
    return rc;
}

static int write_public(struct store_repo *repo, struct str text, struct err *err)
{
    struct buf old = {0};
    char       path[128];
    int        there, rc = 0;

    tree_path(repo, path);
    there = fs_read_small_at(repo->root_fd, path, TREE_MAX_BYTES, &old, err);
    if (there < 0 && err->kind != ERR_TOO_LARGE && err->kind != ERR_PERMISSION)
        rc = -1;
    else if (there != 1 || !str_eq(buf_view(&old), text))
        rc = store_repo_replace(repo, path, text, true, err);
    buf_release(&old);
    return rc;
}

int store_tree_write(struct store_repo *repo, const struct store_tree_entry *tree, size_t count,
                     bool is_public, struct err *err)
{
    struct buf text = {0};
    int        rc;

    is_public = is_public && (repo->options.is_cache || repo->options.hub_metadata);
    for (size_t i = 0; i < count; i++)
        if (tree[i].xet_hash.len && !str_is_hex(tree[i].xet_hash, 64))
            is_public = false;
    render(tree, count, &text);
    rc = is_public ? write_public(repo, buf_view(&text), err)
                   : write_private(repo, buf_view(&text), err);
    buf_release(&text);
    return rc;
}

/* False if the entry is not one that Python would write. */
static bool read_entry(const struct json *item, struct store_tree_entry *out, char oid[41])
{
    struct store_tree_entry entry = {.path = json_key(item), .oid = oid};
    struct str              text;

    if (!json_u64(json_get(item, "size"), &entry.size_bytes) ||
        !json_str(json_get(item, "blob_id"), &text) || !str_is_hex(text, 40))
        return false;
    snprintf(oid, 41, "%.*s", STR_ARG(text));
    if (json_str(json_get(item, "lfs_sha256"), &text)) {
        if (!str_is_hex(text, 64))
            return false;
        entry.lfs_sha256 = text;
    }
    if (json_str(json_get(item, "xet_hash"), &text))
        entry.xet_hash = text;
    *out = entry;
    return true;
}

/* All or nothing: an entry that makes no sense voids the listing. 1 fine, 0 void, -1 visit. */
static int visit_files(const struct json *files, store_tree_fn *visit, void *user, struct err *err)
{
    struct store_tree_entry entry;
    struct err              ignored;
    char                    oid[41];
    const struct json      *item;

    if (!json_is_object(files) || !json_first(files)) /* a commit without files is worth asking */
        return 0;
    for (item = json_first(files); item; item = json_next(item))
        if (!read_entry(item, &entry, oid) || repo_check_path(entry.path, &ignored))
            return 0;
    for (item = json_first(files); item && visit; item = json_next(item)) {
        read_entry(item, &entry, oid);
        if (visit(&entry, user, err))
            return -1;
    }
    return 1;
}

static int read_tree(int dir_fd, const char *path, store_tree_fn *visit, void *user,
                     struct err *err)
{
    struct buf   text = {0};
    struct json *root = NULL;
    struct err   ignored;
    uint64_t     version;
    int          rc = 0;

    if (dir_fd < 0 || fs_read_small_at(dir_fd, path, TREE_MAX_BYTES, &text, &ignored) != 1 ||
        json_parse(buf_view(&text), &root, &ignored))
        goto out; /* missing or of no use: the Hub is asked instead */
    if (json_u64(json_get(root, "format_version"), &version) && version == 1)
        rc = visit_files(json_get(root, "files"), visit, user, err);
out:
    json_free(root);
    buf_release(&text);
    return rc;
}

int store_read_tree(struct store_repo *repo, store_tree_fn *visit, void *user, struct err *err)
{
    char path[128];
    int  rc;

    tree_path(repo, path);
    rc = read_tree(repo->root_fd, path, visit, user, err);
    if (rc)
        return rc;
    private_path(repo, path);
    return read_tree(repo->store->place->state_fd, path, visit, user, err);
}
