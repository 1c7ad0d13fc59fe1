/* The next page of a listing: it stays at home, by libcurl's reading of the URLs, too. Input: the
 * endpoint, the URL asked, lines "Name: value". */
#include "../unit/answer.h"
#include "curl_url.h"
#include "fuzz.h"
#include "hub.h"
#include "spec_rules.h"

static bool is_same_origin(struct str a, struct str b)
{
    struct curl_reading x, y;
    bool                same = false;

    if (!curl_read(a, &x))
        return true; /* it connects nowhere */
    if (curl_read(b, &y)) {
        same = curl_same_origin(&x, &y);
        REQUIRE(!x.user);
        curl_reading_release(&y);
    }
    curl_reading_release(&x);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input             in = input_of(data, size);
    struct str               endpoint = input_line(&in), url = input_line(&in);
    struct answer            a;
    const struct http_reply *reply = answer_of(&a, 200, input_zero_terminated(&in, in.rest));
    struct buf               next = {0};
    struct err               err = {0};
    int                      rc;

    buf_add_str(&next, STR("untouched"));
    if (spec_rule_endpoint(endpoint, &err) == 0 && !str_has_suffix(endpoint, STR("/"))) {
        rc = hub_read_next_page(reply, endpoint, url, &next, &err);
        if (rc == 1) {
            REQUIRE(!str_eq(buf_view(&next), url));
            REQUIRE(is_same_origin(buf_view(&next), endpoint) ||
                    is_same_origin(buf_view(&next), url));
        } else {
            REQUIRE(str_eq(buf_view(&next), STR("untouched")));
            REQUIRE(rc == 0 || err.kind == ERR_BAD_ANSWER);
        }
    }
    buf_release(&next);
    input_release(&in);
    return 0;
}
