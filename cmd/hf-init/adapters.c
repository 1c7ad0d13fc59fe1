/* adapters.c: other systems' loaders, by the table of adapters_table.c: what they say is collected
 * (adapters_words.c), becomes settings of an ordinary spec, and that spec is run. */
#include "adapters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "adapters_words.h"
#include "app.h"

static const struct adapter *find_adapter(const char *name)
{
    const struct adapter *a = adapters;

    while (a->name && strcmp(a->name, name) != 0)
        a++;
    return a;
}

static int take_pairs(struct translation *t)
{
    const struct args *args = t->app->args;
    size_t             pairs = args->word_count / 2;

    if (args->word_count == 0)
        return 0;
    if (t->adapter->pairs == 0)
        return args_usage(t->error, "its arguments are options",
                          "hf-init %s takes no word, but got \"%.80s\"", t->adapter->name,
                          args->word[0]);
    if (args->word_count % 2 || pairs > t->adapter->pairs)
        return args_usage(t->error, "each SRC has its DEST: hf://ORG/NAME /mnt/models",
                          "hf-init %s takes %s, but got %zu words", t->adapter->name,
                          t->adapter->pairs == 1 ? "SRC DEST" : "pairs of SRC DEST",
                          args->word_count);
    for (size_t i = 0; i < pairs; i++) {
        const char *src = args->word[2 * i], *dest = args->word[2 * i + 1];
        char        origin[32] = "SRC";

        if (pairs > 1)
            snprintf(origin, sizeof(origin), "SRC %zu", i + 1);
        if (!dest[0] || strstr(dest, "://"))
            return args_usage(t->error, "name a folder, such as /mnt/models",
                              "DEST of %s: only folders are written to", origin);
        if (words_add_source(t, src, origin, true))
            return -1;
        t->source[i].text = src;
        t->source[i].dest = dest;
    }
    return 0;
}

/* ---- from there to settings ---- */

static int set(struct translation *t, const char *origin, bool is_strong, const char *key,
               const char *value)
{
    return hfinit_set_from(t->app->h, origin, !is_strong, key, value, t->error);
}

static int set_of_repo(struct translation *t, size_t i, const char *key, const char *value)
{
    const struct source *s = &t->source[i];
    char                 name[64];

    snprintf(name, sizeof(name), "repos[%zu].%s", i, key);
    return set(t, s->origin, s->is_strong, name, value);
}

/* "/mnt//models/./a/" is "/mnt/models/a", "." is "", "//" is "/". NULL: it has "..". Owned by the caller. */
static char *normal_folder(const char *text)
{
    char  *out = text_of("%s", text);
    size_t n = 0;

    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "/");

        if (len == 2 && strncmp(p, "..", 2) == 0) {
            free(out);
            return NULL;
        }
        if (len && !(len == 1 && p[0] == '.')) {
            if (n || text[0] == '/')
                out[n++] = '/';
            memmove(out + n, p, len);
            n += len;
        }
        p += len + (p[len] == '/');
    }
    if (!n && text[0] == '/')
        out[n++] = '/';
    out[n] = '\0';
    return out;
}

static bool is_within(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return len == 0 ? path[0] != '/'
                    : strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Several folders: the one that holds them all is the target. KServe mounts just that. */
static int place_many(struct translation *t)
{
    char *dest[ADAPTER_PAIRS_MAX] = {NULL}, *common;
    int   rc = 0;

    for (size_t i = 0; i < t->source_count; i++) {
        dest[i] = normal_folder(t->source[i].dest);
        if (!dest[i])
            rc = args_usage(t->error, "write the whole path", "DEST of %s: has \"..\"",
                            t->source[i].origin);
    }
    common = text_of("%s", dest[0] ? dest[0] : "");
    for (size_t i = 1; i < t->source_count && rc == 0; i++)
        while (!is_within(dest[i], common)) {
            char *slash = strrchr(common, '/');

            if (common[0] == '\0' || slash == common) {
                common[0] = '\0';
                break;
            }
            *(slash ? slash : common) = '\0';
        }
    if (rc == 0 && !common[0] && dest[0][0] == '/')
        rc = args_usage(t->error, "put them below one folder, such as /mnt/models/NAME",
                        "the DEST folders have none in common but /");
    if (rc == 0)
        rc = set(t, "DEST", true, "target", common[0] ? common : ".");
    for (size_t i = 0; i < t->source_count; i++) {
        const char *rest =
            rc ? "" : dest[i] + strlen(common) + (common[0] && dest[i][strlen(common)]);

        if (rc == 0)
            rc = set_of_repo(t, i, "path", rest[0] ? rest : ".");
        free(dest[i]);
    }
    free(common);
    return rc;
}

static int place_pairs(struct translation *t)
{
    if (t->source_count == 0 || !t->source[0].dest)
        return 0;
    if (t->source_count > 1)
        return place_many(t);
    return set(t, "DEST", true, "target", t->source[0].dest) || set_of_repo(t, 0, "path", ".") ? -1
                                                                                               : 0;
}

/* Names may hold what patterns take for something else: "[x].txt" is "[[]x].txt" there. */
static char *pattern_of(const char *name)
{
    char *pattern = malloc(3 * strlen(name) + 1), *end = pattern;

    if (!pattern)
        abort();
    for (; *name; name++) {
        bool is_special = strchr("*?[", *name) != NULL;

        if (is_special)
            *end++ = '[';
        *end++ = *name;
        if (is_special)
            *end++ = ']';
    }
    *end = '\0';
    return pattern;
}

static int select_path(struct translation *t, size_t i)
{
    char *name = pattern_of(t->source[i].path);
    char *patterns = text_of("%s\n%s/*\n", name, name); /* a file, or a folder */
    int   rc = set_of_repo(t, i, "allow", patterns);

    free(patterns);
    free(name);
    return rc;
}

static int set_sources(struct translation *t)
{
    const struct said *allow = words_find(t, "allow");

    if (t->source_count == 0)
        return args_usage(t->error, "see docs/adapters.md for what it reads", "%s needs %s",
                          t->adapter->system, t->adapter->source);
    for (size_t i = 0; i < t->source_count; i++)
        if (set(t, t->source[i].origin, t->source[i].is_strong, "repo", t->source[i].repo))
            return -1;
    for (size_t i = 0; i < t->source_count; i++) {
        const char *path = t->source[i].path;

        if (path && allow)
            return args_usage(t->error, "leave one of them out", "%s names %.80s, and %s selects",
                              t->source[i].origin, path, allow->origin);
        if (path && select_path(t, i))
            return -1;
    }
    return 0;
}

static int set_defaults(struct translation *t)
{
    const char *name = t->adapter->name;

    for (const char *const *d = t->adapter->defaults; *d; d++) {
        const char *equals = strchr(*d, '=');
        char       *key = text_of("%.*s", (int)(equals - *d), *d);
        int         rc = set(t, name, false, key, equals + 1);

        free(key);
        if (rc)
            return -1;
    }
    return 0;
}

static int hand_over(struct translation *t)
{
    if ((t->adapter->settle && t->adapter->settle(t)) || set_sources(t) || set_defaults(t) ||
        place_pairs(t))
        return -1;
    for (size_t i = 0; i < t->said_count; i++) {
        const struct said *s = &t->said[i];

        if (s->ours[0] != '(' && set(t, s->origin, s->is_strong, s->ours, s->value))
            return -1;
    }
    if (t->unused && !t->app->args->quiet)
        console_say(t->app->console, "hf-init: %s: without counterpart here, not used: %s",
                    t->adapter->system, t->unused);
    return 0;
}

/* ---- what no table can say ---- */

/* The bundle is best effort there: a pod without the ConfigMap goes on with the usual roots. */
int adapter_settle_kserve(struct translation *t)
{
    const struct said *ca = words_find(t, "tls-ca-file");

    if (!ca || access(ca->value, R_OK) == 0)
        return 0;
    console_say(t->app->console, "hf-init: %s: %s is not there; only the built-in roots count",
                ca->origin, ca->value);
    words_forget(t, "tls-ca-file");
    return 0;
}

/* One file lies in the folder itself, and patterns do not count; else each repo has its folder. */
int adapter_settle_llmaz(struct translation *t)
{
    const char *repo = t->source_count ? t->source[0].repo : "";
    char       *folder;

    if (words_find(t, "files")) {
        words_forget(t, "allow");
        words_forget(t, "ignore");
        words_say(t, NULL, "path", ".", "MODEL_FILENAME", false);
        return 0;
    }
    folder = text_of("models--");
    for (const char *p = strncmp(repo, "hf://", 5) == 0 ? repo + 5 : repo; *p && *p != '@'; p++) {
        char *longer = text_of("%s%s%.1s", folder, *p == '/' ? "-" : "", *p == '/' ? "-" : p);

        free(folder);
        folder = longer;
    }
    words_say(t, NULL, "path", folder, "MODEL_ID", false);
    free(folder);
    return 0;
}

int adapter_settle_ome(struct translation *t)
{
    if (words_find(t, OUR_LIMIT))
        words_forget(t, "max-bytes");
    return 0;
}

/* ---- the commands ---- */

int adapter_take_file(struct app *app, const char *name, const char *file, hfinit_error *error)
{
    struct translation t = {.app = app, .adapter = find_adapter(name), .error = error};
    int                rc = hfinit_read_yaml(app->h, file, words_take_key, &t, error);

    rc = rc || t.failed || hand_over(&t) ? -1 : 0;
    words_release(&t);
    return rc;
}

static int translate(struct translation *t)
{
    if (words_take_variables(t) || words_take_arguments(t) || take_pairs(t) || hand_over(t))
        return -1;
    return app_load(
        t->app, HFINIT_WITHOUT_FILE | (t->adapter->own_state ? HFINIT_NAMED_BY_REPO : 0), t->error);
}

/* The lines that people of KServe look for in logs. */
static void say_begin(const struct translation *t)
{
    for (size_t i = 0; i < t->source_count; i++)
        console_say(t->app->console, "Copying contents of %s to local", t->source[i].text);
}

static void say_end(const struct translation *t, const struct timespec *begin)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    for (size_t i = 0; i < t->source_count; i++)
        console_say(t->app->console, "Successfully copied %s to %s", t->source[i].text,
                    t->source[i].dest);
    console_say(t->app->console, "Model downloaded in %.3f seconds.",
                (double)(end.tv_sec - begin->tv_sec) +
                    (double)(end.tv_nsec - begin->tv_nsec) / 1e9);
}

static int fetch(struct translation *t)
{
    struct app     *app = t->app;
    bool            says = t->adapter->says_kserve && !app->args->quiet;
    struct timespec begin;
    bool            failed;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (says)
        say_begin(t);
    failed = app_run(app, words_find(t, OUR_FORCE) != NULL, t->error) != 0;
    if (!failed && says)
        say_end(t, &begin);
    if (!failed && t->adapter->prints_path)
        puts(hfinit_folder(app->h, 0));
    fflush(stdout);
    return app_finish_run(app, failed, t->error);
}

int command_adapter(struct app *app)
{
    hfinit_error       error = {0};
    struct translation t = {.app = app, .error = &error};
    int                code;

    t.adapter = find_adapter(app->args->command->name);
    if (translate(&t) != 0)
        code = app_finish_run(app, true, &error);
    else if (app->args->dry_run)
        code = app_show_plan(app);
    else
        code = fetch(&t);
    words_release(&t);
    return code;
}
