/* The command line: what was understood, written out in full, is understood the same; a token is
 * never repeated. Input: the arguments, a line each, the program's name first. */
#include "../../cmd/hf-init/args.c"

#include "fuzz.h"

enum { ARGS_MAX = 24 };

static const struct command commands[] = {
    {"run", COMMAND_RUN, ARGS_SETTINGS | ARGS_DRY_RUN, "", ""},
    {"plan", COMMAND_PLAN, ARGS_SETTINGS | ARGS_JSON, "", ""},
    {"status", COMMAND_STATUS, ARGS_SETTINGS | ARGS_JSON, "", ""},
    {"version", COMMAND_VERSION, ARGS_JSON, "", ""},
    {"help", COMMAND_HELP, ARGS_WORDS, "", ""},
    {"storage-initializer", COMMAND_ADAPTER, ARGS_WORDS | ARGS_COMPAT, NULL, ""},
    {"kthena", COMMAND_ADAPTER, ARGS_SETTINGS | ARGS_LETTERS, NULL, ""},
    {NULL, COMMAND_RUN, 0, NULL, NULL},
};

struct line {
    char  *argv[4 * ARGS_MAX];
    size_t argc;
};

static void add(struct line *line, const char *before, const char *text, const char *equals,
                const char *value)
{
    size_t len = strlen(before) + strlen(text) + strlen(equals) + strlen(value) + 1;
    char  *arg = malloc(len);

    REQUIRE(arg && line->argc < 4 * ARGS_MAX);
    snprintf(arg, len, "%s%s%s%s", before, text, equals, value);
    line->argv[line->argc++] = arg;
}

static void line_release(struct line *line)
{
    while (line->argc)
        free(line->argv[--line->argc]);
}

/* All that was understood, in one order and in the form that leaves no doubt. */
static void write_out(const struct args *args, struct line *out)
{
    static const char *const names[] = {"help", "quiet", "verbose", "json", "dry-run"};
    const bool on[] = {args->help, args->quiet, args->verbose, args->json, args->dry_run};

    add(out, "hf-init", "", "", "");
    add(out, "", args->command->name, "", "");
    for (size_t i = 0; i < 5; i++)
        if (on[i])
            add(out, "--", names[i], "", "");
    if (args->spec_file)
        add(out, "--spec=", args->spec_file, "", "");
    for (size_t i = 0; i < args->setting_count; i++)
        add(out, "--", args->setting[i].key, args->setting[i].value ? "=" : "",
            args->setting[i].value ? args->setting[i].value : "");
    add(out, "--", "", "", "");
    for (size_t i = 0; i < args->word_count; i++)
        add(out, "", args->word[i], "", "");
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void are_the_same(const struct args *a, const struct args *b)
{
    REQUIRE(a->command == b->command && is_same_text(a->spec_file, b->spec_file));
    REQUIRE(a->help == b->help && a->quiet == b->quiet && a->verbose == b->verbose);
    REQUIRE(a->json == b->json && a->dry_run == b->dry_run);
    REQUIRE(a->setting_count == b->setting_count && a->word_count == b->word_count);
    for (size_t i = 0; i < a->setting_count; i++)
        REQUIRE(is_same_text(a->setting[i].key, b->setting[i].key) &&
                is_same_text(a->setting[i].value, b->setting[i].value));
    for (size_t i = 0; i < a->word_count; i++)
        REQUIRE(is_same_text(a->word[i], b->word[i]));
}

static void is_understood_again(const struct args *args)
{
    struct line  out = {.argc = 0};
    struct args  again = {0};
    hfinit_error error = {0};

    write_out(args, &out);
    REQUIRE(args_parse(&again, commands, (int)out.argc, out.argv, &error) == 0);
    are_the_same(args, &again);
    args_release(&again);
    line_release(&out);
}

static void is_a_usage_error(const hfinit_error *error, bool has_secret)
{
    REQUIRE(error->exit_code == 2 && strcmp(error->reason, "Usage") == 0);
    REQUIRE(error->message[0] && error->hint[0]);
    if (has_secret) {
        REQUIRE(!strstr(error->message, "s3cr3t") && !strstr(error->hint, "s3cr3t"));
    }
}

/* A token after every form of its flag. */
static void keeps_the_secret(char *const *argv, int argc)
{
    char        *more[ARGS_MAX + 3];
    struct args  args = {0};
    hfinit_error error = {0};

    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--") == 0)
            return; /* behind it nothing is a flag */
    memcpy(more, argv, (size_t)argc * sizeof(*more));
    more[argc] = argc % 2 ? (char[]){"--token=s3cr3t"} : (char[]){"--hf-token"};
    more[argc + 1] = (char[]){"s3cr3t"};
    if (args_parse(&args, commands, argc + 2, more, &error))
        is_a_usage_error(&error, true);
    args_release(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct args  args = {0};
    hfinit_error error = {0};
    char        *argv[ARGS_MAX + 1] = {NULL};
    int          argc = 0;
    bool         has_secret = false;

    while (in.rest.len && argc < ARGS_MAX)
        argv[argc++] = (char *)(uintptr_t)input_cstr(&in);
    for (int i = 0; i < argc; i++)
        has_secret = has_secret || strstr(argv[i], "s3cr3t");
    if (args_parse(&args, commands, argc, argv, &error) == 0) {
        REQUIRE(args.command);
        is_understood_again(&args);
    } else {
        is_a_usage_error(&error, false);
    }
    args_release(&args);
    if (argc && !has_secret)
        keeps_the_secret(argv, argc);
    input_release(&in);
    return 0;
}
