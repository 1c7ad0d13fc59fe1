/* spec_yaml.c: libyaml's events into a tree.
 *
 * Events and not libyaml's documents, because only they let us stop at the node that is too much,
 * tell a quoted scalar from a plain one, and see a duplicate key where it stands. */
#include "spec_yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "spec_value.h"

struct anchor {
    struct anchor    *next;
    struct str        name;
    struct spec_node *node;
    bool              is_complete; /* false while we are inside it */
};

struct reader {
    yaml_parser_t  parser;
    yaml_event_t   event; /* the current one */
    bool           has_event;
    const char    *name;
    struct str     text;
    struct arena  *arena;
    struct anchor *anchors;
    size_t         nodes, anchor_count, expansion;
    struct err    *err;
};

static int read_node(struct reader *r, int depth, struct spec_node **out);

static int fail_at(struct reader *r, size_t line, size_t column, const char *what)
{
    return err_set(r->err, ERR_SPEC, "%s:%zu:%zu: %s", r->name, line, column, what);
}

static int fail_here(struct reader *r, const char *what)
{
    return fail_at(r, r->event.start_mark.line + 1, r->event.start_mark.column + 1, what);
}

/* What a pattern without quotes is to YAML. */
static int hint_at_quotes(struct reader *r)
{
    return err_hint(r->err,
                    "to YAML a * at the beginning is an alias: write patterns in quotes, as "
                    "\"*.json\"");
}

/* libyaml's own words, with its position, where the trouble began, and the one remark that helps most
 * often. */
static int fail_syntax(struct reader *r)
{
    yaml_mark_t mark = r->parser.problem_mark, begin = r->parser.context_mark;
    const char *problem = r->parser.problem ? r->parser.problem : "not YAML";
    const char *context = r->parser.context;
    bool        is_tab = mark.index < r->text.len && r->text.p[mark.index] == '\t';
    char        began[160] = "";

    if (r->parser.error == YAML_MEMORY_ERROR)
        die("out of memory (reading YAML)");
    if (context)
        snprintf(began, sizeof(began), ", %s from %zu:%zu on", context, begin.line + 1,
                 begin.column + 1);
    err_set(r->err, ERR_SPEC, "%s:%zu:%zu: not valid YAML: %s%s%s", r->name, mark.line + 1,
            mark.column + 1, is_tab ? "a tab: " : "", problem, began);
    if (is_tab)
        return err_hint(r->err, "indent with spaces; YAML allows no tabs there");
    if (context && strstr(context, "alias"))
        return hint_at_quotes(r);
    return -1;
}

static int next_event(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return fail_syntax(r);
    r->has_event = true;
    return 0;
}

static struct str text_of(const yaml_char_t *s)
{
    return str_from((const char *)s);
}

static int new_node(struct reader *r, enum spec_node_kind kind, struct spec_node **out)
{
    struct spec_node *node;

    if (++r->nodes > SPEC_NODES_MAX)
        return fail_here(r, "too many values; allowed: 50000");
    node = arena_alloc(r->arena, sizeof(*node));
    node->kind = kind;
    node->line = (uint32_t)r->event.start_mark.line + 1;
    node->column = (uint32_t)r->event.start_mark.column + 1;
    node->weight = 1;
    *out = node;
    return 0;
}

/* Only the tags that say what we read anyway. */
static int check_tag(struct reader *r, const yaml_char_t *tag, enum spec_node_kind kind)
{
    static const char *const allowed[] = {
        [SPEC_NODE_SCALAR] = YAML_STR_TAG,
        [SPEC_NODE_LIST] = YAML_SEQ_TAG,
        [SPEC_NODE_MAP] = YAML_MAP_TAG,
    };
    char shown[SPEC_QUOTE_TEXT], what[SPEC_QUOTE_TEXT + 64];

    if (!tag || str_eq(text_of(tag), STR("!")) || str_eq(text_of(tag), str_from(allowed[kind])))
        return 0;
    snprintf(what, sizeof(what), "the tag %s is not allowed; leave it out",
             spec_quote(text_of(tag), shown));
    return fail_here(r, what);
}

/* A second anchor of the same name hides the first, as YAML says. *out is NULL without a name. */
static int add_anchor(struct reader *r, const yaml_char_t *name, struct spec_node *node,
                      struct anchor **out)
{
    struct anchor *anchor;

    *out = NULL;
    if (!name)
        return 0;
    if (++r->anchor_count > SPEC_ANCHORS_MAX)
        return fail_here(r, "too many anchors; allowed: 1000");
    anchor = arena_alloc(r->arena, sizeof(*anchor));
    *anchor = (struct anchor){
        .next = r->anchors, .name = arena_str(r->arena, text_of(name)), .node = node};
    r->anchors = anchor;
    *out = anchor;
    return 0;
}

static int read_alias(struct reader *r, struct spec_node **out)
{
    struct str     name = text_of(r->event.data.alias.anchor);
    struct anchor *anchor = r->anchors;
    char           shown[SPEC_QUOTE_TEXT], what[SPEC_QUOTE_TEXT + 64];

    while (anchor && !str_eq(anchor->name, name))
        anchor = anchor->next;
    if (!anchor) {
        snprintf(what, sizeof(what), "no anchor %s stands before this alias",
                 spec_quote(name, shown));
        fail_here(r, what);
        return hint_at_quotes(r);
    }
    if (!anchor->is_complete)
        return fail_here(r, "this alias stands inside its own anchor");
    if (++r->nodes > SPEC_NODES_MAX)
        return fail_here(r, "too many values; allowed: 50000");
    if (__builtin_add_overflow(r->expansion, anchor->node->weight, &r->expansion) ||
        r->expansion > SPEC_EXPANSION_MAX)
        return fail_here(r, "the aliases stand for too many values; allowed: 10000 in all");
    *out = anchor->node;
    return 0;
}

static int read_scalar(struct reader *r, struct spec_node **out)
{
    const char       *tag = (const char *)r->event.data.scalar.tag;
    struct spec_node *node;
    struct anchor    *anchor;
    struct str        text;

    if (check_tag(r, r->event.data.scalar.tag, SPEC_NODE_SCALAR) ||
        new_node(r, SPEC_NODE_SCALAR, &node))
        return -1;
    text = (struct str){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
    node->text = arena_str(r->arena, text);
    node->is_plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;
    if (add_anchor(r, r->event.data.scalar.anchor, node, &anchor))
        return -1;
    if (anchor)
        anchor->is_complete = true;
    *out = node;
    return 0;
}

static void append(struct spec_node *parent, struct spec_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

/* An alias cannot be linked into two lists, so a list holds small nodes that point to it. */
static struct spec_node *link_to(struct reader *r, struct spec_node *node)
{
    struct spec_node *link = arena_alloc(r->arena, sizeof(*link));

    *link = (struct spec_node){
        .kind = node->kind, .line = node->line, .column = node->column, .value = node};
    return link;
}

static int read_list(struct reader *r, int depth, struct spec_node **out)
{
    struct spec_node *list, *item;
    struct anchor    *anchor;

    if (check_tag(r, r->event.data.sequence_start.tag, SPEC_NODE_LIST) ||
        new_node(r, SPEC_NODE_LIST, &list) ||
        add_anchor(r, r->event.data.sequence_start.anchor, list, &anchor))
        return -1;
    for (;;) {
        if (next_event(r))
            return -1;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (read_node(r, depth + 1, &item))
            return -1;
        list->weight += item->weight;
        append(list, link_to(r, item));
    }
    if (anchor)
        anchor->is_complete = true;
    *out = list;
    return 0;
}

static struct spec_node *find_key(const struct spec_node *map, struct str key)
{
    for (struct spec_node *at = map->first; at; at = at->next)
        if (str_eq(at->text, key))
            return at;
    return NULL;
}

static int add_key(struct reader *r, struct spec_node *map, const struct spec_node *key,
                   struct spec_node *value)
{
    struct spec_node *entry;

    if (map->count >= SPEC_KEYS_MAX)
        return fail_at(r, key->line, key->column, "too many keys in one mapping; allowed: 256");
    entry = arena_alloc(r->arena, sizeof(*entry));
    *entry = *key;
    entry->next = NULL;
    entry->value = value;
    map->weight += 1 + value->weight;
    append(map, entry);
    return 0;
}

/* `<<: *defaults`: what the mapping does not say itself comes from there. */
static int merge_map(struct reader *r, struct spec_node *map, const struct spec_node *from)
{
    if (from->kind != SPEC_NODE_MAP)
        return fail_at(r, from->line, from->column, "\"<<\" merges mappings, and this is none");
    for (const struct spec_node *key = from->first; key; key = key->next)
        if (!find_key(map, key->text) && add_key(r, map, key, key->value))
            return -1;
    return 0;
}

static int merge(struct reader *r, struct spec_node *map, const struct spec_node *from)
{
    if (from->kind != SPEC_NODE_LIST)
        return merge_map(r, map, from);
    for (const struct spec_node *item = from->first; item; item = item->next)
        if (merge_map(r, map, spec_node_item(item)))
            return -1;
    return 0;
}

/* One key with its value. A merge is put off: keys of the mapping itself win, also later ones. */
static int read_entry(struct reader *r, int depth, struct spec_node *map, struct spec_node **merged)
{
    struct spec_node *key, *value, *before;
    char              shown[SPEC_QUOTE_TEXT], what[SPEC_QUOTE_TEXT + 64];
    bool              is_merge;

    if (read_node(r, depth + 1, &key))
        return -1;
    if (key->kind != SPEC_NODE_SCALAR)
        return fail_at(r, key->line, key->column, "a key must be a word");
    is_merge = key->is_plain && str_eq(key->text, STR("<<"));
    before = is_merge ? *merged : find_key(map, key->text);
    if (before) {
        snprintf(what, sizeof(what), "duplicate key %s; it stands in line %u already",
                 spec_quote(key->text, shown), before->line);
        return fail_at(r, key->line, key->column, what);
    }
    if (next_event(r) || read_node(r, depth + 1, &value))
        return -1;
    if (!is_merge)
        return add_key(r, map, key, value);
    *merged = link_to(r, value);
    (*merged)->line = key->line;
    return 0;
}

static int read_map(struct reader *r, int depth, struct spec_node **out)
{
    struct spec_node *map, *merged = NULL;
    struct anchor    *anchor;

    if (check_tag(r, r->event.data.mapping_start.tag, SPEC_NODE_MAP) ||
        new_node(r, SPEC_NODE_MAP, &map) ||
        add_anchor(r, r->event.data.mapping_start.anchor, map, &anchor))
        return -1;
    for (;;) {
        if (next_event(r))
            return -1;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (read_entry(r, depth, map, &merged))
            return -1;
    }
    if (merged && merge(r, map, merged->value))
        return -1;
    if (anchor)
        anchor->is_complete = true;
    *out = map;
    return 0;
}

/* Reads the node that the current event begins. */
static int read_node(struct reader *r, int depth, struct spec_node **out)
{
    if (depth > SPEC_DEPTH_MAX)
        return fail_here(r, "nested too deeply; allowed: 32 levels");
    switch (r->event.type) {
    case YAML_ALIAS_EVENT: return read_alias(r, out);
    case YAML_SCALAR_EVENT: return read_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT: return read_list(r, depth, out);
    case YAML_MAPPING_START_EVENT: return read_map(r, depth, out);
    default: return fail_here(r, "not valid YAML here");
    }
}

static int read_document(struct reader *r, struct spec_node **root)
{
    if (next_event(r)) /* the start of the stream */
        return -1;
    if (next_event(r))
        return -1;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return err_set(r->err, ERR_SPEC, "%s: is empty; a spec needs at least target and repos",
                       r->name);
    if (next_event(r) || read_node(r, 0, root))
        return -1;
    if (next_event(r)) /* the end of the document */
        return -1;
    if (next_event(r))
        return -1;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return fail_here(r, "a second document starts here; a spec is one document");
    return 0;
}

/* What libyaml would report in words nobody understands. */
static int check_bytes(struct reader *r)
{
    const unsigned char *p = (const unsigned char *)r->text.p;
    size_t               line = 1, begin = 0, directives = 0;

    if (r->text.len > SPEC_BYTES_MAX)
        return err_set(r->err, ERR_SPEC, "%s: %zu bytes; a spec has at most 1 MiB", r->name,
                       r->text.len);
    if (r->text.len >= 2 && ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF)))
        return err_set(r->err, ERR_SPEC, "%s: is UTF-16; save it as UTF-8", r->name);
    for (size_t i = 0; i < r->text.len; i++) {
        if (p[i] == '\0')
            return fail_at(r, line, i - begin + 1, "a NUL byte; is this UTF-16 or no text at all?");
        if (p[i] == '%' && i == begin && ++directives > SPEC_DIRECTIVES_MAX)
            return fail_at(r, line, 1, "too many lines that begin with %; allowed: 100");
        if (p[i] != '\n')
            continue;
        if (!str_is_utf8(str_sub(r->text, begin, i)))
            return fail_at(r, line, 1, "this line is not UTF-8");
        line++;
        begin = i + 1;
    }
    if (!str_is_utf8(str_sub(r->text, begin, r->text.len)))
        return fail_at(r, line, 1, "this line is not UTF-8");
    return 0;
}

int spec_yaml_parse(struct str text, const char *name, struct arena *arena, struct spec_node **root,
                    struct err *err)
{
    struct reader r = {.name = name, .arena = arena, .err = err};
    int           rc;

    if (str_has_prefix(text, STR("\xEF\xBB\xBF"))) /* a BOM is harmless */
        text = str_sub(text, 3, text.len);
    r.text = text;
    if (check_bytes(&r))
        return -1;
    if (!yaml_parser_initialize(&r.parser))
        die("out of memory (reading YAML)");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.len);
    rc = read_document(&r, root);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return rc;
}

const struct spec_node *spec_node_item(const struct spec_node *item)
{
    return item->value ? item->value : item;
}
