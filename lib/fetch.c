/* fetch.c: sets up lanes and finishers, waits for them, keeps the caller's clock ticking. */
#include "fetch.h"

#include <stdlib.h>
#include <time.h>

#include "cgroup.h"
#include "fetch_lane.h"
#include "fetch_pace.h"

enum {
    LANES_MAX = 4,
    FINISHERS = 16, /* fdatasync at a time: file systems bring many of them to the disk in one go */
    TICK_MS = 100
};

int fetch_new(const struct fetch_config *config, struct fetch **out, struct err *err)
{
    struct fetch *fetch = mem_alloc(sizeof(*fetch));

    (void)err;
    fetch->config = *config;
    if (!config->http.hook) /* who answers in place of the network has no addresses */
        fetch->config.http.edges = http_edges_new(&config->clock, config->log);
    transfer_env_init(&fetch->env, config->spec, &config->clock, config->log, config->progress);
    *out = fetch;
    return 0;
}

void fetch_free(struct fetch *fetch)
{
    if (!fetch)
        return;
    transfer_env_release(&fetch->env);
    http_edges_free(fetch->config.http.edges);
    free(fetch);
}

int fetch_tick(struct fetch *fetch, struct err *err)
{
    return fetch->config.tick ? fetch->config.tick(fetch->config.user, err) : 0;
}

struct crew {
    struct lane *lane[LANES_MAX];
    size_t       lane_count;
    pthread_t    finisher[FINISHERS];
    size_t       finisher_count;
    pthread_t    syncer;
    bool         has_syncer;
};

static unsigned lanes_wanted(const struct spec *spec, const struct queue *q)
{
    unsigned lanes = spec->threads ? spec->threads : cgroup_cpus();

    if (lanes > LANES_MAX)
        lanes = LANES_MAX;
    if (lanes > q->connections)
        lanes = q->connections;
    return q->bulk_count == 0 && q->small_count < lanes ? 1 : lanes;
}

/* All of them before the first lane or finisher can wake one. A lane that cannot be started leaves
 * its own unused. */
static int make_lane_http(struct fetch *fetch, struct queue *q, unsigned lanes, struct err *err)
{
    struct http_config http = fetch->config.http;

    http.max_connections = q->small_limit + q->connections; /* there may be one lane in the end */
    q->lane_http = mem_alloc(LANES_MAX * sizeof(struct http *));
    for (unsigned i = 0; i < lanes; i++)
        if (http_new(&http, &q->lane_http[q->lane_count++], err))
            return -1;
    return 0;
}

static int add_lane(struct queue *q, struct crew *crew, struct err *err)
{
    unsigned i = (unsigned)crew->lane_count;

    if (lane_start(q, q->lane_http[i], i, &crew->lane[i], err))
        return -1;
    crew->lane_count++;
    return 0;
}

static int add_finisher(struct queue *q, struct crew *crew, struct err *err)
{
    int rc = pthread_create(&crew->finisher[crew->finisher_count], NULL, finisher_main, q);

    if (rc != 0)
        return fetch_no_thread(rc, "hashing", err);
    crew->finisher_count++;
    return 0;
}

static void *no_work(void *arg)
{
    return arg;
}

/* Could another thread be had? */
static bool one_more(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, no_work, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

/* There are no more threads, and libcurl takes one for every name it looks up. */
static void leave_room(struct queue *q, const struct crew *crew)
{
    enum { LOOK_UPS = 4 };
    size_t spare = crew->finisher_count - 1;

    queue_spare_finishers(q, spare < LOOK_UPS ? (unsigned)spare : LOOK_UPS);
}

/* With one lane and one finisher a run works; more make it faster. */
static int start_crew(struct fetch *fetch, struct queue *q, struct crew *crew, struct err *err)
{
    unsigned   lanes = lanes_wanted(fetch->config.spec, q);
    struct err ignored;

    atomic_store(&q->lanes, lanes);
    if (make_lane_http(fetch, q, lanes, err) || add_lane(q, crew, err) ||
        add_finisher(q, crew, err))
        return -1;
    if (q->bulk_count)
        crew->has_syncer = pthread_create(&crew->syncer, NULL, syncer_main, q) == 0;
    while (crew->finisher_count < FINISHERS && add_finisher(q, crew, &ignored) == 0)
        continue;
    while (crew->lane_count < lanes && add_lane(q, crew, &ignored) == 0)
        continue;
    atomic_store(&q->lanes, (unsigned)crew->lane_count);
    if (crew->finisher_count < FINISHERS || crew->lane_count < lanes || !one_more())
        leave_room(q, crew);
    return 0;
}

static void wait_a_tick(struct queue *q)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&q->lock);
    if (q->left > 0 && !atomic_load(&q->stopping))
        pthread_cond_timedwait(&q->changed, &q->lock, &until);
    pthread_mutex_unlock(&q->lock);
}

static void share_bandwidth(const struct spec *spec, struct queue *q, struct crew *crew)
{
    unsigned active = atomic_load(&q->active_requests);

    for (size_t i = 0; spec->bandwidth_bytes_per_s && i < crew->lane_count; i++)
        lane_set_speed(crew->lane[i], spec->bandwidth_bytes_per_s / (active ? active : 1) + 1);
}

static struct pace_counts counts_of(struct queue *q)
{
    struct pace_counts counts = {.received_bytes = atomic_load(&q->received_bytes)};
    unsigned           lanes = atomic_load(&q->lanes);

    for (unsigned i = 0; i < lanes; i++)
        counts.idle_ms += http_idle_ms(q->lane_http[i]) / lanes;
    return counts;
}

/* Asks the pace how many connections there should be, and tells the lanes. */
static void follow_pace(struct fetch *fetch, struct queue *q, struct pace *pace)
{
    uint64_t now_ms = clock_now_ms(&fetch->config.clock);
    unsigned active = queue_sample(q);
    bool     changed = pace_tick(pace, now_ms, counts_of(q), active);

    if (atomic_exchange(&q->refused, 0))
        changed |= pace_refused(pace, now_ms, active);
    if (!changed)
        return;
    queue_set_connections(q, pace->target, pace->ceiling);
    log_write(fetch->config.log, LOG_DEBUG, "connections", LOG_NUM("now", pace->target),
              LOG_CSTR("why", pace->why), LOG_NUM("best", pace->good),
              LOG_NUM("best_bytes_per_second", pace->good_rate));
}

static int watch(struct fetch *fetch, struct queue *q, struct crew *crew, struct pace *pace,
                 struct err *err)
{
    while (!queue_is_over(q)) {
        if (fetch_tick(fetch, err))
            return -1;
        follow_pace(fetch, q, pace);
        share_bandwidth(fetch->config.spec, q, crew);
        wait_a_tick(q);
    }
    return 0;
}

static void end_copies(struct fetch_place *place, size_t count, bool end)
{
    for (size_t i = 0; i < count; i++)
        store_end_copies(place[i].store, end);
}

int fetch_files(struct fetch *fetch, struct plan *plan, struct fetch_place *place, size_t count,
                struct err *err)
{
    struct queue q;
    struct crew  crew = {0};
    struct pace  pace;
    int          rc;

    if (queue_init(&q, fetch, plan, place, count, err))
        return -1;
    pace_init(&pace, q.bulk_count > 1 ? 8 : 4, q.connections, fetch->config.spec->connections != 0,
              clock_now_ms(&fetch->config.clock));
    queue_set_connections(&q, pace.target, pace.ceiling);
    rc = q.left ? start_crew(fetch, &q, &crew, err) : 0;
    if (rc == 0)
        rc = watch(fetch, &q, &crew, &pace, err);
    queue_stop(&q);
    end_copies(place, count, true);
    for (size_t i = 0; i < crew.finisher_count; i++) /* first: they may still wake lanes */
        pthread_join(crew.finisher[i], NULL);
    end_copies(place, count, false);
    if (crew.has_syncer)
        pthread_join(crew.syncer, NULL);
    for (size_t i = 0; i < crew.lane_count; i++)
        lane_join(crew.lane[i]);
    for (size_t i = 0; i < q.lane_count;
         i++) /* last: until then anyone may have woken any of them */
        http_free(q.lane_http[i]);
    queue_release(&q);
    return rc;
}
