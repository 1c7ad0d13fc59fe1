/* args.c: see args.h. */
#include "args.h"

#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

#define AT(field) offsetof(struct args, field)

/* Some come as settings all the same: `repos`, which no table of the library has, and what only download.c
 * knows, because `hf` takes it. */
const struct args_option args_options[] = {
    {"spec", "the spec, YAML or JSON", ARGS_FILE, ARGS_SETTINGS, AT(spec_file)},
    {"ome-config", "OME's file instead of a spec", ARGS_FILE, ARGS_OME, AT(ome_config)},
    {"exit-compat", "other systems' loaders: code 1 for every failure", ARGS_SWITCH, ARGS_COMPAT,
     AT(exit_compat)},
    {"repos", "ORG/NAME[@REVISION], several by commas", ARGS_VALUE, ARGS_SETTINGS, 0},
    {"json", "print JSON", ARGS_SWITCH, ARGS_JSON, AT(json)},
    {"format", "plan: table, json or k8s", ARGS_WORD, ARGS_FORMAT, AT(format)},
    {"dry-run", "say what would be done and touch nothing", ARGS_SWITCH, ARGS_DRY_RUN, AT(dry_run)},
    {"timeout", "wait: give up after so long", ARGS_VALUE, ARGS_WAIT, AT(timeout)},
    {"file", "wait: for this file", ARGS_FILE, ARGS_WAIT, AT(file)},
    {"repair", "verify: fetch what is wrong again", ARGS_SWITCH, ARGS_REPAIR, AT(repair)},
    {"include", "download: only files that match", ARGS_VALUE, ARGS_HF, 0},
    {"exclude", "download: but not those that match", ARGS_VALUE, ARGS_HF, 0},
    {"local-dir", "download: plain files in this folder", ARGS_FILE, ARGS_HF, 0},
    {"cache-dir", "download: another cache", ARGS_FILE, ARGS_HF, 0},
    {"force-download", "download: hash what is there already", ARGS_SWITCH, ARGS_HF, AT(force)},
    {"max-workers", "download: connections at most", ARGS_VALUE, ARGS_HF, 0},
    {"repo-type", "model, dataset or space", ARGS_WORD, ARGS_SETTINGS, 0},
    {"quiet", "warnings and errors only", ARGS_SWITCH, 0, AT(quiet)},
    {"verbose", "say more", ARGS_SWITCH, 0, AT(verbose)},
    {"version", "what is inside", ARGS_SWITCH, 0, 0},
    {"help", "how a command is used", ARGS_SWITCH, 0, AT(help)},
    {NULL, NULL, ARGS_SWITCH, 0, 0},
};
_Static_assert(sizeof(args_options) / sizeof(args_options[0]) <= 32,
               "args.given has a bit for each");

/* Length of what may be a token behind "hf_"; that of an app has a word in front and dots within. */
static size_t token_len(const char *text)
{
    enum { TOKEN_LEAST = 16 };
    size_t kind = strncmp(text, "oauth_", 6) == 0 ? 6 : strncmp(text, "jwt_", 4) == 0 ? 4 : 0;
    size_t len = kind;

    while (isascii(text[len]) && isalnum((unsigned char)text[len]))
        len++;
    if (len < kind + TOKEN_LEAST)
        return 0;
    while (kind && isascii(text[len]) &&
           (isalnum((unsigned char)text[len]) || (text[len] && strchr("._-", text[len]))))
        len++;
    return len;
}

/* A token may stand where a word was expected: after "hf_" as many letters and digits as no name has. */
static void redact(char *text)
{
    for (char *p = text; (p = strstr(p, "hf_")) != NULL; p += 3)
        memset(p + 3, '*', token_len(p + 3));
}

int args_usage(hfinit_error *error, const char *hint, const char *fmt, ...)
{
    va_list ap;

    memset(error, 0, sizeof(*error));
    error->exit_code = 2;
    error->reason = "Usage";
    va_start(ap, fmt);
    vsnprintf(error->message, sizeof(error->message), fmt, ap);
    va_end(ap);
    redact(error->message);
    snprintf(error->hint, sizeof(error->hint), "%s", hint);
    return -1;
}

/* ---- did you mean ---- */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Single-character edits between two words; far apart if one is very long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return WORD_MAX + 1;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

/* Near enough to be a slip of the hand: "pln" is plan, "rm" is not run. */
static bool is_near(const char *typed, const char *known, size_t *best)
{
    size_t edits = distance(typed, known);

    if (edits >= *best || edits > 2 || edits * 2 >= strlen(known))
        return false;
    *best = edits;
    return true;
}

const char *args_nearest_option(const struct command *command, const char *name)
{
    const char *nearest = NULL;
    size_t      best = WORD_MAX + 1;

    for (const struct args_option *o = args_options; o->name; o++)
        if ((!o->goes_with || (command->takes & o->goes_with)) && is_near(name, o->name, &best))
            nearest = o->name;
    return nearest;
}

const struct command *args_find_command(const struct command *commands, const char *name)
{
    for (; commands->name; commands++)
        if (strcmp(commands->name, name) == 0)
            return commands;
    return NULL;
}

int args_unknown_command(const struct command *commands, const char *word, hfinit_error *error)
{
    const char *nearest = NULL;
    size_t      best = WORD_MAX + 1;
    char        hint[128] = "hf-init --help lists the commands";

    for (size_t i = 0; commands[i].name; i++)
        if (is_near(word, commands[i].name, &best))
            nearest = commands[i].name;
    if (nearest)
        snprintf(hint, sizeof(hint), "did you mean hf-init %s", nearest);
    else if (strchr(word, '/'))
        snprintf(hint, sizeof(hint),
                 "to fetch one repo: hf-init run --repos ORG/NAME --target DIR");
    return args_usage(error, hint, "unknown command \"%.80s\"", word);
}

/* ---- reading ---- */

struct reader {
    struct args          *out;
    const struct command *commands;
    int                   argc, next;
    char *const          *argv;
    hfinit_error         *error;
};

static void *grow(void *array, size_t count, size_t item_size)
{
    void *grown = realloc(array, (count + 1) * item_size);

    if (!grown)
        abort(); /* before anything was started: there is nothing to save */
    return grown;
}

static bool is_named(const char *name, size_t len, const char *option)
{
    return strlen(option) == len && strncmp(name, option, len) == 0;
}

/* A value may start with one dash (`--spec -`), not with two: that is the next option, and the
 * value was forgotten. `--name=--value` takes any. A switch needs none, but may be told its
 * state. */
static const char *take_value(struct reader *r, const char *equals, bool is_switch)
{
    const char *next = r->next < r->argc ? r->argv[r->next] : "--";

    if (equals)
        return equals + 1;
    if (is_switch ? strcmp(next, "true") != 0 && strcmp(next, "false") != 0
                  : strncmp(next, "--", 2) == 0)
        return NULL;
    r->next++;
    return next;
}

static void add_setting(struct reader *r, const char *name, size_t len, const char *equals)
{
    struct args *out = r->out;
    /* As `hf` calls it. */
    char *key = is_named(name, len, "repo-type") ? strdup("type") : strndup(name, len);

    if (!key)
        abort();
    out->setting = grow(out->setting, out->setting_count, sizeof(*out->setting));
    out->setting[out->setting_count++] =
        (struct args_setting){.key = key, .value = take_value(r, equals, hfinit_is_switch(key))};
}

/* One that is kept in struct args, or NULL. */
static const struct args_option *find_kept(const char *name, size_t len)
{
    for (const struct args_option *o = args_options; o->name; o++)
        if (o->at && is_named(name, len, o->name))
            return o;
    return NULL;
}

static int keep(struct reader *r, const struct args_option *o, const char *equals)
{
    char        *field = (char *)r->out + o->at;
    const char **text = (const char **)field;

    r->out->given |= 1u << (o - args_options);
    if (o->value == ARGS_SWITCH) {
        if (equals)
            return args_usage(r->error, "write it without =", "--%s takes no value", o->name);
        *(bool *)field = true;
        return 0;
    }
    *text = take_value(r, equals, false);
    if (*text && (*text)[0])
        return 0;
    return args_usage(r->error,
                      o->at == AT(spec_file) ? "--spec FILE, or --spec - for standard input"
                                             : "write it as --OPTION VALUE",
                      "--%s needs a value", o->name);
}

/* Arguments are public: any user of the node can list them, and they end up in manifests. */
static int refuse_token(hfinit_error *error)
{
    return args_usage(error,
                      "mount the token as a file and say --token-file PATH, or set HF_TOKEN from a "
                      "Secret",
                      "--token is refused: the command line is readable by every process of the "
                      "node and by everyone who may read the pod");
}

static int read_long(struct reader *r, const char *name)
{
    const char               *equals = strchr(name, '=');
    size_t                    len = equals ? (size_t)(equals - name) : strlen(name);
    const struct args_option *kept = find_kept(name, len);

    if (is_named(name, len, "token") || is_named(name, len, "hf-token"))
        return refuse_token(r->error);
    if (kept)
        return keep(r, kept, equals);
    if (!is_named(name, len, "version"))
        add_setting(r, name, len, equals);
    else if (equals)
        return args_usage(r->error, "write it without =", "--version takes no value");
    else
        r->out->command = args_find_command(r->commands, "version");
    return 0;
}

/* Kthena's short options: the rest of the word is the value, or the next word. */
static const char *long_name(const struct command *command, char letter)
{
    static const char *const names[] = {"source", "output-dir", "max-workers", "config", NULL};
    static const char        letters[] = "sowc";
    const char              *at = letter ? strchr(letters, letter) : NULL;

    return at && command && (command->takes & ARGS_LETTERS) ? names[at - letters] : NULL;
}

static int read_short(struct reader *r, const char *letters)
{
    for (; *letters; letters++) {
        const char *name = long_name(r->out->command, *letters);

        if (name) {
            add_setting(r, name, strlen(name), letters[1] ? letters : NULL);
            return 0;
        }
        switch (*letters) {
        case 'h': r->out->help = true; break;
        case 'q': r->out->quiet = true; break;
        case 'v': r->out->verbose = true; break;
        default:
            return args_usage(r->error, "short options are -h, -q and -v; all others are long",
                              "unknown option -%c", (unsigned char)*letters < 127 ? *letters : '?');
        }
    }
    return 0;
}

static int read_word(struct reader *r, const char *word)
{
    struct args *out = r->out;

    if (!out->command) {
        /* KServe gives source and destination without a word for the command. */
        if (strncmp(word, "hf://", 5) == 0)
            out->command = args_find_command(r->commands, "storage-initializer");
        else
            return (out->command = args_find_command(r->commands, word))
                       ? 0
                       : args_unknown_command(r->commands, word, r->error);
    }
    out->word = grow(out->word, out->word_count, sizeof(*out->word));
    out->word[out->word_count++] = word;
    return 0;
}

/* What plan would print, a dry run may print too; of prune there is no plan. */
static bool is_for_dry_run(const struct args *args, const struct args_option *o)
{
    const struct command *command = args->command;

    return args->dry_run && (command->takes & ARGS_DRY_RUN) &&
           (o->goes_with == ARGS_JSON ||
            (o->goes_with == ARGS_FORMAT && command->id != COMMAND_PRUNE));
}

static int check_fit(const struct args *args, hfinit_error *error)
{
    const struct command *command = args->command;
    char                  hint[80];

    if (args->help)
        return 0;
    snprintf(hint, sizeof(hint), "see hf-init %s --help", command->name);
    for (const struct args_option *o = args_options; o->name; o++)
        if ((args->given & 1u << (o - args_options)) && o->goes_with &&
            !(command->takes & o->goes_with) && !is_for_dry_run(args, o))
            return args_usage(error, hint, "hf-init %s has no --%s", command->name, o->name);
    if (args->word_count && !(command->takes & ARGS_WORDS))
        return args_usage(error, hint, "hf-init %s takes no argument, but got \"%.80s\"",
                          command->name, args->word[0]);
    if (args->setting_count && !(command->takes & ARGS_SETTINGS))
        return args_usage(error, hint, "hf-init %s has no option --%.80s", command->name,
                          args->setting[0].key);
    return 0;
}

/* The name the program was started under may say the command: a link in an image does. */
static void take_program_name(struct reader *r, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;

    static const char *const names[][2] = {
        /* program, command */
        {"storage-initializer", "storage-initializer"},
        {"load", "load"},
        {"aibrix_download", "aibrix"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i][0]) == 0)
            r->out->command = args_find_command(r->commands, names[i][1]);
}

int args_parse(struct args *out, const struct command *commands, int argc, char *const *argv,
               hfinit_error *error)
{
    struct reader r = {out, commands, argc, 1, argv, error};
    bool          options = true;

    memset(out, 0, sizeof(*out));
    if (argc > 0)
        take_program_name(&r, argv[0]);
    while (r.next < argc) {
        const char *arg = argv[r.next++];
        int         rc;

        if (options && strcmp(arg, "--") == 0) {
            options = false;
            continue;
        }
        if (options && strncmp(arg, "--", 2) == 0)
            rc = read_long(&r, arg + 2);
        else if (options && arg[0] == '-' && arg[1])
            rc = read_short(&r, arg + 1);
        else
            rc = read_word(&r, arg);
        if (rc)
            return rc;
    }
    out->by_default = !out->command;
    if (out->by_default)
        out->command = commands;
    return check_fit(out, error);
}

void args_release(struct args *args)
{
    for (size_t i = 0; i < args->setting_count; i++)
        free(args->setting[i].key);
    free(args->setting);
    free(args->word);
    memset(args, 0, sizeof(*args));
}
