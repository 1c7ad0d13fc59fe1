/* store_note.c: the inventory of a repo's place on disk: read when the place is opened, appended to as
 * files get their names, written anew when a run ends well. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs.h"
#include "store_internal.h"

enum { INVENTORY_MAX_BYTES = 512 << 20 };

void store_repo_inventory_name(const struct store_repo *repo, char out[64])
{
    snprintf(out, 64, "inventory/%s", repo->key);
}

static int on_inventory(const void *data, size_t len, void *user, struct err *err)
{
    struct inventory_reader *reader = user;

    if (reader->read_bytes > INVENTORY_MAX_BYTES)
        return err_set(err, ERR_TOO_LARGE, "an inventory has at most 512 MiB");
    inventory_read(reader, (struct str){data, len});
    return 0;
}

/* Two revisions of a run may have given one blob its name; what the later one noted is true. */
static bool holds_now(const struct inventory_entry *entry, void *user)
{
    const struct store_repo *repo = user;
    char                    *path = mem_strndup(entry->path.p, entry->path.len);
    struct stat              st;
    struct err               ignored;
    bool                     holds = fs_exists_at(repo->root_fd, path, &st, &ignored) == 1 &&
                 inventory_proves(entry, &st, &entry->digest);

    free(path);
    return holds;
}

/* With `merge`, what others of this run noted since we read the file: shards, and in a cache the other
 * revisions of the repo. */
int store_repo_load_inventory(struct store_repo *repo, bool merge, struct err *err)
{
    struct inventory_reader reader = {.inv = &repo->inventory,
                                      .merge = merge,
                                      .holds = repo->options.is_cache ? holds_now : NULL,
                                      .user = repo};
    struct store           *store = repo->store;
    char                    name[64];
    int                     rc = 0;

    store_repo_inventory_name(repo, name);
    if (store->place->state_fd >= 0)
        rc = fs_read_pieces_at(store->place->state_fd, name, on_inventory, &reader, err);
    inventory_read(&reader, STR(""));
    return rc < 0 && err->kind != ERR_TOO_LARGE ? -1 : 0; /* what was read serves */
}

/* --- as the run goes --- */

/* Opens the inventory's file for appending. The line that begins a new one, or that ends what a
 * killed run may have left half written, goes to `lines`. */
static int open_append(struct store_repo *repo, struct buf *lines, struct err *err)
{
    struct store *store = repo->store;
    struct stat   st;
    char          name[64];

    if (repo->append_fd >= 0 && fstat(repo->append_fd, &st) == 0 && st.st_nlink != 1)
        fs_close(&repo->append_fd); /* another shard wrote it anew, or somebody linked to it */
    if (repo->append_fd >= 0)
        return 0;
    store_repo_inventory_name(repo, name);
    if (fs_make_dirs_at(store->place->state_fd, "inventory", (mode_t)store->options.dir_mode, err))
        return -1;
    repo->append_fd = fs_open_at(store->place->state_fd, name, O_WRONLY | O_CREAT | O_APPEND,
                                 (mode_t)store->options.file_mode, err);
    if (repo->append_fd < 0)
        return -1;
    if (fstat(repo->append_fd, &st) == 0 && st.st_size > 0)
        buf_add_char(lines, '\n');
    else
        inventory_render_head(&repo->inventory, lines);
    return 0;
}

/* Notes an entry as the run goes, so that a killed one need not hash again what it published.
 * Neither synced nor checked: the file has its name already, and what is lost here is hashed. */
static void append_inventory(struct store_repo *repo, const struct inventory_entry *entry)
{
    struct buf lines = {0};
    struct err ignored;
    ssize_t    n;

    if (open_append(repo, &lines, &ignored) == 0) {
        inventory_render_entry(&repo->inventory, entry, &lines);
        do /* in one write: O_APPEND keeps the lines of several shards apart */
            n = write(repo->append_fd, lines.p, lines.len);
        while (n < 0 && errno == EINTR);
    }
    buf_release(&lines);
}

void store_repo_note(struct store_repo *repo, const char *path, const struct digest *digest,
                     const struct stat *st, const char *commit)
{
    struct inventory_entry *entry;
    struct stat             now;
    struct err              ignored;

    pthread_mutex_lock(&repo->lock);
    /* Two threads with the same content both rename to one blob: the later one's stat counts. */
    if (fs_exists_at(repo->root_fd, path, &now, &ignored) == 1 &&
        (S_ISLNK(now.st_mode) || (now.st_ino == st->st_ino && now.st_dev == st->st_dev))) {
        entry = inventory_put(&repo->inventory, str_from(path), digest, st, commit);
        entry->seen = true;
        append_inventory(repo, entry);
    }
    pthread_mutex_unlock(&repo->lock);
}

/* --- when it is done --- */

struct inventory_source {
    const struct inventory *inv;
    size_t                  next;
};

static bool render_inventory(void *user, struct buf *out)
{
    struct inventory_source *source = user;

    if (!out) {
        source->next = 0;
        return true;
    }
    return inventory_render(source->inv, &source->next, out);
}

void store_repo_ref_name(const struct store_repo *repo, struct str revision, struct buf *out)
{
    const struct store_repo_options *o = &repo->options;

    buf_clear(out);
    if (!o->is_cache)
        buf_printf(out, "%s %.*s ", repo_type_name(o->type), STR_ARG(o->id));
    buf_add_str(out, revision);
}

static void set_ref(struct store_repo *repo, struct str revision)
{
    struct buf name = {0};

    store_repo_ref_name(repo, revision, &name);
    inventory_set_ref(&repo->inventory, buf_view(&name), repo->options.commit);
    buf_release(&name);
}

/* What readers of the folder find it by. In a cache commits lie side by side, and of what others noted
 * only our own references are ours to change. */
void store_repo_note_refs(struct store_repo *repo)
{
    struct inventory *inv = &repo->inventory;
    const char       *commit = repo->options.commit;
    struct err        ignored;

    store_repo_load_inventory(repo, true, &ignored);
    if (!repo->options.is_cache) {
        set_ref(repo, repo->options.revision);
        set_ref(repo, str_from(commit));
        return;
    }
    inventory_add_ref(inv, repo->options.revision, commit);
    inventory_add_ref(inv, str_from(commit), commit);
    for (size_t i = 0; i < repo->options.ref_alias_count; i++)
        inventory_add_ref(inv, repo->options.ref_alias[i], commit);
}

int store_repo_write_inventory(struct store_repo *repo, struct err *err)
{
    struct inventory_source source = {.inv = &repo->inventory};
    struct store           *store = repo->store;
    char                    name[64];

    if (!repo->inventory.changed)
        return 0;
    store_repo_inventory_name(repo, name);
    fs_close(&repo->append_fd);
    if (fs_make_dirs_at(store->place->state_fd, "inventory", (mode_t)store->options.dir_mode,
                        err) ||
        store_replace_from(store, store->place, store->place->state_fd, name, render_inventory,
                           &source, true, err))
        return -1;
    repo->inventory.changed = false;
    return 0;
}
