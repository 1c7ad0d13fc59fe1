/* The spec file. Input: its text. */
#include "settings.h"
#include "spec_yaml.h"

static const char *const env[] = {"HF_TOKEN=" SECRET, "HOME=/nonexistent", NULL};

/* No key twice in its map; every node has its place in the text. Returns the number of nodes with
 * aliases written out. */
static size_t walk(const struct spec_node *node)
{
    size_t count = 1;

    REQUIRE(node->line > 0 && node->column > 0);
    if (node->kind == SPEC_NODE_SCALAR)
        return count;
    for (const struct spec_node *at = node->first; at; at = at->next) {
        if (node->kind == SPEC_NODE_MAP)
            for (const struct spec_node *other = at->next; other; other = other->next)
                REQUIRE(!str_eq(at->text, other->text));
        count += walk(node->kind == SPEC_NODE_MAP ? at->value : spec_node_item(at));
    }
    return count;
}

/* Every key of a spec that was accepted is one of the table, letter by letter. */
static void keys_are_known(const struct spec_node *root)
{
    size_t row;

    REQUIRE(root->kind == SPEC_NODE_MAP);
    for (const struct spec_node *key = root->first; key; key = key->next)
        REQUIRE(str_eq(key->text, STR("repos")) || spec_is_group(SPEC_OF_RUN, key->text) ||
                spec_find_row(SPEC_OF_RUN, key->text, &row));
}

static void is_a_tree(struct str text, bool accepted)
{
    struct arena      arena = {0};
    struct spec_node *root = NULL;
    struct err        err = {0};

    if (spec_yaml_parse(text, "spec", &arena, &root, &err) == 0) {
        REQUIRE(walk(root) <= SPEC_NODES_MAX + SPEC_EXPANSION_MAX);
        if (accepted)
            keys_are_known(root);
    } else {
        REQUIRE(!accepted && err.kind == ERR_SPEC);
        REQUIRE(str_has_prefix(str_from(err.text), STR("spec:")));
    }
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input       in = input_of(data, size);
    struct spec_source source = {.env = env};

    if (input_holds(&in, STR(SECRET)))
        return 0; /* it is looked for in what comes out */
    source.file_text = input_rest(&in);
    is_a_tree(source.file_text, settings_load(&source));
    input_release(&in);
    return 0;
}
