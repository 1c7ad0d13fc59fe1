/* fetch_list.c: which commit is each repo at, and which files does it have?
 *
 * Two requests per repo and one per further thousand files; all repos at once. Every listing is a
 * little machine: revision (skipped if the commit is known), then page after page of the tree. */
#include <stdlib.h>
#include <string.h>

#include "fetch_internal.h"

enum {
    BODY_MAX = 64 * 1024 * 1024,
    ENTRIES_MAX = 2 * 1000 * 1000,
    PAGES_MAX = 100 * 1000,
    ANSWER_TIMEOUT_MS = 120 * 1000,
};

struct lister {
    struct fetch         *fetch;
    struct transfer_loop *loop;
    struct fetch_listing *listing;
    struct transfer       transfer;
    struct buf            body, page_url; /* page_url empty: the first page */
    unsigned              pages;
    struct digest         page_seen; /* of some page before */
    bool                  over;
};

static void begin_step(struct lister *l);

static void make_url(void *owner, struct str endpoint, struct buf *out)
{
    struct lister          *l = owner;
    const struct spec_repo *repo = l->listing->repo;

    if (l->listing->commit[0] == '\0')
        hub_url_revision(out, endpoint, repo->type, repo->id, repo->revision);
    else if (l->page_url.len)
        buf_add_str(out, buf_view(&l->page_url));
    else
        hub_url_tree(out, endpoint, repo->type, repo->id, str_from(l->listing->commit));
}

static int on_reply(void *owner, const struct http_reply *reply, struct err *err)
{
    struct lister *l = owner;

    buf_clear(&l->body);
    if (reply->status != 200)
        return err_set(err, ERR_BAD_ANSWER, "an answer with status %ld where 200 was expected",
                       reply->status);
    return 0;
}

static int on_body(void *owner, const void *data, size_t len, struct err *err)
{
    struct lister *l = owner;

    if (!buf_add(&l->body, data, len))
        return err_set(err, ERR_BAD_ANSWER, "an answer of more than %d MiB", BODY_MAX >> 20);
    return 0;
}

/* Is this page one that we had? Compared with a single one (Brent's way): it moves on at every power
 * of two, so that a loop of any length shows, also one that hides behind new cursors. */
static bool is_page_again(struct lister *l)
{
    struct digest page;

    digest_of_text(buf_view(&l->body), &page);
    if (l->pages > 0 && digest_equal(&page, &l->page_seen))
        return true;
    if ((l->pages & (l->pages - 1)) == 0)
        l->page_seen = page;
    return false;
}

static int take_page(struct lister *l, const struct http_reply *reply, struct err *err)
{
    struct fetch_listing *listing = l->listing;
    struct hub_entry     *page;
    size_t                count;
    struct buf            next = {0};
    int                   more;

    if (hub_read_tree_page(buf_view(&l->body), &listing->arena, &page, &count, err))
        return -1;
    more = hub_read_next_page(reply, l->fetch->config.spec->endpoint.item[l->transfer.endpoint],
                              buf_view(&l->transfer.url), &next, err);
    if (more > 0 && is_page_again(l))
        more =
            err_set(err, ERR_BAD_ANSWER, "the listing goes round in a circle (page %u)", l->pages);
    if (more > 0 && (++l->pages > PAGES_MAX || listing->count + count > ENTRIES_MAX))
        more = err_set(err, ERR_BAD_ANSWER, "the listing does not end (%zu files so far)",
                       listing->count + count);
    if (more >= 0 && count) {
        listing->entry =
            mem_resize(listing->entry, listing->count + count, sizeof(*listing->entry));
        memcpy(listing->entry + listing->count, page, count * sizeof(*page));
        listing->count += count;
    }
    buf_clear(&l->page_url);
    if (more > 0)
        buf_add_str(&l->page_url, buf_view(&next));
    else if (more == 0)
        l->over = true;
    buf_release(&next);
    return more < 0 ? -1 : 0;
}

static int on_complete(void *owner, const struct http_reply *reply, struct err *err)
{
    struct lister *l = owner;

    if (hub_is_html(reply, buf_view(&l->body)))
        return err_set(err, ERR_PROXY, "an HTML page came where the Hub's JSON should be");
    if (l->listing->commit[0] != '\0')
        return take_page(l, reply, err);
    if (hub_read_revision(buf_view(&l->body), l->listing->commit, err))
        return -1;
    l->over = !l->listing->wants_tree;
    progress_set_commit(l->fetch->config.progress, l->listing->index, l->listing->commit);
    return 0;
}

/* A tree is read from one endpoint, from its first page to its last. */
static bool start_again_elsewhere(struct lister *l)
{
    if (l->transfer.endpoint + 1 >= l->fetch->config.spec->endpoint.count)
        return false;
    l->transfer.endpoint++;
    buf_clear(&l->page_url);
    l->pages = 0;
    l->listing->count = 0;
    return true;
}

static void on_end(void *owner, const struct err *err)
{
    struct lister *l = owner;

    l->listing->endpoint = l->transfer.endpoint;
    if (err && !(l->transfer.stay_on_endpoint && start_again_elsewhere(l))) {
        l->listing->failed = true;
        l->listing->err = *err;
        l->over = true;
    }
    buf_clear(&l->body);
    if (!l->over)
        begin_step(l);
}

static const struct transfer_ops ops = {
    .make_url = make_url,
    .on_reply = on_reply,
    .on_body = on_body,
    .on_complete = on_complete,
    .on_end = on_end,
};

static void begin_step(struct lister *l)
{
    const struct spec_repo *repo = l->listing->repo;

    l->transfer = (struct transfer){
        .ops = &ops,
        .owner = l,
        .type = repo->type,
        .id = repo->id,
        .revision = repo->revision,
        .bucket = GATE_API,
        .accept_gzip = true,
        .endpoint = l->transfer.endpoint,
        .stay_on_endpoint = l->listing->commit[0] != '\0',
        .timeout_ms = ANSWER_TIMEOUT_MS,
    };
    transfer_start(l->loop, &l->transfer);
}

static int run(struct fetch *fetch, struct transfer_loop *loop, struct err *err)
{
    while (loop->count > 0) {
        if (fetch_tick(fetch, err))
            return -1;
        if (transfer_turn(loop, fetch->config.stop_fd, 200, err))
            return -1;
    }
    return 0;
}

int fetch_list(struct fetch *fetch, struct fetch_listing *listing, size_t count, struct err *err)
{
    struct transfer_loop loop = {.env = &fetch->env};
    struct lister       *lister;
    int                  rc;

    if (http_new(&fetch->config.http, &loop.http, err))
        return -1;
    lister = mem_alloc(count * sizeof(*lister));
    for (size_t i = 0; i < count; i++) {
        lister[i] = (struct lister){.fetch = fetch, .loop = &loop, .listing = &listing[i]};
        buf_init(&lister[i].body, BODY_MAX);
        if (listing[i].commit[0] == '\0' || listing[i].wants_tree)
            begin_step(&lister[i]);
    }
    rc = run(fetch, &loop, err);
    while (loop.list)
        transfer_cancel(loop.list);
    for (size_t i = 0; i < count; i++) {
        buf_release(&lister[i].body);
        buf_release(&lister[i].page_url);
    }
    free(lister);
    http_free(loop.http);
    return rc;
}

void fetch_listing_release(struct fetch_listing *listing)
{
    free(listing->entry);
    arena_release(&listing->arena);
    listing->entry = NULL;
    listing->count = 0;
}
