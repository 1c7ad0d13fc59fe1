/* Single facts from headers: what is read, written in its usual form, is read the same again; and
 * stays in the bounds that later sums rely on. Input: the time, then lines "Name: value". */
#include <inttypes.h>

#include "../unit/answer.h"
#include "fuzz.h"
#include "hub.h"

static const uint64_t ten_years_ms = 10ull * 365 * 24 * 3600 * 1000;

static const struct http_reply *answer_with(struct answer *a, struct buf *text)
{
    return answer_of(a, 200, buf_cstr(text));
}

static void range_comes_back(const struct http_reply *reply)
{
    struct range  r, s;
    uint64_t      total, all;
    struct buf    text = {0};
    struct answer a;

    if (!hub_read_content_range(reply, &r, &total))
        return;
    REQUIRE(r.begin < r.end && r.end <= total);
    buf_printf(&text, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r.begin, r.end - 1,
               total);
    REQUIRE(hub_read_content_range(answer_with(&a, &text), &s, &all));
    REQUIRE(s.begin == r.begin && s.end == r.end && all == total);
    buf_clear(&text);
    hub_range_header(&text, r); /* and is what one would have asked for */
    REQUIRE(str_has_prefix(buf_view(&text), STR("bytes=")));
    buf_release(&text);
}

static void rate_comes_back(const struct http_reply *reply)
{
    struct hub_rate rate, again;
    struct buf      text = {0};
    struct answer   a;

    if (!hub_read_rate(reply, &rate))
        return;
    REQUIRE(strlen(rate.bucket) < sizeof(rate.bucket));
    REQUIRE(rate.bucket[strspn(rate.bucket, "abcdefghijklmnopqrstuvwxyz-_0123456789"
                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0');
    REQUIRE(rate.reset_ms <= ten_years_ms && rate.window_ms <= ten_years_ms);
    buf_printf(&text,
               "RateLimit: \"%s\";r=%" PRIu64 ";t=%" PRIu64 "\nRateLimit-Policy: \"%s\";q=%" PRIu64
               ";w=%" PRIu64,
               rate.bucket, rate.remaining, rate.reset_ms / 1000, rate.bucket, rate.quota,
               rate.window_ms / 1000);
    REQUIRE(hub_read_rate(answer_with(&a, &text), &again));
    REQUIRE(again.remaining == rate.remaining && again.reset_ms == rate.reset_ms);
    REQUIRE(strcmp(again.bucket, rate.bucket) == 0);
    if (rate.bucket[0])
        REQUIRE(again.quota == rate.quota && again.window_ms == rate.window_ms);
    buf_release(&text);
}

static void wait_is_bounded(const struct http_reply *reply, int64_t wall_ms)
{
    uint64_t wait_ms, later_ms;

    if (!hub_read_retry_after(reply, wall_ms, &wait_ms))
        return;
    REQUIRE(wait_ms <= ten_years_ms);
    REQUIRE(hub_read_retry_after(reply, wall_ms + 1000, &later_ms)); /* time only shortens it */
    REQUIRE(later_ms <= wait_ms && wait_ms - later_ms <= 1000);
}

static void etag_is_a_hash(const struct http_reply *reply)
{
    struct str value = http_reply_header(reply, STR("etag")), hash, again;

    if (!hub_normalize_etag(value, &hash))
        return;
    REQUIRE(hash.len == 40 || hash.len == 64);
    for (size_t i = 0; i < hash.len; i++)
        REQUIRE(memchr("0123456789abcdef", hash.p[i], 16));
    REQUIRE(hash.p >= value.p && hash.p + hash.len <= value.p + value.len);
    REQUIRE(hub_normalize_etag(hash, &again) && str_eq(hash, again));
}

static void expiry_is_a_moment(const struct http_reply *reply)
{
    struct str url = http_reply_header(reply, STR("location"));
    int64_t    at_ms = hub_signed_url_expiry(url);

    REQUIRE(at_ms >= 0 && at_ms % 1000 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input             in = input_of(data, size);
    int64_t                  wall_ms = (int64_t)(input_number(&in) % 253402300800000);
    const char              *lines = input_zero_terminated(&in, in.rest);
    struct answer            a;
    const struct http_reply *reply = answer_of(&a, 206, lines);

    range_comes_back(reply);
    rate_comes_back(reply);
    wait_is_bounded(reply, wall_ms);
    etag_is_a_hash(reply);
    expiry_is_a_moment(reply);
    hub_is_html(reply, str_from(lines));
    input_release(&in);
    return 0;
}
