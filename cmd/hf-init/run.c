/* run.c: `hf-init run`, `validate` and `version`: one call each, and what it prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

/* Nothing at all to do is what a person meets who tries the binary for the first time. */
static bool is_unconfigured(const struct args *args, const hfinit_error *error)
{
    return !args->spec_file && !args->setting_count && app_is_usage(error);
}

int command_run(struct app *app)
{
    hfinit_error error = {0};
    bool         failed = app_load(app, &error) != 0;

    if (failed) {
        if (is_unconfigured(app->args, &error))
            help_print_hint(app->console);
        return app_finish_run(app, true, &error);
    }
    signals_guard(app->signals, app->h);
    failed = hfinit_run(app->h, &error) != 0;
    signals_unguard(app->signals);
    return app_finish_run(app, failed, &error);
}

/* ---- validate ---- */

struct setting_rows {
    struct setting_row {
        char *path, *value, *origin;
    }     *row; /* owned */
    size_t count, path_width, value_width;
};

static char *copy(const char *text)
{
    char *p = strdup(text ? text : "");

    if (!p)
        abort();
    return p;
}

static void keep_row(const char *path, const char *value, const char *origin, void *user)
{
    enum { WIDTH_MAX = 48 }; /* one long value does not push all origins off the screen */
    struct setting_rows *rows = user;
    size_t               value_len = value ? strlen(value) : 0;

    rows->row = realloc(rows->row, (rows->count + 1) * sizeof(*rows->row));
    if (!rows->row)
        abort();
    rows->row[rows->count++] = (struct setting_row){copy(path), copy(value), copy(origin)};
    if (strlen(path) > rows->path_width)
        rows->path_width = strlen(path);
    if (value_len > rows->value_width && value_len <= WIDTH_MAX)
        rows->value_width = value_len;
}

static int print_settings(struct app *app, hfinit_error *error)
{
    struct setting_rows rows = {0};
    int                 rc = hfinit_settings(app->h, keep_row, &rows, error);

    for (size_t i = 0; i < rows.count; i++) {
        if (rc == 0)
            printf("%-*s  %-*s  %s\n", (int)rows.path_width, rows.row[i].path,
                   (int)rows.value_width, rows.row[i].value, rows.row[i].origin);
        free(rows.row[i].path);
        free(rows.row[i].value);
        free(rows.row[i].origin);
    }
    free(rows.row);
    return rc;
}

int command_validate(struct app *app)
{
    hfinit_error error = {0};

    if (app_load(app, &error) != 0)
        return app_fail(app, &error);
    if (app->args->verbose && print_settings(app, &error) != 0)
        return app_fail(app, &error);
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
