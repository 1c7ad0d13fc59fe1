/* uri.c: see uri.h. */
#include "uri.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* How much of "refs/pr/7/config.json" is the revision? */
static size_t revision_length(const char *text)
{
    static const char *const special[] = {"refs/pr/", "refs/convert/"};

    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (has_prefix(text, special[i]))
            return strlen(special[i]) + strcspn(text + strlen(special[i]), "/");
    return strcspn(text, "/");
}

int uri_split(const char *uri, char *repo, size_t size, const char **path)
{
    const char *name, *rest, *sign = "";
    int         id, revision = 0;

    if (has_prefix(uri, "models/"))
        uri += strlen("models/");
    name = uri;
    if (has_prefix(uri, "datasets/") || has_prefix(uri, "spaces/"))
        name = strchr(uri, '/') + 1;
    rest = name + strcspn(name, "/");
    rest += *rest == '/' ? 1 + strcspn(rest + 1, "/@:") : 0;
    id = (int)(rest - uri);
    if (*rest == '@' || *rest == ':') {
        revision = (int)revision_length(rest + 1);
        sign = *rest == '@' || revision ? "@" : "";
        rest += 1 + revision;
    }
    if ((size_t)id + (size_t)revision + 2 > size)
        return -1;
    snprintf(repo, size, "%.*s%s%.*s", id, uri, sign, revision, rest - revision);
    rest += *rest == '/';
    *path = *rest ? rest : NULL;
    return 0;
}
