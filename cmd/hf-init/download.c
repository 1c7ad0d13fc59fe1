/* download.c: `hf-init download`: the arguments of `hf download`, made into settings of a spec. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "table.h"

/* One repo as it was asked for. */
struct wish {
    char        repo[512];         /* [datasets/|spaces/]ORG/NAME[@REVISION] */
    const char *file;              /* the single one, whose path is wanted; NULL: the folder's */
    char       *files;             /* owned; names, a line each */
    char       *include, *exclude; /* owned; patterns, a line each; folders are patterns, too */
    bool        has_patterns;      /* --include or --exclude was said */
    bool        is_local;
};

static int misuse(hfinit_error *error, const char *fmt, const char *what)
{
    return args_usage(error, "see hf-init download --help", fmt, what);
}

static void add_line(char **list, const char *text, const char *end)
{
    size_t used = *list ? strlen(*list) : 0, more = strlen(text) + strlen(end) + 2;
    char  *grown = realloc(*list, used + more);

    if (!grown)
        abort(); /* nothing was begun */
    snprintf(grown + used, more, "%s%s\n", text, end);
    *list = grown;
}

static int take_words(struct wish *wish, const struct args *args, hfinit_error *error)
{
    const char *file = NULL;
    size_t      folders = 0, names = 0;

    if (args->word_count == 0)
        return misuse(error, "hf-init download needs %s", "a repo: ORG/NAME");
    if (strncmp(args->word[0], "hf://", 5) == 0) {
        if (app_cut_uri(args->word[0], wish->repo, sizeof(wish->repo), &file, error))
            return -1;
        if (file && args->word_count > 1)
            return misuse(error, "%s names a file already; no other can be given", args->word[0]);
    } else if (snprintf(wish->repo, sizeof(wish->repo), "%s", args->word[0]) >=
               (int)sizeof(wish->repo))
        return misuse(error, "\"%.80s…\" is no repo", args->word[0]);
    for (size_t i = file ? 0 : 1; i < args->word_count; i++) {
        const char *word = file ? file : args->word[i];
        bool        is_folder = word[0] && word[strlen(word) - 1] == '/';

        if (is_folder && wish->has_patterns)
            return misuse(error, "%s cannot be combined with --include or --exclude", word);
        add_line(is_folder ? &wish->include : &wish->files, word, is_folder ? "**" : "");
        folders += is_folder;
        names += !is_folder;
        wish->file = word;
    }
    if (folders || names != 1)
        wish->file = NULL;
    return 0;
}

static int set(struct app *app, const char *key, const char *value, hfinit_error *error)
{
    return value ? hfinit_set(app->h, key, value, error) : 0;
}

/* Theirs become ours, and are taken off the list; the rest are settings already. */
static int take_options(struct app *app, struct wish *wish, hfinit_error *error)
{
    struct args *args = (struct args *)app->args;
    const char  *local = NULL, *cache = NULL;
    size_t       kept = 0;

    for (size_t i = 0; i < args->setting_count; i++) {
        struct args_setting s = args->setting[i];
        bool                is_theirs = true;

        if (!s.value && !hfinit_is_switch(s.key))
            return misuse(error, "--%s needs a value", s.key);
        if (strcmp(s.key, "include") == 0)
            add_line(&wish->include, s.value, "");
        else if (strcmp(s.key, "exclude") == 0)
            add_line(&wish->exclude, s.value, "");
        else if (strcmp(s.key, "local-dir") == 0)
            local = s.value;
        else if (strcmp(s.key, "cache-dir") == 0)
            cache = s.value;
        else if (strcmp(s.key, "max-workers") == 0) {
            if (set(app, "concurrency-connections", s.value, error))
                return -1;
        } else
            is_theirs = false;
        args->setting[i].key = NULL; /* whatever happens next, it has one owner */
        if (is_theirs)
            free(s.key);
        else
            args->setting[kept++] = s;
    }
    args->setting_count = kept;
    wish->has_patterns = wish->include || wish->exclude;
    if (local && cache)
        return misuse(error, "--local-dir and --cache-dir: %s", "only one can be the place");
    wish->is_local = local != NULL;
    return set(app, "layout", local ? "dir" : "cache", error) ||
                   set(app, "target", local ? local : cache, error) ||
                   (local && set(app, "path", ".", error))
               ? -1
               : 0;
}

static int settle(struct app *app, struct wish *wish, hfinit_error *error)
{
    if (take_options(app, wish, error) || take_words(wish, app->args, error))
        return -1;
    if (wish->files && wish->has_patterns) {
        console_say(app->console, "--include and --exclude are ignored: files are named");
        free(wish->include);
        free(wish->exclude);
        wish->include = wish->exclude = NULL;
    }
    if (set(app, "repos", wish->repo, error) || set(app, "files", wish->files, error) ||
        set(app, "allow", wish->include, error) || set(app, "ignore", wish->exclude, error) ||
        set(app, "optional", "false", error) || set(app, "termination-message", "", error))
        return -1;
    return app_load(app, HFINIT_HOME_CACHE | HFINIT_WITHOUT_FILE | HFINIT_NAMED_BY_REPO, error);
}

static void print_path(struct app *app, const struct wish *wish)
{
    char *folder = realpath(hfinit_folder(app->h, 0), NULL), *path = NULL;

    if (folder && wish->file) {
        size_t size = strlen(folder) + strlen(wish->file) + 2;

        path = malloc(size);
        if (path)
            snprintf(path, size, "%s/%s", folder, wish->file);
    }
    if (app->args->json) {
        fputs("{\"path\": ", stdout);
        table_print_json(stdout, path ? path : folder ? folder : "");
        puts("}");
    } else
        puts(path ? path : folder ? folder : "");
    free(path);
    free(folder);
}

static int fetch(struct app *app, const struct wish *wish, hfinit_error *error)
{
    int rc;

    signals_guard(app->signals, app->h, NULL);
    rc = app->args->force ? hfinit_refresh(app->h, error) : hfinit_run(app->h, error);
    signals_unguard(app->signals);
    if (rc != 0)
        return app_fail(app, error);
    print_path(app, wish);
    return 0;
}

int command_download(struct app *app)
{
    struct wish  wish = {0};
    hfinit_error error = {0};
    int          code;

    if (settle(app, &wish, &error) != 0)
        code = app_fail(app, &error);
    else if (app->args->dry_run)
        code = app_show_plan(app);
    else
        code = fetch(app, &wish, &error);
    free(wish.files);
    free(wish.include);
    free(wish.exclude);
    return code;
}
