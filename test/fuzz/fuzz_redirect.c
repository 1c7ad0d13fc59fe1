/* Redirects: where one may lead, judged by libcurl's reading of it. Input: the endpoint, the URL
 * asked, allowed hosts between spaces, then lines "Name: value". */
#include "../unit/answer.h"
#include "curl_url.h"
#include "fuzz.h"
#include "hub.h"
#include "spec_rules.h"

enum { HOSTS_MAX = 8 };

struct hosts {
    struct str item[HOSTS_MAX];
    size_t     count;
};

static void read_hosts(struct str line, struct hosts *out)
{
    struct str host;
    struct err err;

    out->count = 0;
    while (out->count < HOSTS_MAX && str_cut(&line, ' ', &host))
        if (host.len && spec_rule_host(host, &err) == 0)
            out->item[out->count++] = host;
}

static void drop_dot(char *host)
{
    if (host[0] && host[strlen(host) - 1] == '.')
        host[strlen(host) - 1] = '\0';
}

/* Takes ":port" off its end; is it the one? Of addresses, which have brackets, nothing is known here. */
static bool fits_port(char *entry, uint16_t port)
{
    char *colon = strrchr(entry, ':');

    if (!colon || strchr(entry, ':') != colon)
        return true;
    *colon = '\0';
    return strtoul(colon + 1, NULL, 10) == 0 || strtoul(colon + 1, NULL, 10) == port;
}

/* "*.suffix" is any host below it, anything else is a host, each perhaps with the only port. */
static bool is_listed(const struct hosts *hosts, const struct curl_reading *to)
{
    char host[300], entry[300];

    snprintf(host, sizeof(host), "%s", to->host);
    drop_dot(host);
    for (size_t i = 0; i < hosts->count; i++) {
        snprintf(entry, sizeof(entry), "%.*s", STR_ARG(hosts->item[i]));
        if (!fits_port(entry, to->port))
            continue;
        drop_dot(entry);
        if (strcasecmp(host, entry) == 0)
            return true;
        if (strncmp(entry, "*.", 2) == 0 && strlen(host) > strlen(entry + 1) &&
            strcasecmp(host + strlen(host) - strlen(entry + 1), entry + 1) == 0)
            return true;
    }
    return hosts->count == 0;
}

static void may_lead_there(struct str next, struct str endpoint, struct str asked,
                           const struct hosts *hosts)
{
    struct curl_reading to, from, base;
    struct url          url;

    REQUIRE(url_parse(asked, &url)); /* else there would be no answer */
    if (!curl_read(next, &to))
        return; /* it connects nowhere */
    if (!curl_read(asked, &from) || !curl_read(endpoint, &base)) {
        curl_reading_release(&to);
        return;
    }
    REQUIRE(strcasecmp(to.scheme, "https") == 0 || strcasecmp(from.scheme, "http") == 0);
    REQUIRE(!to.user || (from.user && curl_same_origin(&to, &from)));
    REQUIRE(!to.is_local || from.is_local || url_host_is_local(&url) || url_host_is_private(&url));
    /* libcurl writes addresses in another form than the list may have them in. */
    REQUIRE(to.kind_known || strcasecmp(to.host, base.host) == 0 || is_listed(hosts, &to));
    curl_reading_release(&to);
    curl_reading_release(&from);
    curl_reading_release(&base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input             in = input_of(data, size);
    struct str               endpoint = input_line(&in), asked = input_line(&in);
    struct hosts             hosts;
    struct answer            a;
    const struct http_reply *reply;
    struct buf               next = {0};
    struct err               err = {0};

    read_hosts(input_line(&in), &hosts);
    reply = answer_of(&a, 302, input_zero_terminated(&in, in.rest));
    buf_add_str(&next, asked); /* `url` may be a view of `next` */
    if (spec_rule_endpoint(endpoint, &err) || str_has_suffix(endpoint, STR("/")) ||
        str_eq(asked, STR(""))) {
        err_clear(&err);
    } else if (hub_read_redirect(reply, endpoint, buf_view(&next), hosts.item, hosts.count, &next,
                                 &err) == 0) {
        may_lead_there(buf_view(&next), endpoint, asked, &hosts);
    } else {
        REQUIRE(str_eq(buf_view(&next), asked));
        REQUIRE(err.kind == ERR_BAD_ANSWER || err.kind == ERR_HOST_NOT_ALLOWED ||
                err.kind == ERR_INTERNAL);
        REQUIRE(err.kind != ERR_INTERNAL || !url_parse(asked, &(struct url){0}));
        REQUIRE(!strchr(err.url, '?'));
    }
    buf_release(&next);
    input_release(&in);
    return 0;
}
