/* pattern.h: allow and ignore patterns, with the semantics of huggingface_hub's
 * filter_repo_objects (Python fnmatchcase over the whole path, '*' crosses '/'). */
#ifndef HFI_PATTERN_H
#define HFI_PATTERN_H

#include "str.h"

struct pattern_list {
    const struct str *item; /* borrowed */
    size_t            count;
    bool              is_set; /* false: no filter; true with count 0: an empty list */
};

/* Does the pattern match the whole path? Both may hold any bytes; code points are compared, an
 * invalid byte counts as one unit that only '*' and '?' match. '\' counts as '/', a trailing '/'
 * as "/\*". Linear in pattern × path, no recursion. */
bool pattern_matches(struct str pattern, struct str path);

/* allow not set or any of it matches, and nothing of ignore matches. */
bool pattern_selects(const struct pattern_list *allow, const struct pattern_list *ignore,
                     struct str path);

#endif
