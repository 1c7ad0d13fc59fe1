/* store_partial.h: how the names of partials are read, for those who sweep them. */
#ifndef HFI_STORE_PARTIAL_H
#define HFI_STORE_PARTIAL_H

#include "store_internal.h"

/* "DIGEST.INSTANCE.part", "DIGEST.INSTANCE-2.journal". False for any other name. */
bool store_partial_parse_name(const char *name, struct stale_partial *out, bool *is_part);
/* Is a partial of this name open in this process, or closed and kept? Call with the lock held. */
bool store_partial_is_ours(const struct store *store, const struct store_place *place,
                           const char *stem);

#endif
