/* version.h: who we are and what we are made of. */
#ifndef HFI_VERSION_H
#define HFI_VERSION_H

#include "buf.h"

const char *version_number(void); /* "0.1.0" */
const char *version_commit(void); /* "1a2b3c4d5e6f" or "unknown" */
/* {"version":…,"commit":…,"libraries":{NAME:{"version":…,"source":…,"licence":…}},"roots":{…},
 * "hash":…,"cpu":{…}} */
void version_json(struct buf *out);
void version_text(struct buf *out);

#endif
