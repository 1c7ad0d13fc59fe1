/* adapters.h: the words of other systems that hand models to a loader, and what each means here.
 * The table is in adapters_table.c; what no table can say is a `settle` of adapters.c. */
#ifndef ADAPTERS_H
#define ADAPTERS_H

#include <stdbool.h>
#include <stddef.h>

struct app;
struct translation;
struct hfinit_error;

enum {
    WORD_IS_LIST = 1,     /* items between commas */
    WORD_IS_PATTERNS = 2, /* a JSON list, a JSON text, or items between commas */
    WORD_IS_ITEM = 4,     /* one item as it stands, for a setting that is a list */
    WORD_IS_SWITCH = 8,   /* an argument without a value */
    WORD_IS_JSON = 16,    /* a JSON mapping, whose keys are words themselves */
};

enum { ADAPTER_PAIRS_MAX = 100 };

/* One word. An empty value counts as none, everywhere. */
struct adapter_word {
    const char *theirs; /* an argument without its dashes, a variable, or a key */
    const char *ours;   /* the setting, or one of OUR_…; NULL: none, and a warning says so */
    unsigned    traits; /* WORD_… */
    const char *form;   /* of the setting's value, '%' being theirs; NULL: theirs */
    /* "true=lines *=": what values mean, in any case. '*' is any other; '%' the value as it is,
     * '!' refused, nothing: nothing is set. NULL: any value as it is. */
    const char *words;
    const char *why; /* of '!' */
};

#define OUR_SOURCE "(source)" /* hf://…, or ORG/NAME where that is usual */
#define OUR_FORCE  "(force)"  /* believe nothing that is there */
#define OUR_LIMIT  "(limit)"  /* "off": no max-bytes */

struct adapter {
    const char *name;        /* the command, or what its file is called */
    const char *system;      /* for people */
    const char *source;      /* what names the model, for the message if nothing did */
    size_t      pairs;       /* SRC DEST pairs it takes; 0: none */
    bool        plain_ids;   /* ORG/NAME without hf:// */
    bool        own_state;   /* several repos share a target, each with a run of its own */
    bool        prints_path; /* where the model is, as the last line of standard output */
    bool        says_kserve; /* the log lines of KServe */
    const char *defaults[4]; /* "setting=value", as weak as variables; ends with NULL */
    const struct adapter_word *arguments, *variables, *keys; /* each ends with NULL; NULL: none */
    int (*settle)(struct translation *t);                    /* NULL: nothing more to do */
};

extern const struct adapter adapters[]; /* ends with a NULL name */

int adapter_settle_kserve(struct translation *t);
int adapter_settle_llmaz(struct translation *t);
int adapter_settle_ome(struct translation *t);

/* Help texts of the commands (adapters_help.c). */
extern const char storage_initializer_help[], load_help[], llmaz_help[], aibrix_help[],
    kthena_help[];

#endif
