/* status.c: `hf-init status`: what the run on this volume says of itself; an exec probe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

int command_status(struct app *app)
{
    hfinit_error error = {0};
    char        *text = NULL;
    int          rc;

    if (app_load(app, HFINIT_WITHOUT_TOKEN | HFINIT_WITHOUT_REPOS, &error) != 0)
        return app_fail(app, &error);
    memset(&error, 0, sizeof(error));
    rc = app->args->json ? hfinit_read_status(app->h, &text, &error)
                         : hfinit_status_text(app->h, &text, &error);
    if (rc != 0) {
        free(text);
        return app_fail(app, &error);
    }
    fputs(text, stdout);
    if (error.message[0])
        console_say(app->console, "%s", error.message);
    else if (!text[0])
        console_say(app->console, "no run of this spec has left a status on this volume yet");
    free(text);
    return error.exit_code;
}
