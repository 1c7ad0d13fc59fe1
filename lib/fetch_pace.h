/* fetch_pace.h: how many connections at a time, by what they bring. Pure: time and counts come in.
 *
 *     RAMP ──twice as many bring a tenth more──> RAMP
 *      └──they do not──> SEARCH between the last good level and the bad one ──found──> HOLD
 *     HOLD ──now and then──> PROBE a little more, a little less ──> HOLD at the better one
 *     HOLD ──half of it is gone──> RETREAT to half ──no better──> HOLD where it was
 *
 * Lanes that hardly ever wait for bytes have no time for more connections: then none are added.
 *
 * The signal is goodput, never latency: on a path where more connections bring less, the answer to
 * a fall is fewer; silence teaches nothing. Of two levels within a twentieth of each other the
 * cheaper is kept. Surplus connections end with their part; only where more of them did harm, or were
 * refused, are they given up at once, and what is on its way on them is lost. */
#ifndef HFI_FETCH_PACE_H
#define HFI_FETCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum pace_phase { PACE_FIXED, PACE_RAMP, PACE_SEARCH, PACE_HOLD, PACE_PROBE, PACE_RETREAT };

struct pace {
    unsigned        target;  /* connections wanted now, at least 1 */
    unsigned        ceiling; /* those above it end now; at least target */
    unsigned        cap;     /* never more; falls when connections are refused … */
    unsigned        most;    /* … and grows back to this, slowly */
    enum pace_phase phase;
    const char     *why; /* of the last change of target, for the log */

    unsigned good, bad; /* the best level known; the lowest known to be no better, 0 none */
    uint64_t good_rate; /* bytes per second at `good` */
    uint64_t before;    /* RETREAT: the rate that made us go */
    bool     probe_down;
    uint64_t doubted; /* the rate of a window that is taken again, as it was no better; 0 none */
    unsigned falls;   /* windows in a row with less than half of good_rate */
    uint64_t level_at_ms, window_at_ms, window_bytes, window_idle_ms, held_at_ms, probe_every_ms,
        refused_at_ms;
    bool in_window;
    bool did_harm; /* the last window was far worse than the best */
    bool is_busy;  /* in the last window lanes hardly waited */
};

struct pace_counts { /* since the start */
    uint64_t received_bytes;
    uint64_t idle_ms; /* a lane's time without anything to do, the mean of all lanes */
};

/* `fixed`: the user named the number; only refusals change it. */
void pace_init(struct pace *pace, unsigned start, unsigned cap, bool fixed, uint64_t now_ms);
/* Call several times a second. active: connections that are in use; fewer than target at the start
 * of a level or at the end of the work, when nothing can be learnt. True: target or ceiling has changed. */
bool pace_tick(struct pace *pace, uint64_t now_ms, struct pace_counts counts, unsigned active);
/* The other side refused a connection while it serves `active` others (403, 429, 503). True: target
 * has changed. */
bool pace_refused(struct pace *pace, uint64_t now_ms, unsigned active);

#endif
