/* store_prune.h: takes from a volume what nobody names any more.
 *
 * Named is what a marker or a status says a spec wants; the caller has read them. What of the rest goes
 * is only what hf-init put there or verified, by its inventories, and blobs older than a day that no
 * revision refers to; nothing that a living process can be at work on. In doubt it stays, and the caller is told why. */
#ifndef HFI_STORE_PRUNE_H
#define HFI_STORE_PRUNE_H

#include "store.h"

/* The lease of whoever prunes. Runs that find it taken wait before they look at the volume. */
#define STORE_PRUNE_KEY "prune"

/* A place that a spec names. */
struct store_named {
    bool        is_cache;
    const char *folder;     /* below the target, as in store_repo_folder_of */
    char        commit[41]; /* "": not known */
    const char *hands_off;  /* why nothing of the place may go; NULL: all but the commit may */
};

struct store_pruned {
    const char
        *kind; /* "revision", "blobs", "folder", "files", "partial", "temporary", "inventory" */
    const char *name; /* below the target */
    uint64_t    bytes, files;
    const char *kept_because; /* NULL: it went, or would go */
};

struct store_prune_options {
    const struct store_named *named;
    size_t                    named_count;
    const char
        *doubt; /* why it is not known what is wanted: only what is dead goes. NULL: it is known */
    bool dry_run;
    /* Before each step, and each name that goes: renews leases, looks for a signal, and whether it stood still
     * so long that others may be at work by now. Non-zero stops, with err filled. */
    int (*tick)(void *user, struct err *err);
    void (*told)(const struct store_pruned *what, void *user); /* lent for the call */
    void *user;
};

/* The folder of a place below the target: "models--acme--tiny", or the path without slashes at its end. */
void store_repo_folder_of(bool is_cache, enum repo_type type, struct str id, struct str path,
                          struct buf *out);

/* Call with the lease STORE_PRUNE_KEY held, unless it is a dry run. What cannot be removed is told of as
 * kept; -1 if tick said so, or if the volume cannot be looked at. */
int store_prune(struct store *store, const struct store_prune_options *options, struct err *err);

#endif
