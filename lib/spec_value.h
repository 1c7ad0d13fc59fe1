/* spec_value.h: one setting's text into its field, and back into text. */
#ifndef HFI_SPEC_VALUE_H
#define HFI_SPEC_VALUE_H

#include "arena.h"
#include "buf.h"
#include "spec_table.h"
#include "str.h"

/* A value as it was written. YAML has types where variables and flags have only text. */
struct spec_scalar {
    struct str text;
    bool       is_yaml;
    bool       is_plain; /* YAML: neither quoted nor tagged !!str */
};

/* Reads the text into the field of `setting` in *base (a struct spec or spec_repo). A list of one
 * if the setting is a list. ERR_SPEC saying what is wrong and what is allowed; the caller says
 * where. */
int spec_value_set(struct arena *arena, const struct spec_setting *setting,
                   const struct spec_scalar *value, void *base, struct err *err);

/* Lists: empties the field, adds one item to it. */
void spec_list_clear(const struct spec_setting *setting, void *base);
int  spec_list_add(struct arena *arena, const struct spec_setting *setting,
                   const struct spec_scalar *value, void *base, struct err *err);

/* Appends the field's value as text: "512MiB", "true", "*.json, *.txt". */
void spec_value_show(const struct spec_setting *setting, const void *base, struct buf *out);

/* Copies the field from one struct to another; strings stay shared. */
void spec_value_copy(const struct spec_setting *setting, const void *from, void *to);

/* Foreign text for a message: escaped, quoted, shortened. */
enum { SPEC_QUOTE_TEXT = 512 };
const char *spec_quote(struct str text, char out[SPEC_QUOTE_TEXT]);

/* What YAML 1.1 makes of the unquoted text: "a number", "a boolean", "a date", "nothing"; NULL: a
 * string. */
const char *spec_yaml_type(struct str text);

enum { SPEC_NUMBER_TEXT = 32 };
void spec_show_size(uint64_t bytes, char out[SPEC_NUMBER_TEXT]);  /* "512MiB", exact */
void spec_show_duration(uint64_t ms, char out[SPEC_NUMBER_TEXT]); /* "10s", exact */

#endif
