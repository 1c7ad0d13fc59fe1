/* repo.h: how a repository is named: its type, its id, its revision, the paths inside it.
 *
 * Shared by the spec (what the user writes), the hub (what goes into URLs) and the store (what
 * becomes a folder). Pure; nothing here allocates unless it says so. */
#ifndef HFI_REPO_H
#define HFI_REPO_H

#include "buf.h"
#include "err.h"
#include "str.h"

enum repo_type { REPO_MODEL, REPO_DATASET, REPO_SPACE };

const char *repo_type_name(enum repo_type type);   /* "model" */
const char *repo_type_plural(enum repo_type type); /* "models", as in API paths and folders */
const char *repo_type_prefix(enum repo_type type); /* "", "datasets/", "spaces/" */
bool        repo_type_parse(struct str text, enum repo_type *out); /* singular or plural */

/* Is this an id the Hub can have issued? Sets ERR_SPEC with the reason if not.
 * ASCII [A-Za-z0-9_.-], at most one '/', each part at most 96 characters and starting and ending
 * with a word character, no "--" or "..", not ending in ".git". */
int repo_check_id(struct str id, struct err *err);

/* Revision names become URL segments and ref files: no "..", no leading '/', no backslash, no
 * control characters, not empty. ERR_SPEC. */
int repo_check_revision(struct str revision, struct err *err);

/* Exactly 40 lowercase hex digits: a commit, never looked up. */
bool repo_is_commit(struct str revision);

/* Is this path from a listing safe to create below the target? ERR_UNSAFE_NAME if it is empty,
 * absolute, has an empty, "." or ".." segment (a backslash counts as '/'), a drive letter, NUL or
 * another control character, invalid UTF-8, a segment over 255 bytes, or more than 4095 bytes or
 * 64 levels in all. The message quotes the name with escapes. */
int repo_check_path(struct str path, struct err *err);

/* A reference as users write it. */
struct repo_ref {
    enum repo_type type;
    bool           type_given;
    struct str     id;       /* borrowed from the text */
    struct str     revision; /* decoded into `storage` when it was percent-encoded; empty: none */
    struct str     path;     /* only from hf:// URIs; empty: none */
};

/* Reads `[models/|datasets/|spaces/]ORG/NAME[@REV]`, `NAME[@REV]`, and
 * `hf://[models/|datasets/|spaces/]NS/NAME[@REV][/PATH]` (refs/pr/N and refs/convert/X after '@'
 * are taken greedily). `storage` owns what had to be decoded. ERR_SPEC. */
int repo_ref_parse(struct str text, struct buf *storage, struct repo_ref *out, struct err *err);

/* "models--acme--tiny": the folder in the Hub cache. */
void repo_folder_name(enum repo_type type, struct str id, struct buf *out);

#endif
