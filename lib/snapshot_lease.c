/* snapshot_lease.c: one writer per place; the others wait and say for whom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "snapshot_internal.h"
#include "store_prune.h"

enum { POLL_MS = 500, SAY_EVERY_MS = 10 * 1000, STATUS_MAX = 1024 * 1024 };

/* What is leased: the place on the volume, and in an Indexed Job the share of it. */
static void key_of_shard(const struct snapshot *s, size_t i, uint32_t shard, struct buf *key)
{
    const struct spec_repo *repo = &s->spec->repo[i];

    if (snapshot_is_cache(s))
        repo_folder_name(repo->type, repo->id, key);
    else
        buf_printf(key, "dir/%.*s", STR_ARG(repo->path));
    if (s->spec->shard_count > 1)
        buf_printf(key, "#%u/%u", shard, s->spec->shard_count);
}

static void lease_key(const struct snapshot *s, size_t i, struct buf *key)
{
    key_of_shard(s, i, s->spec->shard_index, key);
}

/* " (61%)" from the holder's status file, or "". */
static void holder_progress(struct snapshot *s, const struct store_lease_holder *holder,
                            char out[16])
{
    struct buf   text = {0};
    struct json *doc = NULL;
    struct err   ignored;
    uint64_t     percent;

    out[0] = '\0';
    if (holder->status[0] && strchr(holder->status, '/') == NULL &&
        store_read_state(s->store, holder->status, STATUS_MAX, &text, &ignored) > 0 &&
        json_parse(buf_view(&text), &doc, &ignored) == 0 &&
        json_u64(json_get(json_get(doc, "totals"), "percent"), &percent))
        snprintf(out, 16, " (%u%%)", (unsigned)percent % 1000);
    json_free(doc);
    buf_release(&text);
}

static void say_waiting(struct snapshot *s, size_t i, const struct store_lease_holder *holder,
                        uint64_t until_ms, uint64_t now_ms, uint64_t *said_at_ms)
{
    char what[160], percent[16];

    holder_progress(s, holder, percent);
    snprintf(what, sizeof(what), "%.60s, which is fetching %.*s%s",
             holder->pod[0] ? holder->pod : holder->host,
             STR_ARG(str_sub(s->spec->repo[i].id, 0, 60)), percent);
    progress_wait(s->progress, what,
                  clock_wall_ms(&s->config.clock) + (int64_t)(until_ms - now_ms));
    if (*said_at_ms && now_ms - *said_at_ms < SAY_EVERY_MS)
        return;
    *said_at_ms = now_ms;
    log_write(s->config.log, LOG_INFO, "waiting for another writer",
              LOG_TEXT("repo", s->spec->repo[i].id), LOG_CSTR("holder", what),
              LOG_CSTR("host", holder->host), LOG_CSTR("instance", holder->instance),
              LOG_NUM("quiet_ms", holder->idle_ms), LOG_NUM("wait_ms", until_ms - now_ms));
}

static int timed_out(const struct snapshot *s, size_t i, const struct store_lease_holder *holder,
                     struct err *err)
{
    const struct spec_repo *repo = &s->spec->repo[i];

    return err_set(err, ERR_LOCKED,
                   "%.*s: still held by %s on %s after waiting %llu s (lock.wait); it last moved "
                   "%llu s ago",
                   STR_ARG(repo->id), holder->pod[0] ? holder->pod : holder->instance, holder->host,
                   (unsigned long long)(s->spec->lock_wait_ms / 1000),
                   (unsigned long long)(holder->idle_ms / 1000));
}

/* 0 taken at once, 1 taken after a wait, -1. */
static int take(struct snapshot *s, size_t i, uint64_t until_ms, struct err *err)
{
    struct buf key = {0};
    uint64_t   said_at_ms = 0;
    int        waited = 0, rc;

    lease_key(s, i, &key);
    for (;;) {
        struct store_lease_holder holder = {0};
        uint64_t                  now_ms;

        rc = store_lease_try(s->store, buf_view(&key), s->status_name, &s->repo[i].lease, &holder,
                             err);
        if (rc != 0)
            break;
        now_ms = clock_now_ms(&s->config.clock);
        s->status_is_theirs = strcmp(holder.status, s->status_name) == 0;
        if (!waited)
            progress_enter(s->progress, PHASE_WAITING);
        waited = 1;
        if (now_ms >= until_ms) {
            rc = timed_out(s, i, &holder, err);
            break;
        }
        say_waiting(s, i, &holder, until_ms, now_ms, &said_at_ms);
        rc = snapshot_sleep(s, POLL_MS, err);
        if (rc)
            break;
    }
    buf_release(&key);
    return rc < 0 ? -1 : waited;
}

/* Whoever prunes looks who has a lease, after he has taken his; we look for his after we have ours: one
 * sees the other. 0 nobody prunes, 1 he is done, -1. */
static int wait_for_prune(struct snapshot *s, uint64_t until_ms, struct err *err)
{
    struct store_lease_holder holder = {0};
    uint64_t                  now_ms;
    char                      what[160];
    int                       waited = 0, rc;

    while ((rc = store_lease_look(s->store, STR(STORE_PRUNE_KEY), &holder, err)) == 1) {
        const char *who = holder.pod[0] ? holder.pod : holder.host;

        now_ms = clock_now_ms(&s->config.clock);
        if (now_ms >= until_ms)
            return err_set(err, ERR_LOCKED, "%s is still pruning the volume (lock.wait)", who);
        snprintf(what, sizeof(what), "%.80s, which is pruning the volume", who);
        if (!waited) {
            progress_enter(s->progress, PHASE_WAITING);
            log_write(s->config.log, LOG_INFO, "waiting for a prune", LOG_CSTR("holder", what));
        }
        waited = 1;
        progress_wait(s->progress, what,
                      clock_wall_ms(&s->config.clock) + (int64_t)(until_ms - now_ms));
        if (snapshot_sleep(s, POLL_MS, err))
            return -1;
    }
    return rc < 0 ? -1 : waited;
}

static int by_place(const void *a, const void *b, void *user)
{
    const struct snapshot *s = user;
    struct buf             x = {0}, y = {0};
    int                    order;

    lease_key(s, *(const size_t *)a, &x);
    lease_key(s, *(const size_t *)b, &y);
    order = str_cmp(buf_view(&x), buf_view(&y));
    buf_release(&x);
    buf_release(&y);
    return order;
}

/* Everybody takes leases in the same order, so that two runs never wait for each other. Two
 * revisions of one repo in a cache are one place. */
int snapshot_take_leases(struct snapshot *s, struct err *err)
{
    size_t  *order = arena_alloc(&s->arena, s->spec->repo_count * sizeof(*order));
    uint64_t until_ms = clock_now_ms(&s->config.clock) + s->spec->lock_wait_ms;
    int      waited = 0, pruned;

    for (size_t i = 0; i < s->spec->repo_count; i++)
        order[i] = i;
    qsort_r(order, s->spec->repo_count, sizeof(*order), by_place, s);
    for (size_t k = 0; k < s->spec->repo_count; k++) {
        int rc;

        if (s->repo[order[k]].lease || (k > 0 && by_place(&order[k - 1], &order[k], s) == 0))
            continue;
        rc = take(s, order[k], until_ms, err);
        if (rc < 0)
            return -1;
        waited |= rc;
    }
    pruned = wait_for_prune(s, until_ms, err);
    progress_wait(s->progress, NULL, 0);
    return pruned < 0 ? -1 : waited | pruned;
}

int snapshot_renew_leases(struct snapshot *s, struct err *err)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        if (!s->repo[i].lease || store_lease_renew(s->repo[i].lease, err) == 0)
            continue;
        if (err->kind == ERR_LOCKED)
            snapshot_yield_status(s);
        return -1;
    }
    return 0;
}

void snapshot_drop_leases(struct snapshot *s)
{
    for (size_t i = 0; i < s->spec->repo_count; i++) {
        if (s->repo[i].lease)
            store_lease_release(s->repo[i].lease);
        s->repo[i].lease = NULL;
    }
}

bool snapshot_has_peer(struct snapshot *s, size_t i)
{
    bool has = false;

    for (uint32_t shard = 0; shard < s->spec->shard_count && !has; shard++) {
        struct store_lease_holder holder;
        struct buf                key = {0};
        struct err                ignored;

        key_of_shard(s, i, shard, &key);
        has = shard != s->spec->shard_index &&
              store_lease_look(s->store, buf_view(&key), &holder, &ignored) != 0;
        buf_release(&key);
    }
    return has;
}
