/* report_places.c: what markers and status files, of whatever specs, say that their specs want.
 *
 * They come from a volume that others write to. One that is not understood as a whole is not understood
 * at all: who asks would otherwise take what it names for something that nobody wants. */
#include "json.h"
#include "repo.h"
#include "report.h"

static bool text_is(const struct json *object, const char *key, struct str want)
{
    struct str text;

    return json_str(json_get(object, key), &text) && str_eq(text, want);
}

static bool read_place(const struct json *entry, bool is_cache, struct report_place *out)
{
    struct report_place place = {.is_cache = is_cache, .path = STR(""), .commit = STR("")};
    struct err          ignored;
    enum repo_type      type;

    if (!json_str(json_get(entry, "type"), &place.type) || !repo_type_parse(place.type, &type) ||
        !json_str(json_get(entry, "id"), &place.id) || repo_check_id(place.id, &ignored))
        return false;
    json_str(json_get(entry, "path"), &place.path);
    if (json_str(json_get(entry, "commit"), &place.commit) && !repo_is_commit(place.commit))
        return false;
    *out = place;
    return true;
}

static bool read_kind(const struct json *root, enum report_kind *kind)
{
    if (text_is(root, "schema", STR("hf-init/complete/v1")))
        *kind = REPORT_MARKER;
    else if (text_is(root, "schema", STR("hf-init/status/v1")))
        *kind =
            text_is(root, "phase", STR("complete")) ? REPORT_STATUS_COMPLETE : REPORT_STATUS_OTHER;
    else
        return false;
    return true;
}

/* Of all, or of none: visit NULL only looks. */
static bool visit_all(const struct json *root, report_place_fn *visit, void *user)
{
    const struct json  *repos = json_get(root, "repos"), *entry;
    bool                is_cache = text_is(root, "layout", STR("cache"));
    struct report_place place;

    if (!json_is_array(repos) || (!is_cache && !text_is(root, "layout", STR("dir"))))
        return false;
    for (entry = json_first(repos); entry; entry = json_next(entry)) {
        if (!read_place(entry, is_cache, &place))
            return false;
        if (visit)
            visit(&place, user);
    }
    return true;
}

int report_read_places(struct str json, enum report_kind *kind, report_place_fn *visit, void *user,
                       struct err *err)
{
    struct json *root = NULL;
    bool         understood;

    if (json_parse(json, &root, err))
        return -1;
    understood = read_kind(root, kind) && visit_all(root, NULL, NULL);
    if (understood && visit)
        visit_all(root, visit, user);
    json_free(root);
    return understood ? 0 : err_set(err, ERR_BAD_ANSWER, "it is neither a marker nor a status");
}

bool report_status_is_by(struct str json, const char *instance)
{
    struct json *root = NULL;
    struct err   ignored;
    bool         is = json_parse(json, &root, &ignored) == 0 &&
              text_is(root, "schema", STR("hf-init/status/v1")) &&
              text_is(root, "instance", str_from(instance));

    json_free(root);
    return is;
}
