/* digest.h: the two hashes by which the Hub names content.
 *
 * sha256 of the content for LFS and Xet files; git's blob id, sha1 of "blob <size>\0" + content,
 * for everything else. */
#ifndef HFI_DIGEST_H
#define HFI_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

enum digest_kind { DIGEST_SHA256, DIGEST_GIT_SHA1 };

struct digest {
    enum digest_kind kind;
    unsigned char    byte[32]; /* 20 used by DIGEST_GIT_SHA1, the rest zero */
};

enum { DIGEST_HEX_MAX = 65 };

bool digest_equal(const struct digest *a, const struct digest *b);
/* 64 or 40 lowercase hex digits; the length decides the kind. */
bool digest_from_hex(struct str hex, struct digest *out);
void digest_to_hex(const struct digest *d, char out[DIGEST_HEX_MAX]); /* with NUL */

/* A running hash: a plain value without pointers, which may be moved and copied (a copy runs on by
 * itself). {0} may be released. Not for several threads at once. */
struct digest_run {
    enum digest_kind kind;
    uint64_t         hashed_bytes; /* of content so far */
    uint64_t         framed_bytes; /* the same and git's header */
    uint32_t         chain[8];     /* after the last whole block; 5 used by DIGEST_GIT_SHA1 */
    unsigned char    block[64];    /* the framed_bytes % 64 that came after it */
};

/* `size_bytes` is the length of the whole content: git's header needs it in advance. */
void digest_begin(struct digest_run *run, enum digest_kind kind, uint64_t size_bytes);
void digest_add(struct digest_run *run, const void *data, size_t len);
/* Two hashes of as many bytes each, on some processors in little more than the time of one. */
void digest_add_pair(struct digest_run *a, const void *data_a, struct digest_run *b,
                     const void *data_b, size_t len);
bool digest_has_pairs(void);                                 /* is that so here? */
void digest_end(struct digest_run *run, struct digest *out); /* releases the run */
void digest_release(struct digest_run *run);

/* A running sha256 as it is written to disk, for a journal: whoever restores it goes on at
 * hashed_bytes without reading what came before.
 *   byte 0       1, this format
 *   bytes 1-8    hashed_bytes          big endian, as the words below
 *   bytes 9-40   the eight words of the chaining value
 *   the rest     the hashed_bytes % 64 bytes after the last whole block
 * It says nothing by which damage could be told: that is up to what it is kept in. */
enum { DIGEST_STATE_MAX = 41 + 63 };

/* Returns the length written to `out`; 0 for DIGEST_GIT_SHA1, whose files are small. */
size_t digest_save(const struct digest_run *run, unsigned char out[DIGEST_STATE_MAX]);
/* In place of digest_begin. False, and the run as before, if `state` is not of this form, or longer
 * or shorter than its own count says. */
bool digest_restore(struct digest_run *run, const unsigned char *state, size_t len);

/* CRC-32 (the one of zlib and PNG) of what `crc` covered plus data; begin with 0. For records on
 * disk that may be torn: it tells accidents, not attacks. */
uint32_t digest_crc32(uint32_t crc, const void *data, size_t len);

/* sha256 of a text in memory, for spec and file-list digests. */
void digest_of_text(struct str text, struct digest *out);

/* The library that computes, its version, and the instructions of this processor that it has code
 * for: "libgcrypt 1.11.0 (intel-aesni intel-shaext)". For `hf-init version`. */
const char *digest_implementation(void);

#endif
