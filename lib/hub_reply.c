/* hub_reply.c: single facts from an answer: a commit, a rate, a range, a moment. */
#include <string.h>
#include <time.h>

#include "hub.h"
#include "json.h"
#include "url.h"

/* Numbers of seconds are held to ten years, so that 10^9 or 10^30 cannot overflow later sums. */
static const uint64_t SECONDS_MAX = 10ull * 365 * 24 * 3600;

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.len > 0;
}

static bool read_seconds(struct str text, uint64_t *ms)
{
    uint64_t seconds;

    if (!is_digits(text))
        return false;
    if (!str_to_u64(text, &seconds) || seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;
    *ms = seconds * 1000;
    return true;
}

/* --- the commit --- */

int hub_read_revision(struct str body, char commit[41], struct err *err)
{
    struct json *root;
    struct str   sha;
    int          rc = -1;

    if (hub_is_html(NULL, body))
        return err_set(err, ERR_PROXY, "an HTML page came instead of the repo's description");
    if (json_parse(body, &root, err))
        return err_wrap(err, "the repo's description");
    if (!json_is_object(root)) {
        err_set(err, ERR_BAD_ANSWER, "the repo's description is not a JSON object");
    } else if (!json_str(json_get(root, "sha"), &sha) || !str_is_hex(sha, 40)) {
        err_set(err, ERR_BAD_ANSWER,
                "the repo's description names no commit "
                "(\"sha\", 40 hex digits)");
    } else {
        memcpy(commit, sha.p, 40);
        commit[40] = '\0';
        rc = 0;
    }
    json_free(root);
    return rc;
}

/* --- moments --- */

/* Two, or four, digits at the start of s, moved past; -1 if they are not there. */
static int take_number(struct str *s, size_t digits)
{
    uint64_t value;

    if (s->len < digits || !str_to_u64(str_sub(*s, 0, digits), &value))
        return -1;
    *s = str_sub(*s, digits, s->len);
    return (int)value;
}

static bool take(struct str *s, struct str expected)
{
    if (!str_has_prefix(*s, expected))
        return false;
    *s = str_sub(*s, expected.len, s->len);
    return true;
}

static int take_month(struct str *s)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (take(s, (struct str){names + i * 3, 3}))
            return i;
    return -1;
}

/* Seconds since 1970; false if a field is out of range. */
static bool moment_of(const struct tm *date, int64_t *seconds)
{
    struct tm copy = *date;

    if (date->tm_year < 70 || date->tm_mon < 0 || date->tm_mon > 11 || date->tm_mday < 1 ||
        date->tm_mday > 31 || date->tm_hour < 0 || date->tm_hour > 23 || date->tm_min < 0 ||
        date->tm_min > 59 || date->tm_sec < 0 || date->tm_sec > 60)
        return false;
    *seconds = (int64_t)timegm(&copy);
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": the one form that RFC 9110 lets a server send. */
static bool read_http_date(struct str s, int64_t *seconds)
{
    struct tm date = {0};
    ptrdiff_t comma = str_find(s, STR(", "), 0);

    if (comma != 3)
        return false;
    s = str_sub(s, 5, s.len);
    date.tm_mday = take_number(&s, 2);
    if (!take(&s, STR(" ")))
        return false;
    date.tm_mon = take_month(&s);
    if (!take(&s, STR(" ")))
        return false;
    date.tm_year = take_number(&s, 4) - 1900;
    if (!take(&s, STR(" ")))
        return false;
    date.tm_hour = take_number(&s, 2);
    if (!take(&s, STR(":")))
        return false;
    date.tm_min = take_number(&s, 2);
    if (!take(&s, STR(":")))
        return false;
    date.tm_sec = take_number(&s, 2);
    return str_eq(s, STR(" GMT")) && moment_of(&date, seconds);
}

/* "20260822T101500Z", as in X-Amz-Date */
static bool read_basic_date(struct str s, int64_t *seconds)
{
    struct tm date = {0};

    date.tm_year = take_number(&s, 4) - 1900;
    date.tm_mon = take_number(&s, 2) - 1;
    date.tm_mday = take_number(&s, 2);
    if (!take(&s, STR("T")))
        return false;
    date.tm_hour = take_number(&s, 2);
    date.tm_min = take_number(&s, 2);
    date.tm_sec = take_number(&s, 2);
    return str_eq(s, STR("Z")) && moment_of(&date, seconds);
}

bool hub_read_retry_after(const struct http_reply *reply, int64_t wall_ms, uint64_t *wait_ms)
{
    struct str value = str_trim(http_reply_header(reply, STR("retry-after")));
    int64_t    due;

    if (read_seconds(value, wait_ms))
        return true;
    if (!read_http_date(value, &due))
        return false;
    *wait_ms = due * 1000 > wall_ms ? (uint64_t)(due * 1000 - wall_ms) : 0;
    if (*wait_ms > SECONDS_MAX * 1000)
        *wait_ms = SECONDS_MAX * 1000;
    return true;
}

/* Style of S3 and Google: the moment of signing and how long it lasts. */
static int64_t expiry_from_signing(const struct url *url, struct str date, struct str lasts)
{
    struct str value;
    int64_t    signed_at;
    uint64_t   lasts_ms;

    if (!url_query_param(url, date, &value) || !read_basic_date(value, &signed_at) ||
        !url_query_param(url, lasts, &value) || !read_seconds(value, &lasts_ms))
        return 0;
    return signed_at * 1000 + (int64_t)lasts_ms;
}

int64_t hub_signed_url_expiry(struct str text)
{
    struct url url;
    struct str value;
    uint64_t   unix_seconds;
    int64_t    at_ms;

    if (!url_parse(text, &url))
        return 0;
    at_ms = expiry_from_signing(&url, STR("X-Amz-Date"), STR("X-Amz-Expires"));
    if (at_ms == 0)
        at_ms = expiry_from_signing(&url, STR("X-Goog-Date"), STR("X-Goog-Expires"));
    if (at_ms)
        return at_ms;
    if (!url_query_param(&url, STR("Expires"), &value) || !str_to_u64(value, &unix_seconds) ||
        unix_seconds > (uint64_t)INT64_MAX / 1000)
        return 0;
    return (int64_t)unix_seconds * 1000;
}

/* --- rates --- */

/* Strips one pair of double quotes. */
static struct str unquoted(struct str s)
{
    if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
        return str_sub(s, 1, s.len - 1);
    return s;
}

/* The value of `key` in `"name";key=value;…`; names are bare pieces. */
static bool rate_param(struct str item, struct str key, struct str *value)
{
    struct str rest = item, piece;

    while (str_cut(&rest, ';', &piece)) {
        ptrdiff_t equals = str_find_char(piece, '=', 0);
        if (equals < 0)
            continue;
        if (str_eq_nocase(str_trim(str_sub(piece, 0, (size_t)equals)), key)) {
            *value = unquoted(str_trim(str_sub(piece, (size_t)equals + 1, piece.len)));
            return true;
        }
    }
    return false;
}

/* Does `bucket` occur among the bare pieces of the item? Of an item with several ("fixed
 * window";"api") the caller asks for one by name. */
static bool rate_names(struct str item, struct str bucket)
{
    struct str rest = item, piece;

    while (str_cut(&rest, ';', &piece))
        if (str_eq_nocase(unquoted(str_trim(piece)), bucket))
            return true;
    return false;
}

static struct str rate_bucket(struct str item)
{
    struct str rest = item, piece;

    while (str_cut(&rest, ';', &piece))
        if (str_find_char(piece, '=', 0) < 0 && str_trim(piece).len)
            return unquoted(str_trim(piece));
    return (struct str){"", 0};
}

/* The name is printed and compared, so it must be a plain word. */
static bool is_bucket_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= 'A' && s.p[i] <= 'Z') &&
            !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return true;
}

static bool read_rate_item(struct str item, struct hub_rate *out)
{
    struct hub_rate rate = {0};
    struct str      value, bucket = rate_bucket(item);

    if (!rate_param(item, STR("r"), &value) || !str_to_u64(value, &rate.remaining))
        return false;
    if (!rate_param(item, STR("t"), &value) || !read_seconds(value, &rate.reset_ms))
        return false;
    if (bucket.len >= sizeof(rate.bucket) || !is_bucket_name(bucket))
        return false;
    memcpy(rate.bucket, bucket.p, bucket.len);
    *out = rate;
    return true;
}

/* Quota and window of the bucket, from `"fixed window";"api";q=500;w=300`. A policy that does not
 * name the bucket is not ours. */
static void read_policy(struct str policy, struct hub_rate *rate)
{
    struct str rest = policy, item, value;

    while (str_cut(&rest, ',', &item)) {
        if (!rate_names(item, str_from(rate->bucket)))
            continue;
        if (rate_param(item, STR("q"), &value) && !str_to_u64(value, &rate->quota))
            rate->quota = 0;
        if (rate_param(item, STR("w"), &value) && !read_seconds(value, &rate->window_ms))
            rate->window_ms = 0;
        return;
    }
}

bool hub_read_rate(const struct http_reply *reply, struct hub_rate *out)
{
    struct str      rest = http_reply_header(reply, STR("ratelimit")), item;
    struct hub_rate rate;
    bool            found = false;

    while (str_cut(&rest, ',', &item)) {
        if (!read_rate_item(item, &rate) || (found && rate.remaining >= out->remaining))
            continue;
        *out = rate; /* of several buckets the one that is nearest to empty */
        found = true;
    }
    if (found)
        read_policy(http_reply_header(reply, STR("ratelimit-policy")), out);
    return found;
}

/* --- identity and extent of a body --- */

bool hub_read_content_range(const struct http_reply *reply, struct range *range,
                            uint64_t *total_bytes)
{
    struct str rest = str_trim(http_reply_header(reply, STR("content-range"))), piece;
    uint64_t   first, last, total;

    if (!str_has_prefix_nocase(rest, STR("bytes ")))
        return false;
    rest = str_sub(rest, 6, rest.len);
    if (!str_cut(&rest, '-', &piece) || !str_to_u64(piece, &first) || !rest.p)
        return false;
    if (!str_cut(&rest, '/', &piece) || !str_to_u64(piece, &last) || !rest.p)
        return false;
    if (!str_to_u64(rest, &total) || first > last || last >= total)
        return false;
    *range = (struct range){first, last + 1};
    *total_bytes = total;
    return true;
}

bool hub_normalize_etag(struct str value, struct str *out)
{
    struct str s = str_trim(value);

    while (s.len && (s.p[0] == 'W' || s.p[0] == '/'))
        s = str_sub(s, 1, s.len);
    while (s.len && s.p[0] == '"')
        s = str_sub(s, 1, s.len);
    while (s.len && s.p[s.len - 1] == '"')
        s.len--;
    if (!str_is_hex(s, 40) && !str_is_hex(s, 64))
        return false;
    *out = s;
    return true;
}

bool hub_is_html(const struct http_reply *reply, struct str body)
{
    struct str type = {"", 0};

    if (reply)
        type = str_trim(http_reply_header(reply, STR("content-type")));
    if (str_has_prefix_nocase(type, STR("text/html")) ||
        str_has_prefix_nocase(type, STR("application/xhtml+xml")))
        return true;
    if (str_has_prefix(body, STR("\xEF\xBB\xBF")))
        body = str_sub(body, 3, body.len);
    body = str_trim(body);
    return str_has_prefix_nocase(body, STR("<!doctype html")) ||
           str_has_prefix_nocase(body, STR("<html"));
}
