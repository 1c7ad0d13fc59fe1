/* spec_draft.h: the spec while it is being put together, from the weakest source to the strongest.
 *
 * Every source writes into the same fields and leaves its place behind, so that the last word wins
 * and every complaint, also one that needs several settings, can say where to look. */
#ifndef HFI_SPEC_DRAFT_H
#define HFI_SPEC_DRAFT_H

#include "spec.h"
#include "spec_table.h"
#include "spec_value.h"

enum spec_layer { /* weakest first */
                  SPEC_FROM_DEFAULT,
                  SPEC_FROM_OFFICIAL, /* HF_*, proxies, JOB_COMPLETION_INDEX */
                  SPEC_FROM_SYSTEM,   /* variables and files of another system, translated */
                  SPEC_FROM_FILE,
                  SPEC_FROM_VARIABLE, /* HF_INIT_* */
                  SPEC_FROM_FLAG,
};

struct spec_place {
    enum spec_layer layer;
    const char     *source;       /* a file, a variable, a flag */
    uint32_t        line, column; /* of a file; from 1 */
};

enum { SPEC_REPOS_MAX = 1000, SPEC_ITEMS_MAX = 10000, SPEC_PLACE_TEXT = 256 };

struct spec_draft {
    struct spec              *spec;
    const struct spec_source *source;
    struct arena             *arena;
    struct err               *err;

    struct spec_place place[SPEC_RUN_ROWS_MAX]; /* of the fields of *spec */
    struct spec_place repos_place;              /* of the list of repos */
    size_t            repo_capacity, items;

    struct spec_repo  common; /* what variables and flags say of all repos */
    struct spec_place common_place[SPEC_REPO_ROWS_MAX];
};

/* "spec.yaml:3:5", "HF_INIT_TARGET", "--target", "default" */
const char *spec_place_text(const struct spec_place *place, char out[SPEC_PLACE_TEXT]);

/* err_set with the place in front. Returns -1. */
int spec_fail(struct spec_draft *d, const struct spec_place *place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads a value into a row of the run's table. */
int spec_set_run(struct spec_draft *d, size_t row, const struct spec_scalar *value,
                 const struct spec_place *place);
/* The same by the row's path, for text that is not from YAML. */
int spec_set_path(struct spec_draft *d, const char *path, struct str text,
                  const struct spec_place *place);

/* Forgets the repos of weaker sources. */
void spec_drop_repos(struct spec_draft *d, const struct spec_place *place);
/* A repo with all defaults; *places is its array by row. */
int spec_add_repo(struct spec_draft *d, const struct spec_place *place, struct spec_repo **repo,
                  struct spec_place **places);
/* Counts list items of all kinds against the cap. */
int spec_count_item(struct spec_draft *d, const struct spec_place *place);

const struct spec_place *spec_place_of(const struct spec_draft *d, const char *path);
const struct spec_place *spec_repo_place_of(const struct spec_repo *repo, const char *path);

/* A variable of source->env; empty counts as unset. p is NULL if unset. */
struct str spec_env(const struct spec_draft *d, const char *name);
/* The first of two that is set; *name_used says which. */
struct str spec_env_either(const struct spec_draft *d, const char *first, const char *second,
                           const char **name_used);

#endif
