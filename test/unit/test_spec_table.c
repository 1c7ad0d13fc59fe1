/* test_spec_table.c: every row of the table of settings is in manifests/spec.schema.json with the
 * same words, and the schema has nothing more. */
#include <stdlib.h>

#include "check.h"
#include "fs.h"
#include "json.h"
#include "spec.h"

#define SCHEMA "manifests/spec.schema.json"

static size_t count_children(const struct json *object)
{
    size_t count = 0;

    for (const struct json *at = json_first(object); at; at = json_next(at))
        count++;
    return count;
}

/* Settings below an object of the schema: groups count their members, repos not at all. */
static size_t count_settings(const struct json *properties)
{
    size_t count = 0;

    for (const struct json *at = json_first(properties); at; at = json_next(at)) {
        if (str_eq(json_key(at), STR("repos")))
            continue;
        count += json_get(at, "properties") ? count_children(json_get(at, "properties")) : 1;
    }
    return count;
}

struct look {
    const struct json *root;
    size_t             rows;
};

/* "disk.reserve", "repos[].revision" */
static const struct json *find(const struct json *root, const char *path)
{
    struct str         rest = str_from(path), key;
    const struct json *at = root;

    if (str_has_prefix(rest, STR("repos[]."))) {
        rest = str_sub(rest, 8, rest.len);
        at = json_get(json_get(root, "$defs"), "repo");
    }
    while (str_cut(&rest, '.', &key)) {
        char *name = mem_strndup(key.p, key.len);

        at = json_get(json_get(at, "properties"), name);
        free(name);
    }
    return at;
}

static void look_at(const struct spec_setting_info *info, void *user)
{
    struct look       *look = user;
    const struct json *schema = find(look->root, info->path);
    struct str         text = STR("");
    struct buf         words = {0};

    look->rows++;
    check_row(info->path);
    if (!CHECK(schema != NULL))
        return;
    CHECK(json_str(json_get(schema, "description"), &text));
    CHECK(str_eq(text, str_from(info->help)));
    CHECK(info->example[0] != '\0');
    for (const struct json *at = json_first(json_get(schema, "enum")); at; at = json_next(at)) {
        CHECK(json_str(at, &text));
        buf_printf(&words, "%s%.*s", words.len ? ", " : "", STR_ARG(text));
    }
    CHECK_STR(buf_cstr(&words), info->words);
    if (json_str(json_get(schema, "default"), &text))
        CHECK(str_eq(text, str_from(info->fallback)));
    else
        CHECK((json_get(schema, "default") != NULL) == (info->fallback[0] != '\0'));
    buf_release(&words);
}

static void check_variables(const struct spec_setting_info *info, void *user)
{
    (void)user;
    if (strcmp(info->path, "concurrency.partSize") == 0)
        CHECK_STR(info->variable, "HF_INIT_CONCURRENCY_PART_SIZE");
    if (strcmp(info->path, "repos[].maxBytes") == 0)
        CHECK_STR(info->variable, "HF_INIT_MAX_BYTES");
    if (strcmp(info->path, "repos[].id") == 0)
        CHECK_STR(info->variable, "");
}

int main(void)
{
    struct buf         text = {0};
    struct err         err = {0};
    struct json       *root = NULL;
    struct look        look = {0};
    const struct json *repo;

    if (!CHECK(fs_read_file(SCHEMA, 1 << 20, &text, &err) == 1) ||
        !CHECK(json_parse(buf_view(&text), &root, &err) == 0)) {
        printf("%s (started at the top of the repository?)\n", err.text);
        return check_end("test_spec_table");
    }
    look.root = root;
    spec_each_setting(look_at, &look);
    check_row(NULL);
    repo = json_get(json_get(root, "$defs"), "repo");
    CHECK_U64(look.rows, count_settings(json_get(root, "properties")) +
                             count_children(json_get(repo, "properties")));
    spec_each_setting(check_variables, NULL);
    json_free(root);
    buf_release(&text);
    return check_end("test_spec_table");
}
