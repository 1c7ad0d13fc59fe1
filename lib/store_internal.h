/* store_internal.h: what the files of the store share. Nothing outside store*.c includes it. */
#ifndef HFI_STORE_INTERNAL_H
#define HFI_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "arena.h"
#include "store.h"
#include "store_inventory.h"

/* A growing list of names, in order and without repetition. {0} is empty. */
struct name_set {
    char **item; /* owned, each and all */
    size_t count, capacity;
};
bool name_set_add(struct name_set *set, const char *name); /* true: it is new */
/* For very many: append all, then sort; in between nothing may be asked. */
void name_set_append(struct name_set *set, const char *name);
void name_set_sort(struct name_set *set);
bool name_set_has(const struct name_set *set, const char *name);
void name_set_release(struct name_set *set);

/* A partial that lay there before we came, or that we closed unfinished. */
struct stale_partial {
    struct digest digest;
    char          stem[96]; /* DIGEST.INSTANCE, without .part */
    char          instance[17];
    bool          ours;
    bool          is_anothers; /* who was at work on it when it was first looked for */
};

/* One file system that repos lie on: a .hf-init with partials, at its root below the target. */
struct store_place {
    char *rel;     /* owned: the folder that holds .hf-init, below the target; "." is the target */
    int   root_fd; /* that folder */
    int   state_fd, partials_fd, temp_fd; /* .hf-init and what is in it; -1 until needed */
    bool  syncs_early;                    /* once they are open: a network file system */
    bool  is_listed;
    _Atomic uint64_t      unsynced_bytes; /* with syncs_early, over all partials */
    struct stale_partial *stale;          /* owned; once listed */
    size_t                stale_count, stale_capacity;
    struct store_place   *next;
};

enum { NAMING_LOCKS = 16 };
enum lock_verdict { LOCKS_UNKNOWN, LOCKS_EXCLUDE, LOCKS_USELESS };

struct store {
    struct store_options options; /* target: owned here */
    char                 target[4096];
    int                  target_fd; /* -1: read_only and not there */
    int                  space_fd;  /* the target, or the nearest folder above it that exists */
    char                 instance[17];
    char                 boot_id[40]; /* "-" if the kernel does not tell */
    uint64_t             lock_mount;  /* fs_lock_mount of the target */
    atomic_uint          temp_count;
    atomic_bool          copies_end;   /* nobody waits for them any more */
    uint64_t             window_bytes; /* of write-back; a power of two */
    uint64_t             early_bytes;  /* unsynced bytes a network file system may have */

    /* By digest, while a file gets its name: two revisions in a cache may both have fetched it. */
    pthread_mutex_t       naming[NAMING_LOCKS];
    pthread_mutex_t       lock;     /* guards all below */
    struct store_place   *place;    /* owned list; the first is the target's */
    struct store_partial *open;     /* list of what is being written */
    struct name_set       repo_key; /* of every repo this run opened */
    enum lock_verdict     locks;
};

/* For those who copy and hash what they have copied: goes on (0) until copies are to end. */
static inline int store_copies_end(void *store, uint64_t n)
{
    (void)n;
    return atomic_load(&((struct store *)store)->copies_end);
}

static inline int store_tick(const struct store *store, struct err *err)
{
    return store->options.tick ? store->options.tick(store->options.tick_user, err) : 0;
}

struct store_layout;

/* A folder below the repo's that was looked into, open for the next look. */
struct looked {
    char folder[4096];
    int  fd; /* -1: none */
};

struct store_repo {
    struct store              *store;
    struct store_place        *place;
    struct arena               names; /* owns the texts of options and those below */
    struct store_repo_options  options;
    const struct store_layout *layout;
    const char                *folder;  /* below the target: "." or "qwen" or "models--a--b" */
    char                       key[33]; /* names this place in inventory and journals */

    pthread_mutex_t  lock;    /* guards all below */
    int              root_fd; /* the folder; -1 until it exists */
    struct inventory inventory;
    int              append_fd; /* of the inventory's file; -1 until something is noted */
    struct name_set  touched;   /* folders below root_fd whose entries may not be on disk */
    struct looked    blobs_folder, last_folder;  /* what store_look keeps open */
    bool             no_symlinks, no_hard_links; /* found out by trying */
};

/* Where the layouts differ. Paths are relative to the repo's folder. The repo's lock is not held,
 * except during look. */
struct store_layout {
    /* Fills state with PRESENT, UNVERIFIED or MISSING. */
    int (*look)(struct store_repo *repo, const struct store_file *file, enum store_state *state,
                struct err *err);
    /* The path that holds the file's bytes now. 1 there, 0 not. */
    int (*content)(struct store_repo *repo, const struct store_file *file, struct buf *path,
                   struct err *err);
    /* The path that publishing gives the bytes. */
    void (*final)(struct store_repo *repo, const struct store_file *file, struct buf *path);
    /* The path that a reader opens. */
    void (*reader)(struct store_repo *repo, const struct store_file *file, struct buf *path);
    /* Makes verified bytes at `path` visible to readers: metadata, links. `fresh`: the bytes were
     * put there by us and nobody else knows them yet. */
    int (*expose)(struct store_repo *repo, const struct store_file *file, const char *path,
                  const struct stat *st, bool fresh, struct err *err);
    /* What readers expect beside the files. */
    int (*finish)(struct store_repo *repo, struct err *err);
    /* Is what finish leaves for readers there? 1, 0, -1. */
    int (*is_finished)(struct store_repo *repo, struct err *err);
    const char *tree_folder;
};
extern const struct store_layout store_layout_dir, store_layout_cache;

/* --- store.c --- */
/* Creates and opens a place's folders. */
int store_place_ready(struct store *store, struct store_place *place, struct err *err);
/* The place for a folder below the target: the root of its file system. */
int store_place_for(struct store *store, const char *folder, struct store_place **out,
                    struct err *err);
/* A name below a place's temp_fd that nobody else uses, and that a sweep recognizes as ours. */
void store_temp_name(struct store *store, char out[64]);
/* Replaces rel below dir_fd by way of the place's temporary folder, so that no stray file is ever
 * seen beside it. */
int store_replace(struct store *store, struct store_place *place, int dir_fd, const char *rel,
                  struct str content, bool durable, struct err *err);
/* The same for content that is made piece by piece. */
int store_replace_from(struct store *store, struct store_place *place, int dir_fd, const char *rel,
                       fs_source_fn *source, void *user, bool durable, struct err *err);
/* Now, by the clock that gives files of this volume their mtime. */
int store_volume_now_ns(struct store *store, int64_t *now_ns, struct err *err);

/* --- store_repo.c --- */
/* The key of a place: of its inventory, and of the journals of its partials. */
void store_repo_key(bool is_cache, const char *folder, char key[33]);
/* May a file of this name lie in the repo's folder? ERR_UNSAFE_NAME if not. */
int store_repo_check_name(const struct store_repo *repo, const struct store_file *file,
                          struct err *err);
/* Creates and opens the repo's folder. */
int store_repo_ready(struct store_repo *repo, struct err *err);
/* Creates the folder that will hold rel, and notes that it must be synced. */
int store_repo_make_parent(struct store_repo *repo, const char *rel, struct err *err);
/* stat of rel below the repo's folder, cheap for one after the other in the same folder. Call with
 * the lock held. 1, 0, -1. */
int store_repo_look_at(struct store_repo *repo, const char *rel, struct stat *st, struct err *err);
/* The same for a link's text; 0 if rel is no link. */
int store_repo_look_link(struct store_repo *repo, const char *rel, struct buf *text,
                         struct err *err);
/* Notes that `path` holds the digest, as st describes it. */
void store_repo_note(struct store_repo *repo, const char *path, const struct digest *digest,
                     const struct stat *st, const char *commit);
int  store_repo_replace(struct store_repo *repo, const char *rel, struct str content, bool durable,
                        struct err *err);
/* Opens a file of the repo's folder for reading. A blob may be a link to elsewhere below the
 * target. */
int store_repo_open_content(struct store_repo *repo, const char *path, struct err *err);
/* Hash of the whole file. 1 it is `want`, 0 not, -1 error. */
int store_hash(int fd, uint64_t size_bytes, const struct digest *want, bool drop_cache,
               int (*on_bytes)(void *user, uint64_t n), void *user, struct err *err);

/* --- store_note.c --- */
/* With `merge`, what others of this run noted since we read the file: shards, other revisions. */
int  store_repo_load_inventory(struct store_repo *repo, bool merge, struct err *err);
void store_repo_inventory_name(const struct store_repo *repo, char out[64]);
void store_repo_note_refs(struct store_repo *repo); /* merges, too */
/* The name of a reference in the inventory. A folder of layout dir may be another repo's tomorrow, whose
 * branches are called alike, so the repo is part of it there. */
void store_repo_ref_name(const struct store_repo *repo, struct str revision, struct buf *out);
/* What was noted of it since it was opened, and what of it is gone (inventory_forget), goes to disk. */
int store_repo_write_inventory(struct store_repo *repo, struct err *err);

/* --- store_partial.c --- */
/* Is there a partial to resume from? Fills `out` then, and leaves it alone otherwise. */
void store_partial_look(struct store_repo *repo, const struct store_file *file,
                        struct store_view *out);

/* --- store_publish.c --- */
/* All of `from` into the empty file `to`, which must hash to what the file should be, and onto the disk.
 * Ends early (ERR_TERMINATED) once copies are to end. */
int store_copy_proven(struct store *store, const struct store_file *file, int from, int to,
                      struct err *err);
/* Gives the bytes in `name` below from_dir, open as fd and on disk already, their final name. */
int store_publish_bytes(struct store_repo *repo, const struct store_file *file, int fd,
                        int from_dir, const char *name, struct err *err);

/* --- store_tree.c --- */
int store_tree_write(struct store_repo *repo, const struct store_tree *tree, struct err *err);

/* --- store_lease.c --- */
/* --- store_sweep.c --- */
/* How a prune sweeps: it does not ask what this run wants, but whether any run goes on with it. */
struct sweep_rules {
    bool dry_run;
    /* May a run that nobody has finished go on with a partial of this place? */
    bool (*keeps)(const char *key, void *user);
    /* bytes: freed, or kept. May be told of nothing. */
    void (*told)(const char *kind, const char *name, uint64_t bytes, bool kept, void *user);
    void *user;
};
int store_sweep_as(struct store *store, const struct sweep_rules *rules, struct err *err);

/* Adds the instances that a lease names and that are not known to be dead. */
int store_lease_living(struct store *store, struct name_set *instances, struct err *err);
/* The same, and takes away the leases of those that are dead. */
int store_lease_sweep(struct store *store, struct name_set *instances, struct err *err);

extern const char store_cachedir_tag[];

#endif
