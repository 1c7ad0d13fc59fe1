/* spec_official.h: the variables of huggingface_hub and of the system into the draft. */
#ifndef HFI_SPEC_OFFICIAL_H
#define HFI_SPEC_OFFICIAL_H

#include "spec_draft.h"

/* Everything but the token and the places below, at the lowest precedence above the defaults. */
int spec_take_official(struct spec_draft *d);

/* HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub and, with
 * `home`, ~/.cache/huggingface/hub: the first that is set, expanded; p NULL if none is. */
struct str spec_official_cache(struct spec_draft *d, bool home, const char **name_used);

/* HF_TOKEN_PATH or $HF_HOME/token, expanded; *is_guess if nobody set a variable of HF for it. */
struct str spec_official_token_path(struct spec_draft *d, bool *is_guess);

/* True iff the value is one of 1 ON YES TRUE in any case; false for unset. */
bool spec_official_bool(const struct spec_draft *d, const char *name);

#endif
