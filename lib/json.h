/* json.h: the wall around cJSON. Reads untrusted text, checks every number once.
 *
 * Refused: text over 64 MiB, deeper than 32 levels, with more than 256 Ki values, not UTF-8,
 * with trailing garbage, with raw control characters or the escape \u0000 in a string (cJSON's
 * strings end at a NUL, so "a\u0000b" would silently read as "a"). A byte order mark is skipped. */
#ifndef HFI_JSON_H
#define HFI_JSON_H

#include "err.h"
#include "str.h"

struct json; /* a value; a document is its root value */

/* ERR_BAD_ANSWER with the offset where reading stopped. The caller frees. */
int  json_parse(struct str text, struct json **out, struct err *err);
void json_free(struct json *root); /* NULL is fine */

/* Reads a text that is one long list as it comes, in pieces of any size: each item is parsed,
 * visited and freed as soon as it is whole, so that memory stays small however long the list is.
 * The limits above hold for each item, which has at most 256 KiB; the text may have any length. */
struct json_list;
/* `index` counts from 0; json_key() has the item's name in an object. A visitor that returns
 * non-zero ends the reading with its error. */
typedef int json_item_fn(const struct json *item, size_t index, void *user, struct err *err);
/* The text is an array. */
struct json_list *json_list_new(json_item_fn *visit, void *user);
/* The text is an object. The members of its member `key` (if that is an object) are the items; its
 * other members go to `other`. Duplicates are visited, too. `key` is borrowed. */
struct json_list *json_list_new_inside(const char *key, json_item_fn *visit, json_item_fn *other,
                                       void *user);
void              json_list_free(struct json_list *list); /* NULL is fine */
/* ERR_BAD_ANSWER with the offset where reading stopped, or the visitor's error; after that the list
 * can only be freed. The end says that no more will come. */
int json_list_add(struct json_list *list, const void *data, size_t len, struct err *err);
int json_list_end(struct json_list *list, struct err *err);

bool json_is_array(const struct json *v);
bool json_is_object(const struct json *v);
bool json_is_null(const struct json *v); /* the value null; an absent value is not */

/* Lookups accept NULL and give NULL / false, so that chains need no checks. Of duplicate keys the
 * first one counts; keys are compared with case. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_first(const struct json *array_or_object); /* its first child */
const struct json *json_next(const struct json *child);
struct str         json_key(const struct json *child); /* name within its object */

/* Values; each returns false if v is NULL or of another type. Strings are lent by the document. A
 * number must be a whole one in [0, 2^53) to be a u64: beyond it cJSON's doubles are not exact. */
bool json_str(const struct json *v, struct str *out);
bool json_u64(const struct json *v, uint64_t *out);
bool json_bool(const struct json *v, bool *out);

#endif
