/* adapters_words.c: see adapters_words.h. */
#include "adapters_words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app.h"
#include "uri.h"

char *text_of(const char *fmt, ...)
{
    char   *text;
    va_list ap;
    int     rc;

    va_start(ap, fmt);
    rc = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (rc < 0)
        abort();
    return text;
}

void words_release(struct translation *t)
{
    for (size_t i = 0; i < t->said_count; i++) {
        free(t->said[i].value);
        free(t->said[i].origin);
    }
    for (size_t i = 0; i < t->source_count; i++) {
        free(t->source[i].origin);
        free(t->source[i].repo);
        free(t->source[i].path);
    }
    free(t->source);
    free(t->unused);
}

/* ---- what was said ---- */

struct said *words_find(struct translation *t, const char *ours)
{
    for (size_t i = 0; i < t->said_count; i++)
        if (strcmp(t->said[i].ours, ours) == 0)
            return &t->said[i];
    return NULL;
}

void words_forget(struct translation *t, const char *ours)
{
    struct said *s = words_find(t, ours);

    if (!s)
        return;
    free(s->value);
    free(s->origin);
    *s = t->said[--t->said_count];
}

void words_say(struct translation *t, const struct adapter_word *word, const char *ours,
               const char *value, const char *origin, bool is_strong)
{
    unsigned     lists = WORD_IS_LIST | WORD_IS_PATTERNS | WORD_IS_ITEM;
    bool         is_item = word && (word->traits & lists);
    const char  *form = word && word->form ? word->form : "%";
    size_t       before = strcspn(form, "%");
    struct said *s = words_find(t, ours);
    char        *text = text_of("%.*s%s%s%s", (int)before, form, form[before] ? value : "",
                         form[before] ? form + before + 1 : "", is_item ? "\n" : "");
    size_t       len = strlen(text);

    if (s && is_item && s->word == word) {
        s->value = realloc(s->value, s->len + len + 1);
        if (!s->value)
            abort();
        memcpy(s->value + s->len, text, len + 1);
        s->len += len;
        free(text);
        return;
    }
    words_forget(t, ours);
    if (t->said_count == SAID_MAX)
        abort(); /* no table has so many words */
    t->said[t->said_count++] =
        (struct said){word, ours, text, len, text_of("%s", origin), is_strong};
}

static void note_unused(struct translation *t, const char *name)
{
    enum { LINE_MAX_BYTES = 2000 };
    size_t used = t->unused ? strlen(t->unused) : 0, len;
    char  *longer;

    if (used > LINE_MAX_BYTES)
        return;
    if (!name[0])
        name = "what has no key";
    len = strlen(name);
    if (used >= len && strcmp(t->unused + used - len, name) == 0)
        return; /* another item of the same list */
    longer = text_of("%s%s%.80s", used ? t->unused : "", used ? ", " : "", name);
    free(t->unused);
    t->unused = longer;
}

/* ---- sources ---- */

static int refuse_scheme(struct translation *t, const char *origin, const char *text)
{
    size_t len = strcspn(text, ":");
    char   hint[160];

    if (len == 0 || len > 20 ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-") < len) {
        text = "this"; /* not the name of a scheme: what it is may be a secret */
        len = strlen(text);
    }
    if (strncasecmp(text, "http", 4) == 0)
        snprintf(hint, sizeof(hint), "write hf://ORG/NAME for a repo of the Hub");
    else
        snprintf(hint, sizeof(hint), "leave %.*s:// to the stock loader of %s", (int)len, text,
                 t->adapter->system);
    return args_usage(t->error, hint, "%s: %.*s:// is not fetched, only hf:// is", origin, (int)len,
                      text);
}

int words_add_source(struct translation *t, const char *text, const char *origin, bool is_strong)
{
    bool          is_uri = strncmp(text, "hf://", 5) == 0;
    struct source source = {.is_strong = is_strong};
    const char   *path = NULL;
    char          repo[512];
    size_t        len;

    if (!is_uri && strstr(text, "://"))
        return refuse_scheme(t, origin, text);
    if (!is_uri && (text[0] == '/' || text[0] == '.'))
        return args_usage(t->error, "write hf://ORG/NAME for a repo of the Hub",
                          "%s: %.80s is a path on this machine, and not fetched", origin, text);
    if (!is_uri && !t->adapter->plain_ids)
        return args_usage(t->error, "write hf://ORG/NAME", "%s: \"%.80s\" is no hf:// address",
                          origin, text);
    if (!is_uri && strlen(text) >= sizeof(repo))
        return args_usage(t->error, "write ORG/NAME", "%s: \"%.80s…\" is no repo", origin, text);
    if (is_uri && uri_split(text + 5, repo, sizeof(repo), &path))
        return args_usage(t->error, "write hf://ORG/NAME", "%s: \"%.80s…\" is no repo", origin,
                          text);
    source.origin = text_of("%s", origin);
    source.repo = text_of("%s%s", is_uri ? "hf://" : "", is_uri ? repo : text);
    for (len = path ? strlen(path) : 0; len && path[len - 1] == '/';)
        len--;
    if (len)
        source.path = text_of("%.*s", (int)len, path);
    t->source = realloc(t->source, (t->source_count + 1) * sizeof(*t->source));
    if (!t->source)
        abort();
    t->source[t->source_count++] = source;
    return 0;
}

/* ---- one word ---- */

static int take_json(struct translation *t, const struct adapter_word *word, const char *text,
                     const char *origin);

/* What `words` makes of a value; NULL: it is not among them. */
static const char *meaning_of(const char *words, const char *value, char out[32])
{
    while (*words) {
        size_t name = strcspn(words, "="), whole = strcspn(words, " ");

        if ((name == 1 && words[0] == '*') ||
            (strlen(value) == name && strncasecmp(words, value, name) == 0)) {
            snprintf(out, 32, "%.*s", (int)(whole - name - 1), words + name + 1);
            return out;
        }
        words += whole + strspn(words + whole, " ");
    }
    return NULL;
}

static void take_items(struct translation *t, const struct adapter_word *word, const char *text,
                       const char *origin, bool is_strong)
{
    while (*text) {
        size_t whole = strcspn(text, ","), begin = strspn(text, " \t\r\n"), end = whole;
        char  *item;

        while (end > begin && isspace((unsigned char)text[end - 1]))
            end--;
        if (begin < end) {
            item = text_of("%.*s", (int)(end - begin), text + begin);
            words_say(t, word, word->ours, item, origin, is_strong);
            free(item);
        }
        text += whole + (text[whole] == ',');
    }
}

struct patterns {
    struct translation        *t;
    const struct adapter_word *word;
};

/* One item of a JSON list; commas in it are its own. */
static void take_pattern(const char *key, const char *value, const char *origin, void *user)
{
    struct patterns *p = user;
    const char      *begin = value ? value + strspn(value, " \t\r\n") : "";
    size_t           len = strlen(begin);
    char            *item;

    (void)key;
    while (len && isspace((unsigned char)begin[len - 1]))
        len--;
    item = text_of("%.*s", (int)len, begin);
    if (len)
        words_say(p->t, p->word, p->word->ours, item, origin, false);
    free(item);
}

/* "[ab]*.json" is a pattern and looks like JSON: what cannot be read as JSON is none. */
static void take_patterns(struct translation *t, const struct adapter_word *word, const char *text,
                          const char *origin, bool is_strong)
{
    struct patterns p = {t, word};
    char            first = text[strspn(text, " \t\r\n")];

    if ((first != '[' && first != '"') ||
        hfinit_read_json(t->app->h, text, origin, take_pattern, &p, t->error) != 0)
        take_items(t, word, text, origin, is_strong);
}

/* `value` NULL: a mapping, where a text should be. */
static int take_word(struct translation *t, const struct adapter_word *word, const char *value,
                     const char *origin, bool is_strong)
{
    char meant[32];

    if ((word->traits & WORD_IS_SWITCH) || (value && !value[0]))
        return 0;
    if (value && word->words) {
        const char *meaning = meaning_of(word->words, value, meant);

        if (!meaning)
            return args_usage(t->error, "see docs/adapters.md for what is mapped",
                              "%s: \"%.40s\" is not among what it may be", origin, value);
        if (meaning[0] == '!')
            return args_usage(t->error, word->why, "%s: refused", origin);
        if (!meaning[0])
            return 0;
        if (meaning[0] != '%')
            value = meaning;
    }
    if (value && (word->traits & WORD_IS_JSON))
        return take_json(t, word, value, origin);
    if (!value || !word->ours)
        note_unused(t, word->theirs);
    else if (strcmp(word->ours, OUR_SOURCE) == 0)
        return words_add_source(t, value, origin, is_strong);
    else if (word->traits & WORD_IS_PATTERNS)
        take_patterns(t, word, value, origin, is_strong);
    else if (word->traits & WORD_IS_LIST)
        take_items(t, word, value, origin, is_strong);
    else
        words_say(t, word, word->ours, value, origin, is_strong);
    return 0;
}

static const struct adapter_word *find_word(const struct adapter_word *words, const char *name)
{
    for (; words && words->theirs; words++)
        if (strcmp(words->theirs, name) == 0)
            return words;
    return NULL;
}

void words_take_key(const char *key, const char *value, const char *origin, void *user)
{
    struct translation        *t = user;
    const struct adapter_word *word = find_word(t->adapter->keys, key);
    char                      *where;

    if (t->failed)
        return;
    if (!word) {
        note_unused(t, key);
        return;
    }
    where = text_of("%s: %s", origin, key);
    t->failed = take_word(t, word, value, where, false) != 0;
    free(where);
}

static void count_key(const char *key, const char *value, const char *origin, void *user)
{
    (void)key, (void)value, (void)origin;
    ++*(size_t *)user;
}

/* Its keys are words, if the system has any; else it is only looked at whether it is JSON, and named. */
static int take_json(struct translation *t, const struct adapter_word *word, const char *text,
                     const char *origin)
{
    size_t keys = 0;
    int    rc;

    if (t->adapter->keys)
        rc = hfinit_read_json(t->app->h, text, origin, words_take_key, t, t->error);
    else
        rc = hfinit_read_json(t->app->h, text, origin, count_key, &keys, t->error);
    if (keys)
        note_unused(t, word->theirs);
    return rc || t->failed ? -1 : 0;
}

/* ---- where they are said ---- */

int words_take_variables(struct translation *t)
{
    const struct adapter_word *w = t->adapter->variables;

    for (; w && w->theirs; w++) {
        const char *value = getenv(w->theirs);

        if (value && take_word(t, w, value, w->theirs, false))
            return -1;
    }
    return 0;
}

/* Theirs are taken off the list; the rest are settings already. */
int words_take_arguments(struct translation *t)
{
    struct args *args = (struct args *)t->app->args;
    size_t       kept = 0;
    int          rc = 0;

    for (size_t i = 0; i < args->setting_count; i++) {
        struct args_setting        s = args->setting[i];
        const struct adapter_word *word = find_word(t->adapter->arguments, s.key);
        char                      *origin;

        args->setting[i].key = NULL; /* whatever happens next, it has one owner */
        if (!word) {
            args->setting[kept++] = s;
            continue;
        }
        origin = text_of("--%s", s.key);
        if (rc == 0 && !s.value && !(word->traits & WORD_IS_SWITCH))
            rc = args_usage(t->error, "write it as --OPTION VALUE", "%s needs a value", origin);
        else if (rc == 0)
            rc = take_word(t, word, s.value, origin, true);
        free(origin);
        free(s.key);
    }
    args->setting_count = kept;
    return rc;
}
