/* spec_table.h: the one table of settings. Everything else about a setting follows from its row. */
#ifndef HFI_SPEC_TABLE_H
#define HFI_SPEC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum spec_scope {
    SPEC_OF_RUN,  /* a field of struct spec; `path` is its place in the file */
    SPEC_OF_REPO, /* a field of struct spec_repo; as a variable or flag it speaks for all repos */
};

enum spec_type {
    SPEC_TEXT,     /* struct str */
    SPEC_WORD,     /* an enum; `words` in its order */
    SPEC_BOOL,     /* bool */
    SPEC_COUNT,    /* uint32_t */
    SPEC_SIZE,     /* uint64_t, bytes */
    SPEC_RATE,     /* uint64_t, bytes per second */
    SPEC_DURATION, /* uint64_t, ms */
    SPEC_MODE,     /* uint32_t, permission bits */
    SPEC_LIST,     /* struct spec_list */
    SPEC_PATTERNS, /* struct pattern_list */
    SPEC_TYPES
};

enum spec_trait {
    SPEC_ZERO_IS_NONE = 1, /* 0 is allowed below `min` */
    SPEC_AUTO = 2,         /* "auto" is allowed and stored as 0 */
    SPEC_MAY_BE_EMPTY = 4, /* "" and [] are allowed */
    SPEC_IS_URL = 8,       /* may hold credentials: shown without */
    SPEC_FILE_ONLY = 16,   /* no variable and no flag */
};

struct spec_setting {
    const char        *path;
    enum spec_type     type;
    unsigned           traits;
    size_t             offset;   /* in struct spec or struct spec_repo */
    uint64_t           min, max; /* of numbers, in the unit of the field */
    const char *const *words;    /* of SPEC_WORD, NULL-terminated */
    const char        *fallback; /* the default, as one would write it; NULL: none */
    const char        *help, *example;
    /* Further rule for texts and list items; ERR_SPEC. NULL: none */
    int (*check)(struct str text, struct err *err);
};

/* Rows of one scope, in the order of the contract. */
const struct spec_setting *spec_table(enum spec_scope scope, size_t *count);

enum { SPEC_RUN_ROWS_MAX = 64, SPEC_REPO_ROWS_MAX = 16 };

/* Row by its path, which must exist. */
size_t spec_row(enum spec_scope scope, const char *path);
/* Row by its path; false if there is none. */
bool spec_find_row(enum spec_scope scope, struct str path, size_t *row);
/* Does any path of the scope lie below this one ("disk" has "disk.reserve")? */
bool spec_is_group(enum spec_scope scope, struct str path);
/* `disk.reserve`, `disk-reserve`, `diskReserve`, `repo-type`: as flags are written. */
bool spec_find_flag(struct str name, enum spec_scope *scope, size_t *row);

/* "HF_INIT_DISK_RESERVE" */
enum { SPEC_NAME_TEXT = 80 };
const char *spec_variable(const struct spec_setting *setting, char out[SPEC_NAME_TEXT]);

/* The known name nearest to a misspelt one: start with best = NULL. */
struct spec_nearest {
    char   best[SPEC_NAME_TEXT];
    size_t distance;
};
void spec_nearest_consider(struct spec_nearest *nearest, struct str wrong, struct str known);
bool spec_nearest_found(const struct spec_nearest *nearest, struct str wrong);

/* "text", "size", … for lists of settings. */
const char *spec_type_name(enum spec_type type);

/* Names that the contract keeps free. */
bool spec_is_reserved(struct str key);

#endif
