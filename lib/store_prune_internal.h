/* store_prune_internal.h: what the files of a prune share.
 *
 *   store_prune.c         what is dead, and which places there are
 *   store_prune_cache.c   a repo in the cache: its revisions
 *   store_prune_blob.c    its blobs
 *   store_prune_dir.c     files of a folder
 *   store_prune_peer.c    is huggingface_hub at work there? */
#ifndef HFI_STORE_PRUNE_INTERNAL_H
#define HFI_STORE_PRUNE_INTERNAL_H

#include "store_internal.h"
#include "store_prune.h"

struct prune {
    struct store                     *store;
    const struct store_prune_options *options;
    int64_t                           now_ns;  /* by the volume's clock */
    size_t                            foreign; /* repos of the cache that we know nothing of */
    bool                              stopped; /* by tick */
};

/* --- store_prune.c --- */
enum { PRUNE_YOUNG_S = 24 * 3600 };
int  prune_tick(struct prune *p, struct err *err);
void prune_tell(struct prune *p, const char *kind, const char *name, uint64_t bytes, uint64_t files,
                const char *kept_because);
/* Is this the place that is named? Where the volume ignores case, under whatever name. */
bool prune_is_place(const struct prune *p, const struct store_named *n, bool is_cache,
                    const char *folder);
/* Why the place must be left alone, or NULL. */
const char *prune_hands_off(const struct prune *p, bool is_cache, const char *folder);
bool        prune_is_named(const struct prune *p, bool is_cache, const char *folder);
bool        prune_names_commit(const struct prune *p, bool is_cache, const char *folder,
                               const char *commit);
/* Does the path, below the target, lie in a place that is named, other than `but`? */
bool prune_is_inside_named(const struct prune *p, const char *path, const char *but);
/* Was it put there or changed within the last day? */
bool prune_is_young(const struct prune *p, const struct stat *st);
/* The place is gone: so are its inventory and its listing. */
void prune_forget_place(struct prune *p, struct store_repo *repo);

/* --- store_prune_cache.c --- */
struct prune_revision {
    char            name[256]; /* below snapshots/: a commit */
    bool            goes;
    bool            is_strange; /* something in it is not of ours, or cannot be looked at */
    struct name_set blob;       /* what it refers to */
    uint64_t        bytes, files;
};

/* A repo in the cache that is being pruned. */
struct prune_cache {
    struct prune          *p;
    struct store_repo     *repo;
    const char            *folder;
    struct prune_revision *revision; /* owned */
    size_t                 count;
    struct name_set        used;       /* blobs of the revisions that stay */
    struct name_set        newly_used; /* of those that were found since, not among them yet */
    bool                   used_unknown;
    uint64_t               loose_bytes, loose_files; /* blobs that no revision referred to */
    uint64_t               young;
    uint64_t               locked, unlockable; /* blobs that stay for want of their lock */
    struct err             lock_err;           /* why, of the latter: the last */
};
int  prune_cache_repo(struct prune *p, const char *folder, enum repo_type type, struct str id,
                      struct err *err);
bool prune_is_blob_name(struct str name);
/* What we noted of a file that is still what it was then; NULL: nothing. */
struct inventory_entry *prune_cache_noted(struct prune_cache *c, const char *path,
                                          const struct stat *st);
/* Looks at what is below snapshots/NAME and fills `revision`, which NULL leaves out: then blobs that are not
 * known to be used become newly_used. */
int prune_cache_scan(struct prune_cache *c, const char *name, struct prune_revision *revision,
                     struct err *err);

/* --- store_prune_blob.c --- */
int prune_cache_blobs(struct prune_cache *c, struct err *err);

/* --- store_prune_dir.c --- */
int prune_folder(struct prune *p, const char *folder, struct err *err);

/* --- store_prune_peer.c --- */
/* Does a process of huggingface_hub hold a lock below that folder of the target, or is it writing a file
 * (`.incomplete`)? 1, 0, -1. */
int peer_is_at_work(struct prune *p, const char *locks, const char *files, struct err *err);
/* The folder of a repo's locks. People delete it; whoever wants a blob makes it then, and so do we: a lock that
 * is not taken keeps nobody out. 1 made, 0 it is there, -1. */
int peer_locks_ready(struct prune *p, const char *folder, struct err *err);
/* Locks a blob against it, as it does itself. 1 locked, 0 somebody has it or nobody can tell, -1. */
struct peer_lock {
    int         fd;
    bool        made;
    bool        is_first; /* nobody has locked it before: whoever does leaves the file behind */
    const char *folder, *blob; /* lent until it is dropped */
};
int  peer_lock_take(struct prune *p, const char *folder, const char *blob, struct peer_lock *lock,
                    struct err *err);
void peer_lock_drop(struct prune *p, struct peer_lock *lock);

#endif
