/* ls.c: `hf-init ls`: the files of a repo, as a table or as JSON lines. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

/* "hf://ORG/NAME" and plain "ORG/NAME", several joined by commas. */
static int name_repos(struct app *app, hfinit_error *error)
{
    const struct args *args = app->args;
    size_t             len = 1;
    char              *list;
    int                rc;

    for (size_t i = 0; i < args->word_count; i++)
        len += strlen(args->word[i]) + 1;
    list = calloc(1, len);
    if (!list)
        abort();
    for (size_t i = 0; i < args->word_count; i++) {
        const char *word = args->word[i];
        size_t      used = strlen(list);

        if (strncmp(word, "hf://", 5) == 0)
            word += 5;
        snprintf(list + used, len - used, "%s%s", i ? "," : "", word);
    }
    rc = hfinit_set(app->h, "repos", list, error);
    free(list);
    return rc;
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
