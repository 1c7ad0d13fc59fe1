/* fetch_queue_init.c: from a plan to a queue: which files there are, and which come first. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fetch_queue_internal.h"

enum {
    CONNECTIONS_AUTO = 64, /* for bulk, at most: fetch_pace.c finds out how many of them pay */
    SMALL_AUTO = 96,
    OPEN_FILES_AUTO = 16,
    FINISHING_AUTO = 128,
    OTHER_DESCRIPTORS = 40, /* folders, leases, libcurl's own */
    PER_UNIT = 10,          /* of each limit: sockets, kept connections, partial and journal */
};

/* No limit higher than the process has descriptors for. */
static unsigned capped(unsigned wanted)
{
    struct rlimit limit;
    rlim_t        units;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    units =
        limit.rlim_cur > OTHER_DESCRIPTORS ? (limit.rlim_cur - OTHER_DESCRIPTORS) / PER_UNIT : 0;
    if (units < 1)
        units = 1;
    return units < wanted ? (unsigned)units : wanted;
}

static int larger_first(const void *a, const void *b)
{
    const struct plan_file *x = (*(struct fetch_file *const *)a)->plan;
    const struct plan_file *y = (*(struct fetch_file *const *)b)->plan;

    if (x->size_bytes != y->size_bytes)
        return x->size_bytes > y->size_bytes ? -1 : 1;
    return str_cmp(x->path, y->path);
}

/* One file of each repo goes first: if a repo is gated, its first request says so, and we learn it
 * before gigabytes of its neighbour were fetched. */
static void scouts_first(struct queue *q, size_t place_count, const struct fetch_place *place)
{
    size_t front = 0;

    for (size_t p = 0; p < place_count; p++) {
        for (size_t i = front; i < q->small_count; i++) {
            struct fetch_file *f = q->small[i];
            if (f->place != &place[p])
                continue;
            memmove(&q->small[front + 1], &q->small[front],
                    (i - front) * sizeof(struct fetch_file *));
            q->small[front++] = f;
            break;
        }
    }
}

struct fetch_place *queue_place_of(struct queue *q, size_t repo)
{
    for (size_t i = 0; i < q->place_count; i++)
        if (q->place[i].index == repo)
            return &q->place[i];
    return NULL;
}

static void add_files(struct queue *q, struct plan *plan)
{
    struct fetch_file **by_plan = mem_alloc(plan->file_count * sizeof(struct fetch_file *));

    for (size_t i = 0; i < plan->file_count; i++) {
        const struct plan_file *pf = &plan->file[i];
        struct fetch_place     *where = queue_place_of(q, pf->repo);
        struct fetch_file      *f;

        if (!where || !pf->is_mine || (pf->state != PLAN_FETCH && pf->state != PLAN_SAME))
            continue;
        f = &q->file[q->file_count++];
        *f = (struct fetch_file){.plan = pf, .place = where, .endpoint = where->endpoint};
        by_plan[i] = f;
        if (pf->state == PLAN_FETCH && pf->size_bytes <= FETCH_SMALL_BYTES)
            q->small[q->small_count++] = f;
        else if (pf->state == PLAN_FETCH)
            q->bulk[q->bulk_count++] = f;
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        struct fetch_file *f = by_plan[i], *leader;

        if (!f || f->plan->state != PLAN_SAME)
            continue;
        leader = by_plan[f->plan->same_as];
        if (leader) {
            f->next_same = leader->first_same;
            leader->first_same = f;
        } else { /* its twin is on the volume already: only the copy is left to do */
            f->state = FILE_FINISHING;
            f->in_finish_list = true;
            *q->finish_tail = f;
            q->finish_tail = &f->next_finish;
        }
    }
    free(by_plan);
}

int queue_init(struct queue *q, struct fetch *fetch, struct plan *plan, struct fetch_place *place,
               size_t place_count, struct err *err)
{
    const struct spec *spec = fetch->config.spec;
    pthread_condattr_t attr;
    size_t             n = plan->file_count;

    (void)err;
    *q = (struct queue){
        .fetch = fetch, .plan_file = plan->file, .place = place, .place_count = place_count};
    q->finish_tail = &q->finish_head;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->finish_ready, &attr);
    pthread_cond_init(&q->changed, &attr);
    pthread_cond_init(&q->over, &attr);
    pthread_condattr_destroy(&attr);
    q->file = mem_alloc(n * sizeof(*q->file));
    q->small = mem_alloc(n * sizeof(struct fetch_file *));
    q->bulk = mem_alloc(n * sizeof(struct fetch_file *));
    q->again = mem_alloc(n * sizeof(struct fetch_file *));
    q->connections = capped(spec->connections ? spec->connections : CONNECTIONS_AUTO);
    atomic_store(&q->target, q->connections);
    q->small_limit = capped(SMALL_AUTO);
    q->open_limit = capped(spec->files ? spec->files : OPEN_FILES_AUTO);
    q->finishing_limit = capped(FINISHING_AUTO);
    q->open = mem_alloc((q->open_limit + 1) * sizeof(struct fetch_file *));
    q->part_bytes = spec->part_size_bytes;
    add_files(q, plan);
    q->left = q->file_count;
    qsort(q->bulk, q->bulk_count, sizeof(struct fetch_file *), larger_first);
    scouts_first(q, place_count, place);
    return 0;
}

void queue_release(struct queue *q)
{
    for (size_t i = 0; i < q->file_count; i++) {
        struct fetch_file *f = &q->file[i];

        if (f->active && f->active->partial)
            store_partial_close(f->active->partial);
        queue_active_free(f);
    }
    free(q->file);
    free(q->small);
    free(q->bulk);
    free(q->again);
    free(q->open);
    free(q->lane_http);
    pthread_cond_destroy(&q->finish_ready);
    pthread_cond_destroy(&q->changed);
    pthread_cond_destroy(&q->over);
    pthread_mutex_destroy(&q->lock);
}
