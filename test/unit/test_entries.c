/* Promises of hfinit_read_json and hfinit_read_yaml: other systems' settings as keys and values. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "hfinit.h"

struct heard {
    char text[1024];
};

static void hear(const char *key, const char *value, const char *origin, void *user)
{
    struct heard *h = user;
    size_t        at = strlen(h->text);

    snprintf(h->text + at, sizeof(h->text) - at, "%s%s=%s", at ? "|" : "", key,
             value ? value : "(none)");
    CHECK(origin && origin[0]);
}

static const struct {
    const char *name, *json, *want; /* want NULL: no JSON */
} rows[] = {
    {"a mapping", "{\"a\": \"x\", \"b\": 7, \"c\": true}", "a=x|b=7|c=true"},
    {"a list in it, item by item", "{\"a\": [\"x\", \"y\"], \"b\": []}", "a=x|a=y"},
    {"what is no text has none", "{\"a\": {\"b\": 1}, \"c\": 1.5, \"d\": [[1]]}",
     "a=(none)|c=(none)|d=(none)"},
    {"null is not there", "{\"a\": null, \"b\": \"\"}", "b="},
    {"a list", "[\"*.json\", \"a, b\", 7]", "=*.json|=a, b|=7"},
    {"a text", "\"*.json\"", "=*.json"},
    {"nothing", "{}", ""},
    {"a pattern that looks like a list", "[ab]*.json", NULL},
    {"cut off", "{\"hf_token\": \"hf_secret", NULL},
    {"empty", "", NULL},
};

static void test_json(hfinit *h)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct heard heard = {""};
        hfinit_error error = {0};
        int          rc = hfinit_read_json(h, rows[i].json, "CONFIG", hear, &heard, &error);

        check_row(rows[i].name);
        CHECK((rc == 0) == (rows[i].want != NULL));
        CHECK_STR(heard.text, rows[i].want ? rows[i].want : "");
        if (rc == 0)
            continue;
        CHECK_U64((uint64_t)error.exit_code, 2);
        CHECK_STR(error.message, "CONFIG: is not JSON"); /* and not a word of what it is */
    }
    check_row(NULL);
}

static int read_yaml(hfinit *h, const char *text, struct heard *heard, hfinit_error *error)
{
    char path[] = "/tmp/test_entries.XXXXXX";
    int  fd = mkstemp(path), rc;

    if (!CHECK(fd >= 0) || !CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text)))
        return -2;
    close(fd);
    rc = hfinit_read_yaml(h, path, hear, heard, error);
    unlink(path);
    return rc;
}

static void test_yaml(hfinit *h)
{
    static const struct {
        const char *name, *yaml, *want;
    } yaml[] = {
        {"a mapping", "a: x\nb: &anchor '7'\nc: ~\nd:\ne: *anchor\n", "a=x|b=7|e=7"},
        {"a list in it, a mapping in it", "a: [x, y]\nb: {c: 1}\n", "a=x|a=y|b=(none)"},
        {"a list", "- x\n- y\n", "=x|=y"},
        {"JSON is YAML", "{\"a\": \"x\"}", "a=x"},
        {"no key ends early", "\"a\\0b\": \"c\\0d\"\n", "a?b=c?d"},
    };
    struct heard heard = {""};
    hfinit_error error = {0};

    for (size_t i = 0; i < sizeof(yaml) / sizeof(yaml[0]); i++) {
        heard.text[0] = '\0';
        check_row(yaml[i].name);
        CHECK(read_yaml(h, yaml[i].yaml, &heard, &error) == 0);
        CHECK_STR(heard.text, yaml[i].want);
    }
    check_row("faults have a place");
    CHECK(read_yaml(h, "a: x\na: y\n", &heard, &error) == -1);
    CHECK(error.exit_code == 2 && strstr(error.message, ":2:1: "));
    CHECK(read_yaml(h, "", &heard, &error) == -1);
    CHECK(error.exit_code == 2 && strstr(error.message, "empty"));
    CHECK(hfinit_read_yaml(h, "/nonexistent/ome.yaml", hear, &heard, &error) == -1);
    CHECK(error.exit_code == 2 && strstr(error.message, "/nonexistent/ome.yaml: there is no such"));
    check_row(NULL);
}

int main(void)
{
    hfinit *h = hfinit_new();

    test_json(h);
    test_yaml(h);
    hfinit_free(h);
    return check_end("test_entries");
}
