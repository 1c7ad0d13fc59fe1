/* spec_draft.c: what all sources share when they write into the draft. */
#include "spec_draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *spec_place_text(const struct spec_place *place, char out[SPEC_PLACE_TEXT])
{
    if (place->layer == SPEC_FROM_DEFAULT)
        snprintf(out, SPEC_PLACE_TEXT, "default");
    else if (place->line)
        snprintf(out, SPEC_PLACE_TEXT, "%.200s:%u:%u", place->source, place->line, place->column);
    else
        snprintf(out, SPEC_PLACE_TEXT, "%.200s", place->source);
    return out;
}

int spec_fail(struct spec_draft *d, const struct spec_place *place, const char *fmt, ...)
{
    char    what[sizeof(d->err->text)], where[SPEC_PLACE_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    if (place->layer == SPEC_FROM_DEFAULT)
        return err_set(d->err, ERR_SPEC, "%s", what);
    return err_set(d->err, ERR_SPEC, "%s: %s", spec_place_text(place, where), what);
}

int spec_set_run(struct spec_draft *d, size_t row, const struct spec_scalar *value,
                 const struct spec_place *place)
{
    size_t                     count;
    const struct spec_setting *setting = &spec_table(SPEC_OF_RUN, &count)[row];
    char                       where[SPEC_PLACE_TEXT];

    if (spec_value_set(d->arena, setting, value, d->spec, d->err)) {
        err_wrap(d->err, "%s: %s", spec_place_text(place, where), setting->path);
        return -1;
    }
    d->place[row] = *place;
    return 0;
}

int spec_set_path(struct spec_draft *d, const char *path, struct str text,
                  const struct spec_place *place)
{
    struct spec_scalar value = {.text = text};

    return spec_set_run(d, spec_row(SPEC_OF_RUN, path), &value, place);
}

void spec_drop_repos(struct spec_draft *d, const struct spec_place *place)
{
    d->spec->repo_count = 0;
    d->repos_place = *place;
}

static void fill_defaults(struct spec_draft *d, struct spec_repo *repo)
{
    size_t                     count;
    const struct spec_setting *table = spec_table(SPEC_OF_REPO, &count);

    for (size_t i = 0; i < count; i++) {
        struct spec_scalar value = {.text = str_from(table[i].fallback)};

        if (table[i].fallback && spec_value_set(d->arena, &table[i], &value, repo, d->err))
            die("default of %s: %s", table[i].path, d->err->text);
    }
}

int spec_add_repo(struct spec_draft *d, const struct spec_place *place, struct spec_repo **repo,
                  struct spec_place **places)
{
    struct spec       *spec = d->spec;
    struct spec_place *at;
    size_t             rows;

    if (spec->repo_count >= SPEC_REPOS_MAX)
        return spec_fail(d, place, "too many repos; allowed: %d", SPEC_REPOS_MAX);
    if (spec->repo_count == d->repo_capacity) {
        size_t            capacity = d->repo_capacity ? 2 * d->repo_capacity : 8;
        struct spec_repo *larger = arena_alloc(d->arena, capacity * sizeof(*larger));

        if (spec->repo_count)
            memcpy(larger, spec->repo, spec->repo_count * sizeof(*larger));
        spec->repo = larger;
        d->repo_capacity = capacity;
    }
    spec_table(SPEC_OF_REPO, &rows);
    at = arena_alloc(d->arena, rows * sizeof(*at));
    *repo = &spec->repo[spec->repo_count++];
    **repo = (struct spec_repo){.place = at};
    fill_defaults(d, *repo);
    at[spec_row(SPEC_OF_REPO, "id")] = *place;
    *places = at;
    return 0;
}

int spec_count_item(struct spec_draft *d, const struct spec_place *place)
{
    if (++d->items > SPEC_ITEMS_MAX)
        return spec_fail(d, place, "too many patterns and names; allowed: %d in all",
                         SPEC_ITEMS_MAX);
    return 0;
}

const struct spec_place *spec_place_of(const struct spec_draft *d, const char *path)
{
    return &d->place[spec_row(SPEC_OF_RUN, path)];
}

const struct spec_place *spec_repo_place_of(const struct spec_repo *repo, const char *path)
{
    return &repo->place[spec_row(SPEC_OF_REPO, path)];
}

struct str spec_env(const struct spec_draft *d, const char *name)
{
    const char *const *env = d->source->env;
    size_t             len = strlen(name);

    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=' && (*env)[len + 1] != '\0')
            return str_from(*env + len + 1);
    return (struct str){NULL, 0};
}

struct str spec_env_either(const struct spec_draft *d, const char *first, const char *second,
                           const char **name_used)
{
    struct str value = spec_env(d, first);

    *name_used = value.p ? first : second;
    return value.p ? value : spec_env(d, second);
}
