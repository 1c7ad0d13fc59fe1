/* spec_env.c: the two sources that have only text: HF_INIT_* variables and flags.
 *
 * Both reach the same rows of the table; what they say of a repo goes into draft.common and is
 * laid over all repos at the end. */
#include "spec_env.h"

#include <string.h>

static bool is_list(const struct spec_setting *setting)
{
    return setting->type == SPEC_LIST || setting->type == SPEC_PATTERNS;
}

static bool is_separator(char c, bool only_newlines)
{
    return c == '\n' || (!only_newlines && (c == ',' || c == ' ' || c == '\t' || c == '\r'));
}

/* The next piece of a list: between newlines if the text has any, so that names may hold commas and
 * spaces; else between commas and spaces. */
static bool next_item(struct str *rest, bool only_newlines, struct str *item)
{
    while (rest->len) {
        size_t len = 0;

        while (len < rest->len && !is_separator(rest->p[len], only_newlines))
            len++;
        *item = str_trim(str_sub(*rest, 0, len));
        *rest = str_sub(*rest, len + 1, rest->len);
        if (item->len)
            return true;
    }
    return false;
}

static int add_repo_ref(struct spec_draft *d, struct str text, const struct spec_place *place)
{
    struct spec_place *places;
    struct spec_repo  *repo;
    struct repo_ref    ref;
    struct buf         storage = {0};
    char               where[SPEC_PLACE_TEXT];
    int                rc = -1;

    if (repo_ref_parse(text, &storage, &ref, d->err)) {
        err_wrap(d->err, "%s", spec_place_text(place, where));
        goto out;
    }
    if (ref.path.len) {
        spec_fail(d, place, "%.*s names a file; give it by --files or HF_INIT_FILES",
                  STR_ARG(ref.path));
        goto out;
    }
    if (spec_add_repo(d, place, &repo, &places))
        goto out;
    repo->id = arena_str(d->arena, ref.id);
    if (ref.type_given) {
        repo->type = ref.type;
        places[spec_row(SPEC_OF_REPO, "type")] = *place;
    }
    if (ref.revision.len) {
        repo->revision = arena_str(d->arena, ref.revision);
        places[spec_row(SPEC_OF_REPO, "revision")] = *place;
    }
    rc = 0;
out:
    buf_release(&storage);
    return rc;
}

/* Repos of a stronger source replace those of weaker ones; a repeated flag adds. */
static int take_repos(struct spec_draft *d, struct str text, bool is_single,
                      const struct spec_place *place)
{
    struct str item;
    size_t     before;

    if (d->repos_place.layer != place->layer)
        spec_drop_repos(d, place);
    if (is_single)
        return add_repo_ref(d, text, place);
    before = d->spec->repo_count;
    while (next_item(&text, false, &item))
        if (add_repo_ref(d, item, place))
            return -1;
    if (d->spec->repo_count == before)
        return spec_fail(d, place, "names no repo; write ORG/NAME or ORG/NAME@REVISION");
    return 0;
}

static int add_item(struct spec_draft *d, const struct spec_setting *setting, struct str item,
                    void *base, const struct spec_place *place)
{
    struct spec_scalar value = {.text = item};
    char               where[SPEC_PLACE_TEXT];

    if (spec_count_item(d, place))
        return -1;
    if (spec_list_add(d->arena, setting, &value, base, d->err))
        return err_wrap(d->err, "%s", spec_place_text(place, where));
    return 0;
}

/* A blank value, as of a variable that a script or a template left unset, is refused where it would
 * mean more than it says: no endpoint, hosts without limit. No pattern is a choice: --allow "". */
static int take_list(struct spec_draft *d, const struct spec_setting *setting, struct str text,
                     bool is_single, void *base, const struct spec_place *place, bool adds)
{
    bool       only_newlines = str_find_char(text, '\n', 0) >= 0;
    struct str item;
    bool       is_blank = true;

    if (!adds)
        spec_list_clear(setting, base);
    if (is_single)
        return add_item(d, setting, text, base, place);
    while (next_item(&text, only_newlines, &item)) {
        if (add_item(d, setting, item, base, place))
            return -1;
        is_blank = false;
    }
    if (is_blank && setting->type == SPEC_LIST)
        return spec_fail(d, place, "%s: an empty list; leave it out for the default",
                         setting->path);
    return 0;
}

/* One value for one row, wherever that row lives. `repo`: for this one alone; NULL: for all. */
static int take_value(struct spec_draft *d, enum spec_scope scope, size_t row,
                      struct spec_repo *repo, struct str text, bool is_single,
                      const struct spec_place *place)
{
    size_t                     count;
    const struct spec_setting *setting = &spec_table(scope, &count)[row];
    void *base = scope == SPEC_OF_RUN ? (void *)d->spec : repo ? (void *)repo : (void *)&d->common;
    struct spec_place *slot = scope == SPEC_OF_RUN ? &d->place[row]
                              : repo               ? &repo->place[row]
                                                   : &d->common_place[row];
    struct spec_scalar value = {.text = text};
    char               where[SPEC_PLACE_TEXT];

    if (is_list(setting)) {
        if (place->layer == SPEC_FROM_VARIABLE) /* a block scalar of a manifest ends in a newline */
            text = str_trim(text);
        if (take_list(d, setting, text, is_single, base, place, slot->layer == place->layer))
            return -1;
    } else if (spec_value_set(d->arena, setting, &value, base, d->err)) {
        return err_wrap(d->err, "%s", spec_place_text(place, where));
    }
    *slot = *place;
    return 0;
}

/* A Service named hf-init makes the kubelet put these into every pod of its namespace. */
static bool is_service_link(struct str name)
{
    static const char *const ends[] = {"_SERVICE_HOST", "_SERVICE_PORT", "_PORT"};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (str_has_suffix(name, str_from(ends[i])))
            return true;
    return str_find(name, STR("_SERVICE_PORT_"), 0) >= 0 || str_find(name, STR("_PORT_"), 0) >= 0;
}

/* What our own env file says (report_env.c): a container that sourced it may run us again. */
static bool is_of_env_file(struct str name)
{
    return str_has_prefix(name, STR("HF_INIT_MODEL_PATH")) ||
           str_has_prefix(name, STR("HF_INIT_COMMIT"));
}

static bool find_variable(struct str name, enum spec_scope *scope, size_t *row)
{
    char variable[SPEC_NAME_TEXT];

    for (int s = SPEC_OF_RUN; s <= SPEC_OF_REPO; s++) {
        size_t                     count;
        const struct spec_setting *table = spec_table((enum spec_scope)s, &count);

        for (size_t i = 0; i < count; i++) {
            if ((table[i].traits & SPEC_FILE_ONLY) ||
                !str_eq(name, str_from(spec_variable(&table[i], variable))))
                continue;
            *scope = (enum spec_scope)s;
            *row = i;
            return true;
        }
    }
    return false;
}

static int fail_variable(struct spec_draft *d, struct str name)
{
    struct spec_nearest nearest = {0};
    char                variable[SPEC_NAME_TEXT], shown[SPEC_QUOTE_TEXT];

    for (int s = SPEC_OF_RUN; s <= SPEC_OF_REPO; s++) {
        size_t                     count;
        const struct spec_setting *table = spec_table((enum spec_scope)s, &count);

        for (size_t i = 0; i < count; i++)
            if (!(table[i].traits & SPEC_FILE_ONLY))
                spec_nearest_consider(&nearest, name, str_from(spec_variable(&table[i], variable)));
    }
    spec_nearest_consider(&nearest, name, STR("HF_INIT_REPOS"));
    spec_nearest_consider(&nearest, name, STR("HF_INIT_SPEC"));
    spec_nearest_consider(&nearest, name, STR("HF_INIT_SPEC_YAML"));
    spec_quote(name, shown);
    if (nearest.best[0] && nearest.distance <= 4) /* the common HF_INIT_ makes more look near */
        return err_set(d->err, ERR_SPEC, "unknown variable %s; did you mean %s?", shown,
                       nearest.best);
    return err_set(d->err, ERR_SPEC,
                   "unknown variable %s; a setting's variable is its path in upper case, as "
                   "HF_INIT_DISK_RESERVE for disk.reserve",
                   shown);
}

static int take_variable(struct spec_draft *d, struct str name, struct str text)
{
    /* spec_file.c reads the first two; the third is where scripts note which binary to start */
    static const char *const elsewhere[] = {"HF_INIT_SPEC", "HF_INIT_SPEC_YAML", "HF_INIT_BIN"};
    struct spec_place        place = {.layer = SPEC_FROM_VARIABLE};
    enum spec_scope          scope;
    size_t                   row;

    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        if (str_eq(name, str_from(elsewhere[i])))
            return 0;
    place.source = arena_strdup(d->arena, name);
    if (str_eq(name, STR("HF_INIT_TOKEN")))
        return spec_fail(d, &place,
                         "the token's variable is HF_TOKEN; HF_INIT_TOKEN_FILE and "
                         "HF_INIT_TOKEN_ENV say where else it is");
    if (str_eq(name, STR("HF_INIT_REPOS")))
        return text.len ? take_repos(d, text, false, &place) : 0;
    if (find_variable(name, &scope, &row)) /* an empty one counts as unset */
        return text.len ? take_value(d, scope, row, NULL, text, false, &place) : 0;
    if (is_service_link(name) || is_of_env_file(name))
        return 0;
    return fail_variable(d, name);
}

int spec_take_variables(struct spec_draft *d)
{
    for (const char *const *env = d->source->env; env && *env; env++) {
        struct str text = str_from(*env), name;

        if (!str_has_prefix(text, STR("HF_INIT_")) || !str_cut(&text, '=', &name) || !text.p)
            continue;
        if (take_variable(d, name, text))
            return -1;
    }
    return 0;
}

/* Flags that are no rows: another word for one, taking a single item as it stands. */
static const struct {
    struct str  word;
    const char *path; /* NULL: a repo */
} words[] = {
    {{"repo", 4}, NULL},    {{"include", 7}, "allow"},  {{"exclude", 7}, "ignore"},
    {{"file", 4}, "files"}, {{"repo-type", 9}, "type"},
};

/* What a flag means: its row, or repos (*is_repos). False if nothing. */
static bool find_flag(struct str key, enum spec_scope *scope, size_t *row, bool *is_repos,
                      bool *is_single)
{
    *is_repos = str_eq(key, STR("repos"));
    *is_single = false;
    if (*is_repos)
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!str_eq(key, words[i].word))
            continue;
        *is_repos = words[i].path == NULL;
        *is_single = true;
        *scope = SPEC_OF_REPO;
        if (words[i].path)
            *row = spec_row(SPEC_OF_REPO, words[i].path);
        return true;
    }
    return spec_find_flag(key, scope, row);
}

/* The row's path as a flag: "disk-reserve". */
static struct str flag_name(const struct spec_setting *setting, char out[SPEC_NAME_TEXT])
{
    struct str variable = str_from(spec_variable(setting, out));

    for (size_t i = 0; i < variable.len; i++) {
        if (out[i] == '_')
            out[i] = '-';
        else if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] - 'A' + 'a');
    }
    return str_sub(variable, strlen("HF_INIT_"), variable.len);
}

static int fail_flag(struct str key, struct err *err)
{
    struct spec_nearest nearest = {0};
    char                name[SPEC_NAME_TEXT], shown[SPEC_QUOTE_TEXT];

    for (int s = SPEC_OF_RUN; s <= SPEC_OF_REPO; s++) {
        size_t                     count;
        const struct spec_setting *table = spec_table((enum spec_scope)s, &count);

        for (size_t i = 0; i < count; i++)
            if (!(table[i].traits & SPEC_FILE_ONLY))
                spec_nearest_consider(&nearest, key, flag_name(&table[i], name));
    }
    spec_nearest_consider(&nearest, key, STR("repos"));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        spec_nearest_consider(&nearest, key, words[i].word);
    spec_quote(key, shown);
    if (spec_nearest_found(&nearest, key))
        return err_set(err, ERR_USAGE, "unknown flag %s; did you mean --%s?", shown, nearest.best);
    return err_set(err, ERR_USAGE, "unknown flag %s", shown);
}

/* "repos[1].path" is about the second repo: its number from 0, and the key within. False, and the
 * key as it is, if it is about none in particular. */
static bool cut_repo(struct str key, struct str *rest, uint64_t *index)
{
    ptrdiff_t end = str_find(key, STR("]."), 0);

    *rest = key;
    if (!str_has_prefix(key, STR("repos[")) || end < 0 ||
        !str_to_u64(str_sub(key, 6, (size_t)end), index))
        return false;
    *rest = str_sub(key, (size_t)end + 2, key.len);
    return true;
}

int spec_check_flag(struct str key, bool *is_switch, struct err *err)
{
    enum spec_scope scope = SPEC_OF_RUN;
    size_t          row = 0, count;
    uint64_t        index;
    bool            is_repos, is_single, is_of_one = cut_repo(key, &key, &index);

    if (str_eq(key, STR("token"))) {
        err_set(err, ERR_USAGE, "a token on the command line can be read by every process");
        return err_hint(err, "set HF_TOKEN, or give --token-file PATH");
    }
    if (!find_flag(key, &scope, &row, &is_repos, &is_single) ||
        (is_of_one && (is_repos || scope != SPEC_OF_REPO)))
        return fail_flag(key, err);
    *is_switch = !is_repos && spec_table(scope, &count)[row].type == SPEC_BOOL;
    return 0;
}

static int take_flag(struct spec_draft *d, const struct spec_flag *flag)
{
    struct spec_place place = {.layer = flag->is_weak ? SPEC_FROM_SYSTEM : SPEC_FROM_FLAG};
    enum spec_scope   scope = SPEC_OF_RUN;
    size_t            row = 0;
    struct spec_repo *repo = NULL;
    struct str        key;
    uint64_t          index;
    bool              is_repos, is_single, is_switch;

    if (spec_check_flag(flag->key, &is_switch, d->err))
        return -1;
    place.source = flag->origin.len ? arena_strdup(d->arena, flag->origin)
                                    : arena_printf(d->arena, "--%.*s", STR_ARG(flag->key));
    if (cut_repo(flag->key, &key, &index)) {
        if (d->repos_place.layer != place.layer || index >= d->spec->repo_count)
            return spec_fail(d, &place, "there is no such repo");
        repo = &d->spec->repo[index];
    }
    find_flag(key, &scope, &row, &is_repos, &is_single);
    return is_repos ? take_repos(d, flag->value, is_single, &place)
                    : take_value(d, scope, row, repo, flag->value, is_single, &place);
}

int spec_take_flags(struct spec_draft *d, bool weak)
{
    for (size_t i = 0; i < d->source->flag_count; i++)
        if (d->source->flag[i].is_weak == weak && take_flag(d, &d->source->flag[i]))
            return -1;
    return 0;
}
