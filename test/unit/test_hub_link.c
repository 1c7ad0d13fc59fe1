/* Where answers may send us: the next page of a listing, the target of a redirect. */
#include "answer.h"
#include "check.h"
#include "hub.h"

static void next_pages(void)
{
    static const struct {
        const char *name, *endpoint, *url, *headers;
        int         want; /* as returned */
        const char *next;
    } rows[] = {
        {"none", "https://huggingface.co", "https://huggingface.co/api/t", "", 0, ""},
        {"only other links", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <https://huggingface.co/x>; rel=\"xet-auth\"", 0, ""},
        {"the usual", "https://huggingface.co", "https://huggingface.co/api/t?recursive=true",
         "Link: <https://huggingface.co/api/t?recursive=true&cursor=ZXlK%3D>; rel=\"next\"", 1,
         "https://huggingface.co/api/t?recursive=true&cursor=ZXlK%3D"},
        {"second of several", "https://huggingface.co", "https://huggingface.co/api/t",
         "link: <https://huggingface.co/a,b;c>; rel=\"prev\", <https://huggingface.co/n?x=1,2>; "
         "title=\"a, b; rel=next\"; rel=\"next\"",
         1, "https://huggingface.co/n?x=1,2"},
        {"in a second header", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <https://huggingface.co/p>; rel=\"prev\"\nlink: </n>;rel=next", 1,
         "https://huggingface.co/n"},
        {"several words, other case", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: </n> ; REL = \"last NEXT\"", 1, "https://huggingface.co/n"},
        {"a name that only begins like it", "https://huggingface.co",
         "https://huggingface.co/api/t", "Link: </n>; rel=\"next-archive\"", 0, ""},
        {"relative query", "https://m:8443/hf", "https://m:8443/hf/api/t?a=1",
         "Link: <?cursor=2>; rel=\"next\"", 1, "https://m:8443/hf/api/t?cursor=2"},
        {"a mirror passes on the Hub's link", "https://mirror.example/hf",
         "https://mirror.example/hf/api/models/a/b/tree/c",
         "Link: <https://huggingface.co/api/models/a/b/tree/c?cursor=2>; rel=\"next\"", 1,
         "https://mirror.example/hf/api/models/a/b/tree/c?cursor=2"},
        {"a mirror of the staging Hub", "http://127.0.0.1:8080",
         "http://127.0.0.1:8080/api/models/a/b/tree/c",
         "Link: <https://hub-ci.huggingface.co/api/models/a/b/tree/c?cursor=2>; rel=\"next\"", 1,
         "http://127.0.0.1:8080/api/models/a/b/tree/c?cursor=2"},
        {"after a redirect, the host that answered", "https://huggingface.co",
         "https://other.example/api/t", "Link: </api/t?cursor=2>; rel=\"next\"", 1,
         "https://other.example/api/t?cursor=2"},
        {"after a redirect to the Hub, the Hub", "https://mirror.example",
         "https://huggingface.co/api/t",
         "Link: <https://huggingface.co/api/t?cursor=2>; rel=\"next\"", 1,
         "https://huggingface.co/api/t?cursor=2"},
        {"another host", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <https://evil.example/api/t?cursor=2>; rel=\"next\"", -1, ""},
        {"another port", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <https://huggingface.co:444/api/t?cursor=2>; rel=\"next\"", -1, ""},
        {"leaves https", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <http://huggingface.co/api/t?cursor=2>; rel=\"next\"", -1, ""},
        {"a user name", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <https://u@huggingface.co/api/t?cursor=2>; rel=\"next\"", -1, ""},
        {"another scheme", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <file:///etc/passwd>; rel=\"next\"", -1, ""},
        {"itself", "https://huggingface.co", "https://huggingface.co/api/t?cursor=2",
         "Link: <https://huggingface.co/api/t?cursor=2>; rel=\"next\"", -1, ""},
        {"empty", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <>; rel=\"next\"", -1, ""},
        {"broken", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: <https://huggingface.co/n; rel=\"next\"", -1, ""},
        {"broken behind another", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: </p>; rel=\"prev\", <https://huggingface.co/n; rel=\"next\"", -1, ""},
        {"an open quote", "https://huggingface.co", "https://huggingface.co/api/t",
         "Link: </n>; title=\"x; rel=next", -1, ""},
        {"no link at all", "https://huggingface.co", "https://huggingface.co/api/t", "Link: next",
         0, ""},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct answer a;
        struct buf    next = {0};
        struct err    err = {0};

        check_row(rows[i].name);
        CHECK(hub_read_next_page(answer_of(&a, 200, rows[i].headers), str_from(rows[i].endpoint),
                                 str_from(rows[i].url), &next, &err) == rows[i].want);
        CHECK_STR(buf_cstr(&next), rows[i].next);
        CHECK_STR(err_reason(err.kind), err_reason(rows[i].want < 0 ? ERR_BAD_ANSWER : ERR_NONE));
        buf_release(&next);
    }
}

#define HUB "https://huggingface.co"

static void redirects(void)
{
    static const struct {
        const char   *name, *endpoint, *url, *location;
        const char   *allowed; /* comma-separated */
        const char   *next;    /* NULL: refused */
        enum err_kind kind;
    } rows[] = {
        {"to the CDN, query kept", HUB, HUB "/a/b/resolve/c/f",
         "https://us.aws.cdn.hf.co/x/y?Expires=1&Policy=a~b_-&Signature=%2F", "",
         "https://us.aws.cdn.hf.co/x/y?Expires=1&Policy=a~b_-&Signature=%2F", 0},
        {"relative, query kept", HUB, HUB "/a/b/resolve/c/f",
         "/api/resolve-cache/models/a/b/c/f?%2Fa%2Fb=&etag=%22e%22", "",
         HUB "/api/resolve-cache/models/a/b/c/f?%2Fa%2Fb=&etag=%22e%22", 0},
        {"renamed repo", HUB, HUB "/api/models/old/n/tree/c?x=1", "/api/models/new/n/tree/c?x=1",
         "", HUB "/api/models/new/n/tree/c?x=1", 0},
        {"relative on the CDN", HUB, "https://cdn.example/a/b?s=1", "c?s=2", "",
         "https://cdn.example/a/c?s=2", 0},
        {"the fragment goes", HUB, HUB "/a", "/b#c", "", HUB "/b", 0},
        {"a mirror passes on the Hub's address", "http://mirror:8080/hf",
         "http://mirror:8080/hf/old/n/resolve/c/f", HUB "/new/n/resolve/c/f?x=1", "",
         "http://mirror:8080/hf/new/n/resolve/c/f?x=1", 0},
        {"a mirror sends us to the Hub itself", "https://mirror.example",
         "https://mirror.example/a/n/resolve/c/f", HUB "/a/n/resolve/c/f", "",
         HUB "/a/n/resolve/c/f", 0},
        {"there the Hub goes on at the Hub", "https://mirror.example", HUB "/a/n/resolve/c/f",
         "/api/resolve-cache/models/a/n/c/f", "", HUB "/api/resolve-cache/models/a/n/c/f", 0},
        {"a mirror's CDN is not rewritten", "https://mirror.example",
         "https://mirror.example/a/n/resolve/c/f", "https://cdn-lfs.huggingface.co/x", "",
         "https://cdn-lfs.huggingface.co/x", 0},
        {"http mirror to its http storage", "http://mirror:8080", "http://mirror:8080/a",
         "http://minio:9000/x?sig", "", "http://minio:9000/x?sig", 0},
        {"http to https", "http://mirror", "http://mirror/a", "https://cdn.example/x", "",
         "https://cdn.example/x", 0},

        {"https to http", HUB, HUB "/a", "http://cdn.example/x", "", NULL, ERR_BAD_ANSWER},
        {"https to http, same host", HUB, HUB "/a", "http://huggingface.co/a", "", NULL,
         ERR_BAD_ANSWER},
        {"file", HUB, HUB "/a", "file:///etc/passwd", "", NULL, ERR_BAD_ANSWER},
        {"data", HUB, HUB "/a", "data:text/plain,x", "", NULL, ERR_BAD_ANSWER},
        {"ftp", HUB, HUB "/a", "ftp://huggingface.co/x", "", NULL, ERR_BAD_ANSWER},
        {"userinfo", HUB, HUB "/a", "https://huggingface.co@evil.example/x", "", NULL,
         ERR_BAD_ANSWER},
        {"userinfo at the Hub", "https://mirror.example", "https://mirror.example/a",
         "https://u:p@huggingface.co/x", "", NULL, ERR_BAD_ANSWER},
        {"our own userinfo stays", "http://u:p@mirror", "http://u:p@mirror/a", "/b", "",
         "http://u:p@mirror/b", 0},
        {"backslash", HUB, HUB "/a", "https://huggingface.co\\@evil.example/x", "", NULL,
         ERR_BAD_ANSWER},
        {"a space", HUB, HUB "/a", "https://cdn.example/a b", "", NULL, ERR_BAD_ANSWER},
        {"a control character", HUB, HUB "/a", "https://cdn.example/a\x01", "", NULL,
         ERR_BAD_ANSWER},
        {"a line break", HUB, HUB "/a", "https://cdn.example/a\r\tX: y", "", NULL, ERR_BAD_ANSWER},
        {"empty", HUB, HUB "/a", "", "", NULL, ERR_BAD_ANSWER},
        {"only a fragment", HUB, HUB "/a", "#x", "", NULL, ERR_BAD_ANSWER},

        {"loopback", HUB, HUB "/a", "https://127.0.0.1/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"loopback in disguise", HUB, HUB "/a", "https://0x7f.1/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"metadata service", "http://mirror.example", "http://mirror.example/a",
         "http://169.254.169.254/latest/meta-data", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"localhost", HUB, HUB "/a", "https://localhost:8443/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"IPv6 loopback", HUB, HUB "/a", "https://[::1]/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"not by being on the list", HUB, HUB "/a", "https://127.0.0.1/x", "127.0.0.1", NULL,
         ERR_HOST_NOT_ALLOWED},
        {"local to local", "http://127.0.0.1:8080", "http://127.0.0.1:8080/a",
         "http://127.0.0.2:9090/x", "", "http://127.0.0.2:9090/x", 0},
        {"private to local", "http://10.0.0.5", "http://10.0.0.5/a", "http://127.0.0.1/x", "",
         "http://127.0.0.1/x", 0},
        {"private to private", "http://mirror:8080", "http://mirror:8080/a", "http://10.1.2.3/x",
         "", "http://10.1.2.3/x", 0},
        {"public to private", HUB, HUB "/a", "https://10.1.2.3/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"to a name of the cluster", HUB, HUB "/a", "https://kubernetes.default.svc/x", "", NULL,
         ERR_HOST_NOT_ALLOWED},
        {"to a name without a dot", HUB, HUB "/a", "https://minio:9000/x", "", NULL,
         ERR_HOST_NOT_ALLOWED},
        {"to private IPv6", HUB, HUB "/a", "https://[fd12::1]/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"from the public CDN of a private mirror", "https://10.0.0.5", "https://cdn.example/a",
         "https://10.0.0.6/x", "", NULL, ERR_HOST_NOT_ALLOWED},
        {"from there back to the mirror", "https://10.0.0.5", "https://cdn.example/a",
         "https://10.0.0.5/x", "", "https://10.0.0.5/x", 0},
        {"public to private, by name", HUB, HUB "/a", "https://10.1.2.3/x", "cdn.hf.co,10.1.2.3",
         "https://10.1.2.3/x", 0},
        {"public to private, below a suffix", HUB, HUB "/a", "https://minio.models.svc/x",
         "*.models.svc", "https://minio.models.svc/x", 0},

        {"on the list", HUB, HUB "/a", "https://CDN.hf.co/x", "cdn.hf.co", "https://CDN.hf.co/x",
         0},
        {"on the list with its port", HUB, HUB "/a", "https://cdn.hf.co:8443/x",
         "x.y,cdn.hf.co:8443", "https://cdn.hf.co:8443/x", 0},
        {"with the port that https has", HUB, HUB "/a", "https://us.cdn.hf.co/x", "*.hf.co:443",
         "https://us.cdn.hf.co/x", 0},
        {"without its port: any", HUB, HUB "/a", "https://cdn.hf.co:8443/x", "cdn.hf.co",
         "https://cdn.hf.co:8443/x", 0},
        {"another port than the list's", HUB, HUB "/a", "https://cdn.hf.co/x", "cdn.hf.co:8443",
         NULL, ERR_HOST_NOT_ALLOWED},
        {"an address as in a URL", HUB, HUB "/a", "https://[fd12::1]/x", "[fd12::1]",
         "https://[fd12::1]/x", 0},
        {"the same with its port", HUB, HUB "/a", "https://[fd12::1]:9/x", "[fd12::1]:9",
         "https://[fd12::1]:9/x", 0},
        {"the same alone", HUB, HUB "/a", "https://[fd12::1]:9/x", "fd12::1",
         "https://[fd12::1]:9/x", 0},
        {"below a suffix", HUB, HUB "/a", "https://us.aws.cdn.hf.co/x", "x.y,*.hf.co",
         "https://us.aws.cdn.hf.co/x", 0},
        {"the endpoint is always on it", HUB, "https://cdn.hf.co/a", HUB "/x", "cdn.hf.co",
         HUB "/x", 0},
        {"relative at the endpoint", HUB, HUB "/a", "/x", "cdn.hf.co", HUB "/x", 0},
        {"with a closing dot", HUB, HUB "/a", "https://cdn.hf.co./x", "cdn.hf.co",
         "https://cdn.hf.co./x", 0},
        {"off the list", HUB, HUB "/a", "https://evil.example/x?sig=secret", "cdn.hf.co", NULL,
         ERR_HOST_NOT_ALLOWED},
        {"the suffix itself", HUB, HUB "/a", "https://hf.co/x", "*.hf.co", NULL,
         ERR_HOST_NOT_ALLOWED},
        {"a suffix of nothing is not everything", HUB, HUB "/a", "https://evil.example/x", "*.",
         NULL, ERR_HOST_NOT_ALLOWED},
        {"half a label", HUB, HUB "/a", "https://evilhf.co/x", "*.hf.co", NULL,
         ERR_HOST_NOT_ALLOWED},
        {"more than the host", HUB, HUB "/a", "https://cdn.hf.co.evil.example/x", "cdn.hf.co", NULL,
         ERR_HOST_NOT_ALLOWED},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct http_header header = {STR("location"), str_from(rows[i].location)};
        struct http_reply  reply = {.status = 302, .header = &header, .header_count = 1};
        struct str         rest = str_from(rows[i].allowed), allowed[4];
        struct buf         next = {0};
        struct err         err = {0};
        size_t             count = 0;
        int                rc;

        while (rest.len && str_cut(&rest, ',', &allowed[count]))
            count++;
        rc = hub_read_redirect(&reply, str_from(rows[i].endpoint), str_from(rows[i].url), allowed,
                               count, &next, &err);
        check_row(rows[i].name);
        CHECK(rc == (rows[i].next ? 0 : -1));
        CHECK_STR(buf_cstr(&next), rows[i].next ? rows[i].next : "");
        CHECK_STR(err_reason(err.kind), err_reason(rows[i].kind));
        CHECK(rc == 0 || err.http_status == 302);
        CHECK(!strstr(err.text, "secret"));
        buf_release(&next);
    }
}

static void the_refused_host_is_named(void)
{
    struct answer a;
    struct buf    next = {0};
    struct err    err;
    struct str    allowed = STR("cdn.hf.co");

    check_row(__func__);
    hub_read_redirect(answer_of(&a, 302, "Location: https://new.cdn.example/x?Signature=s"),
                      STR(HUB), STR(HUB "/a?b"), &allowed, 1, &next, &err);
    CHECK_STR(err.text, "a redirect from huggingface.co leads to new.cdn.example, which is not in "
                        "allowedHosts");
    CHECK_STR(err.hint, "add new.cdn.example to allowedHosts if you trust it");
    CHECK_STR(err.url, HUB "/a");
    hub_read_redirect(answer_of(&a, 302, ""), STR(HUB), STR(HUB "/a"), NULL, 0, &next, &err);
    CHECK_STR(err.text, "huggingface.co answered 302 without a Location");
    CHECK_U64(next.len, 0);
    buf_release(&next);
}

static void the_next_url_may_replace_the_one_before(void)
{
    struct answer a;
    struct buf    url = {0};
    struct err    err;

    check_row(__func__);
    buf_add_str(&url, STR(HUB "/a/b?c"));
    CHECK(hub_read_redirect(answer_of(&a, 302, "Location: d?e=f"), STR(HUB), buf_view(&url), NULL,
                            0, &url, &err) == 0);
    CHECK_STR(buf_cstr(&url), HUB "/a/d?e=f");
    CHECK(hub_read_redirect(answer_of(&a, 302, "Location: ftp://x"), STR(HUB), buf_view(&url), NULL,
                            0, &url, &err) == -1);
    CHECK_STR(buf_cstr(&url), HUB "/a/d?e=f");
    CHECK_STR(err.url, HUB "/a/d");
    CHECK(hub_read_next_page(answer_of(&a, 200, "Link: <?p=2>; rel=next"), STR(HUB), buf_view(&url),
                             &url, &err) == 1);
    CHECK_STR(buf_cstr(&url), HUB "/a/d?p=2");
    buf_release(&url);
}

static void a_location_of_64_kib_is_refused(void)
{
    static char        text[65536] = "https://cdn.example/";
    struct http_header header = {STR("Location"), {text, sizeof(text)}};
    struct http_reply  reply = {.status = 307, .header = &header, .header_count = 1};
    struct buf         next = {0};
    struct err         err;

    check_row(__func__);
    memset(text + 20, 'a', sizeof(text) - 20);
    CHECK(hub_read_redirect(&reply, STR(HUB), STR(HUB "/a"), NULL, 0, &next, &err) == -1);
    CHECK_U64(err.kind, ERR_BAD_ANSWER);
    buf_release(&next);
}

int main(void)
{
    next_pages();
    redirects();
    the_refused_host_is_named();
    the_next_url_may_replace_the_one_before();
    a_location_of_64_kib_is_refused();
    return check_end("test_hub_link");
}
