/* hub_words.h: what a server said about its refusal, made fit to print. Private to hub. */
#ifndef HFI_HUB_WORDS_H
#define HFI_HUB_WORDS_H

#include "buf.h"
#include "http.h"

enum { HUB_WORDS_MAX = 240 };

/* Appends the text with control characters and invalid UTF-8 escaped and white space squeezed; at
 * most `max` bytes, then "…". */
void hub_add_clean(struct buf *out, struct str text, size_t max);

/* The same for what a server sent: what looks like a credential that it echoes is masked. */
void hub_add_foreign(struct buf *out, struct str text, size_t max);

/* The server's own words: X-Error-Message, then `error`, `error_description` and
 * `errors[].message` of a JSON body, <Message> of S3's XML, the <title> of an HTML page, else a
 * plain text body. Each once, joined by "; ", fit to print. Empty if it said nothing.
 *   source  huggingface_hub, utils/_http.py, _format() */
void hub_add_words(struct buf *out, const struct http_reply *reply, struct str body);

/* Is `sentence` the X-Error-Message, or, where a mirror dropped that header, the body's error? */
bool hub_said(const struct http_reply *reply, struct str body, struct str sentence);

#endif
