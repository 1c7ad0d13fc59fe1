/* JSON: read in pieces of any size it is what it is as a whole; and the commit of a repo-info answer. Input: a byte that says how
 * (bit 0: the list is inside an object) and how large the pieces are, then the text. */
#include "fuzz.h"
#include "hub.h"
#include "json.h"

/* Type and value, so that two texts are equal only if the values are. */
static void print(const struct json *v, struct buf *out)
{
    struct str text;
    uint64_t   number;
    bool       flag;

    if (json_str(v, &text)) {
        buf_printf(out, "s%zu:", text.len);
        buf_add_str(out, text);
    } else if (json_u64(v, &number)) {
        buf_printf(out, "u%llu", (unsigned long long)number);
    } else if (json_bool(v, &flag)) {
        buf_add_char(out, flag ? 't' : 'f');
    } else if (json_is_array(v) || json_is_object(v)) {
        buf_add_char(out, json_is_array(v) ? '[' : '{');
        for (const struct json *child = json_first(v); child; child = json_next(child)) {
            if (json_is_object(v))
                buf_printf(out, "k%zu:%s", json_key(child).len, json_key(child).p);
            print(child, out);
        }
        buf_add_char(out, '.');
    } else {
        buf_add_char(out, json_is_null(v) ? 'n' : 'x');
    }
}

static void note(char kind, const struct json *item, size_t index, bool has_key, struct buf *out)
{
    buf_printf(out, "%c%zu ", kind, index);
    if (has_key)
        buf_printf(out, "k%zu:%s", json_key(item).len, json_key(item).p);
    print(item, out);
    buf_add_char(out, '\n');
}

static int on_item(const struct json *item, size_t index, void *user, struct err *err)
{
    (void)err;
    note('i', item, index, json_key(item).len, user);
    return 0;
}

static int on_other(const struct json *item, size_t index, void *user, struct err *err)
{
    (void)err;
    note('o', item, index, json_key(item).len, user);
    return 0;
}

static int read_in_pieces(struct str text, size_t step, bool is_inside, struct buf *out,
                          struct err *err)
{
    struct json_list *list = is_inside ? json_list_new_inside("files", on_item, on_other, out)
                                       : json_list_new(on_item, out);
    int               rc = 0;

    for (size_t i = 0; rc == 0 && i < text.len; i += step) {
        struct str piece = str_sub(text, i, i + step);

        rc = json_list_add(list, piece.p, piece.len, err);
    }
    if (rc == 0)
        rc = json_list_end(list, err);
    json_list_free(list);
    return rc;
}

static void print_items(const struct json *array, size_t *index, struct buf *out)
{
    for (const struct json *item = json_first(array); item; item = json_next(item))
        note('i', item, (*index)++, json_is_object(array) && json_key(item).len, out);
}

/* The same from the text as a whole. */
static int read_whole(struct str text, bool is_inside, struct buf *out, struct err *err)
{
    struct json *root = NULL;
    size_t       items = 0, others = 0;

    if (json_parse(text, &root, err))
        return -1;
    if (is_inside ? !json_is_object(root) : !json_is_array(root)) {
        json_free(root);
        return -1;
    }
    if (!is_inside)
        print_items(root, &items, out);
    for (const struct json *m = is_inside ? json_first(root) : NULL; m; m = json_next(m)) {
        if (json_is_object(m) && str_eq(json_key(m), STR("files")))
            print_items(m, &items, out);
        else
            note('o', m, others++, json_key(m).len, out);
    }
    json_free(root);
    return 0;
}

static void repo_info(struct str text)
{
    char         commit[41] = "untouched";
    struct json *root = NULL;
    struct str   sha;
    struct err   err = {0};

    if (hub_read_revision(text, commit, &err)) {
        REQUIRE(err.kind == ERR_BAD_ANSWER || err.kind == ERR_PROXY);
        REQUIRE(strcmp(commit, "untouched") == 0);
        return;
    }
    REQUIRE(strlen(commit) == 40 && strspn(commit, "0123456789abcdef") == 40);
    REQUIRE(json_parse(text, &root, &err) == 0);
    REQUIRE(json_str(json_get(root, "sha"), &sha) && str_eq(sha, str_from(commit)));
    json_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    uint8_t      how = input_byte(&in);
    bool         is_inside = how & 1;
    struct str   text = input_rest(&in);
    struct buf   whole = {0}, pieces = {0}, bytes = {0};
    struct err   err = {0};
    int          rc = read_whole(text, is_inside, &whole, &err);

    /* A key that is written with escapes is not the one that is looked for; nobody writes so. */
    if (!is_inside || str_find_char(text, '\\', 0) < 0) {
        REQUIRE(read_in_pieces(text, (how >> 1) + 1u, is_inside, &pieces, &err) == rc);
        REQUIRE(rc || str_eq(buf_view(&whole), buf_view(&pieces)));
        REQUIRE(rc == 0 || err.kind == ERR_BAD_ANSWER);
    }
    REQUIRE(read_in_pieces(text, text.len + 1, is_inside, &bytes, &err) ==
            read_in_pieces(text, 1, is_inside, &bytes, &err));
    repo_info(text);
    buf_release(&whole);
    buf_release(&pieces);
    buf_release(&bytes);
    input_release(&in);
    return 0;
}
