/* store_partial.h: a partial and those that lie there, shared by the files that handle them.
 *
 *   store_partial.c   opening, taking over, publishing
 *   store_stale.c     what lies on the volume, and what counts of it
 *   store_write.c     bytes on their way in, and what the journal says of them */
#ifndef HFI_STORE_PARTIAL_H
#define HFI_STORE_PARTIAL_H

#include "store_internal.h"
#include "store_journal.h"

enum { STORE_JOURNAL_FROM_BYTES = 1 << 20 }; /* smaller files are fetched again, not resumed */

struct store_partial {
    struct store_repo  *repo;
    struct store_place *place;
    struct store_file   file; /* path: owned */
    char                stem[96];
    int                 fd;
    struct range_set    opened;         /* what was there when we came */
    _Atomic uint64_t    checked_at_ms;  /* when the name was last seen to be ours */
    _Atomic uint64_t    unsynced_bytes; /* with place.syncs_early */
    atomic_bool         is_damaged;     /* the disk lost bytes of it: it goes when it is closed */
    /* These belong to whoever feeds the hash. */
    uint64_t noted_hash_bytes; /* the last one in the journal */
    uint64_t dropped_bytes;    /* [0, dropped_bytes) has left the page cache */

    pthread_mutex_t     lock;    /* guards all below */
    struct journal      journal; /* made by the first mark */
    struct journal_view content; /* what the journal says; its head is filled when it is written */
    unsigned            journal_count; /* how often it was written anew */
    bool                folder_synced;

    struct store_partial *next; /* guarded by store.lock */
};

/* --- store_stale.c --- */
/* "DIGEST.INSTANCE.part", "DIGEST.INSTANCE-2.journal". False for any other name. */
bool store_partial_parse_name(const char *name, struct stale_partial *out, bool *is_part);
void store_partial_name(const char *stem, const char *suffix, char out[128]);
/* Is a partial of this name open in this process, or closed and kept? Call with the lock held. */
bool store_partial_is_ours(const struct store *store, const struct store_place *place,
                           const char *stem);
/* Lists once what earlier processes left. These three: call with store->lock held. */
void store_stale_list(struct store_place *place);
void store_stale_add(struct store_place *place, const struct stale_partial *p);
/* Takes the next partial of this digest whose instance is dead off the list. */
bool store_stale_pop(struct store_place *place, const struct digest *digest,
                     const struct name_set *living, struct stale_partial *out);
/* Reads a stale partial's journal and looks at its bytes. False if it is of no use. */
bool store_stale_load(struct store *store, const struct store_place *place,
                      const struct stale_partial *p, const struct store_file *file,
                      struct journal_view *view, uint64_t *allocated_bytes);

/* --- store_write.c --- */
/* Everything written so far, on disk. After a failure nobody can tell what is: the kernel may have
 * let go of the pages, and the next sync would say all is well. So the partial is damaged then. */
int store_partial_sync_data(struct store_partial *p, struct err *err);
/* If we were stopped for long, another instance may have taken our partial for a dead one's. Then
 * the bytes are its own now: ERR_LOCKED. Looks once a second. */
int  store_partial_check_ours(struct store_partial *p, struct err *err);
void store_partial_fill_head(struct store_partial *p);

#endif
