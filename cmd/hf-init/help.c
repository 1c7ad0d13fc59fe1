/* help.c: the commands and everything that --help prints. Examples run as they are printed. */
#include <stdio.h>
#include <string.h>

#include "adapters.h"
#include "app.h"

#define COMMON_OPTIONS                                  \
    "  -q, --quiet          warnings and errors only\n" \
    "  -v, --verbose        say more\n"                 \
    "  -h, --help           this text\n"

#define SPEC_OPTIONS                                                                           \
    "  --spec FILE          the spec, YAML or JSON; - is standard input. Else HF_INIT_SPEC,\n" \
    "                       HF_INIT_SPEC_YAML, /etc/hf-init/spec.yaml\n"                       \
    "  --ome-config FILE    OME's file instead of a spec: docs/adapters.md\n"                  \
    "  --NAME VALUE         any setting of the spec, its path with dashes:\n"                  \
    "                       disk.reserve is --disk-reserve, or HF_INIT_DISK_RESERVE\n"

static const char run_help[] =
    "Usage: hf-init [run] [--spec FILE] [--NAME VALUE]...\n"
    "\n"
    "Makes the volume match the spec: resolves each revision to a commit, checks the space,\n"
    "fetches what is missing, verifies every file and only then gives it its name, and writes\n"
    "the marker. Over a complete volume it ends at once. Exit code 0 means: all of it is there.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS
    "  --repos LIST         [datasets/|spaces/]ORG/NAME[@REVISION], separated by commas\n"
    "  --target DIR         where to put them\n"
    "  --allow LIST         only files that match one of these patterns\n"
    "  --ignore LIST        but not those that match one of these\n"
    "  --layout dir|cache   plain files, or the cache that huggingface_hub reads\n"
    "  --token-file PATH    a file with the token; HF_TOKEN works as well\n"
    "  --stay               when all is there, idle until stopped, as a sidecar does\n"
    "  --watch DURATION     stay, and look this often for a new commit of the revisions\n"
    "  --dry-run            print the plan and touch nothing, as hf-init plan does\n" COMMON_OPTIONS
    "\n"
    "Examples:\n"
    "  hf-init run --repos Qwen/Qwen2.5-0.5B-Instruct --target ./models\n"
    "  hf-init run --repos Qwen/Qwen2.5-0.5B-Instruct@main --target ./models --allow '*.json'\n"
    "  hf-init run --spec spec.yaml --log-level debug\n"
    "\n"
    "Exit codes: 0 done; 2 spec or usage; 10 token; 11 gated or forbidden; 12 not found;\n"
    "13 certificate; 20 space; 21 I/O; 22 permissions; 30 network; 31 rate limit; 32 server or\n"
    "proxy; 33 deadline; 40 integrity; 42 unsafe name; 50 lock; 60 offline; 143, 130 stopped.\n";

static const char plan_help[] =
    "Usage: hf-init plan [--spec FILE] [--NAME VALUE]... [--format table|json|k8s]\n"
    "\n"
    "Resolves the spec against the Hub and prints what a run would fetch and whether it fits.\n"
    "Touches nothing. Exit code 20: it would not fit.\n"
    "\n"
    "With --format k8s it prints what to put into a pod instead: the ephemeral-storage request and\n"
    "limit, the sizeLimit of an emptyDir, and a PersistentVolumeClaim, each large enough for all of\n"
    "it, disk.reserve included. Whether it would fit here plays no part then.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS "  --format FORMAT      table (default), json or k8s\n"
    "  --json               --format json: manifests/plan.schema.json\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init plan --repos Qwen/Qwen2.5-0.5B-Instruct --target ./models\n"
    "  hf-init plan --repos Qwen/Qwen2.5-0.5B-Instruct --target ./models --format k8s\n"
    "  hf-init plan --spec spec.yaml --json\n";

static const char validate_help[] =
    "Usage: hf-init validate [--spec FILE] [--NAME VALUE]... [-v]\n"
    "\n"
    "Checks the spec without touching network or volume. With -v it prints each effective value\n"
    "and where it comes from; secrets are not shown.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init validate --spec spec.yaml\n"
    "  hf-init validate --spec spec.yaml -v\n";

static const char status_help[] =
    "Usage: hf-init status [--spec FILE] [--NAME VALUE]... [--json]\n"
    "\n"
    "Prints how far the run on the spec's volume is, or how it ended. Made for exec probes:\n"
    "exit code 0 complete, 3 not yet, else the exit code of the failure.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS "  --json               the status document as it is\n" COMMON_OPTIONS
    "\n"
    "Examples:\n"
    "  hf-init status --spec spec.yaml\n"
    "  kubectl exec POD -c CONTAINER -- hf-init status\n";

static const char download_help[] =
    "Usage: hf-init download REPO [FILE]... [OPTION]...\n"
    "\n"
    "Fetches one repo, or some files of it, with the arguments of `hf download`; so does `hf\n"
    "download` where hf is a link to hf-init. The path is the last line on standard output: of the\n"
    "file if one was named, else of the folder. FILE may end in / for a whole folder. REPO may be\n"
    "hf://[models/|datasets/|spaces/]ORG/NAME[@REVISION][/FILE]. Without --local-dir it goes into\n"
    "the cache that huggingface_hub reads: HF_HUB_CACHE, HF_HOME or ~/.cache/huggingface.\n"
    "\n"
    "Options:\n"
    "  --revision REVISION  branch, tag, commit or refs/pr/N; default main\n"
    "  --repo-type TYPE     model, dataset or space; --type means the same\n"
    "  --include PATTERN    only files that match; may be given several times\n"
    "  --exclude PATTERN    but not those that match; may be given several times\n"
    "  --local-dir DIR      plain files in this folder instead of the cache\n"
    "  --cache-dir DIR      another cache\n"
    "  --force-download     hash what is there already, and fetch what is wrong again\n"
    "  --max-workers N      connections at most\n"
    "  --token-file PATH    a file with the token; HF_TOKEN works as well\n"
    "  --dry-run            show what would be fetched\n"
    "  --json               {\"path\": …} instead of the path\n"
    "  --NAME VALUE         any setting of a spec: --endpoint, --bandwidth 50MiB/s, …\n" COMMON_OPTIONS
    "\n"
    "Examples:\n"
    "  hf-init download Qwen/Qwen2.5-0.5B-Instruct\n"
    "  hf-init download Qwen/Qwen2.5-0.5B-Instruct config.json --local-dir ./qwen\n"
    "  hf-init download Qwen/Qwen2.5-0.5B-Instruct --include '*.json' --include '*.safetensors'\n";

static const char ls_help[] =
    "Usage: hf-init ls [REPO]... [--revision REVISION] [--type TYPE] [--NAME VALUE]... [--json]\n"
    "\n"
    "Lists the files of a repo: size, kind (git, lfs, xet), hash (sha256; of git files the blob's\n"
    "id) and path. REPO is [datasets/|spaces/]ORG/NAME[@REVISION], also as hf://ORG/NAME,\n"
    "hf://ORG/NAME@REVISION, or hf://ORG/NAME/FILE for one file or FOLDER/ of it; without one, the\n"
    "repos of the spec. --allow and --ignore select. Touches nothing.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS
    "  --revision REVISION  branch, tag, commit or refs/pr/N; default main\n"
    "  --type TYPE          model, dataset or space; --repo-type means the same\n"
    "  --json               one JSON object a line\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init ls Qwen/Qwen2.5-0.5B-Instruct\n"
    "  hf-init ls Qwen/Qwen2.5-0.5B-Instruct --allow '*.json' --json\n"
    "  hf-init ls hf://models/Qwen/Qwen2.5-0.5B-Instruct@main\n";

static const char wait_help[] =
    "Usage: hf-init wait [--spec FILE] [--NAME VALUE]... [--timeout DURATION] [--file PATH]\n"
    "\n"
    "Blocks until the volume is complete, or until one file of it is there, and says every ten\n"
    "seconds how far the writer is. For containers that must not start before: a barrier of an\n"
    "indexed Job, an init container beside a sidecar that downloads. Asks no Hub, needs no token.\n"
    "\n"
    "If the writer fails while it is waited for, its exit code is the one of wait. A failure that\n"
    "was there before belongs to another day: wait tells of it every ten seconds and waits for the\n"
    "next run, because containers start in any order and a restarted pod comes to an old status;\n"
    "so give it a --timeout where perhaps none comes. Exit code 33: not there in time. For a probe,\n"
    "which must answer at once, take hf-init status.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS
    "  --timeout DURATION   give up after so long: 30s, 5m, 2h; default: never\n"
    "  --file PATH          wait for this file, below the target, instead of all\n" COMMON_OPTIONS
    "\n"
    "Examples:\n"
    "  hf-init wait --spec spec.yaml --timeout 30m\n"
    "  hf-init wait --target ./models --file qwen/config.json --timeout 5m\n";

static const char verify_help[] =
    "Usage: hf-init verify [--spec FILE] [--NAME VALUE]... [--repair]\n"
    "\n"
    "Reads every file that the marker says is there, compares its hash, and prints those that\n"
    "differ or are missing, one a line. On a terminal it draws how far it is, elsewhere it says so\n"
    "every ten seconds. Works on a read-only mount and asks no Hub. Exit code 0:\n"
    "all is as it was published; 40: it is not.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS
    "  --repair             fetch what is wrong again, at the same commits\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init verify --spec spec.yaml\n"
    "  hf-init verify --spec spec.yaml --repair\n";

static const char prune_help[] =
    "Usage: hf-init prune --target DIR [--dry-run] [--json]\n"
    "\n"
    "Deletes what no spec on the volume names any more, and prints the bytes freed: revisions of the\n"
    "cache and the blobs that only they refer to; folders that no spec puts a repo into; files that\n"
    "the commit in a folder does not have; what processes that are gone left half written.\n"
    "\n"
    "A spec is on the volume by its marker and status: NAME.complete.json, NAME.status.json in\n"
    "DIR/.hf-init. Remove them to let go of what it named. Specs that share a volume need different\n"
    "names for that. Kept, and told of, is whatever a living run or huggingface_hub is at work on,\n"
    "what a run has not finished, what hf-init did not put there (but for blobs that no\n"
    "revision refers to), and anything in doubt.\n"
    "\n"
    "Runs wait while a prune is at work. Exit code 50: another prune is.\n"
    "\n"
    "Options:\n" SPEC_OPTIONS
    "  --dry-run            show what would go; touches nothing, works on a read-only mount\n"
    "  --json               manifests/prune.schema.json\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init prune --target ./models --dry-run\n"
    "  hf-init prune --target ./models\n"
    "  hf-init prune --target ~/.cache/huggingface/hub --json\n";

static const char completion_help[] =
    "Usage: hf-init completion bash|zsh|fish\n"
    "\n"
    "Prints a script that makes the shell complete commands, options and their words.\n"
    "\n"
    "Examples:\n"
    "  source <(hf-init completion bash)\n"
    "  hf-init completion fish > ~/.config/fish/completions/hf-init.fish\n";

static const char version_help[] =
    "Usage: hf-init version [--json]\n"
    "\n"
    "Prints version and commit, the libraries inside, and the date of the built-in roots.\n"
    "\n"
    "Examples:\n"
    "  hf-init version\n"
    "  hf-init version --json\n";

static const char help_help[] = "Usage: hf-init help [COMMAND]\n"
                                "\n"
                                "Examples:\n"
                                "  hf-init help\n"
                                "  hf-init help plan\n";

enum {
    WISH = ARGS_SETTINGS | ARGS_OME,
    SHOW = WISH | ARGS_JSON,
    LOAD = ARGS_SETTINGS | ARGS_COMPAT | ARGS_DRY_RUN
};

const struct command app_commands[] = {
    {"run", COMMAND_RUN, WISH | ARGS_DRY_RUN, "make the volume match the spec; the default",
     run_help},
    {"plan", COMMAND_PLAN, SHOW | ARGS_DRY_RUN | ARGS_FORMAT,
     "print what a run would fetch and whether it fits", plan_help},
    {"validate", COMMAND_VALIDATE, WISH, "check the spec without network", validate_help},
    {"status", COMMAND_STATUS, SHOW, "how far the run on a volume is; an exec probe", status_help},
    {"download", COMMAND_DOWNLOAD, ARGS_SETTINGS | ARGS_JSON | ARGS_WORDS | ARGS_DRY_RUN | ARGS_HF,
     "fetch one repo, as hf download does", download_help},
    {"ls", COMMAND_LS, SHOW | ARGS_WORDS, "list the files of a repo", ls_help},
    {"wait", COMMAND_WAIT, WISH | ARGS_WAIT, "block until the volume is complete", wait_help},
    {"verify", COMMAND_VERIFY, WISH | ARGS_REPAIR, "hash what is there again, and repair it",
     verify_help},
    {"prune", COMMAND_PRUNE, SHOW | ARGS_DRY_RUN, "delete what no spec on a volume names any more",
     prune_help},
    {"completion", COMMAND_COMPLETION, ARGS_WORDS, "a script for bash, zsh or fish",
     completion_help},
    {"version", COMMAND_VERSION, ARGS_JSON, "version, libraries, date of the roots", version_help},
    {"help", COMMAND_HELP, ARGS_WORDS, "this overview, or the help of a command", help_help},
    {"storage-initializer", COMMAND_ADAPTER, LOAD | ARGS_WORDS, NULL, storage_initializer_help},
    {"load", COMMAND_ADAPTER, LOAD | ARGS_WORDS, NULL, load_help},
    {"llmaz", COMMAND_ADAPTER, LOAD | ARGS_WORDS, NULL, llmaz_help},
    {"aibrix", COMMAND_ADAPTER, LOAD | ARGS_WORDS, NULL, aibrix_help},
    {"kthena", COMMAND_ADAPTER, LOAD | ARGS_WORDS | ARGS_LETTERS, NULL, kthena_help},
    {NULL, COMMAND_RUN, 0, NULL, NULL},
};

void help_print_overview(void)
{
    printf("hf-init %s fetches Hugging Face repos onto a volume before a pod starts.\n\n"
           "Usage: hf-init [COMMAND] [OPTIONS]\n\nCommands:\n",
           hfinit_version());
    for (size_t i = 0; app_commands[i].name; i++)
        if (app_commands[i].summary)
            printf("  %-10s %s\n", app_commands[i].name, app_commands[i].summary);
    fputs("\nIn place of other systems' loaders:", stdout);
    for (size_t i = 0; app_commands[i].name; i++)
        if (app_commands[i].id == COMMAND_ADAPTER)
            printf(" %s", app_commands[i].name);
    fputs("\n\n"
          "Try it:\n"
          "  hf-init plan --repos Qwen/Qwen2.5-0.5B-Instruct --target ./models\n"
          "  hf-init run --repos Qwen/Qwen2.5-0.5B-Instruct --target ./models\n"
          "\n"
          "In a pod: a spec in /etc/hf-init/spec.yaml, or HF_INIT_REPOS and HF_INIT_TARGET.\n"
          "hf-init COMMAND --help says more about a command.\n",
          stdout);
}

void help_print_hint(struct console *console)
{
    console_say(console, "Usage: hf-init [COMMAND] [OPTIONS]; hf-init --help lists them. Try:");
    console_say(console, "  hf-init plan --repos Qwen/Qwen2.5-0.5B-Instruct --target ./models");
    console_say(console, "In a pod: a spec in /etc/hf-init/spec.yaml, or HF_INIT_REPOS and "
                         "HF_INIT_TARGET.");
}

int command_help(struct app *app)
{
    const struct args    *args = app->args;
    const struct command *about = args->help && !args->by_default ? args->command : NULL;
    hfinit_error          error;

    if (!args->help && args->word_count) {
        about = args_find_command(app_commands, args->word[0]);
        if (!about) {
            args_unknown_command(app_commands, args->word[0], &error);
            return app_fail(app, &error);
        }
    }
    if (about)
        fputs(about->help, stdout);
    else
        help_print_overview();
    return 0;
}
