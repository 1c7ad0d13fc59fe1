/* Promises of the command line (cmd/hf-init/args.h), without the library behind it. */
#include "../../cmd/hf-init/args.c"

#include "check.h"

bool hfinit_is_switch(const char *key)
{
    return strcmp(key, "disk-check") == 0;
}

static const struct command commands[] = {
    {"run", COMMAND_RUN, ARGS_SETTINGS | ARGS_DRY_RUN, "", ""},
    {"plan", COMMAND_PLAN, ARGS_SETTINGS | ARGS_JSON, "", ""},
    {"version", COMMAND_VERSION, ARGS_JSON, "", ""},
    {"help", COMMAND_HELP, ARGS_WORDS, "", ""},
    {"storage-initializer", COMMAND_ADAPTER, ARGS_WORDS | ARGS_COMPAT, NULL, ""},
    {"load", COMMAND_ADAPTER, ARGS_WORDS, NULL, ""},
    {"kthena", COMMAND_ADAPTER, ARGS_SETTINGS | ARGS_LETTERS, NULL, ""},
    {NULL, COMMAND_RUN, 0, NULL, NULL},
};

/* What was understood, as one text, or "usage: message | hint". */
static const struct {
    const char *name;
    const char *argv[8];
    const char *want;
} rows[] = {
    {"no word means run", {"hf-init"}, "run"},
    {"a word is a command, before or after options",
     {"hf-init", "--target", "/m", "plan"},
     "plan target=/m"},
    {"both forms of a value", {"hf-init", "run", "--a=b", "--c", "d"}, "run a=b c=d"},
    {"an equals sign in a value stays", {"hf-init", "--a=b=c"}, "run a=b=c"},
    {"an empty value is one", {"hf-init", "--a="}, "run a="},
    {"one dash is a value", {"hf-init", "--spec", "-"}, "run spec=-"},
    {"an option is no value", {"hf-init", "--target", "--json", "plan"}, "plan json target"},
    {"unless it is joined", {"hf-init", "--target=--json"}, "run target=--json"},
    {"a switch eats no word", {"hf-init", "--disk-check", "plan"}, "plan disk-check"},
    {"a switch may be told its state",
     {"hf-init", "--disk-check", "false", "plan"},
     "plan disk-check=false"},
    {"short options join", {"hf-init", "-qv"}, "run quiet verbose"},
    {"--version is the command", {"hf-init", "--version"}, "version"},
    {"help of a command", {"hf-init", "plan", "--help"}, "plan help"},
    {"words after two dashes", {"hf-init", "help", "--", "--x"}, "help [--x]"},
    {"the program's name is a command",
     {"/usr/bin/storage-initializer", "hf://a", "/b"},
     "storage-initializer [hf://a] [/b]"},
    {"and so are those of other loaders",
     {"/bin/load", "hf://a/b", "/models/x"},
     "load [hf://a/b] [/models/x]"},
    {"short options of a loader, apart and joined",
     {"hf-init", "kthena", "-s", "hf://a/b", "-w8", "-qc", "{}"},
     "kthena quiet source=hf://a/b max-workers=8 config={}"},
    {"so is a source", {"hf-init", "hf://a/b", "/mnt"}, "storage-initializer [hf://a/b] [/mnt]"},

    {"near command",
     {"hf-init", "pln"},
     "usage: unknown command \"pln\" | did you mean hf-init plan"},
    {"far command",
     {"hf-init", "rm"},
     "usage: unknown command \"rm\" | hf-init --help lists the commands"},
    {"unknown short option",
     {"hf-init", "-x"},
     "usage: unknown option -x | short options are -h, -q and -v; all others are long"},
    {"a switch of ours takes no value",
     {"hf-init", "--json=1"},
     "usage: --json takes no value | write it without ="},
    {"nor does the version",
     {"hf-init", "--version=1"},
     "usage: --version takes no value | write it without ="},
    {"no stray words",
     {"hf-init", "plan", "x"},
     "usage: hf-init plan takes no argument, but got \"x\" | see hf-init plan --help"},
    {"short options of a loader belong to it",
     {"hf-init", "run", "-s", "x"},
     "usage: unknown option -s | short options are -h, -q and -v; all others are long"},
    {"exit codes of another system belong to its command",
     {"hf-init", "run", "--exit-compat"},
     "usage: hf-init run has no --exit-compat | see hf-init run --help"},
    {"so does another system's file",
     {"hf-init", "kthena", "--ome-config", "x"},
     "usage: hf-init kthena has no --ome-config | see hf-init kthena --help"},
    {"no foreign options",
     {"hf-init", "version", "--target", "x"},
     "usage: hf-init version has no option --target | see hf-init version --help"},
    {"no spec where nothing reads it",
     {"hf-init", "version", "--spec", "x"},
     "usage: hf-init version has no --spec | see hf-init version --help"},
    {"the spec's name is needed",
     {"hf-init", "--spec"},
     "usage: --spec needs a value | --spec FILE, or --spec - for standard input"},
};

static void describe(const struct args *args, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "%s", args->command->name);

#define ADD(...) at += (size_t)snprintf(out + at, size - at, __VA_ARGS__)
    if (args->help)
        ADD(" help");
    if (args->quiet)
        ADD(" quiet");
    if (args->verbose)
        ADD(" verbose");
    if (args->json)
        ADD(" json");
    if (args->spec_file)
        ADD(" spec=%s", args->spec_file);
    for (size_t i = 0; i < args->setting_count; i++)
        ADD(" %s%s%s", args->setting[i].key, args->setting[i].value ? "=" : "",
            args->setting[i].value ? args->setting[i].value : "");
    for (size_t i = 0; i < args->word_count; i++)
        ADD(" [%s]", args->word[i]);
#undef ADD
}

static int parse(const char *const *argv, struct args *args, hfinit_error *error)
{
    int argc = 0;

    while (argc < 8 && argv[argc])
        argc++;
    return args_parse(args, commands, argc, (char *const *)(uintptr_t)argv, error);
}

static void test_rows(void)
{
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct args  args = {0};
        hfinit_error error = {0};
        char         got[1500];

        check_row(rows[i].name);
        if (parse(rows[i].argv, &args, &error) == 0)
            describe(&args, got, sizeof(got));
        else
            snprintf(got, sizeof(got), "usage: %s | %s", error.message, error.hint);
        CHECK_STR(got, rows[i].want);
        args_release(&args);
    }
}

static void test_token_is_refused_and_not_repeated(void)
{
    static const char *const forms[][4] = {
        {"hf-init", "--token", "hf_verysecret", NULL},
        {"hf-init", "--token=hf_verysecret", NULL},
        {"hf-init", "run", "--hf-token=hf_verysecret", NULL},
    };

    check_row("a token on the command line is refused and not repeated");
    for (size_t i = 0; i < CHECK_COUNT(forms); i++) {
        struct args  args = {0};
        hfinit_error error = {0};

        CHECK(parse(forms[i], &args, &error) == -1);
        CHECK(error.exit_code == 2);
        CHECK(!strstr(error.message, "verysecret") && !strstr(error.hint, "verysecret"));
        CHECK_HAS(error.hint, "--token-file");
        args_release(&args);
    }
}

static void test_nearest_option(void)
{
    const struct command *run = &commands[0], *plan = &commands[1];

    check_row("a slip in an option of ours");
    CHECK_STR(args_nearest_option(plan, "jsn"), "json");
    CHECK(args_nearest_option(run, "jsn") == NULL); /* it has no such option */
    CHECK_STR(args_nearest_option(run, "dryrun"), "dry-run");
    CHECK(args_nearest_option(run, "target") == NULL);
}

int main(void)
{
    test_rows();
    test_token_is_refused_and_not_repeated();
    test_nearest_option();
    return check_end("args");
}
