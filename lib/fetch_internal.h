/* fetch_internal.h: what the files of fetch share with each other and with nobody else. */
#ifndef HFI_FETCH_INTERNAL_H
#define HFI_FETCH_INTERNAL_H

#include "fetch.h"
#include "fetch_transfer.h"

struct fetch {
    struct fetch_config config;
    struct transfer_env env;
};

/* Runs the caller's tick; -1 with err if the work must stop. */
int fetch_tick(struct fetch *fetch, struct err *err);

#endif
