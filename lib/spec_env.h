/* spec_env.h: HF_INIT_* variables and flags into the draft. */
#ifndef HFI_SPEC_ENV_H
#define HFI_SPEC_ENV_H

#include "spec_draft.h"

int spec_take_variables(struct spec_draft *d);
int spec_take_flags(struct spec_draft *d, bool weak); /* the weak ones, or the others */

#endif
