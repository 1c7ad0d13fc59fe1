/* test_proxy.c: a request goes through the proxy it was meant to, and past it where NO_PROXY says. */
#include "check.h"
#include "http_proxy.h"

static const struct {
    const char *name, *no_proxy, *url, *want;
} rows[] = {
    {"https by its own proxy", "", "https://huggingface.co/x", "http://s:1"},
    {"http by its own proxy", "", "http://mirror.example/x", "http://h:2"},
    {"an exact name", "huggingface.co", "https://huggingface.co/x", ""},
    {"a name counts for its subdomains", "hf.co", "https://cdn.hf.co/x", ""},
    {"a leading dot too", ".hf.co", "https://cdn.hf.co/x", ""},
    {"an asterisk and a dot too", "*.hf.co", "https://cdn.hf.co/x", ""},
    {"but not for names that only end like it", "hf.co", "https://nothf.co/x", "http://s:1"},
    {"case does not matter", "HF.CO", "https://hf.co/x", ""},
    {"an asterisk is everything", "*", "https://hf.co/x", ""},
    {"a list, with spaces and commas", "a.example, b.example,hf.co", "https://hf.co/", ""},
    {"a port that fits", "hf.co:443", "https://hf.co/", ""},
    {"a port that does not", "hf.co:8443", "https://hf.co/", "http://s:1"},
    {"an address", "10.0.0.7", "https://10.0.0.7/", ""},
    {"a block of addresses", "10.0.0.0/8", "https://10.200.3.4/", ""},
    {"a block that ends inside a byte", "172.16.0.0/12", "https://172.31.0.1/", ""},
    {"and does not reach further", "172.16.0.0/12", "https://172.32.0.1/", "http://s:1"},
    {"a block is not for names", "10.0.0.0/8", "https://ten.example/", "http://s:1"},
    {"IPv6", "fd00::/8", "https://[fd12::1]/", ""},
    {"IPv6 with a port", "[fd12::1]:443", "https://[fd12::1]/", ""},
    {"a broken block matches nothing", "10.0.0.0/99", "https://10.0.0.1/", "http://s:1"},
};

int main(void)
{
    struct http_config config = {.https_proxy = STR("http://s:1"), .http_proxy = STR("http://h:2")};
    struct url         url;

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].name);
        config.no_proxy = str_from(rows[i].no_proxy);
        CHECK(url_parse(str_from(rows[i].url), &url));
        CHECK(str_eq(http_choose_proxy(&config, &url), str_from(rows[i].want)));
    }
    check_row("ALL_PROXY serves where there is no other");
    config = (struct http_config){.all_proxy = STR("http://a:3")};
    CHECK(url_parse(STR("https://hf.co/"), &url));
    CHECK(str_eq(http_choose_proxy(&config, &url), STR("http://a:3")));
    return check_end("test_proxy");
}
