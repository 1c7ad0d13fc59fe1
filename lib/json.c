/* json.c: see json.h. The only file that knows cJSON.
 *
 * cJSON trusts its input in ways that we do not: it recurses per level, it allows control
 * characters in strings and it cuts strings at \u0000. So one pass over the text comes first
 * (look_over); what passes it costs cJSON a bounded stack and a bounded amount of memory. */
#include "json.h"

#include <cJSON.h>
#include <string.h>

#include "buf.h"
#include "log.h"

enum { TEXT_MAX = 64 << 20, LEVELS_MAX = 32, VALUES_MAX = 1 << 20, NEAR_BYTES = 24 };

/* --- looking over a text before cJSON sees it --- */

struct scan {
    struct str  text;
    size_t      at;
    size_t      level;  /* of brackets around `at` */
    size_t      values; /* an upper bound: brackets, commas and colons seen */
    const char *trouble;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Moves past a string; `at` stands on its opening quote. */
static bool scan_string(struct scan *s)
{
    for (s->at++; s->at < s->text.len; s->at++) {
        const char *p = s->text.p + s->at;
        if (*p == '"') {
            s->at++;
            return true;
        }
        if ((unsigned char)*p < 0x20) {
            s->trouble = "a control character in a string";
            return false;
        }
        if (*p == '\\') {
            if (str_has_prefix(str_sub(s->text, s->at, s->text.len), STR("\\u0000"))) {
                s->trouble = "a NUL in a string";
                return false;
            }
            s->at++;
        }
    }
    s->trouble = "the text ends inside a string";
    return false;
}

static bool scan_open(struct scan *s)
{
    if (++s->level > LEVELS_MAX)
        s->trouble = "more than 32 levels";
    return !s->trouble;
}

/* Moves past one character outside a string, or past a whole string. */
static bool scan_step(struct scan *s)
{
    switch (s->text.p[s->at]) {
    case '"': return scan_string(s);
    case '[':
    case '{':
        if (!scan_open(s))
            return false;
        s->values++;
        break;
    case ']':
    case '}':
        if (s->level == 0) {
            s->trouble = "a bracket that was never opened";
            return false;
        }
        s->level--;
        break;
    case ',':
    case ':': s->values++; break;
    default:
        if ((unsigned char)s->text.p[s->at] < 0x20 && !is_space(s->text.p[s->at]))
            s->trouble = "a control character"; /* cJSON would take it for a space */
    }
    if (s->values > VALUES_MAX)
        s->trouble = "more than a million values";
    s->at++;
    return !s->trouble;
}

static bool look_over(struct scan *s)
{
    while (s->at < s->text.len)
        if (!scan_step(s))
            return false;
    return true;
}

static int refuse(struct str text, size_t at, const char *why, struct err *err)
{
    struct buf near = {0};

    log_add_json_text(&near, str_sub(text, at, at + NEAR_BYTES));
    err_set(err, ERR_BAD_ANSWER, "bad JSON: %s, at byte %zu of %zu%s%s%s", why, at, text.len,
            near.len ? ", near '" : "", buf_cstr(&near), near.len ? "'" : "");
    buf_release(&near);
    return -1;
}

/* What holds for a whole text, whichever way it is read. */
static int check_text(struct str *text, struct err *err)
{
    if (text->len > TEXT_MAX)
        return err_set(err, ERR_BAD_ANSWER, "%zu bytes of JSON: more than 64 MiB are not read",
                       text->len);
    if (str_has_prefix(*text, STR("\xEF\xBB\xBF")))
        *text = str_sub(*text, 3, text->len);
    if (!str_is_utf8(*text))
        return err_set(err, ERR_BAD_ANSWER, "bad JSON: not UTF-8");
    return 0;
}

/* --- parsing --- */

/* Parses what lies in [begin, end) of the text, which was looked over. */
static int parse_piece(struct str text, size_t begin, size_t end, cJSON **out, struct err *err)
{
    struct str  piece = str_sub(text, begin, end);
    const char *stop = piece.p;
    cJSON      *root;

    if (str_trim(piece).len == 0)
        return refuse(text, begin, "a value is missing", err);
    root = cJSON_ParseWithLengthOpts(piece.p, piece.len, &stop, 0);
    if (!root)
        return refuse(text, (size_t)(stop - text.p), "not a value", err);
    if (str_trim(str_sub(text, (size_t)(stop - text.p), end)).len) {
        cJSON_Delete(root);
        return refuse(text, (size_t)(stop - text.p), "something follows the value", err);
    }
    *out = root;
    return 0;
}

int json_parse(struct str text, struct json **out, struct err *err)
{
    struct scan scan;
    cJSON      *root;

    if (check_text(&text, err))
        return -1;
    scan = (struct scan){.text = text};
    if (!look_over(&scan))
        return refuse(text, scan.at, scan.trouble, err);
    if (parse_piece(text, 0, text.len, &root, err))
        return -1;
    *out = (struct json *)root;
    return 0;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)root);
}

/* --- one big array, item by item --- */

static void skip_space(struct scan *s)
{
    while (s->at < s->text.len && is_space(s->text.p[s->at]))
        s->at++;
}

/* Moves to the ',' or ']' that ends the item at `at`, one level inside the array. */
static bool scan_item(struct scan *s)
{
    s->values = 0;
    while (s->at < s->text.len) {
        if (s->level == 1 && (s->text.p[s->at] == ',' || s->text.p[s->at] == ']'))
            return true;
        if (!scan_step(s))
            return false;
    }
    s->trouble = "the text ends inside an array";
    return false;
}

static int visit_piece(struct scan *s, size_t begin, size_t index, json_item_fn *visit, void *user,
                       struct err *err)
{
    cJSON *item;
    int    rc;

    if (parse_piece(s->text, begin, s->at, &item, err))
        return -1;
    rc = visit((const struct json *)item, index, user, err) ? -1 : 0;
    cJSON_Delete(item);
    return rc;
}

int json_each_item(struct str text, json_item_fn *visit, void *user, struct err *err)
{
    struct scan s;
    bool        more;

    if (check_text(&text, err))
        return -1;
    s = (struct scan){.text = text, .level = 1};
    skip_space(&s);
    if (s.at >= text.len || text.p[s.at] != '[')
        return refuse(text, s.at, "not an array", err);
    s.at++;
    skip_space(&s);
    more = s.at < text.len && text.p[s.at] != ']';
    for (size_t index = 0; more; index++) {
        size_t begin = s.at;
        if (!scan_item(&s))
            return refuse(text, s.at, s.trouble, err);
        if (visit_piece(&s, begin, index, visit, user, err))
            return -1;
        more = text.p[s.at] == ',';
        s.at += more;
    }
    if (s.at >= text.len)
        return refuse(text, s.at, "the text ends inside an array", err);
    s.at++;
    skip_space(&s);
    return s.at == text.len ? 0 : refuse(text, s.at, "something follows the array", err);
}

/* --- looking things up --- */

static const cJSON *inner(const struct json *v)
{
    return (const cJSON *)v;
}

bool json_is_array(const struct json *v)
{
    return cJSON_IsArray(inner(v));
}

bool json_is_object(const struct json *v)
{
    return cJSON_IsObject(inner(v));
}

bool json_is_null(const struct json *v)
{
    return cJSON_IsNull(inner(v));
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!json_is_object(object))
        return NULL;
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(inner(object), key);
}

const struct json *json_first(const struct json *array_or_object)
{
    if (!json_is_array(array_or_object) && !json_is_object(array_or_object))
        return NULL;
    return (const struct json *)inner(array_or_object)->child;
}

const struct json *json_next(const struct json *child)
{
    return child ? (const struct json *)inner(child)->next : NULL;
}

struct str json_key(const struct json *child)
{
    return str_from(child ? inner(child)->string : NULL);
}

bool json_str(const struct json *v, struct str *out)
{
    if (!cJSON_IsString(inner(v)))
        return false;
    *out = str_from(inner(v)->valuestring);
    return true;
}

bool json_u64(const struct json *v, uint64_t *out)
{
    double number;

    if (!cJSON_IsNumber(inner(v)))
        return false;
    number = inner(v)->valuedouble;
    if (!(number >= 0 && number < 9007199254740992.0)) /* also false for a NaN */
        return false;
    if ((double)(uint64_t)number < number) /* whole? */
        return false;
    *out = (uint64_t)number;
    return true;
}

bool json_bool(const struct json *v, bool *out)
{
    if (!cJSON_IsBool(inner(v)))
        return false;
    *out = cJSON_IsTrue(inner(v));
    return true;
}
