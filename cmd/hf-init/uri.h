/* uri.h: hf:// addresses cut into what the settings take. */
#ifndef URI_H
#define URI_H

#include <stddef.h>

/* "[TYPE/]ORG/NAME[@REVISION][/PATH]", what follows hf://, into `repo` (without the path) and *path
 * (lent; NULL: none). refs/pr/N and refs/convert/X keep their slashes;
 * other revisions write them as %2F. A ':' stands for the '@', as KServe has it; with nothing behind
 * it there is no revision. -1: too long for `repo`. What is not valid the library refuses. */
int uri_split(const char *uri, char *repo, size_t size, const char **path);

#endif
