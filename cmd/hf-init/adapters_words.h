/* adapters_words.h: what another system said, collected word by word, before it becomes a spec. */
#ifndef ADAPTERS_WORDS_H
#define ADAPTERS_WORDS_H

#include "adapters.h"
#include "app.h"

/* A setting, as it was last said. */
struct said {
    const struct adapter_word *word; /* NULL: it follows from others */
    const char                *ours;
    char                      *value; /* owned; of a list a line per item */
    size_t                     len;
    char                      *origin;    /* owned */
    bool                       is_strong; /* an argument */
};

struct source {
    char       *origin, *repo, *path; /* owned; path NULL: all of it */
    const char *text, *dest;          /* as given; lent by argv; NULL unless they are a pair */
    bool        is_strong;
};

enum { SAID_MAX = 32 };

struct translation {
    struct app           *app;
    const struct adapter *adapter;
    hfinit_error         *error;
    bool                  failed; /* in a callback, which has no other way to tell */
    struct said           said[SAID_MAX];
    size_t                said_count;
    struct source        *source; /* owned array */
    size_t                source_count;
    char                 *unused; /* owned; names, with commas; NULL: none */
};

void words_release(struct translation *t);

/* What the system's variables, and arguments of the command line, say; the latter are taken off the
 * command line. 0, or -1 with t->error. */
int words_take_variables(struct translation *t);
int words_take_arguments(struct translation *t);
/* A hfinit_entry_fn for the system's keys; `user` is the translation. Look at t->failed afterwards. */
void words_take_key(const char *key, const char *value, const char *origin, void *user);
int  words_add_source(struct translation *t, const char *text, const char *origin, bool is_strong);

/* The last word wins; items of one word add up. `word` NULL: it follows from others. */
void         words_say(struct translation *t, const struct adapter_word *word, const char *ours,
                       const char *value, const char *origin, bool is_strong);
struct said *words_find(struct translation *t, const char *ours); /* NULL: nothing was said */
void         words_forget(struct translation *t, const char *ours);

/* printf into memory of its own; aborts without any, since nothing was begun yet. */
char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
