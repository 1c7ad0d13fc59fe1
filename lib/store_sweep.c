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

    const struct sweep_rules *rules; /* of a prune; NULL: a run sweeps */
};

static int tick(void *user, struct err *err)
{
    return store_tick(user, err);
}

/* What was or would be freed; a folder is a revision that was being taken away. */
static uint64_t delete_file(struct sweep *s, int dir_fd, const char *name)
{
    struct err  ignored;
    struct stat st;
    uint64_t    freed = 0;

    if (fs_exists_at(dir_fd, name, &st, &ignored) != 1)
        return 0;
    if (s->rules && s->rules->dry_run)
        return fs_freed_bytes(&st);
    if (S_ISDIR(st.st_mode))
        (void)fs_remove_tree_at(dir_fd, name, tick, s->store, &freed, &ignored);
    else if (fs_unlink_at(dir_fd, name, &ignored) == 0)
        freed = fs_freed_bytes(&st);
    s->freed_bytes += freed;
    return freed;
}

static void tell(const struct sweep *s, const char *kind, const char *name, uint64_t bytes,
                 bool kept)
{
    if (s->rules)
        s->rules->told(kind, name, bytes, kept, s->rules->user);
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
           view.written.count &&
           (s->rules ? s->rules->keeps(view.head.owner, s->rules->user)
                     : is_wanted(s, stem) || !is_known_repo(s, view.head.owner));
    if (keep)
        tell(s, "partial", stem, fs_freed_bytes(&st), true);
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
    struct stat          st;
    struct err           ignored;
    uint64_t             freed;
    char                 other[128];

    if (!store_partial_parse_name(name, &p, &is_part) || is_own(s, p.stem))
        return;
    snprintf(other, sizeof(other), "%s.%s", p.stem, is_part ? "journal" : "part");
    if (!is_part && fs_exists_at(s->place->partials_fd, other, &st, &ignored) != 0)
        return; /* both go when it is the turn of the bytes */
    is_forgotten = strcmp(p.instance, s->store->instance) == 0;
    if (!(is_forgotten || is_dead(s, p.instance)) || is_worth_keeping(s, p.stem))
        return;
    freed = delete_file(s, s->place->partials_fd, name);
    freed += delete_file(s, s->place->partials_fd, other);
    tell(s, "partial", p.stem, freed, false);
}

/* "INSTANCE.N": what was about to be renamed when its process died. */
static void sweep_temp(struct sweep *s, const char *name)
{
    char instance[17];

    if (strlen(name) < 18 || name[16] != '.' || !str_is_hex((struct str){name, 16}, 16))
        return;
    snprintf(instance, sizeof(instance), "%.16s", name);
    if (is_dead(s, instance))
        tell(s, "temporary", name, delete_file(s, s->place->temp_fd, name), false);
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
    bool            dry_run = s->rules && s->rules->dry_run;
    int             rc = -1;

    if (store_place_ready(s->store, s->place, err))
        return -1;
    if (s->place->partials_fd < 0 || s->place->temp_fd < 0) /* nobody wrote here yet */
        return 0;
    if (fs_list_at(s->place->partials_fd, ".", collect, &partials, err) ||
        fs_list_at(s->place->temp_fd, ".", collect, &temps, err) ||
        (dry_run ? store_lease_living(s->store, &s->living, err)
                 : store_lease_sweep(s->store, &s->living, err)))
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

int store_sweep_as(struct store *store, const struct sweep_rules *rules, struct err *err)
{
    struct sweep s = {.store = store, .rules = rules};
    int          rc = 0;

    for (s.place = store->place; s.place && rc == 0; s.place = s.place->next)
        rc = sweep_place(&s, err);
    name_set_release(&s.living);
    return rc;
}
