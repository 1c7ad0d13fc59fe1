/* verify.c: `hf-init verify`: are the files still what they were published as? */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "table.h"

static void print_bad_file(const char *repo, const char *path, const char *what, void *user)
{
    struct app *app = user;

    bars_hide(&app->console->bars); /* both may go to one terminal */
    table_print_line(stdout, repo);
    fputs(": ", stdout);
    table_print_line(stdout, path);
    fputs(": ", stdout);
    table_print_line(stdout, what);
    putchar('\n');
    if (app->console->bars.is_on)
        fflush(stdout);
    bars_show(&app->console->bars);
}

static int look(struct app *app, hfinit_error *error)
{
    int rc = hfinit_verify(app->h, print_bad_file, app, error);

    fflush(stdout); /* the verdict comes last, also in a merged stream */
    return rc;
}

int command_verify(struct app *app)
{
    bool         repair = app->args->repair;
    hfinit_error error = {0};
    int          rc;

    if (app_load(app, repair ? 0 : HFINIT_WITHOUT_TOKEN, &error) != 0)
        return repair ? app_finish_run(app, true, &error) : app_fail(app, &error);
    if (repair)
        app_write_message(hfinit_termination_path(app->h), "");
    signals_guard(app->signals, app->h, repair ? hfinit_termination_path(app->h) : NULL);
    rc = repair ? hfinit_repair(app->h, &error) : look(app, &error);
    signals_unguard(app->signals);
    if (repair)
        return app_finish_run(app, rc != 0, &error);
    if (rc != 0)
        return app_fail(app, &error);
    if (!app->args->quiet)
        console_say(app->console, "every file is what the marker says");
    return 0;
}
