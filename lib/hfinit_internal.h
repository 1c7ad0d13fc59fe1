/* hfinit_internal.h: the handle, shared by the files behind hfinit.h. */
#ifndef HFI_HFINIT_INTERNAL_H
#define HFI_HFINIT_INTERNAL_H

#include <pthread.h>

#include "hfinit.h"
#include "report.h"
#include "snapshot.h"
#include "store.h"

struct hfinit {
    struct spec_flag    *flag; /* owned, with their texts in arena */
    size_t               flag_count;
    struct arena         arena;
    struct arena         wish; /* texts of what is loaded; released when something else is */
    struct secret        token;
    bool                 has_token; /* hfinit_set_token was called, perhaps with "" */
    const char *const   *env;       /* borrowed; NULL none */
    struct spec          spec;
    bool                 loaded, log_is_json, is_terminal;
    struct log           log;
    pthread_mutex_t      log_lock; /* callbacks come one at a time */
    hfinit_log_fn       *on_line;
    void                *on_line_user;
    hfinit_volume_fn    *on_volume;
    void                *on_volume_user;
    hfinit_progress_fn  *on_progress;
    void                *on_progress_user;
    hfinit_transport_fn *on_request; /* NULL: the network */
    void                *on_request_user;
    pthread_mutex_t      transport_lock; /* requests come one at a time */
    bool                 is_verifying;   /* all that there is to do is to hash */
    struct clock         clock;
    struct snapshot     *snapshot;
    _Atomic int          stop;
    int                  stop_fd; /* eventfd: hfinit_cancel wakes the run with it */
    struct err           last;
    const char          *termination_variable; /* HF_INIT_TERMINATION_MESSAGE; NULL unset */
    struct buf           text;                 /* what lent answers point into */
    struct last_words    last_words;
    struct metrics      *metrics; /* NULL: none are wanted, or no run has begun */
};

enum hfinit_purpose {
    HFINIT_TO_RUN,
    HFINIT_TO_LOOK,
    HFINIT_TO_VERIFY,
    HFINIT_TO_LOOK_AGAIN, /* a sidecar's look, after a run */
    HFINIT_TO_REPAIR,
    HFINIT_TO_REFRESH
};

/* A fresh h->snapshot for the loaded spec. */
int hfinit_begin(hfinit *h, enum hfinit_purpose purpose, struct err *err);
/* Forgets what was loaded, and what became of it. */
void hfinit_forget(hfinit *h);
/* hfinit_load_repo with more of `as`; `file` not NULL: this one alone, whatever the repo's lists say. */
int hfinit_load_repo_as(hfinit *h, const hfinit_repo *repo, const char *file, unsigned as,
                        hfinit_error *error);
/* Loads with these flags. What was loaded before has been forgotten. */
int hfinit_load_flags(hfinit *h, const struct spec_flag *flag, size_t flag_count, const char *file,
                      const char *const *env, unsigned as, hfinit_error *error);
/* Writes `name` behind the flags, made of the first repo among them, unless one of them is a name.
 * It is a default: HF_INIT_NAME counts for more. Returns how many were written, 0 or 1. */
size_t hfinit_name_by_repo(hfinit *h, struct spec_flag *flag, size_t count);
/* The http_hook_fn of a client with a transport; `user` is the client. */
void hfinit_ask_transport(const struct http_question *ask, struct http_answer *answer, void *user);

hfinit_code   hfinit_code_of(enum err_kind kind);
enum err_kind hfinit_kind_of(hfinit_code code); /* ERR_INTERNAL for what is none */
/* Copies what people read: whoever may write to the volume, or answers, may have written part of it, so no
 * control character gets through, and it stays one line. */
void hfinit_copy_line(char *to, size_t size, struct str from);
/* Copies err to the caller's `out` (may be NULL) and remembers it. Always -1. */
int hfinit_give_error(hfinit *h, const struct err *err, hfinit_error *out);
/* Is the marker of the loaded spec on the volume? */
bool hfinit_has_marker(hfinit *h);

/* --- hfinit_status.c --- */
/* The volume of the loaded spec, to be read only. The caller frees it. */
int hfinit_open_store(hfinit *h, struct store **store, struct err *err);
/* NAME.WHAT.json of the loaded spec. 1, 0 not there, -1. */
int hfinit_read_state(hfinit *h, struct store *store, const char *what, struct buf *out,
                      struct err *err);

/* What there is to be told of runs of the loaded spec. {0} is empty. */
struct hfinit_told {
    struct buf text;   /* a status document; "": none */
    struct buf all;    /* that one and all others of this spec, one after the other */
    size_t     shards; /* 0: text is of a run of all of it; else of one of so many shards */
};
/* Of a run of all of it. Shards leave a status each; where those are newer it is the one that says most: one
 * that has failed, but not one that stands in `before` already; else of those at work the least far; else one
 * that was stopped; else one that is done. Replaces what was told. */
int  hfinit_read_told(hfinit *h, struct store *store, struct str before, struct hfinit_told *told,
                      struct err *err);
void hfinit_told_release(struct hfinit_told *told);

#endif
