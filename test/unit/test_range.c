/* Byte ranges: sets stay sorted, merged and true to a plain bitmap. */
#include "check.h"
#include "range.h"

static void add(struct range_set *set, uint64_t begin, uint64_t end)
{
    range_set_add(set, (struct range){begin, end});
}

static const char *show(const struct range_set *set)
{
    static char text[512];

    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%" PRIu64 ",%" PRIu64 ")",
                 set->item[i].begin, set->item[i].end);
    return text;
}

static void single_ranges(void)
{
    check_row(__func__);
    CHECK(range_is_empty((struct range){5, 5}) && range_is_empty((struct range){6, 5}));
    CHECK(!range_is_empty((struct range){0, 1}));
    CHECK_U64(range_len((struct range){6, 5}), 0);
    CHECK_U64(range_len((struct range){0, UINT64_MAX}), UINT64_MAX);
}

static void neighbours_merge(void)
{
    struct range_set set = {0};

    check_row(__func__);
    add(&set, 10, 20);
    add(&set, 40, 50);
    add(&set, 0, 5);
    CHECK_STR(show(&set), "[0,5)[10,20)[40,50)");
    add(&set, 5, 10); /* touches both */
    CHECK_STR(show(&set), "[0,20)[40,50)");
    add(&set, 3, 4); /* inside */
    add(&set, 7, 7); /* empty */
    CHECK_STR(show(&set), "[0,20)[40,50)");
    add(&set, 15, 45);
    CHECK_STR(show(&set), "[0,50)");
    add(&set, 60, 70);
    add(&set, 80, 90);
    add(&set, 55, 100); /* swallows two */
    CHECK_STR(show(&set), "[0,50)[55,100)");
    add(&set, UINT64_MAX - 1, UINT64_MAX);
    CHECK_U64(range_set_bytes(&set), 96);
    range_set_clear(&set);
    CHECK_U64(set.count, 0);
    add(&set, 1, 2);
    CHECK_STR(show(&set), "[1,2)");
    range_set_release(&set);
    range_set_release(&set);
}

static void fronts_and_gaps(void)
{
    struct range_set set = {0};
    struct range     gap = {0};

    check_row(__func__);
    CHECK_U64(range_set_front(&set, 7), 7);
    CHECK(range_set_next_gap(&set, (struct range){0, 10}, &gap) && gap.begin == 0 && gap.end == 10);
    CHECK(!range_set_next_gap(&set, (struct range){5, 5}, &gap));
    add(&set, 0, 10);
    add(&set, 20, 30);
    CHECK_U64(range_set_front(&set, 0), 10);
    CHECK_U64(range_set_front(&set, 9), 10);
    CHECK_U64(range_set_front(&set, 10), 10);
    CHECK_U64(range_set_front(&set, 20), 30);
    CHECK(range_set_covers(&set, (struct range){2, 10}));
    CHECK(!range_set_covers(&set, (struct range){2, 11}));
    CHECK(range_set_covers(&set, (struct range){15, 15}));
    CHECK(range_set_next_gap(&set, (struct range){0, 40}, &gap) && gap.begin == 10 &&
          gap.end == 20);
    CHECK(range_set_next_gap(&set, (struct range){0, 15}, &gap) && gap.begin == 10 &&
          gap.end == 15);
    CHECK(range_set_next_gap(&set, (struct range){25, 40}, &gap) && gap.begin == 30 &&
          gap.end == 40);
    CHECK(!range_set_next_gap(&set, (struct range){20, 30}, &gap));
    CHECK(!range_set_next_gap(&set, (struct range){9, 10}, &gap));
    range_set_release(&set);
}

/* --- against a bitmap of 64 bytes --- */

enum { BYTES = 64 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static bool matches_bitmap(const struct range_set *set, const bool *there)
{
    uint64_t count = 0;

    for (uint64_t at = 0; at < BYTES; at++) {
        uint64_t     front = at;
        struct range gap;
        while (front < BYTES && there[front])
            front++;
        if (range_set_front(set, at) != front)
            return false;
        if (range_set_next_gap(set, (struct range){at, BYTES}, &gap) != (front < BYTES))
            return false;
        if (front < BYTES) {
            uint64_t end = front;
            while (end < BYTES && !there[end])
                end++;
            if (gap.begin != front || gap.end != end)
                return false;
        }
        count += there[at];
    }
    for (size_t i = 1; i < set->count; i++)
        if (set->item[i - 1].end >= set->item[i].begin)
            return false;
    return range_set_bytes(set) == count;
}

static void a_set_agrees_with_a_bitmap(void)
{
    uint32_t state = 1;

    check_row(__func__);
    for (int round = 0; round < 500; round++) {
        struct range_set set = {0};
        bool             there[BYTES] = {false};
        for (int step = 0; step < 30; step++) {
            uint64_t begin = next_random(&state) % BYTES;
            uint64_t end = begin + next_random(&state) % (BYTES / 8);
            if (end > BYTES)
                end = BYTES;
            add(&set, begin, end);
            for (uint64_t i = begin; i < end; i++)
                there[i] = true;
            if (!matches_bitmap(&set, there)) {
                CHECK_STR(show(&set), "agreement");
                round = 500;
                break;
            }
        }
        range_set_release(&set);
    }
    CHECK(true);
}

int main(void)
{
    single_ranges();
    neighbours_merge();
    fronts_and_gaps();
    a_set_agrees_with_a_bitmap();
    return check_end("test_range");
}
