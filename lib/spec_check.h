/* spec_check.h: what can only be said once all sources have spoken. */
#ifndef HFI_SPEC_CHECK_H
#define HFI_SPEC_CHECK_H

#include "spec_draft.h"

/* spec_settle.c: lays the common repo settings over the repos and fills in what follows from
 * other settings: target, paths, shard index, CA files. Fails if there is nothing to fetch. */
int spec_settle(struct spec_draft *d);

/* spec_check.c: rules between settings and between repos. */
int spec_check(struct spec_draft *d);

/* spec_digest.c: fills spec->digest. */
void spec_make_digest(struct spec *spec);

#endif
