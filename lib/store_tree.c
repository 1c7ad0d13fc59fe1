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

enum { PIECE_BYTES = 32 << 10 };

/* --- writing --- */

/* What renders a listing piece by piece: that of 100,000 files has 30 MB. */
struct renderer {
    const struct store_tree *tree;  /* borrowed */
    uint32_t                *order; /* owned: indices into the tree, by path */
    size_t                   next;  /* into order */
};

static int by_path(const void *a, const void *b, void *user)
{
    const struct store_tree *tree = user;
    struct store_tree_entry  x, y;

    tree->entry(tree->user, *(const uint32_t *)a, &x);
    tree->entry(tree->user, *(const uint32_t *)b, &y);
    return str_cmp(x.path, y.path); /* bytes of UTF-8 sort like Python's code points */
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
    buf_add_str(out, STR(": {\n   \"size\": "));
    buf_add_u64(out, entry->size_bytes);
    buf_add_str(out, STR(",\n   \"blob_id\": \""));
    buf_add_hex(out, entry->oid, 20);
    if (entry->is_lfs) {
        buf_add_str(out, STR("\",\n   \"lfs_sha256\": \""));
        buf_add_hex(out, entry->digest.byte, 32);
        buf_add_str(out, STR("\",\n   \"lfs_size\": "));
        buf_add_u64(out, entry->size_bytes);
    } else {
        buf_add_char(out, '"');
    }
    if (entry->xet_hash) {
        buf_add_str(out, STR(",\n   \"xet_hash\": \""));
        buf_add_hex(out, entry->xet_hash, 32);
        buf_add_char(out, '"');
    }
    buf_add_str(out, STR("\n  }"));
}

static bool render_piece(void *user, struct buf *out)
{
    struct renderer *r = user;
    size_t           count = r->tree->count;

    if (!out) {
        r->next = 0;
        return true;
    }
    if (r->next == 0)
        buf_add_str(out, STR("{\n \"format_version\": 1,\n \"files\": {"));
    while (r->next < count && out->len < PIECE_BYTES) {
        struct store_tree_entry entry;

        r->tree->entry(r->tree->user, r->order[r->next], &entry);
        if (r->next++)
            buf_add_char(out, ',');
        add_entry(out, &entry);
    }
    if (r->next < count)
        return true;
    buf_add_str(out, count ? STR("\n }\n}") : STR("}\n}"));
    return false;
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

/* In a cache commits lie side by side: is this one, of the listing KEY.COMMIT.json, still there? */
static bool has_snapshot(struct store_repo *repo, const char *listing)
{
    struct str  commit = str_sub(str_from(listing), strlen(repo->key) + 1, strlen(repo->key) + 41);
    struct stat st;
    struct err  ignored;
    char        rel[64];

    if (!repo->options.is_cache || !repo_is_commit(commit))
        return false;
    snprintf(rel, sizeof(rel), "snapshots/%.*s", STR_ARG(commit));
    return fs_exists_at(repo->root_fd, rel, &st, &ignored) != 0;
}

static int visit_old(const char *name, void *user, struct err *err)
{
    struct store_repo *repo = user;
    char               rel[300], keep[128];

    private_path(repo, keep);
    snprintf(rel, sizeof(rel), "trees/%s", name);
    if (str_has_prefix(str_from(name), str_from(repo->key)) && strcmp(rel, keep) != 0 &&
        !has_snapshot(repo, name))
        return fs_unlink_at(repo->store->place->state_fd, rel, err);
    return 0;
}

/* Listings of commits that the place does not hold any more go. */
static int write_private(struct store_repo *repo, struct renderer *r, struct err *err)
{
    struct store       *store = repo->store;
    struct store_place *place = store->place;
    char                path[128];

    private_path(repo, path);
    if (fs_is_same_at(place->state_fd, path, render_piece, r))
        return 0;
    if (fs_make_dirs_at(place->state_fd, "trees", (mode_t)store->options.dir_mode, err) ||
        store_replace_from(store, place, place->state_fd, path, render_piece, r, true, err))
        return -1;
    return fs_list_at(place->state_fd, "trees", visit_old, repo, err);
}

static int write_public(struct store_repo *repo, struct renderer *r, struct err *err)
{
    char path[128];

    tree_path(repo, path);
    if (fs_is_same_at(repo->root_fd, path, render_piece, r))
        return 0;
    if (store_repo_make_parent(repo, path, err))
        return -1;
    return store_replace_from(repo->store, repo->place, repo->root_fd, path, render_piece, r, true,
                              err);
}

int store_tree_write(struct store_repo *repo, const struct store_tree *tree, struct err *err)
{
    struct renderer r = {.tree = tree};
    int             rc;

    r.order = mem_resize(NULL, tree->count, sizeof(*r.order));
    for (size_t i = 0; i < tree->count; i++)
        r.order[i] = (uint32_t)i;
    qsort_r(r.order, tree->count, sizeof(*r.order), by_path, (void *)tree);
    if (tree->is_public && (repo->options.is_cache || repo->options.hub_metadata))
        rc = write_public(repo, &r, err);
    else
        rc = write_private(repo, &r, err);
    free(r.order);
    return rc;
}

/* --- reading --- */

struct reader {
    struct json_list *list; /* owned */
    store_tree_fn    *visit;
    void             *user;
    size_t            count;
    bool              is_version_1, stopped; /* by visit */
};

/* False if the entry is not one that Python would write. */
static bool read_entry(const struct json *item, struct store_tree_entry *out, struct digest *oid,
                       struct digest *xet)
{
    struct store_tree_entry entry = {.path = json_key(item), .oid = oid->byte};
    struct str              text;

    if (!json_u64(json_get(item, "size"), &entry.size_bytes) ||
        !json_str(json_get(item, "blob_id"), &text) || text.len != 40 ||
        !digest_from_hex(text, oid))
        return false;
    entry.digest = *oid;
    if (json_str(json_get(item, "lfs_sha256"), &text)) {
        if (text.len != 64 || !digest_from_hex(text, &entry.digest))
            return false;
        entry.is_lfs = true;
    }
    if (json_str(json_get(item, "xet_hash"), &text)) {
        if (text.len != 64 || !digest_from_hex(text, xet))
            return false;
        entry.xet_hash = xet->byte;
    }
    *out = entry;
    return true;
}

static int on_file(const struct json *item, size_t index, void *user, struct err *err)
{
    struct reader          *r = user;
    struct store_tree_entry entry;
    struct digest           oid, xet;

    (void)index;
    if (!read_entry(item, &entry, &oid, &xet))
        return err_set(err, ERR_BAD_ANSWER, "an entry makes no sense");
    if (repo_check_path(entry.path, err))
        return -1;
    r->count++;
    r->stopped = r->visit && r->visit(&entry, r->user, err);
    return r->stopped;
}

static int on_other(const struct json *item, size_t index, void *user, struct err *err)
{
    struct reader *r = user;
    uint64_t       version;

    (void)index;
    (void)err;
    if (str_eq(json_key(item), STR("format_version")))
        r->is_version_1 = json_u64(item, &version) && version == 1;
    return 0;
}

static int on_piece(const void *data, size_t len, void *user, struct err *err)
{
    return json_list_add(((struct reader *)user)->list, data, len, err);
}

/* All or nothing: an entry that makes no sense voids the listing, and a commit without files is worth
 * asking for. What cannot be read is of no use either: the Hub is asked instead. */
static int read_tree(int dir_fd, const char *path, store_tree_fn *visit, void *user,
                     struct err *err)
{
    struct reader r = {.visit = visit, .user = user};
    int           rc;

    if (dir_fd < 0)
        return 0;
    r.list = json_list_new_inside("files", on_file, on_other, &r);
    rc = fs_read_pieces_at(dir_fd, path, on_piece, &r, err);
    if (rc == 1 && json_list_end(r.list, err))
        rc = 0;
    json_list_free(r.list);
    if (r.stopped)
        return -1;
    if (rc == 1 && r.is_version_1 && r.count)
        return 1;
    if (r.count && visit)
        visit(NULL, user, err);
    return 0;
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
