/* json.h: the wall around cJSON. Reads untrusted text, checks every number once.
 *
 * Texts deeper than 32 levels, not UTF-8, or with trailing garbage are refused. */
#ifndef HFI_JSON_H
#define HFI_JSON_H

#include "err.h"
#include "str.h"

struct json; /* a value; a document is its root value */

/* ERR_BAD_ANSWER with the offset where reading stopped. The caller frees. */
int  json_parse(struct str text, struct json **out, struct err *err);
void json_free(struct json *root); /* NULL is fine */

bool json_is_array(const struct json *v);
bool json_is_object(const struct json *v);

/* Lookups accept NULL and give NULL / false, so that chains need no checks. */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_first(const struct json *array_or_object); /* its first child */
const struct json *json_next(const struct json *child);
struct str         json_key(const struct json *child); /* name within its object */

/* Values; each returns false if v is NULL or of another type. Strings are lent by the document. A
 * number must be a whole one in [0, 2^53] to be a u64: beyond that cJSON's doubles are not exact. */
bool json_str(const struct json *v, struct str *out);
bool json_u64(const struct json *v, uint64_t *out);
bool json_bool(const struct json *v, bool *out);

#endif
