/* snapshot.c: fetches a snapshot with options into a Hub cache that Python reads too, and tells one
 * failure from another.
 *
 *     snapshot ORG/NAME REVISION CACHE [TOKEN-FILE] */
#include <hfinit.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

/* Every setting of the README has a name here. */
static const char *const options[][2] = {
    {"layout", "cache"}, /* blobs, snapshots, refs: what huggingface_hub keeps */
    {"concurrency.connections", "8"},
    {"retry.attempts", "5"}, /* without a byte of progress */
    {"retry.max-wait", "10s"},
    {"timeouts.stall", "20s"},
    {"timeouts.total", "2h"},
    {"disk.reserve", "0"},
};

static int set_all(hfinit *client, int argc, char **argv, hfinit_error *error)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (hfinit_set(client, options[i][0], options[i][1], error) != 0)
            return -1;
    if (argc > 4 && hfinit_set(client, "token.file", argv[4], error) != 0)
        return -1;
    return hfinit_set(client, "target", argv[3], error);
}

static void print_file(const hfinit_file *file, void *user)
{
    (void)user;
    printf("%12" PRIu64 "  %-4s %.12s  %s\n", file->bytes, file->kind, file->hash, file->path);
}

static int explain(const hfinit_error *error)
{
    switch (error->code) {
    case HFINIT_ERR_GATED:
    case HFINIT_ERR_UNAUTHORIZED:
    case HFINIT_ERR_REPO_NOT_FOUND: /* or private */
        fprintf(stderr, "no access to %s: %s\n", error->repo, error->message);
        break;
    case HFINIT_ERR_REVISION_NOT_FOUND:
        fprintf(stderr, "%s has no revision %s\n", error->repo, error->revision);
        break;
    case HFINIT_ERR_RATE_LIMITED:
        fprintf(stderr, "too many requests; again in %" PRIu64 " s\n",
                error->retry_after_ms / 1000);
        break;
    case HFINIT_ERR_DISK_FULL:
        fprintf(stderr, "%" PRIu64 " bytes needed, %" PRIu64 " free\n", error->need_bytes,
                error->have_bytes);
        break;
    default: fprintf(stderr, "%s: %s\n", error->reason, error->message);
    }
    fprintf(stderr, "next: %s\n", error->hint);
    return error->exit_code;
}

int main(int argc, char **argv)
{
    static const char *const weights[] = {"*.safetensors", "*.json", "tokenizer*", NULL};
    static const char *const copies[] = {"original/*", NULL};
    hfinit_error             error;
    char                    *folder;
    int                      exit_code = 0;
    hfinit                  *client;

    if (argc < 4) {
        fprintf(stderr, "usage: snapshot ORG/NAME REVISION CACHE [TOKEN-FILE]\n");
        return 2;
    }
    client = hfinit_new();
    hfinit_set_environment(client, (const char *const *)environ);
    if (set_all(client, argc, argv, &error) == 0 &&
        hfinit_fetch_snapshot(
            client,
            &(hfinit_repo){.id = argv[1], .revision = argv[2], .allow = weights, .ignore = copies},
            &folder, &error) == 0) {
        printf("%s\n", folder);
        free(folder);
        if (hfinit_list(client, print_file, NULL, &error) != 0) /* of what was loaded last */
            exit_code = explain(&error);
    } else {
        exit_code = explain(&error);
    }
    hfinit_free(client);
    return exit_code;
}
