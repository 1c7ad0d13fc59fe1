/* main.c: the process. Signals first, then arguments, then one command; the work is the
 * library's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app.h"
#include "sandbox.h"
#include "shims.h"

/* Started with a standard descriptor closed, the first file opened would get its number, and log
 * lines would end up in a model. Without /dev, an unwritable descriptor does as well. */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        if (open("/dev/null", O_RDWR) < 0 && open("/", O_RDONLY | O_DIRECTORY) < 0)
            return;
    }
}

/* A token is in memory: no core file, no debugger of the same user, and nothing gained by exec. */
static void keep_memory_private(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* A failure may come before the environment is read. */
static void tell_where_to_tell(hfinit *h)
{
    static const char name[] = "HF_INIT_TERMINATION_MESSAGE";
    const char       *path = getenv(name);

    if (path && path[0])
        hfinit_set_from(h, name, true, "termination-message", path, NULL);
}

static int dispatch(struct app *app)
{
    const struct args *args = app->args;

    if (args->help)
        return command_help(app);
    switch (args->command->id) {
    case COMMAND_RUN: return args->dry_run ? command_plan(app) : command_run(app);
    case COMMAND_PLAN: return command_plan(app);
    case COMMAND_VALIDATE: return command_validate(app);
    case COMMAND_STATUS: return command_status(app);
    case COMMAND_DOWNLOAD: return command_download(app);
    case COMMAND_LS: return command_ls(app);
    case COMMAND_WAIT: return command_wait(app);
    case COMMAND_VERIFY: return command_verify(app);
    case COMMAND_PRUNE: return command_prune(app);
    case COMMAND_COMPLETION: return command_completion(app);
    case COMMAND_VERSION: return command_version(app);
    case COMMAND_HELP: return command_help(app);
    case COMMAND_ADAPTER: return command_adapter(app);
    }
    abort(); /* no other is in the table */
}

/* Connections and partials take descriptors; the soft limit is low for the sake of select(). */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct signals signals;
    struct console console;
    struct args    args = {0};
    struct app     app = {.args = &args, .console = &console, .signals = &signals};
    hfinit_error   error = {0};
    int            code;

    occupy_standard_descriptors();
    if (argc > 0 && shim_run(argc, argv, &code))
        return code;
    abort_watch(&app);
    signals_start(&signals);
    keep_memory_private();
    raise_descriptor_limit();
    console_init(&console, STDERR_FILENO);
    app.h = hfinit_new();
    tell_where_to_tell(app.h);
    hfinit_set_log(app.h, console_log, &console);
    hfinit_set_terminal(app.h, console.is_terminal);
    if (console.bars.is_on)
        hfinit_set_progress(app.h, bars_draw, &console.bars);
    hfinit_set_volume(app.h, sandbox_enter, app.h);

    if (args_parse(&args, app_commands, argc, argv, &error) == 0)
        code = dispatch(&app);
    else if (!args.command || args.command->id == COMMAND_RUN ||
             args.command->id == COMMAND_ADAPTER)
        code = app_finish_run(&app, true, &error); /* a pod with a slip in its args: say it there */
    else
        code = app_fail(&app, &error);

    if (console_finish_stdout(&error) != 0 && code == 0)
        code = app_fail(&app, &error);
    if (args.exit_compat && code != 0)
        code = 1;
    args_release(&args);
    hfinit_free(app.h);
    bars_release(&console.bars);
    return code;
}
