/* app.c: what the commands have in common. */
#include "app.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uri.h"

static bool names_setting(const struct args *args, const char *key)
{
    for (size_t i = 0; i < args->setting_count; i++)
        if (strcmp(args->setting[i].key, key) == 0)
            return true;
    return false;
}

/* -q and -v are short for a log level, unless one is given. `validate -v` means its own. */
static int set_level(struct app *app, hfinit_error *error)
{
    const struct args *args = app->args;
    bool               verbose = args->verbose && args->command->id != COMMAND_VALIDATE;

    if (args->quiet && !names_setting(args, "progress") &&
        hfinit_set(app->h, "progress", "none", error) != 0)
        return -1;
    if (names_setting(args, "log-level") || names_setting(args, "log.level"))
        return 0;
    if (args->quiet)
        return hfinit_set(app->h, "log-level", "warn", error);
    return verbose ? hfinit_set(app->h, "log-level", "debug", error) : 0;
}

bool app_is_usage(const hfinit_error *error)
{
    return error->reason && strcmp(error->reason, "Usage") == 0;
}

int app_load(struct app *app, unsigned as, hfinit_error *error)
{
    const struct args *args = app->args;
    const char *const *env = (const char *const *)environ;

    if (set_level(app, error))
        return -1;
    for (size_t i = 0; i < args->setting_count; i++) {
        const struct args_setting *setting = &args->setting[i];
        const char                *ours = args_nearest_option(args->command, setting->key);

        if (hfinit_set(app->h, setting->key, setting->value, error) == 0)
            continue;
        if (ours && app_is_usage(error)) { /* nearer than any setting the library can think of */
            char *theirs = strstr(error->message, "; did you mean");

            if (theirs)
                *theirs = '\0';
            snprintf(error->hint, sizeof(error->hint), "did you mean --%s", ours);
        }
        return -1;
    }
    if (args->ome_config && args->spec_file)
        return args_usage(error, "leave one of them out",
                          "--spec and --ome-config: only one can be the spec");
    if (args->ome_config) {
        if (adapter_take_file(app, "ome", args->ome_config, error))
            return -1;
        as |= HFINIT_WITHOUT_FILE;
    }
    return hfinit_load_as(app->h, args->spec_file, env, as, error);
}

int app_cut_uri(const char *uri, char *repo, size_t size, const char **file, hfinit_error *error)
{
    static const char hint[] = "write hf://[datasets/|spaces/]ORG/NAME[@REVISION][/FILE]";
    const size_t      scheme = strlen("hf://");
    const char       *rest = uri + scheme;

    if (strncmp(rest, "buckets/", 8) == 0)
        return args_usage(error, hint, "%.80s: buckets are not repos, and cannot be fetched", uri);
    if (uri_split(rest, repo, size - scheme, file))
        return args_usage(error, hint, "\"%.80s…\" is no repo", uri);
    if (strchr(repo, '%')) { /* the library decodes it, but in this form alone */
        memmove(repo + scheme, repo, strlen(repo) + 1);
        memcpy(repo, uri, scheme);
    }
    return 0;
}

int app_exit_code(const hfinit_error *error)
{
    return error->exit_code > 0 && error->exit_code < 256 ? error->exit_code : 1;
}

int app_fail(struct app *app, const hfinit_error *error)
{
    fflush(stdout); /* the error comes after what led to it, also in a merged stream */
    console_error(app->console, error);
    return app_exit_code(error);
}

void app_write_message(const char *path, const char *text)
{
    int     fd;
    ssize_t ignored;

    if (!path || !path[0] || !text)
        return;
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return;
    ignored = write(fd, text, strlen(text));
    (void)ignored;
    close(fd);
}

int app_run(struct app *app, bool refresh, hfinit_error *error)
{
    const char *path = hfinit_termination_path(app->h);
    int         rc;

    /* Who is killed says nothing; what an earlier run said must not stand there in its place. */
    app_write_message(path, "");
    signals_guard(app->signals, app->h, path);
    rc = refresh ? hfinit_refresh(app->h, error) : hfinit_run(app->h, error);
    if (rc == 0 && hfinit_wants_to_stay(app->h)) {
        if (!app->args->quiet)
            console_say(app->console, "%s", hfinit_verdict(app->h, error));
        rc = hfinit_stay(app->h, error);
    }
    signals_unguard(app->signals);
    return rc;
}

int app_finish_run(struct app *app, bool failed, const hfinit_error *error)
{
    static const hfinit_error none;
    const hfinit_error       *outcome = failed ? error : &none;

    app_write_message(hfinit_termination_path(app->h), hfinit_termination_text(app->h, outcome));
    if (failed || !app->args->quiet)
        console_say(app->console, "%s", hfinit_verdict(app->h, outcome));
    return failed ? app_exit_code(error) : 0;
}
