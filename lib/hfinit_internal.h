/* hfinit_internal.h: the handle, shared by the files behind hfinit.h. */
#ifndef HFI_HFINIT_INTERNAL_H
#define HFI_HFINIT_INTERNAL_H

#include <pthread.h>

#include "hfinit.h"
#include "report.h"
#include "snapshot.h"

struct hfinit {
    struct spec_flag   *flag; /* owned, with their texts in arena */
    size_t              flag_count;
    struct arena        arena;
    struct spec         spec;
    bool                loaded, log_is_json, is_terminal;
    struct log          log;
    pthread_mutex_t     log_lock; /* callbacks come one at a time */
    hfinit_log_fn      *on_line;
    void               *on_line_user;
    hfinit_volume_fn   *on_volume;
    void               *on_volume_user;
    hfinit_progress_fn *on_progress;
    void               *on_progress_user;
    struct clock        clock;
    struct snapshot    *snapshot;
    _Atomic int         stop;
    int                 stop_fd; /* eventfd: hfinit_cancel wakes the run with it */
    struct err          last;
    const char         *termination_variable; /* HF_INIT_TERMINATION_MESSAGE; NULL unset */
    struct buf          text;                 /* what lent answers point into */
    struct last_words   last_words;
};

enum hfinit_purpose { HFINIT_TO_RUN, HFINIT_TO_LOOK, HFINIT_TO_REPAIR, HFINIT_TO_REFRESH };

/* A fresh h->snapshot for the loaded spec. */
int hfinit_begin(hfinit *h, enum hfinit_purpose purpose, struct err *err);
/* Copies err to the caller's `out` (may be NULL) and remembers it. Always -1. */
int hfinit_give_error(hfinit *h, const struct err *err, hfinit_error *out);

#endif
