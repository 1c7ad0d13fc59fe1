/* json.c: see json.h. The only file that knows cJSON.
 *
 * cJSON trusts its input in ways that we do not: it recurses per level, it allows control
 * characters in strings and it cuts strings at \u0000. So one pass over the text comes first
 * (look_over); what passes it costs cJSON a bounded stack and a bounded amount of memory. */
#include "json.h"

#include <cJSON.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "log.h"

enum {
    TEXT_MAX = 64 << 20,
    LEVELS_MAX = 32,
    VALUES_MAX = 256 << 10, /* of 64 bytes and more each */
    NEAR_BYTES = 24,
    ITEM_BYTES_MAX = 256 << 10,
};

static const struct str byte_order_mark = {"\xEF\xBB\xBF", 3};

/* --- looking over a text before cJSON sees it --- */

struct scan {
    struct str  text;
    size_t      at;
    size_t      level;  /* of brackets around `at` */
    size_t      values; /* an upper bound: brackets, commas and colons seen */
    const char *trouble;
    bool        is_piece; /* more may come after the text */
    bool        starved;  /* it ended where more is needed; the same step is made again then */
};

/* The text is used up. False. */
static bool scan_ran_out(struct scan *s, const char *trouble)
{
    s->starved = s->is_piece;
    if (!s->is_piece)
        s->trouble = trouble;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Moves past a string; `at` stands on its opening quote. */
static bool scan_string(struct scan *s)
{
    size_t quote = s->at;

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
    if (s->is_piece)
        s->at = quote;
    return scan_ran_out(s, "the text ends inside a string");
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
        s->trouble = "more than 262144 values";
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

/* `before`: bytes that were read before `text`, which is all of the rest that is known. */
static int refuse(struct str text, size_t at, uint64_t before, const char *why, struct err *err)
{
    struct buf near = {0};

    log_add_json_text(&near, str_sub(text, at, at + NEAR_BYTES));
    err_set(err, ERR_BAD_ANSWER, "bad JSON: %s, at byte %" PRIu64 " of %" PRIu64 "%s%s%s", why,
            before + at, before + text.len, near.len ? ", near '" : "", buf_cstr(&near),
            near.len ? "'" : "");
    buf_release(&near);
    return -1;
}

/* --- parsing --- */

/* cJSON cannot say that memory ran out: it would look like a text that is no JSON. */
static void set_memory(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){mem_alloc, free});
}

/* Parses all of a text that was looked over; `whole` and `before` are for messages. */
static int parse_text(struct str text, struct str whole, uint64_t before, cJSON **out,
                      struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char           *stop = text.p;
    cJSON                *root;

    pthread_once(&once, set_memory);
    if (!str_is_utf8(text))
        return err_set(err, ERR_BAD_ANSWER, "bad JSON: not UTF-8");
    root = cJSON_ParseWithLengthOpts(text.p, text.len, &stop, 0);
    if (!root)
        return refuse(whole, (size_t)(stop - whole.p), before, "not a value", err);
    if (str_trim(str_sub(text, (size_t)(stop - text.p), text.len)).len) {
        cJSON_Delete(root);
        return refuse(whole, (size_t)(stop - whole.p), before, "something follows the value", err);
    }
    *out = root;
    return 0;
}

int json_parse(struct str text, struct json **out, struct err *err)
{
    struct scan scan;
    cJSON      *root;

    if (text.len > TEXT_MAX)
        return err_set(err, ERR_BAD_ANSWER, "%zu bytes of JSON: more than 64 MiB are not read",
                       text.len);
    if (str_has_prefix(text, byte_order_mark))
        text = str_sub(text, byte_order_mark.len, text.len);
    scan = (struct scan){.text = text};
    if (!look_over(&scan))
        return refuse(text, scan.at, 0, scan.trouble, err);
    if (str_trim(text).len == 0)
        return refuse(text, 0, 0, "a value is missing", err);
    if (parse_text(text, text, 0, &root, err))
        return -1;
    *out = (struct json *)root;
    return 0;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)root);
}

/* --- a long list, piece by piece --- */

/* Items are looked over as they come and given to cJSON when they are whole. Every item has the
 * bracket or comma before it and the one behind it; with these made into the list's own brackets it
 * is a list of one item, which cJSON reads as any other text, with its key if it has one. */
struct json_list {
    json_item_fn *visit, *other;
    void         *user;
    const char
        *inner; /* key of the member whose members are the items; NULL: the text is an array */
    struct buf  text;      /* owned: the item at hand, from the separator before it */
    struct scan scan;      /* .text is a view of it */
    size_t      begin;     /* of that separator in text */
    uint64_t    before;    /* bytes read before text */
    size_t      container; /* level of the list that the item is in: 1, or 2 for the inner one */
    size_t      index[2];  /* of the next item, by container */
    enum { LIST_START, LIST_FIRST, LIST_ITEM, LIST_NEXT, LIST_OVER } state;
};

static const char too_long[] = "an item of more than 256 KiB";

static struct json_list *list_new(const char *inner, json_item_fn *visit, json_item_fn *other,
                                  void *user)
{
    struct json_list *list = mem_alloc(sizeof(*list));

    *list = (struct json_list){.visit = visit, .other = other, .user = user, .inner = inner};
    list->scan.is_piece = true;
    return list;
}

struct json_list *json_list_new(json_item_fn *visit, void *user)
{
    return list_new(NULL, visit, visit, user);
}

struct json_list *json_list_new_inside(const char *key, json_item_fn *visit, json_item_fn *other,
                                       void *user)
{
    return list_new(key, visit, other, user);
}

void json_list_free(struct json_list *list)
{
    if (!list)
        return;
    buf_release(&list->text);
    free(list);
}

static int list_refuse(const struct json_list *list, const char *why, struct err *err)
{
    return refuse(list->scan.text, list->scan.at, list->before, why, err);
}

/* The next character that is no space, or false when more is needed. */
static bool scan_next(struct scan *s, char *c)
{
    while (s->at < s->text.len && is_space(s->text.p[s->at]))
        s->at++;
    if (s->at == s->text.len)
        return scan_ran_out(s, "the text ends inside a list");
    *c = s->text.p[s->at];
    return true;
}

/* Goes on behind the bracket or comma at `at`. */
static void list_step_over(struct json_list *list)
{
    list->begin = list->scan.at++;
    list->scan.level = list->container;
    list->scan.values = 0;
}

static char list_bracket(const struct json_list *list, bool opening)
{
    if (list->inner)
        return opening ? '{' : '}';
    return opening ? '[' : ']';
}

static int list_start(struct json_list *list, struct err *err)
{
    struct scan *s = &list->scan;
    char         c;

    if (list->before == 0 && s->at == 0 && s->text.len < byte_order_mark.len && s->is_piece) {
        s->starved = true;
        return 0;
    }
    if (list->before == 0 && s->at == 0 && str_has_prefix(s->text, byte_order_mark))
        s->at = byte_order_mark.len;
    if (!scan_next(s, &c)) {
        list->begin = s->at;
        return s->starved ? 0
                          : list_refuse(list, list->inner ? "not an object" : "not an array", err);
    }
    if (c != list_bracket(list, true))
        return list_refuse(list, list->inner ? "not an object" : "not an array", err);
    list->container = 1;
    list_step_over(list);
    list->state = LIST_FIRST;
    return 0;
}

/* `at` stands behind an item, or where the list may end. */
static int list_next(struct json_list *list, struct err *err)
{
    char c;

    if (!scan_next(&list->scan, &c))
        return list->scan.starved ? 0 : list_refuse(list, list->scan.trouble, err);
    if (c == ',' && list->state == LIST_NEXT) {
        list_step_over(list);
        list->state = LIST_ITEM;
    } else if (c == list_bracket(list, false)) {
        list->container--;
        list_step_over(list);
        list->state = list->container ? LIST_NEXT : LIST_OVER;
    } else if (list->state == LIST_FIRST) {
        list->state = LIST_ITEM;
    } else {
        return list_refuse(list, "neither a comma nor the end of the list", err);
    }
    return 0;
}

/* Does the inner list begin here? 1 it does, and is entered; 0 not, or more is needed. */
static bool list_enters(struct json_list *list)
{
    struct scan look = list->scan;
    struct str  key;
    char        c;

    if (!list->inner || list->container != 1 || look.at != list->begin + 1)
        return false;
    if (!scan_next(&look, &c) || c != '"') {
        list->scan.starved = look.starved;
        return false;
    }
    key = str_sub(look.text, look.at + 1, look.text.len);
    if (!scan_string(&look)) { /* what is wrong with it will show again */
        list->scan.starved = look.starved;
        return false;
    }
    key = str_sub(key, 0, (size_t)(look.text.p + look.at - 1 - key.p));
    if (!str_eq(key, str_from(list->inner)))
        return false;
    if (!scan_next(&look, &c) || c != ':' || (look.at++, !scan_next(&look, &c)) || c != '{') {
        list->scan.starved = look.starved;
        return false;
    }
    list->scan.at = look.at;
    list->container = 2;
    list_step_over(list);
    list->state = LIST_FIRST;
    return true;
}

/* The item in text, between its separators, becomes a list of its own. */
static int list_visit(struct json_list *list, struct err *err)
{
    size_t     end = list->scan.at;
    char      *p = list->text.p, behind = p[end];
    cJSON     *root;
    bool       is_inner = list->container == (list->inner ? 2 : 1);
    size_t    *index = &list->index[list->container - 1];
    struct str item = {p + list->begin, end + 1 - list->begin};
    int        rc;

    if (item.len > ITEM_BYTES_MAX)
        return list_refuse(list, too_long, err);
    p[list->begin] = list_bracket(list, true);
    p[end] = list_bracket(list, false);
    rc = parse_text(item, list->scan.text, list->before, &root, err);
    p[end] = behind;
    if (rc)
        return -1;
    if (root->child)
        rc = (is_inner ? list->visit : list->other)((const struct json *)root->child, (*index)++,
                                                    list->user, err);
    else
        rc = list_refuse(list, "a value is missing", err);
    cJSON_Delete(root);
    return rc ? -1 : 0;
}

static int list_item(struct json_list *list, struct err *err)
{
    struct scan *s = &list->scan;

    if (list_enters(list) || s->starved)
        return 0;
    while (s->at < s->text.len) {
        char c = s->text.p[s->at];

        if (s->level == list->container && (c == ',' || c == ']' || c == '}')) {
            list->state = LIST_NEXT;
            return list_visit(list, err);
        }
        if (!scan_step(s))
            break;
    }
    if (!s->trouble && !s->starved)
        scan_ran_out(s, "the text ends inside a list");
    return s->trouble ? list_refuse(list, s->trouble, err) : 0;
}

static int list_over(struct json_list *list, struct err *err)
{
    char c;

    if (scan_next(&list->scan, &c))
        return list_refuse(list, "something follows the list", err);
    list->begin = list->scan.at;
    return 0;
}

static int list_read(struct json_list *list, struct err *err)
{
    int rc = 0;

    list->scan.text = buf_view(&list->text);
    list->scan.starved = false;
    while (rc == 0 && !list->scan.starved) {
        switch (list->state) {
        case LIST_START: rc = list_start(list, err); break;
        case LIST_FIRST:
        case LIST_NEXT: rc = list_next(list, err); break;
        case LIST_ITEM: rc = list_item(list, err); break;
        case LIST_OVER:
            rc = list_over(list, err);
            if (!list->scan.is_piece)
                return rc;
        }
    }
    return rc;
}

/* Forgets what was visited. */
static void list_drop(struct json_list *list)
{
    struct buf *text = &list->text;
    size_t      left = text->len - list->begin;

    memmove(text->p, text->p + list->begin, left);
    text->len = left;
    list->before += list->begin;
    list->scan.at -= list->begin;
    list->begin = 0;
}

int json_list_add(struct json_list *list, const void *data, size_t len, struct err *err)
{
    buf_add(&list->text, data, len);
    if (list_read(list, err))
        return -1;
    if (list->text.len)
        list_drop(list);
    if (list->text.len > ITEM_BYTES_MAX)
        return list_refuse(list, too_long, err);
    return 0;
}

int json_list_end(struct json_list *list, struct err *err)
{
    list->scan.is_piece = false;
    return list_read(list, err);
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
