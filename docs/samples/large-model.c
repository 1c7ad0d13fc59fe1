/* large-model.c: of a large model only what a server loads: shows what it would cost, asks whether it
 * fits, fetches it, and hashes it once more from the disk.
 *
 *     large-model ORG/NAME FOLDER MAX-BYTES        MAX-BYTES as in 500GiB; 0: no limit */
#include <hfinit.h>
#include <inttypes.h>
#include <stdio.h>

extern char **environ;

static int fail(const hfinit_error *error)
{
    fprintf(stderr, "%s: %s\nnext: %s\n", error->reason, error->message, error->hint);
    return error->exit_code;
}

static void print_plan(const hfinit_plan *plan)
{
    printf("%" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " of them to fetch\n", plan->files,
           plan->bytes, plan->bytes_to_fetch);
    for (size_t i = 0; i < plan->volume_count; i++)
        printf("%s: %" PRIu64 " bytes needed, %" PRIu64 " free, %" PRIu64 " kept free: %s\n",
               plan->volume[i].path, plan->volume[i].need_bytes, plan->volume[i].free_bytes,
               plan->volume[i].reserve_bytes, plan->volume[i].fits ? "fits" : "does not fit");
}

static void print_bad(const char *repo, const char *path, const char *what, void *user)
{
    (void)user;
    fprintf(stderr, "%s: %s: %s\n", repo, path, what);
}

/* No second copy of the weights in another format, nothing but what is loaded. */
static int load(hfinit *client, char **argv, hfinit_error *error)
{
    static const char *const allow[] = {"*.safetensors", "*.json", "tokenizer*", "*.model", NULL};
    static const char *const ignore[] = {"original/*", "consolidated*", "*.pth", NULL};

    hfinit_set_environment(client, (const char *const *)environ);
    if (hfinit_set(client, "target", argv[2], error) != 0 ||
        hfinit_set(client, "max-bytes", argv[3], error) != 0)
        return -1;
    return hfinit_load_repo(
        client, &(hfinit_repo){.id = argv[1], .allow = allow, .ignore = ignore, .path = "."},
        error);
}

int main(int argc, char **argv)
{
    hfinit_error error;
    hfinit_plan  plan;
    hfinit      *client;
    int          exit_code = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: large-model ORG/NAME FOLDER MAX-BYTES\n");
        return 2;
    }
    client = hfinit_new();
    if (load(client, argv, &error) != 0) {
        exit_code = fail(&error);
        hfinit_free(client);
        return exit_code;
    }
    if (hfinit_make_plan(client, &plan, &error) != 0)
        exit_code = fail(&error);
    print_plan(&plan); /* also of what does not fit */
    hfinit_plan_release(&plan);
    if (exit_code == 0 && hfinit_run(client, &error) != 0)
        exit_code = fail(&error);
    if (exit_code == 0)
        printf("%s\n", hfinit_folder(client, 0)); /* known until something else is asked */
    if (exit_code == 0 && hfinit_verify(client, print_bad, NULL, &error) != 0)
        exit_code = fail(&error);
    hfinit_free(client);
    return exit_code;
}
