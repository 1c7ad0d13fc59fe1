/* store.h: owns every path we write below the target: partial, resumed, verified, published.
 *
 * Promise: a file has its final name only if its bytes matched its digest and are on disk. Readers
 * see the old file or the new one. The two layouts differ only in what "published" means, and that
 * difference lives in store_dir.c and store_cache.c; nothing above asks which one it is.
 *
 *   TARGET/.hf-init/partials/DIGEST.INSTANCE.part      bytes at their final offsets, full length
 *   TARGET/.hf-init/partials/DIGEST.INSTANCE.journal   which ranges of it are there, and its running hash
 *   TARGET/.hf-init/leases/…                           who is working on which repo (store_lease.h)
 *   TARGET/.hf-init/inventory/…                        what we verified: path, size, mtime, digest
 *
 * If a repo's folder lies on another file system than the target, its partials lie in a .hf-init
 * at that file system's root below the target, so that publishing stays a rename. */
#ifndef HFI_STORE_H
#define HFI_STORE_H

#include "clock.h"
#include "digest.h"
#include "err.h"
#include "fs.h"
#include "log.h"
#include "range.h"
#include "repo.h"

struct store; /* one per run; calls on different repos and files may come from several threads */
struct store_repo;    /* one repo's place below the target */
struct store_partial; /* one file being written */

/* Do file locks exclude? Found out by trying; the other two let a test stand in for volumes where
 * they are missing (ENOSYS) or lie (Lustre, GPFS, some NFS: everybody succeeds). */
enum store_lock_mode { STORE_LOCKS_AUTO, STORE_LOCKS_NONE, STORE_LOCKS_LIE };

struct store_options {
    const char          *target;
    uint32_t             file_mode, dir_mode;
    bool                 drop_cache;       /* keep the page cache small; see store_set_drop_cache */
    bool                 sync_early;       /* treat every volume as a network one */
    uint64_t             memory_bytes;     /* what limits us, page cache included; 0: nothing */
    bool                 disable_symlinks; /* layout cache without links */
    bool                 read_only;        /* plan, verify: create and change nothing */
    bool                 rehash;           /* what was verified before is verified again */
    const char          *boot_id; /* NULL: this kernel's; a test says another one to be a reboot */
    enum store_lock_mode lock_mode;
    struct clock         clock;
    const struct log    *log;
    /* Called now and then while a repo is finished, which may take minutes on a network volume; -1 ends
     * it there. NULL: nothing to tell. */
    int (*tick)(void *user, struct err *err);
    void *tick_user;
};

int  store_new(const struct store_options *options, struct store **out, struct err *err);
void store_free(struct store *store);
int  store_target_fd(const struct store *store); /* lent; -1 if read_only and not there yet */
/* Before anything is written. Drop: what is hashed leaves the page cache as soon as it is on disk. */
void        store_set_drop_cache(struct store *store, bool drop_cache);
void        store_end_rehash(struct store *store);     /* for repos that are opened from now on */
const char *store_instance(const struct store *store); /* random id of this process, 16 hex */

/* State files of the run, below TARGET/.hf-init/. */
int store_write_state(struct store *store, const char *name, struct str content, bool durable,
                      struct err *err);
/* The same without memory, locks or an error, for a process that is about to die. */
void store_leave_state(struct store *store, const char *name, const char *text);
int  store_read_state(struct store *store, const char *name, size_t max, struct buf *out,
                      struct err *err); /* 1, 0 not there, -1 */
int  store_remove_state(struct store *store, const char *name, bool durable, struct err *err);

/* Calls visit with the name of each state file; see fs_list_at. */
int store_list_state(struct store *store, fs_visit_fn *visit, void *user, struct err *err);

struct store_repo_options {
    bool              is_cache; /* layout cache, else dir */
    enum repo_type    type;
    struct str        id, path;
    struct str        revision; /* as asked for; a ref is written unless it is the commit */
    char              commit[41];
    bool              hub_metadata; /* dir: keep .cache/huggingface */
    const struct str *ref_alias;
    size_t            ref_alias_count;
};
int  store_repo_open(struct store *store, const struct store_repo_options *options,
                     struct store_repo **out, struct err *err);
void store_repo_close(struct store_repo *repo);

/* The offline view: which commit does this volume hold for the revision? Reads refs (cache) or our
 * inventory (dir). 1 found, 0 not, -1 error. Needs only type, id, path, revision of options. */
int store_local_commit(struct store *store, const struct store_repo_options *options,
                       char commit[41], struct err *err);

struct store_file {
    struct str    path;
    uint64_t      size_bytes;
    struct digest digest;
};

enum store_state {
    STORE_MISSING,
    STORE_PARTIAL,    /* some ranges are there */
    STORE_UNVERIFIED, /* the final name is there with the right size, but nobody proved its bytes */
    STORE_PRESENT,
};

/* What is there of this file? Reads metadata and names, never content. have_bytes: valid bytes so
 * far. Something else at the file's place (a folder, a link, a FIFO) is ERR_IO naming it. */
struct store_view {
    enum store_state state;
    uint64_t         have_bytes;
    uint64_t
        allocated_bytes; /* STORE_PARTIAL: what its partial occupies on disk (st_blocks), so that
                               * the space check does not count it twice. 0 otherwise */
};
int store_look(struct store_repo *repo, const struct store_file *file, struct store_view *out,
               struct err *err);
/* Which partials lie there is found out once. Others may have been at work since: the next look finds it
 * out anew. */
void store_look_anew(struct store *store);

/* Does the volume take names that differ in case alone for one, as SMB shares do? Tries it with a
 * temporary file. 1, 0, -1. */
int store_ignores_case(struct store_repo *repo, struct err *err);

/* Hashes the final file of an STORE_UNVERIFIED one and, if it matches, records it and makes it
 * fully ours (metadata, link). A blob that was verified before and only lacks its link (layout
 * cache) gets the link and is not hashed again. 1 adopted, 0 its bytes differ (treat as missing), -1 error.
 * on_bytes(user, n) reports progress and may return non-zero to stop (ERR_TERMINATED). */
int store_adopt(struct store_repo *repo, const struct store_file *file, bool hash,
                int (*on_bytes)(void *user, uint64_t n), void *user, struct err *err);

/* Hashes what a reader of the file opens, whatever the inventory says of it; also on a read-only
 * volume. 1 right; 0 wrong, err says how ("missing", "has another size", …); -1 error. on_bytes as above. */
int store_verify(struct store_repo *repo, const struct store_file *file,
                 int (*on_bytes)(void *user, uint64_t n), void *user, struct err *err);

/* Opens the file's partial: our own, a dead instance's (taken over by rename), or a new one,
 * allocated to full size. `done` tells which ranges count. */
int store_partial_open(struct store_repo *repo, const struct store_file *file,
                       struct store_partial **out, struct err *err);
/* A new one in any case; a dead instance's of the same file is removed. Written over from the start,
 * it would lie under a journal, and a hash, of other bytes. */
int                     store_partial_begin(struct store_repo *repo, const struct store_file *file,
                                            struct store_partial **out, struct err *err);
const struct range_set *store_partial_done(const struct store_partial *p); /* as opened */
/* The running sha256 an earlier process left, so that what it hashed need not be read again; call it
 * once, right after opening. False, and the run as before: hash from the start.
 *
 * What it covers was hashed as it was written, and synced. It is not looked at again: damage on disk
 * is not seen, as it is not in a run that nobody interrupts, and bytes that others changed only if
 * their time tells. A restored hash that does not match may also be a note that was wrong: hash
 * everything once more from the start before believing it. */
bool store_partial_hash(struct store_partial *p, struct digest_run *run);
/* Any thread, any offset. May wait for the disk: with drop_cache, and on network file systems, whose
 * unwritten pages no memory limit can reclaim, write-back starts early. */
int     store_partial_write(struct store_partial *p, const void *data, size_t len, uint64_t offset,
                            struct err *err);
ssize_t store_partial_read(struct store_partial *p, void *data, size_t len, uint64_t offset,
                           struct err *err);
/* Journals that [r) was written (it must have been). Cheap; any thread. */
int store_partial_mark(struct store_partial *p, struct range r, struct err *err);
/* Tells how far the hash is, each time it has grown, by whoever feeds it: noted in the journal every
 * 16 MiB, and with drop_cache what lies behind it leaves the page cache, which may wait for the disk. */
int store_partial_hashed(struct store_partial *p, const struct digest_run *run, struct err *err);
/* fdatasync + a journal note that everything marked so far survives a power cut. */
int store_partial_sync(struct store_partial *p, struct err *err);
/* Gives the file its final name. The caller has compared the digest of all bytes. Closes p, also on
 * failure (then the partial stays for the next run, unless the volume refuses it). */
int  store_partial_publish(struct store_partial *p, struct err *err);
void store_partial_discard(struct store_partial *p); /* deletes and closes: its bytes were wrong */
void store_partial_close(struct store_partial *p);   /* keeps it for the next run */

/* Publishes `file` with the content of `same`, an already published file of the same digest, in the same
 * repo or in another revision of it: a link in layout cache, a reflink or copy in layout dir. */
int store_publish_copy(struct store_repo *repo, const struct store_file *file,
                       struct store_repo *from, const struct store_file *same, struct err *err);
/* From any thread. True: copies end where they are, with ERR_TERMINATED, and none begins. */
void store_end_copies(struct store_repo *repo, bool end);

/* One entry of trees/<commit>.json. */
struct store_tree_entry {
    struct str           path;
    uint64_t             size_bytes;
    const unsigned char *oid; /* git blob id, 20 bytes; of the pointer if is_lfs */
    bool                 is_lfs;
    struct digest        digest;   /* of the content */
    const unsigned char *xet_hash; /* 32 bytes; NULL: none */
};
/* All of a commit, selected or not. */
struct store_tree {
    size_t count;
    void (*entry)(const void *user, size_t i, struct store_tree_entry *out);
    const void *user;
    bool        is_public; /* it goes where Python looks, else it is kept for ourselves */
};
/* After all files of the repo are published: makes renames durable, writes trees (NULL: none), refs,
 * tags and the inventory. */
int store_repo_finish(struct store_repo *repo, const struct store_tree *tree, struct err *err);
/* Is what readers need beside the files there, refs above all? 1, 0, -1. */
int store_repo_is_finished(struct store_repo *repo, struct err *err);
/* The renames so far, made durable; for a run that publishes some files of the repo and leaves the rest
 * to others (shards). */
int store_repo_sync(struct store_repo *repo, struct err *err);
/* The listing an earlier run (or Python) left for this commit, so that a pinned revision needs no
 * request: calls visit for each entry, with NULL if what it was told so far is void. 1 there, 0 not,
 * -1 what visit said. */
typedef int store_tree_fn(const struct store_tree_entry *entry, void *user, struct err *err);
int store_read_tree(struct store_repo *repo, store_tree_fn *visit, void *user, struct err *err);

/* Where this repo's bytes go: free space there. */
int store_repo_space(struct store_repo *repo, struct fs_space *out, struct err *err);

/* Absolute or target-relative folder a reader opens for this repo: `TARGET/path` or
 * `TARGET/models--…/snapshots/COMMIT`. */
void store_repo_folder(const struct store_repo *repo, struct buf *out);

/* Deletes what instances that are gone left: partials, temporary files, leases; returns bytes freed.
 * Partials of content that `wanted` (NULL: nothing) still asks for stay: this run, or another shard of
 * it, will go on with them. */
typedef bool store_wanted_fn(const struct digest *digest, void *user);
uint64_t     store_sweep(struct store *store, store_wanted_fn *wanted, void *user, struct err *err);

#endif
