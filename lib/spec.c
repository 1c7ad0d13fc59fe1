/* spec.c: the user's wish, told as a story: each source in turn, the stronger over the weaker, then
 * what follows from them, then what must hold. */
#include "spec.h"

#include <string.h>

#include "spec_check.h"
#include "spec_draft.h"
#include "spec_env.h"
#include "spec_file.h"
#include "spec_official.h"
#include "spec_token.h"

static void take_defaults(struct spec_draft *d)
{
    const struct spec_place    nowhere = {.layer = SPEC_FROM_DEFAULT};
    size_t                     count;
    const struct spec_setting *table = spec_table(SPEC_OF_RUN, &count);

    for (size_t i = 0; i < count; i++) {
        struct spec_scalar value = {.text = str_from(table[i].fallback)};

        if (table[i].fallback && spec_set_run(d, i, &value, &nowhere))
            die("default of %s: %s", table[i].path, d->err->text);
    }
}

static int read_all(struct spec_draft *d)
{
    take_defaults(d);
    if (spec_take_official(d) || spec_take_flags(d, true) || spec_take_file(d) ||
        spec_take_variables(d) || spec_take_flags(d, false))
        return -1;
    if (spec_settle(d) || spec_check(d))
        return -1;
    return spec_find_token(d);
}

static void keep_places(struct spec_draft *d)
{
    size_t             count;
    struct spec_place *place;

    spec_table(SPEC_OF_RUN, &count);
    place = arena_alloc(d->arena, count * sizeof(*place));
    memcpy(place, d->place, count * sizeof(*place));
    d->spec->place = place;
}

int spec_load(struct spec *spec, const struct spec_source *source, struct err *err)
{
    struct spec_draft d = {.spec = spec, .source = source, .arena = &spec->arena, .err = err};

    *spec = (struct spec){.file = ""};
    if (read_all(&d)) {
        struct arena rest = {0};
        struct str   where = arena_str(&rest, spec->termination_message);

        spec_release(spec);
        spec->arena = rest;
        spec->termination_message = where;
        return -1;
    }
    keep_places(&d);
    spec_make_digest(spec);
    return 0;
}

void spec_release(struct spec *spec)
{
    secret_release(&spec->token);
    arena_release(&spec->arena);
    *spec = (struct spec){.file = ""};
}
