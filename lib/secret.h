/* secret.h: a token that no formatter prints. Wiped when released. */
#ifndef HFI_SECRET_H
#define HFI_SECRET_H

#include <stdbool.h>

#include "str.h"

struct secret {
    char  *p; /* owned; NULL: none */
    size_t len;
};

void       secret_set(struct secret *s, struct str value);
void       secret_release(struct secret *s);
bool       secret_is_set(const struct secret *s);
struct str secret_reveal(const struct secret *s); /* lent; only the request writer calls this */

/* What may be shown of it: "hf_…redacted" for a token of the Hub, else "…redacted"; "" if there is
 * none. A constant. */
const char *secret_form(const struct secret *s);

/* Overwrites every place where the text, NUL-terminated, holds the secret or its first 8 characters
 * or more: what a server or proxy says may repeat it, and long texts are cut off, perhaps in the
 * middle of it. Secrets under 8 characters are too likely to be words. */
void secret_scrub(const struct secret *s, char *text);

/* Does the text hold what looks like a token of the Hub, hf_ (or hf_oauth_, hf_jwt_) and 16 letters
 * or digits at least? A token pasted into the wrong place must not reach the log by way of our
 * complaint. */
bool secret_may_be_in(struct str text);

#endif
