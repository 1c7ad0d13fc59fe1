/* spec_yaml.h: YAML (and JSON, which is YAML) as a tree with positions.
 *
 * Aliases share the node they name, so a tree is no larger than its text; merge keys are resolved;
 * a mapping has no key twice. Types are left to the reader: a scalar is its text. */
#ifndef HFI_SPEC_YAML_H
#define HFI_SPEC_YAML_H

#include "arena.h"
#include "err.h"
#include "str.h"

enum spec_node_kind { SPEC_NODE_SCALAR, SPEC_NODE_LIST, SPEC_NODE_MAP };

struct spec_node {
    enum spec_node_kind kind;
    uint32_t            line, column; /* from 1 */
    size_t              weight;       /* nodes in it, aliases written out */
    struct str          text;         /* of a scalar */
    bool                is_plain;     /* scalar: neither quoted nor tagged !!str */
    struct spec_node   *first;        /* of a list: items; of a map: keys, each with its value */
    struct spec_node   *last;
    size_t              count;
    struct spec_node   *next;  /* within the parent */
    struct spec_node   *value; /* of a key; of a list item that is an alias: the node */
};

enum {
    SPEC_BYTES_MAX = 1 << 20,
    SPEC_DEPTH_MAX = 32,
    SPEC_NODES_MAX = 50000,     /* written in the text */
    SPEC_EXPANSION_MAX = 10000, /* nodes that aliases stand for */
    SPEC_ANCHORS_MAX = 1000,
    SPEC_KEYS_MAX = 256,       /* of one mapping */
    SPEC_DIRECTIVES_MAX = 100, /* libyaml compares each %TAG with all before it */
};

/* Reads one document. `name` is what messages call the text, `file:line:column`; all memory comes
 * from the arena. ERR_SPEC. */
int spec_yaml_parse(struct str text, const char *name, struct arena *arena, struct spec_node **root,
                    struct err *err);

/* The item itself, through an alias. */
const struct spec_node *spec_node_item(const struct spec_node *item);

#endif
