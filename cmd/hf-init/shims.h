/* shims.h: what KubeAI starts by name in its loader's image, beside the loader: it expects a shell and
 * two of its tools. An image that holds nothing but hf-init has them as links to it. */
#ifndef SHIMS_H
#define SHIMS_H

#include <stdbool.h>

/* If the program was started as one of
 *   sleep infinity           until SIGTERM or SIGINT
 *   rm -rf FOLDER            FOLDER is /models/NAME or /adapters/NAME
 *   bash -c "rm -rf FOLDER"
 * it does so, puts the exit code into *code and returns true. Any other use of these names is refused
 * with code 2: this is no shell. False: the program has another name.
 *   source  KubeAI, internal/modelcontroller/cache.go, adapters.go */
bool shim_run(int argc, char *const *argv, int *code);

#endif
