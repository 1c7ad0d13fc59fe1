/* fetch.h: keeps N transfers moving: starts, splits, retries, finishes.
 *
 * Two jobs. fetch_list asks the Hub which commit each repo is at and which files it has; all repos
 * at once, on the caller's thread. fetch_files brings bytes: lanes (threads with a curl multi
 * handle each) take parts of files from one queue and write them at their final offset, finishers
 * (threads) hash what lies on disk and publish it. Bytes never travel between threads.
 *
 *   fetch_transfer  one request: redirects, tokens, retries, rate-limit gates
 *   fetch_list      revision, then tree pages, per repo
 *   fetch_queue     which part comes next; which files are done, failed, waiting
 *   fetch_lane      a thread that moves parts
 *   fetch_finish    threads that hash and publish
 *   fetch_retry     when to try again (pure), and the gate all lanes share */
#ifndef HFI_FETCH_H
#define HFI_FETCH_H

#include "clock.h"
#include "hub.h"
#include "log.h"
#include "plan.h"
#include "progress.h"
#include "spec.h"
#include "store.h"

struct fetch;

struct fetch_config {
    struct spec       *spec; /* its token may be read again from its file */
    struct http_config http;
    struct clock       clock;
    const struct log  *log;
    struct progress   *progress;
    /* Called on the caller's thread at least four times a second; non-zero stops the work with
     * what it put into err (a signal, the deadline, a lost lease). */
    int (*tick)(void *user, struct err *err);
    void *user;
    int   stop_fd; /* wakes the caller's thread early; -1 none */
};

int  fetch_new(const struct fetch_config *config, struct fetch **out, struct err *err);
void fetch_free(struct fetch *fetch);

/* What the Hub says about one repo. */
struct fetch_listing {
    const struct spec_repo *repo;       /* set by the caller, borrowed */
    size_t                  index;      /* of the repo in the spec; set by the caller */
    char                    commit[41]; /* set by the caller if known already, else filled */
    bool                    wants_tree; /* false: only the commit */
    size_t                  endpoint;   /* index of the endpoint that answered */
    struct hub_listing      files;      /* owned; grows page by page */
    bool                    failed;
    struct err              err;
};

/* Fills all listings; a repo that fails is marked and does not stop the others. -1 only if the work
 * was stopped. */
int fetch_list(struct fetch *fetch, struct fetch_listing *listing, size_t count, struct err *err);

/* One place to fill. */
struct fetch_place {
    const struct spec_repo *repo;  /* borrowed */
    size_t                  index; /* in the spec */
    const char             *commit;
    size_t                  endpoint;
    struct store_repo      *store;
    bool                    has_scout, is_proven, gives_ranges; /* the queue's: see fetch_queue.c */
    bool                    failed;                             /* out, with err */
    struct err              err;
};

/* Fetches every file of the plan whose state is PLAN_FETCH, and copies those that are PLAN_SAME as
 * one of them. A file that fails for good fails its place; if that place is not optional, nothing
 * new is started. -1 only if the work was stopped; failures are in the places. */
int fetch_files(struct fetch *fetch, struct plan *plan, struct fetch_place *place, size_t count,
                struct err *err);

#endif
