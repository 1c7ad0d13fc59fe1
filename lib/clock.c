/* clock.c: the system's time and randomness. */
#include "clock.h"

#include <sys/random.h>
#include <time.h>

static uint64_t system_now_ms(void *user)
{
    struct timespec ts;

    (void)user;
    if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
        clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u + 1;
}

static int64_t system_wall_ms(void *user)
{
    struct timespec ts;

    (void)user;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t system_random(void *user)
{
    uint32_t value;

    (void)user;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        value = (uint32_t)system_now_ms(user) * 2654435761u;
    return value;
}

struct clock clock_system(void)
{
    return (struct clock){system_now_ms, system_wall_ms, system_random, 0};
}

uint64_t clock_now_ms(const struct clock *c)
{
    return c->now_ms(c->user);
}

int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c->user);
}

uint64_t clock_random_below(const struct clock *c, uint64_t below)
{
    uint64_t wide;

    if (below == 0)
        return 0;
    wide = ((uint64_t)c->random(c->user) << 32) | c->random(c->user);
    return (uint64_t)(((unsigned __int128)wide * below) >> 64);
}
