/* hfinit_entries.c: settings of other systems, as flat lists of keys and values. What they mean is the
 * caller's business; here only their form counts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "hfinit_internal.h"
#include "json.h"
#include "spec_value.h"
#include "spec_yaml.h"

struct entries {
    hfinit_entry_fn *visit;
    void            *user;
    const char      *name;
};

/* C texts end at a NUL: "model_name\0x" must not pass for model_name. */
static char *copy_text(struct str s)
{
    char *text = mem_strndup(s.p, s.len);

    for (size_t i = 0; i < s.len; i++)
        if (text[i] == '\0')
            text[i] = '?';
    return text;
}

/* --- JSON --- */

/* The value as text in storage; NULL if it has none. */
static const char *json_text(const struct json *value, struct buf *storage)
{
    struct str text;
    uint64_t   number;
    bool       is_true;

    buf_clear(storage);
    if (json_str(value, &text))
        buf_add_str(storage, text);
    else if (json_u64(value, &number))
        buf_add_u64(storage, number);
    else if (json_bool(value, &is_true))
        buf_printf(storage, "%s", is_true ? "true" : "false");
    else
        return NULL;
    return buf_cstr(storage);
}

static void visit_json(const struct entries *e, const char *key, const struct json *value)
{
    struct buf storage = {0};

    if (json_is_array(value)) {
        for (value = json_first(value); value; value = json_next(value))
            e->visit(key, json_text(value, &storage), e->name, e->user);
    } else if (!json_is_null(value)) {
        e->visit(key, json_text(value, &storage), e->name, e->user);
    }
    if (storage.p)
        explicit_bzero(storage.p, storage.capacity); /* it may have been a token */
    buf_release(&storage);
}

int hfinit_read_json(hfinit *h, const char *text, const char *name, hfinit_entry_fn *visit,
                     void *user, hfinit_error *error)
{
    const struct entries e = {visit, user, name};
    struct json         *root;
    struct err           err;

    if (json_parse(str_from(text), &root, &err)) {
        err_set(&err, ERR_SPEC, "%s: is not JSON", name); /* its own words quote what is near */
        return hfinit_give_error(h, &err, error);
    }
    if (!json_is_object(root))
        visit_json(&e, "", root);
    for (const struct json *v = json_is_object(root) ? json_first(root) : NULL; v;
         v = json_next(v)) {
        char *key = copy_text(json_key(v));

        visit_json(&e, key, v);
        free(key);
    }
    json_free(root);
    return 0;
}

/* --- YAML --- */

static bool is_null(const struct spec_node *node)
{
    const char *type =
        node->kind == SPEC_NODE_SCALAR && node->is_plain ? spec_yaml_type(node->text) : NULL;

    return type && strcmp(type, "nothing") == 0;
}

static void visit_node(const struct entries *e, const char *key, const struct spec_node *node)
{
    struct buf where = {0};
    char      *text = node->kind == SPEC_NODE_SCALAR ? copy_text(node->text) : NULL;

    buf_printf(&where, "%s:%" PRIu32 ":%" PRIu32, e->name, node->line, node->column);
    if (!is_null(node))
        e->visit(key, text, buf_cstr(&where), e->user);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    buf_release(&where);
}

static void visit_value(const struct entries *e, const char *key, const struct spec_node *node)
{
    if (node->kind != SPEC_NODE_LIST) {
        visit_node(e, key, node);
        return;
    }
    for (const struct spec_node *item = node->first; item; item = item->next)
        visit_node(e, key, spec_node_item(item));
}

static void visit_root(const struct entries *e, const struct spec_node *root)
{
    if (root->kind != SPEC_NODE_MAP) {
        visit_value(e, "", root);
        return;
    }
    for (const struct spec_node *k = root->first; k; k = k->next) {
        char *key = copy_text(k->text);

        visit_value(e, key, k->value);
        free(key);
    }
}

int hfinit_read_yaml(hfinit *h, const char *file, hfinit_entry_fn *visit, void *user,
                     hfinit_error *error)
{
    const struct entries e = {visit, user, strcmp(file, "-") == 0 ? "stdin" : file};
    struct arena         arena = {0};
    struct spec_node    *root;
    struct buf           text = {0};
    struct err           err;
    int                  rc = fs_read_file(file, SPEC_BYTES_MAX, &text, &err);

    if (rc == 0)
        rc = err_set(&err, ERR_SPEC, "%s: there is no such file", file);
    else if (rc < 0)
        err.kind = ERR_SPEC; /* as for a spec: no retry makes it readable */
    else
        rc = spec_yaml_parse(buf_view(&text), e.name, &arena, &root, &err);
    if (rc == 0)
        visit_root(&e, root);
    else
        hfinit_give_error(h, &err, error);
    arena_release(&arena);
    buf_release(&text);
    return rc ? -1 : 0;
}
