/* signals.h: SIGTERM, SIGINT and SIGHUP stop a run in good order; a second one at once.
 *
 * No handler and no global: the signals are blocked before anything else and a small thread waits
 * for them. As PID 1 that is also what makes them arrive at all, for the kernel drops a signal to
 * an init process that neither blocks nor handles it. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "hfinit.h"

struct signals {
    sigset_t        set;          /* what the thread waits for */
    pthread_mutex_t lock;         /* the rest */
    hfinit         *run;          /* to be cancelled; NULL: nothing to put in order, just leave */
    const char     *message_path; /* with a run: where its termination message goes; borrowed */
    bool            is_finishing; /* the run is over, its results are being written */
};

/* Call first, before any other thread exists. Never fails: if there can be no thread, the signals
 * keep their default action. */
void signals_start(struct signals *signals);
/* From now on the first signal cancels this run. If it does not stop in time, or at a second signal,
 * the process ends without it and says so at message_path … */
void signals_guard(struct signals *signals, hfinit *run, const char *message_path);
/* … and from now on it is let through to the end, which is near. */
void signals_unguard(struct signals *signals);

#endif
