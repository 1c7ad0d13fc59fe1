/* clock.h: where time comes from. A test brings its own clock; the loop reads it once per turn. */
#ifndef HFI_CLOCK_H
#define HFI_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*now_ms)(void *user); /* monotonic, never 0; for every wait */
    int64_t (*wall_ms)(void *user); /* since 1970, UTC; for display and signed URLs only */
    uint32_t (*random)(void *user); /* for jitter, not for secrets */
    void *user;
};

/* The system's clock. CLOCK_BOOTTIME, so that a suspended node does not stretch a lease. */
struct clock clock_system(void);

uint64_t clock_now_ms(const struct clock *c);
int64_t  clock_wall_ms(const struct clock *c);
/* Even over [0, below); 0 when below is 0. */
uint64_t clock_random_below(const struct clock *c, uint64_t below);

#endif
