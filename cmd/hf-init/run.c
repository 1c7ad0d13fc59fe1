/* run.c: `hf-init run`, `validate` and `version`: one call each, and what it prints. */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "table.h"

/* Nothing at all to do is what a person meets who tries the binary for the first time. */
static bool is_unconfigured(const struct args *args, const hfinit_error *error)
{
    return !args->spec_file && !args->ome_config && !args->setting_count && app_is_usage(error);
}

int command_run(struct app *app)
{
    hfinit_error error = {0};
    bool         failed = app_load(app, 0, &error) != 0;

    if (failed) {
        if (is_unconfigured(app->args, &error))
            help_print_hint(app->console);
        return app_finish_run(app, true, &error);
    }
    failed = app_run(app, false, &error) != 0;
    return app_finish_run(app, failed, &error);
}

/* ---- validate ---- */

static void add_setting(const char *path, const char *value, const char *origin, void *user)
{
    struct table *table = user;

    table_row(table);
    table_cell(table, path);
    table_cell(table, origin);
    table_cell(table, value[0] ? value : "-");
}

/* The value comes last: it may be long. */
static int print_settings(struct app *app, hfinit_error *error)
{
    static const char *const head[] = {"SETTING", "FROM", "VALUE", NULL};
    struct table             table;
    int                      rc;

    table_init(&table, head);
    rc = hfinit_settings(app->h, add_setting, &table, error);
    if (rc == 0)
        table_print(&table, stdout);
    table_release(&table);
    return rc;
}

int command_validate(struct app *app)
{
    hfinit_error error = {0};

    if (app_load(app, HFINIT_WITHOUT_TOKEN, &error) != 0)
        return app_fail(app, &error);
    if (app->args->verbose && print_settings(app, &error) != 0)
        return app_fail(app, &error);
    fflush(stdout); /* the last word comes last, also on a terminal */
    if (!app->args->quiet)
        console_say(app->console, "the spec is valid");
    return 0;
}

/* ---- version ---- */

int command_version(struct app *app)
{
    const char *text = app->args->json ? hfinit_version_json(app->h) : hfinit_version_text(app->h);
    size_t      len = strlen(text);

    fputs(text, stdout);
    if (len == 0 || text[len - 1] != '\n')
        putchar('\n');
    return 0;
}
