/* store_dir.c: layout dir: plain files, and beside them what `hf download --local-dir` keeps.
 *
 *   DIR/config.json
 *   DIR/.cache/huggingface/.gitignore CACHEDIR.TAG trees/COMMIT.json
 *   DIR/.cache/huggingface/download/config.json.metadata    commit, etag, time: three lines
 *
 * source  huggingface_hub, _local_folder.py */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store_internal.h"

#define METADATA_FOLDER ".cache/huggingface"

static void final_path(struct store_repo *repo, const struct store_file *file, struct buf *path)
{
    (void)repo;
    buf_clear(path);
    buf_add_str(path, file->path);
}

/* What is proven to be something else is not believed by its size, and need not be hashed. A file that
 * went from git to LFS has a digest of another kind, which says nothing about this one. */
static bool is_another(const struct inventory_entry *entry, const struct stat *st,
                       const struct digest *want)
{
    return entry && entry->digest.kind == want->kind && !digest_equal(&entry->digest, want) &&
           inventory_proves(entry, st, &entry->digest);
}

static int look(struct store_repo *repo, const struct store_file *file, enum store_state *state,
                struct err *err)
{
    struct inventory_entry *entry;
    struct buf              path = {0};
    struct stat             st;
    int                     rc;

    final_path(repo, file, &path);
    rc = store_repo_look_at(repo, buf_cstr(&path), &st, err);
    buf_release(&path);
    if (rc <= 0)
        return rc;
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s/%.*s is a %s, and a file must go there", repo->folder,
                STR_ARG(file->path), fs_kind_name(st.st_mode));
        return err_hint(err, "remove or rename it");
    }
    entry = inventory_find(&repo->inventory, file->path);
    if (inventory_proves(entry, &st, &file->digest)) {
        entry->seen = true;
        *state = STORE_PRESENT;
    } else if ((uint64_t)st.st_size == file->size_bytes && !is_another(entry, &st, &file->digest)) {
        *state = STORE_UNVERIFIED;
    }
    return 0;
}

static int content(struct store_repo *repo, const struct store_file *file, struct buf *path,
                   struct err *err)
{
    struct stat st;

    final_path(repo, file, path);
    return fs_exists_at(repo->root_fd, buf_cstr(path), &st, err);
}

/* Where the metadata of a file goes; false if its name would be too long for any volume. */
static bool metadata_path(struct str path, struct buf *out)
{
    ptrdiff_t slash = str_rfind_char(path, '/');

    buf_clear(out);
    buf_add_str(out, STR(METADATA_FOLDER "/download/"));
    buf_add_str(out, path);
    buf_add_str(out, STR(".metadata"));
    return path.len - (size_t)(slash + 1) + strlen(".metadata") <= 255;
}

/* Python believes it while mtime - 1 <= time; a server's clock may run ahead of ours. */
static int write_metadata(struct store_repo *repo, struct str path, const struct digest *digest,
                          int64_t mtime_ns, struct err *err)
{
    struct buf rel = {0}, text = {0};
    int64_t    time_us = clock_wall_ms(&repo->store->options.clock) * 1000;
    int64_t    mtime_us = mtime_ns / 1000 + 1;
    char       etag[DIGEST_HEX_MAX];
    int        rc = 0;

    if (mtime_us > time_us)
        time_us = mtime_us;
    digest_to_hex(digest, etag);
    buf_printf(&text, "%s\n%s\n%" PRId64 ".%06" PRId64 "\n", repo->options.commit, etag,
               time_us / 1000000, time_us % 1000000);
    if (metadata_path(path, &rel))
        rc = store_repo_replace(repo, buf_cstr(&rel), buf_view(&text), false, err);
    buf_release(&rel);
    buf_release(&text);
    return rc;
}

static int expose(struct store_repo *repo, const struct store_file *file, const char *path,
                  const struct stat *st, bool fresh, struct err *err)
{
    const char *commit = repo->options.hub_metadata ? repo->options.commit : NULL;

    (void)fresh;
    if (commit && write_metadata(repo, file->path, &file->digest, inventory_mtime_ns(st), err))
        return -1;
    store_repo_note(repo, path, &file->digest, st, commit);
    return 0;
}

static int write_if_absent(struct store_repo *repo, const char *rel, const char *text,
                           struct err *err)
{
    struct stat st;
    int         there = fs_exists_at(repo->root_fd, rel, &st, err);

    if (there)
        return there < 0 ? -1 : 0;
    return store_repo_replace(repo, rel, str_from(text), false, err);
}

/* Files kept from an earlier commit belong to this one, too: without it, Python would ask again. */
static int finish(struct store_repo *repo, struct err *err)
{
    struct inventory *inv = &repo->inventory;
    struct stat       st;
    uint32_t          commit;
    int               there;

    if (!repo->options.hub_metadata)
        return 0;
    there = fs_exists_at(repo->root_fd, METADATA_FOLDER "/download", &st, err);
    if (there < 0)
        return -1;
    commit = inventory_commit_index(inv, repo->options.commit);
    for (size_t i = 0; i < inv->entry_count; i++) {
        struct inventory_entry *entry = &inv->entry[i];

        if (!entry->seen || (there && entry->commit == commit))
            continue;
        if (store_tick(repo->store, err) ||
            write_metadata(repo, entry->path, &entry->digest, entry->mtime_ns, err))
            return -1;
        if (entry->commit != commit) {
            entry->commit = commit;
            inv->changed = true;
        }
    }
    if (write_if_absent(repo, METADATA_FOLDER "/.gitignore", "*", err))
        return -1;
    return write_if_absent(repo, METADATA_FOLDER "/CACHEDIR.TAG", store_cachedir_tag, err);
}

/* Each file of this layout stands for itself. */
static int is_finished(struct store_repo *repo, struct err *err)
{
    (void)repo;
    (void)err;
    return 1;
}

const struct store_layout store_layout_dir = {
    .look = look,
    .content = content,
    .final = final_path,
    .reader = final_path,
    .expose = expose,
    .finish = finish,
    .is_finished = is_finished,
    .tree_folder = METADATA_FOLDER "/trees",
};
