/* one-file.c: fetches one file of a repo into a folder and prints where it is.
 *
 *     one-file ORG/NAME[@REVISION] FILE FOLDER
 *
 * HF_TOKEN, HF_ENDPOINT, HTTPS_PROXY and their like are read from the environment. */
#include <hfinit.h>
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

int main(int argc, char **argv)
{
    hfinit_error error;
    char        *path;
    hfinit      *client;

    if (argc != 4) {
        fprintf(stderr, "usage: one-file ORG/NAME[@REVISION] FILE FOLDER\n");
        return 2;
    }
    client = hfinit_new();
    hfinit_set_environment(client, (const char *const *)environ);
    if (hfinit_set(client, "target", argv[3], &error) != 0 ||
        hfinit_fetch_file(client, &(hfinit_repo){.id = argv[1]}, argv[2], &path, &error) != 0) {
        fprintf(stderr, "%s: %s\nnext: %s\n", error.reason, error.message, error.hint);
        hfinit_free(client);
        return error.exit_code;
    }
    puts(path);
    free(path);
    hfinit_free(client);
    return 0;
}
