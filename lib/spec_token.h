/* spec_token.h: where the token comes from. */
#ifndef HFI_SPEC_TOKEN_H
#define HFI_SPEC_TOKEN_H

#include "spec_draft.h"

/* Settles token_file, token_env and token_none among the sources and reads the token, unless the
 * source says without_token. spec_read_token (spec.h) lives here too. */
int spec_find_token(struct spec_draft *d);

#endif
