/* store_stale.c: the partials that lie on the volume: whose they are, and what counts of them. */
#include <stdio.h>
#include <string.h>

#include "fs.h"
#include "store_partial.h"

void store_partial_name(const char *stem, const char *suffix, char out[128])
{
    snprintf(out, 128, "%s%s", stem, suffix);
}

/* --- what lies there --- */

bool store_partial_parse_name(const char *name, struct stale_partial *out, bool *is_part)
{
    struct str           rest = str_from(name), hex, owner, suffix;
    struct stale_partial p = {0};

    if (!str_cut(&rest, '.', &hex) || !str_cut(&rest, '.', &owner) ||
        !str_cut(&rest, '.', &suffix) || rest.p || !digest_from_hex(hex, &p.digest) ||
        !str_is_hex(str_sub(owner, 0, 16), 16) || hex.len + owner.len + 2 > sizeof(p.stem) ||
        (owner.len > 16 && owner.p[16] != '-'))
        return false;
    *is_part = str_eq(suffix, STR("part"));
    snprintf(p.stem, sizeof(p.stem), "%.*s.%.*s", STR_ARG(hex), STR_ARG(owner));
    snprintf(p.instance, sizeof(p.instance), "%.16s", owner.p);
    *out = p;
    return *is_part || str_eq(suffix, STR("journal"));
}

void store_stale_add(struct store_place *place, const struct stale_partial *p)
{
    if (place->stale_count == place->stale_capacity) {
        place->stale_capacity = place->stale_capacity ? place->stale_capacity * 2 : 16;
        place->stale = mem_resize(place->stale, place->stale_capacity, sizeof(*place->stale));
    }
    place->stale[place->stale_count++] = *p;
}

static int visit_partial(const char *name, void *user, struct err *err)
{
    struct stale_partial p;
    bool                 is_part;

    (void)err;
    if (store_partial_parse_name(name, &p, &is_part) && is_part)
        store_stale_add(user, &p);
    return 0;
}

void store_stale_list(struct store_place *place)
{
    struct err ignored; /* then everything is fetched */

    if (!place->is_listed && place->partials_fd >= 0)
        fs_list_at(place->partials_fd, ".", visit_partial, place, &ignored);
    place->is_listed = true;
}

void store_look_anew(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    for (struct store_place *place = store->place; place; place = place->next) {
        place->stale_count = 0;
        place->is_listed = false;
    }
    pthread_mutex_unlock(&store->lock);
}

/* The writer notes in the journal what it wrote, every MARK_LATE_MS at the latest. Bytes much younger
 * than its last line are somebody else's, who changed what we had hashed. Changes within that time
 * of a kill, or with the time set back, are not seen. */
static bool is_changed_since(const struct stat *part, const struct stat *journal)
{
    enum { MARK_LATE_MS = 5000 };
    int64_t ms = (part->st_mtim.tv_sec - journal->st_mtim.tv_sec) * INT64_C(1000) +
                 (part->st_mtim.tv_nsec - journal->st_mtim.tv_nsec) / 1000000;

    return ms > MARK_LATE_MS;
}

bool store_stale_load(struct store *store, const struct store_place *place,
                      const struct stale_partial *p, const struct store_file *file,
                      struct journal_view *view, uint64_t *allocated_bytes)
{
    struct err  ignored;
    struct stat st, journal;
    char        name[128];

    store_partial_name(p->stem, ".part", name);
    if (fs_exists_at(place->partials_fd, name, &st, &ignored) != 1 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != file->size_bytes)
        return false;
    *allocated_bytes = (uint64_t)st.st_blocks * 512;
    store_partial_name(p->stem, ".journal", name);
    if (fs_exists_at(place->partials_fd, name, &journal, &ignored) != 1 ||
        !journal_load(place->partials_fd, name, store->boot_id, view) ||
        !digest_equal(&view->head.digest, &file->digest) ||
        view->head.size_bytes != file->size_bytes || !view->written.count) {
        journal_view_release(view);
        return false;
    }
    if (is_changed_since(&st, &journal))
        view->durable_hash = (struct journal_hash){0};
    return true;
}

/* What others are at work on is neither there for us nor room that we have. Who only looks cannot tell the
 * dead from the living, for to try locks is to write, and counts what lies there. */
static void list_with_owners(struct store *store, struct store_place *place)
{
    struct name_set living = {0};
    struct err      ignored;
    bool            is_listed;

    pthread_mutex_lock(&store->lock);
    is_listed = place->is_listed;
    pthread_mutex_unlock(&store->lock);
    if (is_listed)
        return;
    if (!store->options.read_only)
        (void)store_lease_living(store, &living, &ignored);
    pthread_mutex_lock(&store->lock);
    store_stale_list(place);
    for (size_t i = 0; i < place->stale_count; i++)
        place->stale[i].is_anothers =
            !place->stale[i].ours && name_set_has(&living, place->stale[i].instance);
    pthread_mutex_unlock(&store->lock);
    name_set_release(&living);
}

void store_partial_look(struct store_repo *repo, const struct store_file *file,
                        struct store_view *out)
{
    struct store       *store = repo->store;
    struct store_place *place = repo->place;

    if (file->size_bytes < STORE_JOURNAL_FROM_BYTES)
        return;
    list_with_owners(store, place);
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < place->stale_count; i++) {
        struct journal_view view = {0};
        uint64_t            have, allocated;

        if (place->stale[i].is_anothers || !digest_equal(&place->stale[i].digest, &file->digest) ||
            !store_stale_load(store, place, &place->stale[i], file, &view, &allocated))
            continue;
        have = range_set_bytes(&view.written);
        if (have > out->have_bytes)
            *out = (struct store_view){STORE_PARTIAL, have, allocated};
        journal_view_release(&view);
    }
    pthread_mutex_unlock(&store->lock);
}

bool store_partial_is_ours(const struct store *store, const struct store_place *place,
                           const char *stem)
{
    for (const struct store_partial *p = store->open; p; p = p->next)
        if (strcmp(p->stem, stem) == 0)
            return true;
    for (size_t i = 0; i < place->stale_count; i++)
        if (place->stale[i].ours && strcmp(place->stale[i].stem, stem) == 0)
            return true;
    return false;
}

bool store_stale_pop(struct store_place *place, const struct digest *digest,
                     const struct name_set *living, struct stale_partial *out)
{
    for (size_t i = 0; i < place->stale_count; i++) {
        struct stale_partial *s = &place->stale[i];

        if (!digest_equal(&s->digest, digest) || (!s->ours && name_set_has(living, s->instance)))
            continue;
        *out = *s;
        *s = place->stale[--place->stale_count];
        return true;
    }
    return false;
}
