/* abort.c: the library aborts when it is out of memory or has broken a rule of its own, after it said so
 * in a line. To whoever reads codes that is 1; to whoever reads messages, that line. What else the
 * volume holds is as after any other death. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

static const struct app *dying; /* a handler gets no argument */
static atomic_flag       has_begun = ATOMIC_FLAG_INIT;

static bool leaves_message(const struct args *args)
{
    return !args->command ||
           ((args->command->id == COMMAND_RUN || args->command->id == COMMAND_ADAPTER) &&
            !args->dry_run) ||
           (args->command->id == COMMAND_VERIFY && args->repair);
}

/* Before the spec is read, the library knows of no other path than the usual one. */
static const char *message_path(void)
{
    static const char usual[] = "/dev/termination-log";
    const char       *path = dying->h ? hfinit_termination_path(dying->h) : usual;
    const char       *variable = getenv("HF_INIT_TERMINATION_MESSAGE");

    return variable && strcmp(path, usual) == 0 ? variable : path;
}

static void on_abort(int signal)
{
    static const char line[] = "hf-init: fatal: aborted, perhaps out of memory\n";
    static const char unknown[] = "{\"message\":\"aborted, perhaps out of memory\",\"reason\":"
                                  "\"Internal\",\"exitCode\":1,\"retryable\":false}";
    const char       *text;
    ssize_t           ignored;

    (void)signal;
    while (atomic_flag_test_and_set(&has_begun))
        pause(); /* another thread dies as well, and ends us all in a moment */
    text = hfinit_last_words(dying->h);
    if (!text) { /* arguments and tables take memory themselves */
        ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
        (void)ignored;
    }
    if (leaves_message(dying->args))
        app_write_message(message_path(), text ? text : unknown);
    _exit(1);
}

void abort_watch(const struct app *app)
{
    dying = app;
    signal(SIGABRT, on_abort);
}
