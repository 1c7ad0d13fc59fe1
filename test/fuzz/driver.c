/* driver.c: replays a corpus without a fuzzer: TARGET FILE-OR-FOLDER... */
#include <dirent.h>

#include "fuzz.h"

static size_t replay_file(const char *path)
{
    FILE    *file = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20), *exact;
    size_t   size;

    REQUIRE(file && data);
    size = fread(data, 1, 1 << 20, file);
    REQUIRE(size < 1 << 20 && !ferror(file));
    fclose(file);
    exact = malloc(size ? size : 1); /* so that reading past the end is seen */
    REQUIRE(exact);
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

static size_t replay(const char *path)
{
    DIR           *dir = opendir(path);
    struct dirent *entry;
    size_t         count = 0;

    if (!dir)
        return replay_file(path);
    while ((entry = readdir(dir))) {
        char file[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        count += replay_file(file);
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%s: %zu inputs\n", argv[0], count);
    return count ? 0 : 1;
}
