/* fetch_pace.c: see fetch_pace.h. */
#include "fetch_pace.h"

enum {
    SETTLE_MS = 500,        /* a new level needs handshakes and slow start … */
    SETTLE_MAX_MS = 3000,   /* … which may take long far away */
    SURPLUS_MAX_MS = 30000, /* until surplus connections have ended with their parts */
    WINDOW_MS = 1000,
    PROBE_FIRST_MS = 2000,
    PROBE_LAST_MS = 30000,
    FALLS_TO_RETREAT = 3,
    BUSY_IDLE_PERCENT = 10,  /* below it a lane is busy */
    REFUSED_QUIET_MS = 1000, /* refusals of one moment are one */
    REFUSED_GROW_MS = 60000, /* after which the cap may grow again */
};

static unsigned at_most(unsigned n, unsigned max)
{
    return n < max ? n : max;
}

static unsigned step_of(unsigned level)
{
    return level / 8 > 2 ? level / 8 : 2;
}

static void begin_level(struct pace *p, unsigned level, uint64_t now_ms, const char *why)
{
    p->target = level < 1 ? 1 : at_most(level, p->cap);
    p->ceiling = p->did_harm ? p->target : p->most;
    p->doubted = 0;
    p->did_harm = false;
    p->level_at_ms = now_ms;
    p->in_window = false;
    p->why = why;
}

static void hold(struct pace *p, uint64_t now_ms, const char *why)
{
    p->phase = PACE_HOLD;
    p->held_at_ms = now_ms;
    p->falls = 0;
    begin_level(p, p->good, now_ms, why);
}

void pace_init(struct pace *pace, unsigned start, unsigned cap, bool fixed, uint64_t now_ms)
{
    *pace = (struct pace){.cap = cap ? cap : 1, .probe_every_ms = PROBE_FIRST_MS};
    pace->most = pace->cap;
    pace->phase = fixed ? PACE_FIXED : PACE_RAMP;
    begin_level(pace, fixed ? pace->cap : start, now_ms, "start");
    pace->good = pace->target;
}

static void take_as_good(struct pace *p, uint64_t rate)
{
    p->good = p->target;
    p->good_rate = rate;
}

/* --- what a window says, phase by phase --- */

static void search(struct pace *p, uint64_t now_ms)
{
    unsigned gap = p->bad - p->good, fine = p->good / 4 > 2 ? p->good / 4 : 2;

    if (gap <= fine) {
        hold(p, now_ms, "found");
        return;
    }
    p->phase = PACE_SEARCH;
    begin_level(p, p->good + gap / 2, now_ms, "between");
}

/* Rates waver, above all where packets are lost; to stay too low costs more than to look twice. */
static bool is_doubtful(struct pace *p, uint64_t *rate)
{
    if (p->doubted == 0) {
        p->doubted = *rate ? *rate : 1;
        return true;
    }
    if (*rate < p->doubted)
        *rate = p->doubted;
    return false;
}

static void after_ramp(struct pace *p, uint64_t rate, uint64_t now_ms)
{
    uint64_t enough = p->good_rate + p->good_rate / 10;

    if (rate <= enough && !p->is_busy && !p->did_harm && is_doubtful(p, &rate))
        return;
    if (rate > enough) {
        take_as_good(p, rate);
        if (p->target >= p->cap)
            hold(p, now_ms, "as many as may be");
        else if (p->is_busy)
            hold(p, now_ms, "no time for more");
        else
            begin_level(p, p->target * 2, now_ms, "more bring more");
        return;
    }
    p->bad = p->target;
    if (p->is_busy)
        hold(p, now_ms, "no time for more");
    else
        search(p, now_ms);
}

static void after_search(struct pace *p, uint64_t rate, uint64_t now_ms)
{
    if (rate > p->good_rate + p->good_rate / 20) {
        take_as_good(p, rate);
    } else {
        p->bad = p->target;
    }
    search(p, now_ms);
}

static void take_back(struct pace *p, uint64_t now_ms)
{
    p->probe_down = !p->probe_down;
    p->probe_every_ms =
        p->probe_every_ms * 2 > PROBE_LAST_MS ? PROBE_LAST_MS : p->probe_every_ms * 2;
    hold(p, now_ms, "the probe is worse");
}

static void after_probe(struct pace *p, uint64_t rate, uint64_t now_ms)
{
    bool accept = p->probe_down ? rate >= p->good_rate - p->good_rate / 20
                                : rate > p->good_rate + p->good_rate / 20;

    if (accept) {
        take_as_good(p, rate);
        p->probe_every_ms = PROBE_FIRST_MS;
        if (p->probe_down || p->target >= p->cap) {
            hold(p, now_ms, "the probe is as good");
            return;
        }
        p->phase = PACE_RAMP; /* the path has changed: on from here */
        begin_level(p, p->target * 2, now_ms, "more bring more again");
        return;
    }
    take_back(p, now_ms);
}

/* While fewer bring as much, the fall was of our making: on to half again. */
static void after_retreat(struct pace *p, uint64_t rate, uint64_t now_ms)
{
    bool as_good = rate + rate / 4 >= p->before;

    p->probe_every_ms = PROBE_FIRST_MS;
    p->good_rate = as_good ? rate : p->before; /* the path is what it is now */
    if (as_good) {
        p->good = p->target;
        p->before = rate;
    }
    p->did_harm = as_good;
    if (as_good && p->target > 1)
        begin_level(p, p->target / 2, now_ms, "fewer are as good");
    else
        hold(p, now_ms, "fewer are worse");
}

static void probe(struct pace *p, uint64_t now_ms)
{
    unsigned step = step_of(p->target), more = p->target / 2 > 2 ? p->target / 2 : 2;

    if (p->cap == 1)
        return;
    if (p->target >= p->cap || p->target == 1)
        p->probe_down = p->target > 1;
    if (p->is_busy && !p->probe_down)
        return;
    p->phase = PACE_PROBE;
    if (p->probe_down)
        begin_level(p, p->target > step ? p->target - step : 1, now_ms, "are fewer as good?");
    else
        begin_level(p, p->target + more, now_ms, "do more bring more?");
}

static void after_hold(struct pace *p, uint64_t rate, uint64_t now_ms)
{
    p->falls = rate < p->good_rate / 2 ? p->falls + 1 : 0;
    if (p->good_rate == 0 || (p->falls >= FALLS_TO_RETREAT && p->target == 1)) {
        p->good_rate = rate;
        p->falls = 0;
    }
    if (p->falls >= FALLS_TO_RETREAT) {
        p->before = rate;
        p->phase = PACE_RETREAT;
        p->did_harm = true;
        begin_level(p, p->target / 2, now_ms, "half of it is gone");
        return;
    }
    if (p->falls == 0)
        p->good_rate = (p->good_rate * 3 + rate) / 4;
    if (p->falls || now_ms - p->held_at_ms < p->probe_every_ms)
        return;
    probe(p, now_ms);
}

/* --- the clock --- */

static void judge(struct pace *p, uint64_t rate, uint64_t now_ms)
{
    /* The first byte is still to come, or the way is gone, for any number of them; or more made it so. */
    if (rate == 0) {
        if (p->target > p->good)
            take_back(p, now_ms);
        return;
    }
    p->did_harm = rate < p->good_rate - p->good_rate / 5;
    switch (p->phase) {
    case PACE_FIXED: break;
    case PACE_RAMP: after_ramp(p, rate, now_ms); break;
    case PACE_SEARCH: after_search(p, rate, now_ms); break;
    case PACE_HOLD: after_hold(p, rate, now_ms); break;
    case PACE_PROBE: after_probe(p, rate, now_ms); break;
    case PACE_RETREAT: after_retreat(p, rate, now_ms); break;
    }
}

static bool is_settled(const struct pace *p, uint64_t now_ms, unsigned active)
{
    uint64_t age = now_ms - p->level_at_ms;

    if (active > p->target + p->target / 8 && age < SURPLUS_MAX_MS)
        return false;
    return age >= SETTLE_MAX_MS || (age >= SETTLE_MS && active >= p->target - p->target / 8);
}

bool pace_tick(struct pace *pace, uint64_t now_ms, struct pace_counts counts, unsigned active)
{
    unsigned before = pace->target, ceiling = pace->ceiling;
    uint64_t ms;

    if (active && pace->cap < pace->most && now_ms - pace->refused_at_ms >= REFUSED_GROW_MS) {
        pace->cap++;
        pace->refused_at_ms = now_ms;
    }
    if (pace->phase == PACE_FIXED) {
        if (pace->target != pace->cap)
            begin_level(pace, pace->cap, now_ms, "refused long ago");
        return pace->target != before;
    }
    if (active < pace->target / 2 + 1) { /* the end of the work, or a wait: nothing to learn */
        pace->in_window = false;
        return false;
    }
    if (!pace->in_window) {
        if (!is_settled(pace, now_ms, active))
            return false;
        pace->in_window = true;
        pace->window_at_ms = now_ms;
        pace->window_bytes = counts.received_bytes;
        pace->window_idle_ms = counts.idle_ms;
        return false;
    }
    ms = now_ms - pace->window_at_ms;
    if (ms < WINDOW_MS)
        return false;
    pace->in_window = false;
    pace->is_busy = (counts.idle_ms - pace->window_idle_ms) * 100 / ms < BUSY_IDLE_PERCENT;
    judge(pace, (counts.received_bytes - pace->window_bytes) * 1000 / ms, now_ms);
    return pace->target != before || pace->ceiling != ceiling;
}

bool pace_refused(struct pace *pace, uint64_t now_ms, unsigned active)
{
    unsigned before = pace->target;

    if (pace->cap < pace->most && now_ms - pace->refused_at_ms < REFUSED_QUIET_MS)
        return false;
    pace->refused_at_ms = now_ms;
    if (pace->target == 1)
        return false;
    if (active >= pace->target)
        return false; /* all that are wanted are served: it is not their number */
    pace->cap = pace->target / 2 > active ? pace->target / 2 : active;
    pace->cap = pace->cap ? pace->cap : 1;
    pace->good = at_most(pace->good, pace->cap);
    pace->good_rate = 0; /* that was with more of them */
    pace->did_harm = true;
    if (pace->phase == PACE_FIXED)
        begin_level(pace, pace->cap, now_ms, "refused");
    else
        hold(pace, now_ms, "refused");
    return pace->target != before;
}
