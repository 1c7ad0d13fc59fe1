/* app.h: what every command works with, and the commands. Each returns the exit code. */
#ifndef APP_H
#define APP_H

#include "args.h"
#include "console.h"
#include "signals.h"

struct app {
    const struct args *args;
    hfinit            *h;
    struct console    *console;
    struct signals    *signals;
};

/* The commands, in the order of the overview. Ends with a NULL name; the first is the default. */
extern const struct command app_commands[];

/* Hands the settings of the command line over and reads the spec. `as`: HFINIT_WITHOUT_…. 0 or -1. */
int  app_load(struct app *app, unsigned as, hfinit_error *error);
bool app_is_usage(const hfinit_error *error);
/* Never 0: an error without a code is a bug. */
int app_exit_code(const hfinit_error *error);
/* Prints the error; returns its exit code. */
int app_fail(struct app *app, const hfinit_error *error);
/* Writes a termination message. Kubernetes mounts the file; where it does not exist, nobody asked for
 * it. It is emptied first, so that nothing of an earlier message sticks. */
void app_write_message(const char *path, const char *text);
/* Runs the loaded spec, and stays if it says so; `refresh`: believing nothing that is there. 0 or -1. */
int app_run(struct app *app, bool refresh, hfinit_error *error);
/* Leaves the termination message and prints the verdict as the last line; returns the exit code. */
int app_finish_run(struct app *app, bool failed, const hfinit_error *error);

/* Cuts hf://[models/|datasets/|spaces/]ORG/NAME[@REVISION][/FILE] in two: what the setting `repos` takes,
 * and the file (NULL: none), which is lent. A revision with slashes must have them as %2F, but for
 * refs/pr/N and refs/convert/X. 0, or -1 with a Usage error. */
int app_cut_uri(const char *uri, char *repo, size_t size, const char **file, hfinit_error *error);

/* Makes and prints the plan of the loaded spec; returns the exit code. */
int app_show_plan(struct app *app);
/* The same plan as the stanzas of a pod that it fits into. */
void plan_print_k8s(const hfinit_plan *plan);
/* What stands before the id: "", "datasets/", "spaces/". */
const char *plan_prefix(const hfinit_plan_repo *repo);

/* From now on an abort ends in a termination message, a status and exit code 1. Call it first. */
void abort_watch(const struct app *app);

int command_run(struct app *app);
int command_plan(struct app *app);
int command_validate(struct app *app);
int command_status(struct app *app);
int command_download(struct app *app);
int command_ls(struct app *app);
int command_wait(struct app *app);
int command_verify(struct app *app);
int command_prune(struct app *app);
int command_completion(struct app *app);
int command_version(struct app *app);
int command_help(struct app *app);
int command_adapter(struct app *app);

/* The settings of another system's file, by its name in adapters_table.c: `--ome-config FILE`. */
int adapter_take_file(struct app *app, const char *name, const char *file, hfinit_error *error);

/* The overview with which `hf-init --help` answers, and what to try with nothing configured. */
void help_print_overview(void);
void help_print_hint(struct console *console);

#endif
