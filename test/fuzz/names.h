/* names.h: where a path from elsewhere would lead, by walking it. */
#ifndef HFI_FUZZ_NAMES_H
#define HFI_FUZZ_NAMES_H

#include "fuzz.h"

/* From a folder, one segment after the other, with '/' and '\' between them: does it stay below it,
 * at every step, and could every file system hold it? */
static inline bool stays_below(struct str path)
{
    size_t depth = 0, begin = 0;

    for (size_t i = 0; i <= path.len; i++) {
        size_t len = i - begin;

        if (i < path.len && path.p[i] != '/' && path.p[i] != '\\')
            continue;
        if (len == 0 || len > 255 || (len == 1 && path.p[begin] == '.'))
            return false;
        if (len == 2 && memcmp(path.p + begin, "..", 2) == 0)
            return false;
        depth++;
        begin = i + 1;
    }
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.p[i] < ' ' || path.p[i] == 0x7F)
            return false;
    return depth > 0 && path.len < 4096 && fuzz_is_utf8(path);
}

#endif
