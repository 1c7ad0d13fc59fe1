/* wait.c: `hf-init wait`: until the volume, or one file of it, is there. */
#include "app.h"

int command_wait(struct app *app)
{
    const struct args *args = app->args;
    hfinit_error       error = {0};
    uint64_t           timeout_ms = 0;
    int                rc;

    if (args->timeout && hfinit_parse_duration(args->timeout, &timeout_ms, &error) != 0)
        return app_fail(app, &error);
    if (app_load(app, HFINIT_WITHOUT_TOKEN | HFINIT_WITHOUT_REPOS, &error) != 0)
        return app_fail(app, &error);
    signals_guard(app->signals, app->h, NULL);
    rc = hfinit_wait(app->h, args->file, timeout_ms, &error);
    signals_unguard(app->signals);
    if (rc != 0)
        return app_fail(app, &error);
    if (!args->quiet)
        console_say(app->console, "%s",
                    args->file ? "the file is there" : "the volume is complete");
    return 0;
}
