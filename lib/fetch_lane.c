/* fetch_lane.c: takes parts from the queue, moves their bytes to the partial, says what arrived.
 *
 * Written as if it were alone: everything below struct lane is this thread's own. What becomes of
 * the bytes is fetch_write.c's. */
#include "fetch_lane.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fetch_write.h"
#include "url.h"

enum { TURN_MS = 250 };

struct lane {
    struct queue        *queue;
    unsigned             index;
    struct transfer_loop loop;
    struct lane_part    *part;  /* list, newest first */
    struct lane_part    *spare; /* owned: the next one, not begun */
    unsigned             bulk_count, small_count;
    unsigned             alarms_seen;
    struct write_pair    pair;
    pthread_t            thread;
    _Atomic uint64_t     speed;
};

struct lane_part {
    struct lane      *lane;
    struct lane_part *next;
    struct part       part;
    struct transfer   transfer;
    bool              small;
    bool              in_full;      /* the request that runs asked for the whole file */
    bool              gives_ranges; /* whoever answers lets us go on where an answer broke off */
    uint64_t          asked_end;    /* of the request that runs; part.end may have fallen since */
    uint64_t          asked_at_ms;
    struct writer     writer;
};

static struct fetch_active *active_of(const struct lane_part *p)
{
    return p->part.file->active;
}

static uint64_t received(const struct lane_part *p)
{
    return writer_received(&p->writer);
}

static uint64_t end_of(const struct lane_part *p)
{
    return atomic_load_explicit(&p->part.end, memory_order_relaxed);
}

/* Another connection brings the rest; what this one asked for is not all needed any more. */
static bool is_taken_over(const struct lane_part *p)
{
    return received(p) >= end_of(p) && end_of(p) != p->asked_end;
}

/* --- bytes --- */

static uint64_t now_ms_of(const struct lane_part *p)
{
    return clock_now_ms(&p->lane->queue->fetch->config.clock);
}

static int on_body(void *owner, const void *data, size_t len, struct err *err)
{
    struct lane_part *p = owner;

    if (len > p->asked_end - received(p))
        return err_set(err, ERR_INTEGRITY,
                       "the server sends more than the %" PRIu64 " bytes of the listing",
                       p->part.file->plan->size_bytes);
    if (!p->small)
        atomic_fetch_add_explicit(&p->lane->queue->received_bytes, len, memory_order_relaxed);
    if (writer_add(&p->writer, data, len, err))
        return -1;
    if (is_taken_over(p)) /* has_all: this is no failure */
        return err_set(err, ERR_UNREACHABLE, "another connection brings the rest");
    atomic_store_explicit(&p->part.received, received(p), memory_order_relaxed);
    return 0;
}

/* --- the request and its answer --- */

static void make_url(void *owner, struct str endpoint, struct buf *out)
{
    const struct lane_part   *p = owner;
    const struct fetch_place *place = p->part.file->place;

    hub_url_resolve(out, endpoint, place->repo->type, place->repo->id, str_from(place->commit),
                    p->part.file->plan->path);
}

static bool wanted(void *owner, struct range *range)
{
    struct lane_part *p = owner;
    uint64_t          at = received(p);

    atomic_store(&p->part.waits, false);
    p->asked_at_ms = now_ms_of(p);
    p->asked_end = end_of(p);
    if (p->asked_end <= at) /* taken over this moment; drop_stopped will see it */
        p->asked_end = at + 1;
    p->in_full = at == 0 && p->asked_end == p->part.file->plan->size_bytes;
    *range = (struct range){at, p->asked_end};
    return !p->in_full;
}

static bool has_all(void *owner)
{
    const struct lane_part *p = owner;

    return received(p) >= end_of(p);
}

static bool direct_url(void *owner, struct buf *out)
{
    struct lane_part *p = owner;

    return queue_direct_url(p->lane->queue, p->part.file, out);
}

static void learnt_url(void *owner, struct str url)
{
    struct lane_part *p = owner;

    queue_learn_url(p->lane->queue, p->part.file, url);
}

static void lost_url(void *owner, struct str url)
{
    struct lane_part *p = owner;

    queue_forget_url(p->lane->queue, p->part.file, url);
}

/* otherwise: what it is called if the length is another and nothing says why. */
static int check_length(const struct http_reply *reply, uint64_t want, enum err_kind otherwise,
                        struct err *err)
{
    struct str text = http_reply_header(reply, STR("content-length"));
    uint64_t   length;

    if (!text.p) /* chunked, or a mirror that does not know; the end is checked by counting */
        return 0;
    if (!str_to_u64(text, &length))
        return err_set(err, ERR_BAD_ANSWER, "its Content-Length is not a number");
    if (length == want)
        return 0;
    if (hub_is_html(reply, STR("")))
        return err_set(err, ERR_PROXY,
                       "an HTML page of %" PRIu64 " bytes came where a file of %" PRIu64
                       " bytes should be",
                       length, want);
    return err_set(err, otherwise,
                   "the server has %" PRIu64 " bytes where the listing promises %" PRIu64, length,
                   want);
}

/* A page that does not say how long it is shows by its type alone, unless the file is one. */
static int check_page(const struct lane_part *p, const struct http_reply *reply, struct err *err)
{
    const struct plan_file *file = p->part.file->plan;

    if (http_reply_header(reply, STR("content-length")).p || !hub_is_html(reply, STR("")) ||
        str_has_suffix_nocase(file->path, STR("html")) ||
        str_has_suffix_nocase(file->path, STR(".htm")))
        return 0;
    return err_set(err, ERR_PROXY, "an HTML page came where a file of %" PRIu64 " bytes should be",
                   file->size_bytes);
}

static int check_range(struct lane_part *p, const struct http_reply *reply, struct err *err)
{
    struct range r;
    uint64_t     total, size = p->part.file->plan->size_bytes;

    /* Who ignores Range sends the whole file. Any other 200 is a word of somebody in between, or of a
     * server in trouble: what is there of the file stays, and the range is asked for again. */
    if (reply->status == 200) {
        if (check_length(reply, size, ERR_BAD_ANSWER, err))
            return -1;
        queue_restart_in_one_piece(p->lane->queue, p->part.file);
        return err_set(err, ERR_BAD_ANSWER, "the server ignores Range requests");
    }
    if (reply->status != 206 || !hub_read_content_range(reply, &r, &total))
        return err_set(err, ERR_BAD_ANSWER,
                       "a range was asked for, and the answer (%ld) does not "
                       "say which bytes it holds",
                       reply->status);
    if (r.begin != received(p) || r.end != p->asked_end || total != size)
        return err_set(err, ERR_BAD_ANSWER,
                       "bytes %" PRIu64 "-%" PRIu64 " of %" PRIu64 " were asked for, but %" PRIu64
                       "-%" PRIu64 " of %" PRIu64 " came",
                       received(p), p->asked_end, size, r.begin, r.end, total);
    return 0;
}

static void show_host(const struct lane_part *p)
{
    struct url url;
    char       host[128];

    if (!url_parse(buf_view(&p->transfer.url), &url))
        return;
    snprintf(host, sizeof(host), "%.*s", STR_ARG(url.host));
    progress_slot_host(p->lane->queue->fetch->config.progress, active_of(p)->slot, host);
}

static int on_reply(void *owner, const struct http_reply *reply, struct err *err)
{
    struct lane_part *p = owner;
    struct str        encoding = http_reply_header(reply, STR("content-encoding"));

    if (encoding.len && !str_eq_nocase(encoding, STR("identity")))
        return err_set(err, ERR_BAD_ANSWER, "the server compressed the file (%.*s) unasked",
                       STR_ARG(encoding));
    show_host(p);
    if (reply->status == 206 ||
        str_eq_nocase(http_reply_header(reply, STR("accept-ranges")), STR("bytes"))) {
        p->gives_ranges = true;
        queue_gives_ranges(p->lane->queue, p->part.file);
    }
    if (reply->status == 200 && check_page(p, reply, err))
        return -1;
    if (!p->in_full && check_range(p, reply, err))
        return -1;
    if (p->in_full && reply->status != 200)
        return err_set(err, ERR_BAD_ANSWER, "status %ld where 200 was expected", reply->status);
    if (check_length(reply, p->asked_end - received(p), p->in_full ? ERR_INTEGRITY : ERR_BAD_ANSWER,
                     err))
        return -1;
    queue_prove(p->lane->queue, p->part.file);
    if (!p->small)
        queue_measured_gap(p->lane->queue, now_ms_of(p) - p->asked_at_ms);
    return 0;
}

static int on_complete(void *owner, const struct http_reply *reply, struct err *err)
{
    struct lane_part *p = owner;

    (void)reply;
    if (writer_finish(&p->writer, err))
        return -1;
    if (p->writer.written < end_of(p))
        return err_set(err, ERR_UNREACHABLE,
                       "the answer ended after %" PRIu64 " of %" PRIu64 " bytes",
                       p->writer.written - p->part.begin, p->asked_end - p->part.begin);
    return 0;
}

/* --- beginning and ending a part --- */

static void on_end(void *owner, const struct err *err);

/* Whoever serves others of our connections, but not this one, has too many of them; so have we,
 * without a local port for one more. A mirror that serves bytes itself is such a server, too; but its
 * 403 is about rights, and a wait that it names about requests. */
static bool is_refusal(const struct lane_part *p, const struct err *err, bool at_hub)
{
    if (p->small)
        return false;
    if (err->sys_errno == EADDRNOTAVAIL)
        return true;
    if (at_hub && (!atomic_load(&p->lane->loop.env->hub_serves_bulk) || err->retry_after_ms))
        return false;
    if ((at_hub || err->kind == ERR_PROXY) && !atomic_load(&p->lane->queue->served))
        return false; /* an outage: nobody is served, however many they are */
    return err->http_status == 429 || err->http_status == 503 ||
           (err->http_status == 403 && !at_hub);
}

static void on_retry(void *owner, const struct err *err, uint64_t wait_ms, bool at_hub)
{
    struct lane_part *p = owner;

    (void)wait_ms;
    atomic_store(&p->part.waits, err->retry_after_ms != 0);
    if (is_refusal(p, err, at_hub))
        atomic_fetch_add(&p->lane->queue->refused, 1);
}

static const struct transfer_ops ops = {
    .make_url = make_url,
    .wanted = wanted,
    .has_all = has_all,
    .direct_url = direct_url,
    .learnt_url = learnt_url,
    .lost_url = lost_url,
    .on_reply = on_reply,
    .on_body = on_body,
    .on_complete = on_complete,
    .on_retry = on_retry,
    .on_end = on_end,
};

/* lane->spare has been filled by the queue. */
static void begin_part(struct lane *lane, bool small)
{
    struct lane_part       *p = lane->spare;
    const struct spec_repo *repo = p->part.file->place->repo;

    lane->spare = NULL;
    p->lane = lane;
    p->small = small;
    writer_begin(&p->writer, lane->queue, &p->part, &lane->pair);
    p->transfer = (struct transfer){
        .ops = &ops,
        .owner = p,
        .type = repo->type,
        .id = repo->id,
        .revision = repo->revision,
        .path = p->part.file->plan->path,
        .bucket = GATE_RESOLVERS,
        .is_bulk = !small,
        .endpoint = p->part.file->endpoint,
    };
    p->next = lane->part;
    lane->part = p;
    *(small ? &lane->small_count : &lane->bulk_count) += 1;
    transfer_start(&lane->loop, &p->transfer);
}

static bool take_part(struct lane *lane, bool small, const struct part *after)
{
    if (!lane->spare)
        lane->spare = mem_alloc(sizeof(*lane->spare));
    if (queue_take(lane->queue, small, after, &lane->spare->part) <= 0)
        return false;
    begin_part(lane, small);
    return true;
}

static void unlink_part(struct lane_part *p)
{
    struct lane_part **at = &p->lane->part;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    *(p->small ? &p->lane->small_count : &p->lane->bulk_count) -= 1;
}

/* Hands the part back with all that arrived of it. What cannot be kept now is fetched again, at once
 * (0) or from a moment on. */
static void give_back(struct lane_part *p, uint64_t not_before_ms)
{
    struct err ignored;
    uint64_t   got;

    writer_finish(&p->writer, &ignored);
    got = p->writer.written;
    writer_end(&p->writer);
    queue_give_back(p->lane->queue, &p->part, got, not_before_ms);
}

static void part_free(struct lane_part *p)
{
    unlink_part(p);
    free(p);
}

static void take_more(struct lane *lane, const struct lane_part *after);

static void on_end(void *owner, const struct err *err)
{
    struct lane_part *p = owner;
    struct lane      *lane = p->lane;
    uint64_t          wait_ms = 0;

    if (err && is_refusal(p, err, p->transfer.failed_at_hub) &&
        atomic_load(&lane->queue->target) > 1 && queue_forgive(lane->queue, p->part.file)) {
        atomic_fetch_add(&lane->queue->refused, 1); /* fewer will be tried before it is for good */
        wait_ms = retry_named_ms(err, &lane->queue->fetch->config.clock);
    } else if (err && !is_taken_over(p) && !queue_must_stop(lane->queue, p->part.file) &&
               !(err->kind == ERR_INTEGRITY &&
                 queue_start_from_scratch(lane->queue, p->part.file))) {
        queue_fail(lane->queue, p->part.file, err);
    }
    give_back(p, wait_ms ? now_ms_of(p) + wait_ms : 0);
    if (!err)
        take_more(lane, p);
    part_free(p);
}

/* The wait that a server named goes on without it. */
static void drop_part(struct lane_part *p)
{
    transfer_cancel(&p->transfer);
    give_back(p, atomic_load(&p->part.waits) ? p->transfer.due_at_ms : 0);
    part_free(p);
}

/* --- the loop --- */

/* What of `all` is this lane's. */
static unsigned share_of(const struct lane *lane, unsigned all)
{
    unsigned lanes = atomic_load(&lane->queue->lanes);

    return all / lanes + (lane->index < all % lanes);
}

static bool is_named(const struct lane *lane)
{
    return lane->queue->fetch->config.spec->connections != 0;
}

/* Requests at a time, in all. What the user set is kept to. */
static unsigned request_limit(const struct lane *lane)
{
    unsigned bulk = share_of(lane, lane->queue->connections);

    return is_named(lane) ? bulk : bulk + share_of(lane, lane->queue->small_limit);
}

/* Of these, for small files while there are large ones: half of what the user set. */
static unsigned small_limit(const struct lane *lane)
{
    unsigned bulk = share_of(lane, lane->queue->connections);

    return is_named(lane) ? bulk - bulk / 2 : share_of(lane, lane->queue->small_limit);
}

/* For large ones, as many as are wanted now. */
static unsigned bulk_limit(const struct lane *lane)
{
    return share_of(lane, atomic_load(&lane->queue->target));
}

/* `ending`: a part that is over but still counted, or NULL. */
static bool has_room(const struct lane *lane, const struct lane_part *ending, bool small,
                     unsigned limit)
{
    unsigned count = small ? lane->small_count : lane->bulk_count;
    unsigned all = lane->small_count + lane->bulk_count;

    return all - (ending != NULL) < request_limit(lane) &&
           count - (ending && ending->small == small) < limit;
}

static void take_more(struct lane *lane, const struct lane_part *after)
{
    const struct part *before = after && !after->small ? &after->part : NULL;

    while (has_room(lane, after, true, small_limit(lane)) && take_part(lane, true, NULL))
        ;
    while (has_room(lane, after, false, bulk_limit(lane)) && take_part(lane, false, before))
        before = NULL;
    while (has_room(lane, after, true, request_limit(lane)) && /* what no large file wants */
           take_part(lane, true, NULL))
        ;
}

/* Begun, and as far as we know it can only be begun anew. */
static bool is_stream(const struct lane_part *p)
{
    return received(p) > 0 && (active_of(p)->in_one_piece || (p->in_full && !p->gives_ranges));
}

/* More than are wanted, or than its address bears. What cannot be gone on with in the middle stays. */
static bool is_surplus(const struct lane_part *p, unsigned limit)
{
    if (p->small || is_stream(p))
        return false;
    return p->lane->bulk_count > limit ||
           (p->transfer.active && http_is_surplus(p->lane->loop.http, p->transfer.handle));
}

/* Of the surplus, those that wait as the server asked them to, or the newest. */
static void drop_surplus(struct lane *lane, bool waiting)
{
    unsigned          limit = share_of(lane, atomic_load(&lane->queue->ceiling));
    struct lane_part *next;

    for (struct lane_part *p = lane->part; p; p = next) {
        next = p->next;
        if ((!waiting || atomic_load(&p->part.waits)) && is_surplus(p, limit))
            drop_part(p);
    }
}

/* Parts whose file is given up, whose bytes another brings by now, and surplus ones. */
static void drop_stopped(struct lane *lane)
{
    unsigned          alarms = atomic_load(&lane->queue->alarms);
    bool              look = alarms != lane->alarms_seen;
    struct lane_part *next;

    lane->alarms_seen = alarms;
    for (struct lane_part *p = lane->part; p; p = next) {
        next = p->next;
        if ((look && queue_must_stop(lane->queue, p->part.file)) || is_taken_over(p))
            drop_part(p);
    }
    drop_surplus(lane, true);
    drop_surplus(lane, false);
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct err   err = {0};
    size_t       counted = 0;

    while (!queue_is_over(lane->queue)) {
        take_more(lane, NULL);
        http_set_speed(lane->loop.http, atomic_load(&lane->speed));
        if (transfer_turn(&lane->loop, -1, TURN_MS, &err))
            die("lane: %s", err.text);
        atomic_fetch_add(&lane->queue->active_requests,
                         (unsigned)lane->loop.active_count - (unsigned)counted);
        counted = lane->loop.active_count;
        drop_stopped(lane);
    }
    while (lane->part)
        drop_part(lane->part);
    free(lane->spare);
    write_pair_release(&lane->pair);
    atomic_fetch_sub(&lane->queue->active_requests, (unsigned)counted);
    return NULL;
}

int fetch_no_thread(int rc, const char *what, struct err *err)
{
    err_sys(err, rc, "start a %s thread", what);
    return err_hint(err, "%s", err_more_threads);
}

int lane_start(struct queue *q, struct http *http, unsigned index, struct lane **out,
               struct err *err)
{
    struct lane *lane = mem_alloc(sizeof(*lane));
    int          rc;

    lane->queue = q;
    lane->index = index;
    lane->loop = (struct transfer_loop){.env = &q->fetch->env, .http = http};
    rc = pthread_create(&lane->thread, NULL, lane_main, lane);
    if (rc != 0) {
        free(lane);
        return fetch_no_thread(rc, "network", err);
    }
    *out = lane;
    return 0;
}

void lane_join(struct lane *lane)
{
    pthread_join(lane->thread, NULL);
    free(lane);
}

void lane_set_speed(struct lane *lane, uint64_t bytes_per_s)
{
    atomic_store(&lane->speed, bytes_per_s);
}
