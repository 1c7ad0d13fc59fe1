/* store_sweep.c: takes away what dead instances left.
 *
 * A partial of another repo may still be somebody's hope: the pod that was downloading it may be
 * starting again right now. It stays for a day, unless nothing could be resumed from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "store_internal.h"
#include "store_journal.h"
#include "store_partial.h"

#define ABANDONED_NS (24ll * 3600 * 1000000000)

struct sweep {
    struct store       *store;
    struct store_place *place;
    struct name_set     living;
    int64_t             now_ns;
    uint64_t            freed_bytes;
    store_wanted_fn    *wanted;
    void               *user;
};

static void delete_file(struct sweep *s, int dir_fd, const char *name)
{
    struct err  ignored;
    struct stat st;

    if (fs_exists_at(dir_fd, name, &st, &ignored) == 1 &&
        fs_unlink_at(dir_fd, name, &ignored) == 0 && S_ISREG(st.st_mode))
        s->freed_bytes += (uint64_t)st.st_blocks * 512;
}

static bool is_own(struct sweep *s, const char *stem)
{
    bool own;

    pthread_mutex_lock(&s->store->lock);
    own = store_partial_is_ours(s->store, s->place, stem);
    pthread_mutex_unlock(&s->store->lock);
    return own;
}

static bool is_known_repo(struct sweep *s, const char *key)
{
    bool known;

    pthread_mutex_lock(&s->store->lock);
    known = name_set_has(&s->store->repo_key, key);
    pthread_mutex_unlock(&s->store->lock);
    return known;
}

/* May it be somebody's hope? */
static bool is_wanted(const struct sweep *s, const char *stem)
{
    struct str    hex = str_sub(str_from(stem), 0, strcspn(stem, "."));
    struct digest digest;

    return s->wanted && digest_from_hex(hex, &digest) && s->wanted(&digest, s->user);
}

static bool is_worth_keeping(struct sweep *s, const char *stem)
{
    struct journal_view view = {0};
    struct err          ignored;
    struct stat         st;
    char                name[128];
    bool                keep;

    snprintf(name, sizeof(name), "%s.part", stem);
    if (fs_exists_at(s->place->partials_fd, name, &st, &ignored) != 1 ||
        s->now_ns - inventory_mtime_ns(&st) > ABANDONED_NS)
        return false;
    snprintf(name, sizeof(name), "%s.journal", stem);
    keep = journal_load(s->place->partials_fd, name, s->store->boot_id, &view) &&
           view.written.count && (is_wanted(s, stem) || !is_known_repo(s, view.head.owner));
    journal_view_release(&view);
    return keep;
}

static bool is_dead(const struct sweep *s, const char *instance)
{
    return strcmp(instance, s->store->instance) != 0 && !name_set_has(&s->living, instance);
}

static void sweep_partial(struct sweep *s, const char *name)
{
    struct stale_partial p;
    bool                 is_part, is_forgotten;
    char                 other[128];

    if (!store_partial_parse_name(name, &p, &is_part) || is_own(s, p.stem))
        return;
    is_forgotten = strcmp(p.instance, s->store->instance) == 0;
    if (!(is_forgotten || is_dead(s, p.instance)) || is_worth_keeping(s, p.stem))
        return;
    delete_file(s, s->place->partials_fd, name);
    snprintf(other, sizeof(other), "%s.%s", p.stem, is_part ? "journal" : "part");
    delete_file(s, s->place->partials_fd, other);
}

/* "INSTANCE.N": what was about to be renamed when its process died. */
static void sweep_temp(struct sweep *s, const char *name)
{
    char instance[17];

    if (strlen(name) < 18 || name[16] != '.' || !str_is_hex((struct str){name, 16}, 16))
        return;
    snprintf(instance, sizeof(instance), "%.16s", name);
    if (is_dead(s, instance))
        delete_file(s, s->place->temp_fd, name);
}

static int collect(const char *name, void *user, struct err *err)
{
    (void)err;
    name_set_add(user, name);
    return 0;
}

/* The names first, then who is alive: whoever made a file that we saw had its lease before. */
static int sweep_place(struct sweep *s, struct err *err)
{
    struct name_set partials = {0}, temps = {0};
    int             rc = -1;

    if (store_place_ready(s->store, s->place, err) ||
        fs_list_at(s->place->partials_fd, ".", collect, &partials, err) ||
        fs_list_at(s->place->temp_fd, ".", collect, &temps, err) ||
        store_lease_sweep(s->store, &s->living, err))
        goto out;
    if (partials.count && store_volume_now_ns(s->store, &s->now_ns, err))
        goto out;
    for (size_t i = 0; i < partials.count; i++)
        sweep_partial(s, partials.item[i]);
    for (size_t i = 0; i < temps.count; i++)
        sweep_temp(s, temps.item[i]);
    rc = 0;
out:
    name_set_release(&partials);
    name_set_release(&temps);
    return rc;
}

uint64_t store_sweep(struct store *store, store_wanted_fn *wanted, void *user, struct err *err)
{
    struct sweep s = {.store = store, .wanted = wanted, .user = user};

    if (store->options.read_only)
        return 0;
    for (s.place = store->place; s.place; s.place = s.place->next)
        if (sweep_place(&s, err))
            break;
    name_set_release(&s.living);
    return s.freed_bytes;
}
