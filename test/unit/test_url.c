/* URLs: taken apart strictly, resolved like a browser, encoded like the Hub's own clients. */
#include "check.h"
#include "url.h"

static void parts_of_a_url(void)
{
    static const struct {
        const char *text, *scheme, *userinfo, *host;
        uint64_t    port;
        const char *path, *query;
    } rows[] = {
        {"https://huggingface.co", "https", "", "huggingface.co", 443, "", ""},
        {"http://hub", "http", "", "hub", 80, "", ""},
        {"HTTPS://Hub.Example:8443/a/b?x=1&y=2", "HTTPS", "", "Hub.Example", 8443, "/a/b",
         "x=1&y=2"},
        {"http://hub:/x", "http", "", "hub", 80, "/x", ""},
        {"http://[::1]:9/x", "http", "", "::1", 9, "/x", ""},
        {"http://[2001:db8::7]", "http", "", "2001:db8::7", 80, "", ""},
        {"http://u:p@h/x", "http", "u:p", "h", 80, "/x", ""},
        {"http://h?q", "http", "", "h", 80, "", "q"},
        {"http://h#f", "http", "", "h", 80, "", ""},
        {"http://h/a#f?q", "http", "", "h", 80, "/a", ""},
        {"http://h/a?q#f", "http", "", "h", 80, "/a", "q"},
        {"http://h/a@b:c", "http", "", "h", 80, "/a@b:c", ""},
        {"http://h:65535/", "http", "", "h", 65535, "/", ""},
        {"http://my_host.svc/", "http", "", "my_host.svc", 80, "/", ""},
        {"http://h/\xC3\xA9", "http", "", "h", 80, "/\xC3\xA9", ""},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct url u;
        check_row(rows[i].text);
        if (!CHECK(url_parse(str_from(rows[i].text), &u)))
            continue;
        CHECK(str_eq(u.scheme, str_from(rows[i].scheme)));
        CHECK(str_eq(u.userinfo, str_from(rows[i].userinfo)));
        CHECK(str_eq(u.host, str_from(rows[i].host)));
        CHECK_U64(u.port, rows[i].port);
        CHECK(str_eq(u.path, str_from(rows[i].path)));
        CHECK(str_eq(u.query, str_from(rows[i].query)));
    }
}

static void no_url(void)
{
    static const char *const rows[] = {
        "",
        "huggingface.co",
        "//h/x",
        "/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "data:,x",
        "javascript:x",
        "https:",
        "https:/h",
        "http://",
        "http:///x",
        "http://?q",
        "http://:80/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:99999999999999999999/",
        "http://h:+80/",
        "http://h:8a/",
        "http://h h/",
        "http://h/a b",
        " http://h/",
        "http://h/\t",
        "http://h/\n",
        "http://h/\x7F",
        "http://h\r\nX: y/",
        "http://a@b@c/",
        "http://@h/",
        "http://h\\@evil/",
        "http://h\\x",
        "http://%31%32%37.0.0.1/",
        "http://h%00.evil/",
        "http://[::1",
        "http://[::1]x/",
        "http://[::1%25eth0]/",
        "http://[1.2.3.4]/",
        "http://[]/",
        "http://::1/",
        "http://.h/",
        "http://b\xC3\xBC"
        "cher.example/",
        "http://h;x/",
        "http://h,i/",
    };
    struct url u;

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i]);
        CHECK(!url_parse(str_from(rows[i]), &u));
    }
    check_row("a NUL");
    CHECK(!url_parse((struct str){"http://h/\0x", 11}, &u));
}

static void a_url_over_16_kib_is_refused(void)
{
    static char text[16 * 1024 + 2];
    struct url  u;

    check_row(__func__);
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "http://h/", 9);
    CHECK(!url_parse((struct str){text, 16 * 1024 + 1}, &u));
    CHECK(url_parse((struct str){text, 16 * 1024}, &u));
}

static void a_credential_may_go_only_to_its_origin(void)
{
    static const struct {
        const char *a, *b;
        bool        same;
    } rows[] = {
        {"https://h/x", "https://h/y?z", true},
        {"https://H/", "https://h:443/", true},
        {"HTTPS://h/", "https://h/", true},
        {"https://h/", "http://h/", false},
        {"https://h/", "https://h:444/", false},
        {"https://h/", "https://h.evil/", false},
        {"https://h/", "https://x.h/", false},
        {"http://[::1]/", "http://[::1]:80/", true},
        {"http://a.example/", "http://a.example./", false},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct url a, b;
        check_row(rows[i].b);
        if (CHECK(url_parse(str_from(rows[i].a), &a) && url_parse(str_from(rows[i].b), &b)))
            CHECK(url_same_origin(&a, &b) == rows[i].same);
    }
}

static void locations_resolve_against_where_they_came_from(void)
{
    static const struct {
        const char *base, *location, *want; /* NULL: refused */
    } rows[] = {
        {"https://h/a/b", "https://cdn/x?S=1&T=%2F", "https://cdn/x?S=1&T=%2F"},
        {"https://h/a/b", "//cdn:8/x", "https://cdn:8/x"},
        {"https://h:8/a/b", "/c?x=%2Fy=&etag=%22e%22", "https://h:8/c?x=%2Fy=&etag=%22e%22"},
        {"https://h/a/b?q=1", "c", "https://h/a/c"},
        {"https://h/a/b?q=/1/2", "c", "https://h/a/c"},
        {"https://h", "c", "https://h/c"},
        {"https://h?q", "/c", "https://h/c"},
        {"https://h/a/b?q", "?r", "https://h/a/b?r"},
        {"https://h/a/b", "c#frag", "https://h/a/c"},
        {"https://h/a/b", "../c", "https://h/c"},
        {"https://h/a/b", "../../../c", "https://h/c"},
        {"https://h/a/b/", "./c/.", "https://h/a/b/c/"},
        {"https://h/a/b/", "..", "https://h/a/"},
        {"https://h/a/b", "/x/../y/%2e%2e/z", "https://h/y/%2e%2e/z"},
        {"https://h/a", "https://cdn/x/../y", "https://cdn/x/../y"},
        {"https://h/a", "/x?u=http://y/../z", "https://h/x?u=http://y/../z"},
        {"https://h/a", "x/y:z", "https://h/x/y:z"},
        {"http://u:p@h/a", "/b", "http://u:p@h/b"},
        {"http://[::1]:80/a", "/b", "http://[::1]:80/b"},
        {"https://h/a", "/a//b", "https://h/a//b"},
        {"https://h/a", "", NULL},
        {"https://h/a", "#x", NULL},
        {"https://h/a", "ftp://h/x", NULL},
        {"https://h/a", "file:///etc/passwd", NULL},
        {"https://h/a", "data:text/plain,x", NULL},
        {"https://h/a", "http:/x", NULL},
        {"https://h/a", "https:x", NULL},
        {"https://h/a", "///x", NULL},
        {"https://h/a", "/a b", NULL},
        {"https://h/a", "/a\r\nX: y", NULL},
        {"no url", "/x", NULL},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct buf out = {0};
        bool       ok = url_resolve(str_from(rows[i].base), str_from(rows[i].location), &out);
        check_row(rows[i].location);
        if (CHECK(ok == (rows[i].want != NULL)))
            CHECK_STR(buf_cstr(&out), rows[i].want ? rows[i].want : "");
        buf_release(&out);
    }
}

static void the_result_may_replace_its_own_base(void)
{
    struct buf url = {0};

    check_row(__func__);
    buf_add_str(&url, STR("https://h/a/b"));
    CHECK(url_resolve(buf_view(&url), STR("c"), &url));
    CHECK_STR(buf_cstr(&url), "https://h/a/c");
    CHECK(!url_resolve(buf_view(&url), STR("ftp://x"), &url));
    CHECK_STR(buf_cstr(&url), "https://h/a/c");
    buf_release(&url);
}

static void query_parameters(void)
{
    struct url u;
    struct str v;

    check_row(__func__);
    CHECK(url_parse(STR("https://h/p?a=1&Expires=17%31&b&c=&a=2&d=x=y"), &u));
    CHECK(url_query_param(&u, STR("a"), &v) && str_eq(v, STR("1")));
    CHECK(url_query_param(&u, STR("Expires"), &v) && str_eq(v, STR("17%31")));
    CHECK(url_query_param(&u, STR("b"), &v) && v.len == 0);
    CHECK(url_query_param(&u, STR("c"), &v) && v.len == 0);
    CHECK(url_query_param(&u, STR("d"), &v) && str_eq(v, STR("x=y")));
    CHECK(!url_query_param(&u, STR("expires"), &v));
    CHECK(!url_query_param(&u, STR("Exp"), &v));
    CHECK(url_parse(STR("https://h/p"), &u) && !url_query_param(&u, STR("a"), &v));
}

static void encoding_matches_the_official_client(void)
{
    static const struct {
        const char *plain;
        bool        keep_slash;
        const char *want;
    } rows[] = {
        {"AZaz09_.-~/", true, "AZaz09_.-~/"},
        {"refs/pr/7", false, "refs%2Fpr%2F7"},
        {"feat/x y#1", false, "feat%2Fx%20y%231"},
        {"dir with space/a+b&c=d~x!$'()*;@:[]\xC3\xA9%.bin", true,
         "dir%20with%20space/a%2Bb%26c%3Dd~x%21%24%27%28%29%2A%3B%40%3A%5B%5D%C3%A9%25.bin"},
        {"a?b\xFF", true, "a%3Fb%FF"},
        {"", true, ""},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct buf out = {0}, back = {0};
        check_row(rows[i].plain);
        url_encode(&out, str_from(rows[i].plain), rows[i].keep_slash);
        CHECK_STR(buf_cstr(&out), rows[i].want);
        CHECK(url_decode(&back, buf_view(&out)));
        CHECK_STR(buf_cstr(&back), rows[i].plain);
        buf_release(&out);
        buf_release(&back);
    }
}

static void a_broken_escape_adds_nothing(void)
{
    static const char *const rows[] = {"a%", "a%4", "%zz", "%4g", "ab%%41"};

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct buf out = {0};
        check_row(rows[i]);
        CHECK(!url_decode(&out, str_from(rows[i])));
        CHECK_U64(out.len, 0);
        buf_release(&out);
    }
}

static void kinds_of_hosts(void)
{
    static const struct {
        const char *url, *kind;
    } rows[] = {
        {"http://127.0.0.1/", "local"},
        {"http://127.9.9.9/", "local"},
        {"http://127.1/", "local"},
        {"http://0x7f000001/", "local"},
        {"http://2130706433/", "local"},
        {"http://0177.0.0.1/", "local"},
        {"http://127.0.0.1./", "local"},
        {"http://0.0.0.0/", "local"},
        {"http://0/", "local"},
        {"http://169.254.169.254/latest", "local"},
        {"http://224.0.0.1/", "local"},
        {"http://255.255.255.255/", "local"},
        {"http://100.100.100.200/", "local"},
        {"http://localhost/", "local"},
        {"http://LOCALHOST./", "local"},
        {"http://a.localhost/", "local"},
        {"http://metadata.google.internal/", "local"},
        {"http://[::1]/", "local"},
        {"http://[::]/", "local"},
        {"http://[fe80::1]/", "local"},
        {"http://[ff02::1]/", "local"},
        {"http://[::ffff:127.0.0.1]/", "local"},
        {"http://[::ffff:a9fe:a9fe]/", "local"},
        {"http://[::127.0.0.1]/", "local"},
        {"http://[64:ff9b::7f00:1]/", "local"},
        {"http://[fd00:ec2::254]/", "local"},
        {"http://10.0.0.1/", "private"},
        {"http://172.16.0.1/", "private"},
        {"http://172.31.255.1/", "private"},
        {"http://192.168.1.1/", "private"},
        {"http://100.64.0.1/", "private"},
        {"http://[fd12::1]/", "private"},
        {"http://[::ffff:10.0.0.1]/", "private"},
        {"http://hub/", "private"},
        {"http://hub.ns.svc/", "private"},
        {"http://hub.ns.svc.cluster.local./", "private"},
        {"http://HUB.NS.SVC/", "private"},
        {"http://hub.ns.svc.CLUSTER.Local./", "private"},
        {"http://172.32.0.1/", "public"},
        {"http://8.8.8.8/", "public"},
        {"http://100.128.0.1/", "public"},
        {"http://[2001:db8::1]/", "public"},
        {"https://huggingface.co/", "public"},
        {"https://127.0.0.1.example.com/", "public"},
        {"https://notlocalhost.example/", "public"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct url u;
        check_row(rows[i].url);
        if (!CHECK(url_parse(str_from(rows[i].url), &u)))
            continue;
        CHECK_STR(url_host_is_local(&u)     ? "local"
                  : url_host_is_private(&u) ? "private"
                                            : "public",
                  rows[i].kind);
    }
}

int main(void)
{
    parts_of_a_url();
    no_url();
    a_url_over_16_kib_is_refused();
    a_credential_may_go_only_to_its_origin();
    locations_resolve_against_where_they_came_from();
    the_result_may_replace_its_own_base();
    query_parameters();
    encoding_matches_the_official_client();
    a_broken_escape_adds_nothing();
    kinds_of_hosts();
    return check_end("test_url");
}
