/* spec_file.c: walks the tree of a spec file and hands every value to its row of the table. */
#include "spec_file.h"

#include <stdio.h>
#include <string.h>

#include "fs.h"
#include "spec_yaml.h"

enum { PATH_TEXT = 160, KEY_BYTES_MAX = 64 };

static struct spec_place place_of_node(const struct spec_draft *d, const struct spec_node *node)
{
    return (struct spec_place){.layer = SPEC_FROM_FILE,
                               .source = d->spec->file,
                               .line = node->line,
                               .column = node->column};
}

static int fail_node(struct spec_draft *d, const struct spec_node *node, const char *path,
                     const char *what)
{
    struct spec_place place = place_of_node(d, node);

    return spec_fail(d, &place, "%s: %s", path, what);
}

static bool is_null(const struct spec_node *node)
{
    const char *type =
        node->kind == SPEC_NODE_SCALAR && node->is_plain ? spec_yaml_type(node->text) : NULL;

    return type && strcmp(type, "nothing") == 0;
}

/* The value of a setting that takes one; says what is there instead. */
static int want_scalar(struct spec_draft *d, const struct spec_setting *setting, const char *path,
                       const struct spec_node *node, struct spec_scalar *out)
{
    struct spec_place place = place_of_node(d, node);

    if (node->kind == SPEC_NODE_LIST)
        return spec_fail(d, &place, "%s: a list, but one value is needed, such as %s", path,
                         setting->example);
    if (node->kind == SPEC_NODE_MAP)
        return spec_fail(d, &place, "%s: a mapping, but one value is needed, such as %s", path,
                         setting->example);
    if (is_null(node))
        return spec_fail(d, &place, "%s: has no value; leave the key out for the default%s%s%s",
                         path, setting->fallback ? " (" : "",
                         setting->fallback ? setting->fallback : "", setting->fallback ? ")" : "");
    *out = (struct spec_scalar){.text = node->text, .is_yaml = true, .is_plain = node->is_plain};
    return 0;
}

static int take_list_item(struct spec_draft *d, const struct spec_setting *setting,
                          const char *path, const struct spec_node *node, void *base)
{
    struct spec_place  place = place_of_node(d, node);
    struct spec_scalar value;
    char               where[SPEC_PLACE_TEXT];

    if (spec_count_item(d, &place) || want_scalar(d, setting, path, node, &value))
        return -1;
    if (spec_list_add(d->arena, setting, &value, base, d->err))
        return err_wrap(d->err, "%s: %s", spec_place_text(&place, where), path);
    return 0;
}

/* A list, or one text that stands for a list of one. */
static int take_list(struct spec_draft *d, const struct spec_setting *setting, const char *path,
                     const struct spec_node *node, void *base)
{
    spec_list_clear(setting, base);
    if (node->kind != SPEC_NODE_LIST)
        return take_list_item(d, setting, path, node, base);
    if (node->count == 0 && !(setting->traits & SPEC_MAY_BE_EMPTY))
        return fail_node(d, node, path,
                         setting->type == SPEC_PATTERNS
                             ? "an empty list selects nothing; leave the key out to fetch all files"
                             : "an empty list; leave the key out for the default");
    for (const struct spec_node *item = node->first; item; item = item->next)
        if (take_list_item(d, setting, path, spec_node_item(item), base))
            return -1;
    return 0;
}

/* Into the struct at base; the caller notes the place. */
static int take_value(struct spec_draft *d, const struct spec_setting *setting, const char *path,
                      const struct spec_node *node, void *base)
{
    struct spec_scalar value;
    struct spec_place  place = place_of_node(d, node);
    char               where[SPEC_PLACE_TEXT];

    if (setting->type == SPEC_LIST || setting->type == SPEC_PATTERNS)
        return take_list(d, setting, path, node, base);
    if (want_scalar(d, setting, path, node, &value))
        return -1;
    if (spec_value_set(d->arena, setting, &value, base, d->err))
        return err_wrap(d->err, "%s: %s", spec_place_text(&place, where), path);
    return 0;
}

/* The first key of a row's path below `prefix`; empty if the row lies elsewhere. */
static struct str key_below(const struct spec_setting *setting, struct str prefix)
{
    struct str known = str_from(setting->path);
    ptrdiff_t  dot;

    if (!str_has_prefix(known, prefix))
        return STR("");
    known = str_sub(known, prefix.len, known.len);
    dot = str_find_char(known, '.', 0);
    return dot < 0 ? known : str_sub(known, 0, (size_t)dot);
}

/* Names the nearest key, or all of them if none is near. */
static int fail_unknown(struct spec_draft *d, enum spec_scope scope, struct str prefix,
                        const char *path, const struct spec_node *key)
{
    bool                       is_top = scope == SPEC_OF_RUN && prefix.len == 0;
    struct spec_nearest        nearest = {0};
    size_t                     count;
    const struct spec_setting *table = spec_table(scope, &count);
    struct spec_place          place = place_of_node(d, key);
    char                       shown[SPEC_QUOTE_TEXT];
    struct str                 last = STR("");
    struct buf                 all = {0};

    spec_quote(key->text, shown);
    if (is_top && spec_is_reserved(key->text))
        return spec_fail(d, &place, "unknown key %s: reserved for a later version", shown);
    for (size_t i = 0; i < count; i++) {
        struct str known = key_below(&table[i], prefix);

        if (known.len == 0 || str_eq(known, last))
            continue;
        spec_nearest_consider(&nearest, key->text, known);
        buf_printf(&all, "%.*s, ", STR_ARG(known));
        last = known;
    }
    if (is_top)
        spec_nearest_consider(&nearest, key->text, STR("repos"));
    if (spec_nearest_found(&nearest, key->text))
        spec_fail(d, &place, "unknown key %s%s%s; did you mean %s?", shown, path[0] ? " in " : "",
                  path, nearest.best);
    else
        spec_fail(d, &place, "unknown key %s%s%s; allowed: %s%.*s", shown, path[0] ? " in " : "",
                  path, is_top ? "repos, " : "", (int)(all.len - 2), buf_cstr(&all));
    buf_release(&all);
    return -1;
}

static int take_repo(struct spec_draft *d, size_t index, const struct spec_node *node)
{
    struct spec_place          place = place_of_node(d, node), *places;
    size_t                     row, count;
    const struct spec_setting *table = spec_table(SPEC_OF_REPO, &count);
    struct spec_repo          *repo;
    char                       path[PATH_TEXT];

    snprintf(path, sizeof(path), "repos[%zu]", index);
    if (node->kind != SPEC_NODE_MAP)
        return fail_node(d, node, path, "a repo is a mapping: - id: ORG/NAME");
    if (spec_add_repo(d, &place, &repo, &places))
        return -1;
    for (const struct spec_node *key = node->first; key; key = key->next) {
        if (!spec_find_row(SPEC_OF_REPO, key->text, &row))
            return fail_unknown(d, SPEC_OF_REPO, STR(""), path, key);
        snprintf(path, sizeof(path), "repos[%zu].%s", index, table[row].path);
        if (take_value(d, &table[row], path, key->value, repo))
            return -1;
        places[row] = place_of_node(d, key->value);
        snprintf(path, sizeof(path), "repos[%zu]", index);
    }
    if (repo->id.len == 0)
        return fail_node(d, node, path, "has no id; write - id: ORG/NAME");
    return 0;
}

static int take_repos(struct spec_draft *d, const struct spec_node *node)
{
    struct spec_place place = place_of_node(d, node);
    size_t            index = 0;

    if (node->kind != SPEC_NODE_LIST || node->count == 0)
        return fail_node(d, node, "repos", "a list of at least one repo is needed: - id: ORG/NAME");
    spec_drop_repos(d, &place);
    for (const struct spec_node *item = node->first; item; item = item->next)
        if (take_repo(d, index++, spec_node_item(item)))
            return -1;
    return 0;
}

/* A value where a group of settings belongs. A token is never repeated. */
static int fail_group(struct spec_draft *d, const struct spec_node *node, const char *path)
{
    struct spec_place          place = place_of_node(d, node);
    size_t                     count;
    const struct spec_setting *first = spec_table(SPEC_OF_RUN, &count);

    while (!str_has_prefix(str_from(first->path), str_from(path)) ||
           first->path[strlen(path)] != '.')
        first++; /* the caller found one */
    if (strcmp(path, "token") == 0 && node->kind == SPEC_NODE_SCALAR && !is_null(node)) {
        fail_node(d, node, path,
                  "a token does not belong into a spec: whoever may read the ConfigMap, the chart "
                  "or the repository could use it");
        return err_hint(d->err,
                        "put it into a Secret and write token: {file: PATH} or token: {env: NAME}");
    }
    spec_fail(d, &place, "%s: a mapping is needed, such as {%s: %s}", path,
              first->path + strlen(path) + 1, first->example);
    return -1;
}

/* All keys below `prefix` ("" or "disk."). */
static int take_map(struct spec_draft *d, struct str prefix, const struct spec_node *node)
{
    size_t                     row, count;
    const struct spec_setting *table = spec_table(SPEC_OF_RUN, &count);
    char                       path[PATH_TEXT];
    struct str                 group = str_sub(prefix, 0, prefix.len ? prefix.len - 1 : 0);

    for (const struct spec_node *key = node->first; key; key = key->next) {
        struct str full;
        int        len = 0;

        snprintf(path, sizeof(path), "%.*s", STR_ARG(group));
        if (key->text.len > KEY_BYTES_MAX || str_find_char(key->text, '.', 0) >= 0 ||
            str_find_char(key->text, '\0', 0) >= 0) /* "target\0x" would end at the NUL */
            return fail_unknown(d, SPEC_OF_RUN, prefix, path, key);
        len = snprintf(path, sizeof(path), "%.*s%.*s", STR_ARG(prefix), STR_ARG(key->text));
        full = (struct str){path, (size_t)len};
        if (prefix.len == 0 && str_eq(full, STR("repos"))) {
            if (take_repos(d, key->value))
                return -1;
        } else if (spec_find_row(SPEC_OF_RUN, full, &row)) {
            if (take_value(d, &table[row], path, key->value, d->spec))
                return -1;
            d->place[row] = place_of_node(d, key->value);
        } else if (prefix.len == 0 && spec_is_group(SPEC_OF_RUN, full)) {
            char below[PATH_TEXT];

            if (key->value->kind != SPEC_NODE_MAP)
                return fail_group(d, key->value, path);
            len = snprintf(below, sizeof(below), "%.80s.", path);
            if (take_map(d, (struct str){below, (size_t)len}, key->value))
                return -1;
        } else {
            snprintf(path, sizeof(path), "%.*s", STR_ARG(group));
            return fail_unknown(d, SPEC_OF_RUN, prefix, path, key);
        }
    }
    return 0;
}

static int take_text(struct spec_draft *d, struct str text, const char *name)
{
    struct spec_node *root;

    d->spec->file = arena_strdup(d->arena, str_from(name));
    if (spec_yaml_parse(text, d->spec->file, d->arena, &root, d->err))
        return -1;
    if (is_null(root))
        return err_set(d->err, ERR_SPEC, "%s: is empty; a spec needs at least target and repos",
                       name);
    if (root->kind != SPEC_NODE_MAP)
        return fail_node(d, root, "spec",
                         "a mapping is needed, with keys such as target and repos");
    return take_map(d, STR(""), root);
}

/* `may_lack`: a missing file is fine. */
static int take_path(struct spec_draft *d, struct str file, bool may_lack)
{
    struct buf  text = {0};
    const char *path = arena_strdup(d->arena, file);
    int         rc;

    rc = fs_read_file(path, SPEC_BYTES_MAX, &text, d->err);
    if (rc == 0 && may_lack)
        return 0;
    if (rc == 0) {
        err_set(d->err, ERR_SPEC, "spec: %s: there is no such file", path);
        return err_hint(d->err, "check --spec, HF_INIT_SPEC and the mount of the ConfigMap");
    }
    if (rc < 0) {
        buf_release(&text);
        d->err->kind = ERR_SPEC; /* no retry makes it readable: exit 2, not "input/output error" */
        return err_wrap(d->err, "spec");
    }
    rc = take_text(d, buf_view(&text), strcmp(path, "-") == 0 ? "stdin" : path);
    buf_release(&text);
    return rc;
}

int spec_take_file(struct spec_draft *d)
{
    const struct spec_source *source = d->source;
    struct str                file = spec_env(d, "HF_INIT_SPEC");
    struct str                yaml = spec_env(d, "HF_INIT_SPEC_YAML");

    d->spec->file = "";
    if (source->file_text.p)
        return take_text(d, source->file_text,
                         source->file.len ? arena_strdup(d->arena, source->file) : "spec");
    if (source->file.len)
        return take_path(d, source->file, false);
    if (source->without_file)
        return 0;
    if (file.p && yaml.p)
        return err_set(d->err, ERR_SPEC,
                       "HF_INIT_SPEC and HF_INIT_SPEC_YAML are both set; only one can be the spec");
    if (file.p)
        return take_path(d, file, false);
    if (yaml.p)
        return take_text(d, yaml, "HF_INIT_SPEC_YAML");
    return take_path(d, STR(SPEC_DEFAULT_FILE), true);
}
