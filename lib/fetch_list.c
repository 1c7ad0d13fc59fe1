/* fetch_list.c: which commit is each repo at, and which files does it have?
 *
 * Two requests per repo and one per further thousand files; all repos at once. Every listing is a
 * little machine: revision (skipped if the commit is known), then page after page of the tree. A page
 * is read while it comes, so that only its last bytes stand between it and the next request. */
#include <stdlib.h>

#include "fetch_internal.h"

enum {
    PAGE_MAX = 64 * 1024 * 1024,
    REVISION_MAX = 16 * 1024 * 1024, /* kept whole; a mirror may name all files of the repo in it */
    ENTRIES_MAX = 2 * 1000 * 1000,
    PAGES_MAX = 100 * 1000,
    ANSWER_TIMEOUT_MS = 120 * 1000,
};

struct lister {
    struct fetch         *fetch;
    struct transfer_loop *loop;
    struct fetch_listing *listing;
    struct transfer       transfer;
    struct buf            body;     /* of a revision */
    struct buf            page_url; /* empty: the first page */
    uint64_t              answer_bytes;
    unsigned              pages;
    uint64_t              page_seen; /* hash of some page before */
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

static bool wants_page(const struct lister *l)
{
    return l->listing->commit[0] != '\0';
}

static int on_reply(void *owner, const struct http_reply *reply, struct err *err)
{
    struct lister *l = owner;

    buf_clear(&l->body);
    l->answer_bytes = 0;
    if (reply->status != 200)
        return err_set(err, ERR_BAD_ANSWER, "an answer with status %ld where 200 was expected",
                       reply->status);
    if (hub_is_html(reply, STR("")))
        return err_set(err, ERR_PROXY, "an HTML page came where the Hub's JSON should be");
    if (wants_page(l))
        hub_listing_begin_page(&l->listing->files);
    return 0;
}

static int on_body(void *owner, const void *data, size_t len, struct err *err)
{
    struct lister *l = owner;
    int            max = wants_page(l) ? PAGE_MAX : REVISION_MAX;

    l->answer_bytes += len;
    if (l->answer_bytes > (uint64_t)max)
        return err_set(err, ERR_BAD_ANSWER, "an answer of more than %d MiB", max >> 20);
    if (wants_page(l))
        return hub_listing_add_text(&l->listing->files, data, len, err);
    buf_add(&l->body, data, len);
    return 0;
}

/* Is this page one that we had? Compared with a single one (Brent's way): it moves on at every power
 * of two, so that a loop of any length shows, also one that hides behind new cursors. */
static bool is_page_again(struct lister *l)
{
    uint64_t page = l->listing->files.page_hash;

    if (l->pages > 0 && page == l->page_seen)
        return true;
    if ((l->pages & (l->pages - 1)) == 0)
        l->page_seen = page;
    return false;
}

static int take_page(struct lister *l, const struct http_reply *reply, struct err *err)
{
    struct hub_listing *files = &l->listing->files;
    struct buf          next = {0};
    int                 more;

    if (hub_listing_end_page(files, err))
        return -1;
    more = hub_read_next_page(reply, l->fetch->config.spec->endpoint.item[l->transfer.endpoint],
                              buf_view(&l->transfer.url), &next, err);
    if (more > 0 && is_page_again(l))
        more =
            err_set(err, ERR_BAD_ANSWER, "the listing goes round in a circle (page %u)", l->pages);
    if (more > 0 && (++l->pages > PAGES_MAX || files->count > ENTRIES_MAX))
        more = err_set(err, ERR_BAD_ANSWER, "the listing does not end (%zu files so far)",
                       files->count);
    if (more < 0) { /* it will come again */
        hub_listing_drop_page(files);
    } else {
        buf_clear(&l->page_url);
        buf_add_str(&l->page_url, buf_view(&next));
        l->over = more == 0;
    }
    buf_release(&next);
    return more < 0 ? -1 : 0;
}

static int on_complete(void *owner, const struct http_reply *reply, struct err *err)
{
    struct lister *l = owner;

    if (wants_page(l))
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
    hub_listing_release(&l->listing->files);
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
    buf_release(&l->body);
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
