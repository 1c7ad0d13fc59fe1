/* args.h: the command line, taken apart but not yet understood.
 *
 * Options of ours are few; every other `--name value` is a setting of the spec and goes to the
 * library as it is, which knows them all and says which one was meant. Texts are lent by argv. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "hfinit.h"

enum command_id {
    COMMAND_RUN,
    COMMAND_PLAN,
    COMMAND_VALIDATE,
    COMMAND_STATUS,
    COMMAND_LS,
    COMMAND_DOWNLOAD,
    COMMAND_WAIT,
    COMMAND_VERIFY,
    COMMAND_PRUNE,
    COMMAND_COMPLETION,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_ADAPTER, /* another system's loader */
};

enum {
    ARGS_JSON = 1,
    ARGS_DRY_RUN = 2,
    ARGS_SETTINGS = 4,
    ARGS_WORDS = 8,
    ARGS_WAIT = 16,
    ARGS_REPAIR = 32,
    ARGS_HF = 64,
    ARGS_FORMAT = 128,
    ARGS_COMPAT = 256,   /* --exit-compat */
    ARGS_OME = 512,      /* --ome-config */
    ARGS_LETTERS = 1024, /* -s -o -w -c, with values */
};

struct command {
    const char     *name;
    enum command_id id;
    unsigned        takes;   /* ARGS_… */
    const char     *summary; /* one line of the overview */
    const char     *help;    /* usage, options, examples */
};

struct args_setting {
    char       *key;   /* owned: "disk-reserve" */
    const char *value; /* NULL: none was given */
};

struct args {
    const struct command *command;    /* NULL only if the word for it was unknown */
    bool                  by_default; /* no word said which */
    const char           *spec_file;  /* NULL: look it up */
    bool                  help, quiet, verbose, json, dry_run, repair, force, exit_compat;
    const char           *ome_config;     /* NULL: not given */
    const char           *timeout, *file; /* of wait; NULL: not given */
    const char           *format;         /* of plan; NULL: not given */
    struct args_setting  *setting;        /* owned array */
    size_t                setting_count;
    unsigned              given; /* bit n: row n of args_options, if it has a place */
    const char          **word;  /* owned array; what is neither command nor option */
    size_t                word_count;
};

/* 0, or -1 with a Usage error; *out is filled as far as it was read and must be released either
 * way. `commands` ends with a NULL name; its first entry is what no word means. */
int  args_parse(struct args *out, const struct command *commands, int argc, char *const *argv,
                hfinit_error *error);
void args_release(struct args *args);

const struct command *args_find_command(const struct command *commands, const char *name);
/* Fill a Usage error; always -1. */
int args_unknown_command(const struct command *commands, const char *word, hfinit_error *error);
int args_usage(hfinit_error *error, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The option of ours that `name` was probably meant to be with this command, or NULL. */
const char *args_nearest_option(const struct command *command, const char *name);

/* What is not a setting of the spec. Ends with a NULL name. */
enum args_value { ARGS_SWITCH, ARGS_VALUE, ARGS_FILE, ARGS_WORD };
struct args_option {
    const char     *name, *help;
    enum args_value value;
    unsigned        goes_with; /* ARGS_…: commands that take one of these; 0: all */
    size_t          at; /* its place in struct args: a bool of a switch, else a text; 0: none */
};
extern const struct args_option args_options[];

#endif
