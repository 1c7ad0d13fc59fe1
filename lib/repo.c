/* repo.c: the rules for names. Each check says which rule was broken, because the person who reads
 * it sees a spec, not our source. */
#include "repo.h"

#include <string.h>

#include "log.h"
#include "secret.h"
#include "url.h"

enum {
    ID_PART_BYTES_MAX = 96,
    SEGMENT_BYTES_MAX = 255, /* NAME_MAX of every file system we know */
    PATH_BYTES_MAX = 4095,
    PATH_LEVELS_MAX = 64,
    QUOTE_BYTES = 60,
};

static const struct {
    struct str name, plural, prefix;
} types[] = {
    [REPO_MODEL] = {{"model", 5}, {"models", 6}, {"", 0}},
    [REPO_DATASET] = {{"dataset", 7}, {"datasets", 8}, {"datasets/", 9}},
    [REPO_SPACE] = {{"space", 5}, {"spaces", 6}, {"spaces/", 7}},
};

enum { TYPES = sizeof(types) / sizeof(types[0]) };

const char *repo_type_name(enum repo_type type)
{
    return types[type].name.p;
}

const char *repo_type_plural(enum repo_type type)
{
    return types[type].plural.p;
}

const char *repo_type_prefix(enum repo_type type)
{
    return types[type].prefix.p;
}

bool repo_type_parse(struct str text, enum repo_type *out)
{
    for (int i = 0; i < TYPES; i++) {
        if (str_eq(text, types[i].name) || str_eq(text, types[i].plural)) {
            *out = (enum repo_type)i;
            return true;
        }
    }
    return false;
}

/* err_set with the name in front, escaped and shortened: foreign names must not write our log. */
static int refuse(struct err *err, enum err_kind kind, struct str name, const char *why)
{
    struct buf shown = {0};
    size_t     end = name.len < QUOTE_BYTES ? name.len : QUOTE_BYTES;

    if (secret_may_be_in(name))
        return err_set(err, kind, "(not shown: it looks like a token) %s", why);
    while (end < name.len && end > 0 && ((unsigned char)name.p[end] & 0xC0) == 0x80)
        end--;
    log_add_json_text(&shown, str_sub(name, 0, end));
    err_set(err, kind, "\"%s%s\" %s", buf_cstr(&shown), end < name.len ? "…" : "", why);
    buf_release(&shown);
    return -1;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* What is wrong with one side of the '/'; NULL if nothing. */
static const char *fault_of_id_part(struct str part)
{
    if (part.len == 0)
        return "is not a repo id: write NAME or ORG/NAME";
    if (part.len > ID_PART_BYTES_MAX)
        return "is not a repo id: ORG and NAME have at most 96 characters each";
    for (size_t i = 0; i < part.len; i++)
        if (!is_word(part.p[i]) && part.p[i] != '.' && part.p[i] != '-')
            return "is not a repo id: only letters, digits, '_', '.' and '-' are allowed";
    if (!is_word(part.p[0]) || !is_word(part.p[part.len - 1]))
        return "is not a repo id: ORG and NAME start and end with a letter, a digit or '_'";
    return NULL;
}

int repo_check_id(struct str id, struct err *err)
{
    ptrdiff_t   slash = str_find_char(id, '/', 0);
    const char *fault;

    if (str_find(id, STR("://"), 0) >= 0)
        return refuse(err, ERR_SPEC, id, "is a URL: write the repo's id, ORG/NAME");
    if (str_find_char(id, '@', 0) >= 0)
        return refuse(err, ERR_SPEC, id, "is not a repo id: the revision has its own key");
    if (slash >= 0 && str_find_char(id, '/', (size_t)slash + 1) >= 0)
        return refuse(err, ERR_SPEC, id, "is not a repo id: at most one '/', as in ORG/NAME");
    if (slash >= 0) {
        fault = fault_of_id_part(str_sub(id, 0, (size_t)slash));
        if (fault)
            return refuse(err, ERR_SPEC, id, fault);
        fault = fault_of_id_part(str_sub(id, (size_t)slash + 1, id.len));
    } else {
        fault = fault_of_id_part(id);
    }
    if (fault)
        return refuse(err, ERR_SPEC, id, fault);
    if (str_find(id, STR("--"), 0) >= 0 || str_find(id, STR(".."), 0) >= 0)
        return refuse(err, ERR_SPEC, id, "is not a repo id: no \"--\" and no \"..\"");
    if (str_has_suffix(id, STR(".git")))
        return refuse(err, ERR_SPEC, id, "is not a repo id: leave out the \".git\"");
    return 0;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F)
            return true;
    return false;
}

int repo_check_revision(struct str revision, struct err *err)
{
    struct str rest = revision, segment;

    if (revision.len == 0)
        return refuse(err, ERR_SPEC, revision,
                      "is no revision: name a branch, a tag, a commit or refs/pr/N");
    if (has_control(revision) || !str_is_utf8(revision))
        return refuse(err, ERR_SPEC, revision,
                      "is no revision: it holds control characters or is not UTF-8");
    if (str_find_char(revision, '\\', 0) >= 0 || str_find(revision, STR(".."), 0) >= 0)
        return refuse(err, ERR_SPEC, revision, "is no revision: no '\\' and no \"..\"");
    while (str_cut(&rest, '/', &segment)) {
        if (segment.len == 0 || str_eq(segment, STR(".")))
            return refuse(err, ERR_SPEC, revision,
                          "is no revision: no '/' at the start or end, no \"//\" and no \"/./\"");
        if (segment.len > SEGMENT_BYTES_MAX || revision.len > PATH_BYTES_MAX / 4)
            return refuse(err, ERR_SPEC, revision, "is no revision: it is too long");
    }
    return 0;
}

bool repo_is_commit(struct str revision)
{
    return str_is_hex(revision, 40);
}

static const char *fault_of_segment(struct str segment)
{
    if (segment.len == 0)
        return "is unsafe: it has an empty path segment";
    if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
        return "is unsafe: it has a \".\" or \"..\" segment";
    if (segment.len >= 2 && segment.p[1] == ':')
        return "is unsafe: it has a drive letter";
    if (segment.len > SEGMENT_BYTES_MAX)
        return "cannot be stored: a segment is longer than 255 bytes";
    return NULL;
}

int repo_check_path(struct str path, struct err *err)
{
    size_t begin = 0, levels = 0;

    if (path.len == 0)
        return refuse(err, ERR_UNSAFE_NAME, path, "is unsafe: it is empty");
    if (path.p[0] == '/' || path.p[0] == '\\')
        return refuse(err, ERR_UNSAFE_NAME, path, "is unsafe: it is absolute");
    if (has_control(path) || !str_is_utf8(path))
        return refuse(err, ERR_UNSAFE_NAME, path,
                      "is unsafe: it holds control characters or is not UTF-8");
    if (path.len > PATH_BYTES_MAX)
        return refuse(err, ERR_UNSAFE_NAME, path, "cannot be stored: it has over 4095 bytes");
    for (size_t i = 0; i <= path.len; i++) {
        const char *fault;

        if (i < path.len && path.p[i] != '/' && path.p[i] != '\\')
            continue;
        fault = fault_of_segment(str_sub(path, begin, i));
        if (fault)
            return refuse(err, ERR_UNSAFE_NAME, path, fault);
        if (++levels > PATH_LEVELS_MAX)
            return refuse(err, ERR_UNSAFE_NAME, path, "cannot be stored: over 64 folders deep");
        begin = i + 1;
    }
    return 0;
}

/* Takes "datasets/" and its like off the front. */
static void take_type(struct str *text, struct repo_ref *out)
{
    for (int i = 0; i < TYPES; i++) {
        struct str plural = types[i].plural;

        if (!str_has_prefix(*text, plural) || text->len == plural.len || text->p[plural.len] != '/')
            continue;
        out->type = (enum repo_type)i;
        out->type_given = true;
        *text = str_sub(*text, plural.len + 1, text->len);
        return;
    }
}

/* How much of "refs/pr/7/config.json" is the revision? These two keep their slashes. */
static size_t special_ref_length(struct str text)
{
    static const struct str special[] = {{"refs/pr/", 8}, {"refs/convert/", 13}};

    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        ptrdiff_t slash;

        if (!str_has_prefix(text, special[i]) || text.len == special[i].len)
            continue;
        slash = str_find_char(text, '/', special[i].len);
        return slash < 0 ? text.len : (size_t)slash;
    }
    return 0;
}

/* Cuts REV[/PATH] of a URI in two, and decodes REV. */
static int take_uri_revision(struct str text, struct buf *storage, struct repo_ref *out,
                             struct err *err)
{
    size_t    len = special_ref_length(text);
    ptrdiff_t slash = str_find_char(text, '/', 0);

    if (len == 0)
        len = slash < 0 ? text.len : (size_t)slash;
    out->revision = str_sub(text, 0, len);
    out->path = str_sub(text, len + (len < text.len), text.len);
    if (str_find_char(out->revision, '%', 0) >= 0) {
        buf_clear(storage);
        if (!url_decode(storage, out->revision))
            return refuse(err, ERR_SPEC, out->revision,
                          "is no revision: a '%' is not followed by two hex digits");
        out->revision = buf_view(storage);
    }
    return repo_check_revision(out->revision, err);
}

/* NS/NAME[@REV][/PATH], what follows hf:// and the type. */
static int parse_uri(struct str whole, struct str text, struct buf *storage, struct repo_ref *out,
                     struct err *err)
{
    ptrdiff_t slash = str_find_char(text, '/', 0);
    size_t    end;

    if (str_has_prefix(text, STR("kernels/")) || str_has_prefix(text, STR("buckets/")))
        return refuse(err, ERR_SPEC, whole,
                      "cannot be fetched: only models, datasets and spaces can");
    if (slash < 0)
        return refuse(err, ERR_SPEC, whole,
                      "is no repo: an hf:// URI needs ORG/NAME, with both parts");
    end = (size_t)slash + 1;
    while (end < text.len && text.p[end] != '/' && text.p[end] != '@')
        end++;
    out->id = str_sub(text, 0, end);
    if (repo_check_id(out->id, err))
        return -1;
    if (end < text.len && text.p[end] == '@')
        return take_uri_revision(str_sub(text, end + 1, text.len), storage, out, err);
    out->path = str_sub(text, end + 1, text.len);
    return 0;
}

int repo_ref_parse(struct str text, struct buf *storage, struct repo_ref *out, struct err *err)
{
    struct repo_ref ref = {.type = REPO_MODEL, .revision = STR(""), .path = STR("")};
    struct str      rest = text;
    ptrdiff_t       at;

    if (str_has_prefix(text, STR("hf://"))) {
        rest = str_sub(text, 5, text.len);
        take_type(&rest, &ref);
        if (parse_uri(text, rest, storage, &ref, err))
            return -1;
        *out = ref;
        return 0;
    }
    take_type(&rest, &ref);
    at = str_find_char(rest, '@', 0);
    ref.id = at < 0 ? rest : str_sub(rest, 0, (size_t)at);
    if (repo_check_id(ref.id, err))
        return -1;
    if (at >= 0) {
        ref.revision = str_sub(rest, (size_t)at + 1, rest.len);
        if (repo_check_revision(ref.revision, err))
            return -1;
    }
    *out = ref;
    return 0;
}

void repo_folder_name(enum repo_type type, struct str id, struct buf *out)
{
    buf_add_str(out, types[type].plural);
    buf_add(out, "--", 2);
    for (size_t i = 0; i < id.len; i++) {
        if (id.p[i] == '/')
            buf_add(out, "--", 2);
        else
            buf_add_char(out, id.p[i]);
    }
}
