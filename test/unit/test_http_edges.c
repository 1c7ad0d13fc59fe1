/* test_http_edges.c: bulk requests are spread over the addresses of a host, away from those that
 * refuse or collapse; and never more of them go to an address whose rate fell. */
#include "check.h"
#include "http_edges_internal.h"

#define HOST STR("cdn.test")

enum { PORT = 443, MB = 1000 * 1000, REQUESTS_MAX = 64 };

static uint64_t now_ms_value;
static unsigned look_ups, lines;

static uint64_t fake_now_ms(void *user)
{
    (void)user;
    return now_ms_value;
}

static uint32_t fake_random(void *user)
{
    (void)user;
    return 0;
}

static void on_line(const struct log_event *event, void *user)
{
    (void)event;
    (void)user;
    lines++;
}

static const struct clock test_clock = {fake_now_ms, NULL, fake_random, NULL};
static const struct log   test_log = {LOG_INFO, on_line, NULL};

static bool fake_look_up(struct edges_host *host)
{
    (void)host;
    look_ups++;
    return true;
}

static struct http_edges *table(void)
{
    struct http_edges *edges;

    now_ms_value = 1000;
    look_ups = lines = 0;
    edges = http_edges_new(&test_clock, &test_log);
    edges->look_up = fake_look_up;
    return edges;
}

/* Nothing was asked in truth: no answer will come. */
static void end(struct http_edges *edges)
{
    for (unsigned i = 0; i < edges->host_count; i++)
        if (edges->host[i]->looking)
            edges_learn(edges->host[i], NULL, 0);
    http_edges_free(edges);
}

static struct http_edge *choose(struct http_edges *edges, enum http_place want)
{
    struct http_edge *e = NULL;

    CHECK_U64(http_edges_choose(edges, HOST, PORT, 0, &e), want);
    return want == HTTP_AT_EDGE ? e : NULL;
}

/* The addresses of HOST, numbered 10.0.0.1 and up. */
static void learn(struct http_edges *edges, unsigned first, unsigned count)
{
    char address[EDGES_PER_HOST_MAX][INET6_ADDRSTRLEN];

    for (unsigned i = 0; i < count; i++)
        snprintf(address[i], sizeof(address[i]), "10.0.0.%u", first + i);
    edges_learn(edges->host[0], (const char(*)[INET6_ADDRSTRLEN])address, count);
}

/* A table that knows so many addresses of HOST and that IPv4 works. */
static struct http_edges *table_of(unsigned count)
{
    struct http_edges *edges = table();

    choose(edges, HTTP_BY_NAME);
    learn(edges, 1, count);
    http_edges_reached(edges, HOST, PORT, "192.0.2.1");
    return edges;
}

static void begin(struct http_edges *edges, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        choose(edges, HTTP_AT_EDGE);
}

static struct http_edge *edge_of(struct http_edges *edges, unsigned number)
{
    char address[INET6_ADDRSTRLEN];

    snprintf(address, sizeof(address), "10.0.0.%u", number);
    for (unsigned i = 0; i < edges->host[0]->count; i++)
        if (strcmp(edges->host[0]->edge[i].address, address) == 0)
            return &edges->host[0]->edge[i];
    return NULL;
}

/* So many seconds in which each connection to address i brings rate[i - 1] bytes per second. What
 * has too many lets go of them, and what has none left is not asked for bytes. */
static void pass(struct http_edges *edges, unsigned seconds, const uint64_t *rate)
{
    struct edges_host *h = edges->host[0];

    while (seconds--) {
        now_ms_value += EDGES_WINDOW_MS;
        for (unsigned i = 0; i < h->count; i++) {
            struct http_edge *e = edge_of(edges, i + 1);

            http_edges_add(edges, e, rate[i] * e->active, (uint64_t)EDGES_WINDOW_MS * e->active);
        }
        http_edges_tick(edges);
        for (unsigned i = 0; i < h->count; i++)
            while (http_edges_is_surplus(edges, &h->edge[i]))
                http_edges_end(edges, &h->edge[i], 0, HTTP_EDGE_CLOSED);
    }
}

static void end_all(struct http_edges *edges, struct http_edge *e, enum http_edge_end end)
{
    while (e->active)
        http_edges_end(edges, e, 0, end);
}

/* --- who is chosen --- */

static void by_name_without_a_choice(void)
{
    struct http_edges *edges = table();
    struct http_edge  *e;

    check_row("by name while there is no choice");
    choose(edges, HTTP_BY_NAME);
    choose(edges, HTTP_BY_NAME);
    CHECK_U64(look_ups, 1);
    learn(edges, 1, 1);
    http_edges_reached(edges, HOST, PORT, "10.0.0.1");
    choose(edges, HTTP_BY_NAME);
    CHECK_U64(http_edges_choose(edges, HOST, PORT + 1, 0, &e), HTTP_BY_NAME);
    CHECK_U64(http_edges_room(edges, HOST), UINT_MAX);
    end(edges);
}

static void spread(void)
{
    struct http_edges *edges = table_of(3);

    check_row("all addresses get as many");
    begin(edges, 12);
    for (unsigned i = 1; i <= 3; i++)
        CHECK_U64(edge_of(edges, i)->active, 4);
    CHECK_U64(http_edges_choose(edges, STR("CDN.test"), PORT, 0, &(struct http_edge *){NULL}),
              HTTP_AT_EDGE);
    CHECK_U64(edges->host_count, 1);
    end(edges);
}

static void families(void)
{
    static const char  both[][INET6_ADDRSTRLEN] = {"10.0.0.1", "2001:db8::1", "10.0.0.2",
                                                   "2001:db8::2"};
    struct http_edges *edges = table();

    check_row("only a family that was reached is used");
    choose(edges, HTTP_BY_NAME);
    edges_learn(edges->host[0], both, 4);
    choose(edges, HTTP_BY_NAME);
    http_edges_reached(edges, HOST, PORT, "10.0.0.1");
    for (unsigned i = 0; i < 20; i++) {
        struct http_edge *e = choose(edges, HTTP_AT_EDGE);
        CHECK(e && strchr(http_edge_address(e), '.'));
    }
    http_edges_reached(edges, HOST, PORT, "2001:db8::1");
    for (unsigned i = 0; i < 20; i++)
        choose(edges, HTTP_AT_EDGE);
    for (unsigned i = 0; i < 4; i++)
        CHECK(edges->host[0]->edge[i].active >= 10);
    end(edges);
}

static void idle_connections(void)
{
    struct http_edges *edges = table_of(3);
    struct http_edge  *e;

    check_row("an idle connection is worth one request more, not two");
    begin(edges, 9);
    e = edge_of(edges, 2);
    end_all(edges, e, HTTP_EDGE_IDLE);
    for (unsigned lane = 1; lane <= 4; lane++) /* they have none there */
        http_edges_choose(edges, HOST, PORT, lane, &(struct http_edge *){NULL});
    CHECK_U64(e->active + edge_of(edges, 1)->active + edge_of(edges, 3)->active, 10);
    CHECK(choose(edges, HTTP_AT_EDGE) == e);
    CHECK(choose(edges, HTTP_AT_EDGE) != e);
    end(edges);
}

static void refused(void)
{
    struct http_edges *edges = table_of(3);
    struct http_edge  *e = edge_of(edges, 2);

    check_row("an address that refuses is left for a while, longer each time");
    begin(edges, 6);
    end_all(edges, e, HTTP_EDGE_REFUSED);
    CHECK_U64(lines, 1);
    now_ms_value += 29999;
    begin(edges, 6);
    CHECK_U64(e->active, 0);
    now_ms_value += 1;
    CHECK(choose(edges, HTTP_AT_EDGE) == e);
    http_edges_end(edges, e, 0, HTTP_EDGE_REFUSED);
    now_ms_value += 59999;
    CHECK(choose(edges, HTTP_AT_EDGE) != e);
    now_ms_value += 1;
    CHECK(choose(edges, HTTP_AT_EDGE) == e);

    check_row("when all refuse, the name decides, and who answers is back");
    for (unsigned i = 1; i <= 3; i++) {
        begin(edges, 1);
        end_all(edges, edge_of(edges, i), HTTP_EDGE_REFUSED);
    }
    choose(edges, HTTP_BY_NAME);
    CHECK_U64(http_edges_room(edges, HOST), UINT_MAX);
    CHECK(http_edges_reached(edges, HOST, PORT, "10.0.0.3") == edge_of(edges, 3));
    CHECK(choose(edges, HTTP_AT_EDGE) == edge_of(edges, 3));
    end(edges);
}

/* --- names --- */

static void refreshed(void)
{
    struct http_edges *edges = table_of(3);
    struct http_edge  *kept;

    check_row("asked for again every minute, not more than once at a time");
    begin(edges, 3);
    now_ms_value += 59999;
    begin(edges, 1);
    CHECK_U64(look_ups, 1);
    now_ms_value += 1;
    begin(edges, 3);
    CHECK_U64(look_ups, 2);

    check_row("what the name server no longer names gets no more, but is kept while in use");
    kept = edge_of(edges, 1);
    learn(edges, 2, 4);
    CHECK(edge_of(edges, 1) == kept && kept->active > 0);
    for (unsigned i = 0, before = kept->active; i < 20; i++) {
        begin(edges, 1);
        CHECK_U64(kept->active, before);
    }
    CHECK(edge_of(edges, 5)->active > 0);

    check_row("a look-up that fails changes nothing");
    now_ms_value += 60000;
    begin(edges, 1);
    edges_learn(edges->host[0], NULL, 0);
    begin(edges, 1);
    end(edges);
}

static void bounded(void)
{
    struct http_edges *edges = table_of(EDGES_PER_HOST_MAX);
    struct http_edge  *e = NULL;

    check_row("more addresses take the place of those that are gone");
    begin(edges, 1);
    now_ms_value += 60000;
    begin(edges, 1);
    learn(edges, 101, EDGES_PER_HOST_MAX);
    CHECK_U64(edges->host[0]->count, EDGES_PER_HOST_MAX);
    for (unsigned i = 0, fresh = 0; i < EDGES_PER_HOST_MAX; i++) {
        fresh += edges->host[0]->edge[i].listed;
        if (i == EDGES_PER_HOST_MAX - 1)
            CHECK_U64(fresh, EDGES_PER_HOST_MAX - 2); /* two slots are in use */
    }

    check_row("more hosts are asked for by name");
    for (unsigned i = 0; i < 2 * EDGES_HOSTS_MAX; i++) {
        char name[32];

        snprintf(name, sizeof(name), "cdn-%u.test", i);
        CHECK_U64(http_edges_choose(edges, str_from(name), PORT, 0, &e), HTTP_BY_NAME);
    }
    CHECK_U64(edges->host_count, EDGES_HOSTS_MAX);
    end(edges);
}

static void closed_meanwhile(void)
{
    static const char  two[][INET6_ADDRSTRLEN] = {"10.0.0.1", "10.0.0.2"};
    struct http_edges *edges = table();
    struct edges_host *h;

    check_row("a table that closed while it asked is freed by the answer");
    choose(edges, HTTP_BY_NAME);
    h = edges->host[0];
    http_edges_free(edges);
    edges_learn(h, two, 2);
}

/* --- collapse --- */

static const uint64_t good[] = {10 * MB, 10 * MB, 10 * MB, 10 * MB};
static const uint64_t second_falls[] = {10 * MB, MB, 10 * MB, 10 * MB};

static void collapses(void)
{
    struct http_edges *edges = table_of(3);
    struct http_edge  *e = edge_of(edges, 2);

    check_row("far below its siblings for three seconds: half of it goes");
    begin(edges, 24);
    pass(edges, 5, good);
    pass(edges, 4, second_falls);
    CHECK_U64(e->cap, UINT_MAX);
    pass(edges, 2, second_falls);
    CHECK_U64(e->cap, 4);
    CHECK_U64(e->active, 4);
    CHECK_U64(lines, 1);
    CHECK(http_edges_have_ceilings(edges));
    CHECK_U64(look_ups, 1);
    begin(edges, 20);
    CHECK_U64(e->active, 4);
    CHECK_U64(look_ups, 2); /* there may be better addresses by now */

    check_row("and half again while it lasts, down to none");
    pass(edges, 3, second_falls);
    CHECK_U64(e->cap, 2);
    pass(edges, 6, second_falls);
    CHECK_U64(e->cap, 0);
    CHECK_U64(e->active, 0);
    CHECK_U64(http_edges_room(edges, HOST), UINT_MAX);

    check_row("after the cool-down it may show itself, one connection at a time");
    pass(edges, 29, good);
    CHECK_U64(e->cap, 0);
    pass(edges, 1, good);
    CHECK_U64(e->cap, 1);
    pass(edges, 10, good);
    CHECK_U64(e->cap, 1); /* nobody tried */
    CHECK(choose(edges, HTTP_AT_EDGE) == e);
    CHECK(choose(edges, HTTP_AT_EDGE) != e);
    pass(edges, 6, good);
    CHECK_U64(e->cap, 2);
    end(edges);
}

static void stalls(void)
{
    static const uint64_t one_lives[] = {0, 10 * MB, 0};
    struct http_edges    *edges = table_of(3);

    check_row("two that stand still do not excuse each other");
    begin(edges, 12);
    pass(edges, 20, one_lives);
    CHECK_U64(edge_of(edges, 1)->cap, 0);
    CHECK_U64(edge_of(edges, 2)->cap, UINT_MAX);
    CHECK_U64(edge_of(edges, 3)->cap, 0);
    begin(edges, 8);
    CHECK_U64(edge_of(edges, 2)->active, 12);
    end(edges);

    check_row("nor does one that stands still when the others are through");
    edges = table_of(2);
    begin(edges, 4);
    pass(edges, 3, good);
    end_all(edges, edge_of(edges, 1), HTTP_EDGE_IDLE);
    pass(edges, 20, (const uint64_t[]){0, 0});
    CHECK_U64(edge_of(edges, 2)->cap, 0);
    CHECK_U64(edge_of(edges, 2)->active, 0);
    end(edges);
}

static void all_fall(void)
{
    static const uint64_t bad[] = {MB / 10, MB / 10, MB / 10};
    struct http_edges    *edges = table_of(3);

    check_row("when all fall at once, all are halved, once per cool-down, and never to none");
    begin(edges, 24);
    pass(edges, 5, good);
    pass(edges, 7, bad);
    CHECK_U64(lines, 0); /* who decides about the number of all goes first */
    pass(edges, 5, bad);
    for (unsigned i = 1; i <= 3; i++)
        CHECK_U64(edge_of(edges, i)->cap, 4);
    CHECK_U64(http_edges_room(edges, HOST), 0);
    CHECK_U64(http_edges_room(edges, (struct str){NULL, 0}), 0);
    CHECK_U64(http_edges_room(edges, STR("other.test")), UINT_MAX);
    choose(edges, HTTP_NO_ROOM);
    http_edges_end(edges, edge_of(edges, 1), 0, HTTP_EDGE_IDLE);
    CHECK_U64(http_edges_room(edges, HOST), 1);
    CHECK(choose(edges, HTTP_AT_EDGE) == edge_of(edges, 1));
    pass(edges, 20, bad);
    for (unsigned i = 1; i <= 3; i++)
        CHECK_U64(edge_of(edges, i)->cap, 4);
    end(edges);
}

static void outage(void)
{
    static const uint64_t nothing[] = {0, 0, 0};
    struct http_edges    *edges = table_of(3);

    check_row("when nothing comes from any, nobody is to blame");
    begin(edges, 24);
    pass(edges, 5, good);
    pass(edges, 20, nothing);
    pass(edges, 10, good);
    for (unsigned i = 1; i <= 3; i++)
        CHECK_U64(edge_of(edges, i)->cap, UINT_MAX);
    CHECK_U64(lines, 0);
    end(edges);
}

static void fewer_get_time(void)
{
    static const uint64_t bad[] = {MB / 10, MB / 10};
    struct http_edges    *edges = table_of(2);

    check_row("when there are fewer meanwhile, that gets its time");
    begin(edges, 32);
    pass(edges, 5, good);
    pass(edges, 6, bad);
    for (unsigned i = 0; i < 16; i++)
        http_edges_end(edges, edge_of(edges, 1 + i % 2), 0, HTTP_EDGE_CLOSED);
    pass(edges, 5, bad);
    pass(edges, 5, good);
    CHECK_U64(edge_of(edges, 1)->cap, UINT_MAX);
    CHECK_U64(edge_of(edges, 2)->cap, UINT_MAX);
    end(edges);
}

static void one_is_always_possible(void)
{
    struct http_edges *edges = table_of(2);

    check_row("a host always gets one request");
    edge_of(edges, 1)->cap = edge_of(edges, 2)->cap = 0;
    CHECK_U64(http_edges_room(edges, HOST), 1);
    begin(edges, 1);
    CHECK(!http_edges_is_surplus(edges, edge_of(edges, 1)));
    CHECK(!http_edges_is_surplus(edges, edge_of(edges, 2)));
    CHECK_U64(http_edges_room(edges, HOST), 0);
    choose(edges, HTTP_NO_ROOM);
    end(edges);
}

static void growth_is_no_fall(void)
{
    struct http_edges *edges = table_of(2);

    check_row("many connections that share a line are no collapse");
    for (unsigned n = 4; n <= 64; n *= 2) {
        uint64_t rate[] = {128 * MB / n, 128 * MB / n};

        begin(edges, n == 4 ? 4 : n / 2);
        pass(edges, 2, rate);
    }
    pass(edges, 10, (const uint64_t[]){2 * MB, 2 * MB});
    CHECK_U64(edge_of(edges, 1)->cap, UINT_MAX);
    CHECK_U64(edge_of(edges, 2)->cap, UINT_MAX);

    check_row("nor is an address that is fast beyond all others");
    end(edges);
    edges = table_of(4);
    begin(edges, 16);
    pass(edges, 20, (const uint64_t[]){MB, 60 * MB, MB, MB});
    for (unsigned i = 1; i <= 4; i++)
        CHECK_U64(edge_of(edges, i)->cap, UINT_MAX);
    CHECK_U64(lines, 0);
    CHECK(!http_edges_have_ceilings(edges));
    end(edges);
}

static void nothing_to_judge_by(void)
{
    struct http_edges *edges = table_of(3);
    struct http_edge  *e = edge_of(edges, 2);

    check_row("an address without enough connection time is not judged");
    begin(edges, 6);
    pass(edges, 5, good);
    for (unsigned s = 0; s < 10; s++) {
        now_ms_value += EDGES_WINDOW_MS;
        for (unsigned i = 1; i <= 3; i++)
            http_edges_add(edges, edge_of(edges, i), i == 2 ? 0 : 20 * MB, i == 2 ? 400 : 2000);
        http_edges_tick(edges);
    }
    CHECK_U64(e->cap, UINT_MAX);

    check_row("nor by a window in which nobody looked");
    for (unsigned s = 0; s < 4; s++) {
        now_ms_value += 6 * EDGES_WINDOW_MS;
        for (unsigned i = 1; i <= 3; i++)
            http_edges_add(edges, edge_of(edges, i), i == 2 ? 0 : 20 * MB, 2000);
        http_edges_tick(edges);
    }
    CHECK_U64(e->cap, UINT_MAX);

    check_row("one good second in three clears it");
    for (unsigned s = 0; s < 8; s++) {
        pass(edges, 2, (const uint64_t[]){10 * MB, 0, 10 * MB});
        pass(edges, 1, good);
    }
    CHECK_U64(e->cap, UINT_MAX);
    end(edges);
}

int main(void)
{
    by_name_without_a_choice();
    spread();
    families();
    idle_connections();
    refused();
    refreshed();
    bounded();
    closed_meanwhile();
    collapses();
    stalls();
    all_fall();
    outage();
    fewer_get_time();
    one_is_always_possible();
    growth_is_no_fall();
    nothing_to_judge_by();
    return check_end("test_http_edges");
}
