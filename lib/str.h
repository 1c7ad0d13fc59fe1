/* str.h: a borrowed piece of text that carries its length.
 *
 * Headers, bodies and file names do not end in NUL and may contain anything; a struct str lends
 * them without copying. The lender must outlive it. */
#ifndef HFI_STR_H
#define HFI_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *p;
    size_t      len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARG(s)   (int)(s).len, (s).p

struct str str_from(const char *zero_terminated); /* NULL gives the empty string */
bool       str_eq(struct str a, struct str b);
bool       str_eq_nocase(struct str a, struct str b); /* ASCII only */
bool       str_has_prefix(struct str s, struct str prefix);
bool       str_has_suffix(struct str s, struct str suffix);
bool       str_has_prefix_nocase(struct str s, struct str prefix);
bool       str_has_suffix_nocase(struct str s, struct str suffix);
/* Index of the first occurrence at or after `from`, or -1. */
ptrdiff_t  str_find(struct str s, struct str needle, size_t from);
ptrdiff_t  str_find_char(struct str s, char c, size_t from);
ptrdiff_t  str_rfind_char(struct str s, char c);
struct str str_sub(struct str s, size_t begin, size_t end); /* clamped to s */
struct str str_trim(struct str s);                          /* spaces, tabs, CR, LF */
/* Takes the piece before the next `sep` off the front of *rest. False when *rest was used up;
 * "a,,b" gives "a", "", "b". Start with rest->p != NULL. */
bool str_cut(struct str *rest, char sep, struct str *piece);
/* The whole of s as a decimal number; false on empty, sign, other characters or overflow. */
bool str_to_u64(struct str s, uint64_t *out);
/* True if s is exactly `len` characters of 0-9a-f. */
bool str_is_hex(struct str s, size_t len);
/* Valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_is_utf8(struct str s);
/* Length of the valid UTF-8 character at the start of s, 0 if there is none. */
size_t str_utf8_len(struct str s);
/* Does s start with a character that moves a cursor or turns the direction of writing: C0, DEL,
 * C1, or a bidirectional control (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069)? */
bool str_is_control(struct str s);
/* -1, 0, 1 by bytes, a prefix before the longer one; for sorting. */
int str_cmp(struct str a, struct str b);
/* Number of single-character edits between two words, for "did you mean". Words over 64 bytes are
 * never near (returns 65). */
size_t str_distance(struct str a, struct str b);

#endif
