/* ls.c: `hf-init ls`: the files of a repo, as a table or as JSON lines. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "table.h"

static void add_row(const hfinit_file *file, void *user)
{
    struct table *table = user;

    table_row(table);
    table_bytes(table, file->bytes);
    table_cell(table, file->kind);
    table_cell(table, file->hash);
    table_cell(table, file->path);
}

static void print_json(const hfinit_file *file, void *user)
{
    (void)user;
    fputs("{\"repo\":", stdout);
    table_print_json(stdout, file->repo);
    fputs(",\"path\":", stdout);
    table_print_json(stdout, file->path);
    printf(",\"bytes\":%" PRIu64 ",\"kind\":\"%s\",\"hash\":\"%s\"}\n", file->bytes, file->kind,
           file->hash);
}

/* A file or folder of the URI is a selection, as --allow makes one; ended like a line, it may hold
 * blanks and commas. */
static int select_file(struct app *app, const char *uri, const char *file, hfinit_error *error)
{
    size_t len = strlen(file);
    char   pattern[1024];

    if (app->args->word_count > 1)
        return args_usage(error, "list it alone", "%.80s names a file: no other repo can be listed",
                          uri);
    if ((size_t)snprintf(pattern, sizeof(pattern), "%s%s\n", file,
                         file[len - 1] == '/' ? "*" : "") >= sizeof(pattern))
        return args_usage(error, "see hf-init ls --help", "\"%.80s…\" is no file", file);
    return hfinit_set(app->h, "allow", pattern, error);
}

/* [models/|datasets/|spaces/]ORG/NAME[@REVISION], each also after hf://. */
static int name_repos(struct app *app, hfinit_error *error)
{
    const struct args *args = app->args;

    for (size_t i = 0; i < args->word_count; i++) {
        const char *word = args->word[i], *file = NULL;
        char        repo[512];

        if (strncmp(word, "hf://", 5) == 0) {
            if (app_cut_uri(word, repo, sizeof(repo), &file, error) ||
                (file && select_file(app, word, file, error)))
                return -1;
            word = repo;
        }
        if (hfinit_set(app->h, "repos", word, error)) /* a repeated one adds */
            return -1;
    }
    return 0;
}

int command_ls(struct app *app)
{
    static const char *const head[] = {">SIZE", "KIND", "HASH", "PATH", NULL};
    hfinit_error             error = {0};
    struct table             table;
    int                      rc;

    if ((app->args->word_count && name_repos(app, &error) != 0) ||
        app_load(app, HFINIT_WITHOUT_TARGET, &error) != 0)
        return app_fail(app, &error);
    signals_guard(app->signals, app->h, NULL);
    table_init(&table, head);
    rc = app->args->json ? hfinit_list(app->h, print_json, NULL, &error)
                         : hfinit_list(app->h, add_row, &table, &error);
    signals_unguard(app->signals);
    if (rc == 0 && !app->args->json)
        table_print(&table, stdout);
    table_release(&table);
    return rc == 0 ? 0 : app_fail(app, &error);
}
