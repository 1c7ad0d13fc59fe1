/* fetch_queue.h: which bytes are fetched next, by whom, and which files are done.
 *
 *      WAITING ──taken──> ACTIVE ──all bytes there──> FINISHING ──published──> DONE
 *         ^                 │                            │
 *         └──from scratch───┴──digest differs, once──────┤
 *                                                        └──for good──> FAILED
 *
 * The queue is the only thing lanes and finishers share. One mutex, held for the hand-over only. */
#ifndef HFI_FETCH_QUEUE_H
#define HFI_FETCH_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "fetch_internal.h"

enum { FETCH_SMALL_BYTES = 1024 * 1024 }; /* up to this a file is one request and may use HTTP/2 */

enum fetch_file_state { FILE_WAITING, FILE_ACTIVE, FILE_FINISHING, FILE_DONE, FILE_FAILED };

/* Bytes that were handed back while the server wants nobody to ask. Until then they stay taken. */
struct fetch_later {
    struct range range;
    uint64_t     at_ms;
};

/* What a file needs only while it is being fetched. */
struct fetch_active {
    struct store_partial *partial;
    struct range_set      have;  /* written */
    struct range_set      taken; /* written, handed out, or for later */
    struct fetch_later   *later; /* owned */
    size_t                later_count;
    unsigned              parts_out;
    bool                  in_one_piece;    /* the server ignores Range: one stream from 0 */
    bool                  must_restart;    /* its parts give up, then it begins anew in one piece */
    struct buf            direct_url;      /* signed; guarded by the queue's lock */
    struct digest_run     hash;            /* over [0, hash.hashed_bytes) */
    bool                  hash_is_resumed; /* began where an earlier process left it */
    bool                  hash_busy;       /* a part or a finisher is feeding it */
    bool                  sync_busy;       /* the syncer has the partial in hand */
    uint64_t              unsynced_bytes, synced_at_ms;
    int                   slot;                          /* in progress */
    uint64_t              begun_at_ms, begun_with_bytes; /* of this run, and before it */
};

struct fetch_file {
    const struct plan_file *plan;
    struct fetch_place     *place;
    struct fetch_file      *first_same;  /* files that will be copies of this one … */
    struct fetch_file      *next_same;   /* … and the next of them */
    struct fetch_file      *next_finish; /* in the finishers' list */
    struct fetch_active    *active;      /* owned; NULL unless ACTIVE or FINISHING */
    size_t                  endpoint;
    enum fetch_file_state   state;
    unsigned                mismatches; /* wrong bytes: forgiven once */
    unsigned                refusals;   /* by storage that serves others, since it last got bytes */
    unsigned                restarts;   /* because ranges are ignored: as often as retry.attempts */
    bool                    in_finish_list, in_one_piece;
};

/* What one connection brings of a file: [begin, end). The queue knows it from queue_take to
 * queue_give_back; it stays at its address. */
struct part {
    struct fetch_file *file;
    uint64_t           begin;
    _Atomic uint64_t   end; /* written under the lock; falls when another takes over the rest */
    _Atomic uint64_t   received; /* the lane's: bytes before this have arrived */
    _Atomic bool       waits;    /* the lane's: as long as the server asked it to */
    /* The queue's. */
    struct part *next;
    uint64_t     claimed; /* bytes before this are the part's for good: being written, or written */
    uint64_t     heard_at_ms, sampled_at_ms, sampled, rate_bytes_per_s;
    unsigned     silent_times; /* how often its bytes were taken over from a silent part */
};

struct queue {
    struct fetch           *fetch;
    pthread_mutex_t         lock;
    pthread_cond_t          finish_ready; /* finishers wait here */
    pthread_cond_t          changed;      /* the caller's thread waits here */
    pthread_cond_t          over;         /* the syncer waits here */
    const struct plan_file *plan_file;    /* borrowed; what same_as counts in */
    struct fetch_place     *place;        /* borrowed; place_count long */
    size_t                  place_count;
    struct fetch_file      *file; /* owned */
    size_t                  file_count;
    struct fetch_file     **small, **bulk; /* owned; order of starting */
    size_t                  small_count, bulk_count, small_next, bulk_next;
    struct fetch_file     **again; /* owned stack: files that begin anew */
    size_t                  again_count;
    struct fetch_file     **open; /* owned; bulk files that are ACTIVE */
    size_t                  open_count, open_limit;
    struct fetch_file      *finish_head, **finish_tail;
    size_t                  finishing;  /* files that are FINISHING with their partial open */
    size_t                  left;       /* files neither DONE nor FAILED */
    struct part            *part;       /* list: those that are out */
    uint64_t                part_bytes; /* set by the user; 0: by what is measured */
    uint64_t                gap_ms,
        rate_bytes_per_s;     /* from request to first byte; of one connection; 0 unknown */
    uint64_t idle_at_ms;      /* since when nothing of large files is left to begin; 0 */
    unsigned small_limit;     /* requests for small files at a time */
    unsigned finishing_limit; /* each has a descriptor; slow disks must hold the network back */
    unsigned connections;     /* for bulk, at most … */
    _Atomic unsigned target;  /* … and now */
    _Atomic unsigned ceiling; /* more than that end at once */
    _Atomic unsigned refused; /* connections, since the pace looked */
    _Atomic uint64_t received_bytes;     /* of bulk, since the start */
    _Atomic bool     stopping;           /* everybody out; partials stay */
    unsigned         finishers_to_spare; /* so many of them end at the next occasion */
    _Atomic unsigned alarms; /* rises when queue_must_stop may have become true for a file */
    _Atomic unsigned active_requests; /* over all lanes, for the bandwidth share */
    _Atomic unsigned lanes;           /* that share the limits: those that have a thread */
    _Atomic unsigned served;          /* parts of large files that got bytes, when last looked */
    struct http    **lane_http;       /* to wake them; owned array */
    size_t           lane_count;
};

int  queue_init(struct queue *q, struct fetch *fetch, struct plan *plan, struct fetch_place *place,
                size_t place_count, struct err *err);
void queue_release(struct queue *q);                              /* after all threads are gone */
struct fetch_place *queue_place_of(struct queue *q, size_t repo); /* NULL: it takes no part */

/* The next piece of work. `after`: the part just finished on this connection, or NULL; its file is
 * gone on with where it stopped, so that bytes arrive in file order. 1 a part, 0 nothing for now.
 * Opening a partial may fail: then that file has failed and the search goes on. */
int queue_take(struct queue *q, bool small, const struct part *after, struct part *out);
/* Before bytes up to `upto` are written: how far they are this part's to write (`upto` or less). */
uint64_t queue_claim(struct queue *q, struct part *part, uint64_t upto);
/* The pause between a request and its first byte, which tells how large parts should be. */
void queue_measured_gap(struct queue *q, uint64_t gap_ms);
/* How many there should be for bulk, and how many there may be. */
void queue_set_connections(struct queue *q, unsigned target, unsigned ceiling);
/* Several times a second: how fast each part is, and which bytes may be asked for again by now.
 * Returns how many parts of large files get bytes. */
unsigned queue_sample(struct queue *q);
bool     queue_is_over(struct queue *q);

/* Bytes of the part that were written ([range.begin, end)); the part goes on. */
void queue_wrote(struct queue *q, struct fetch_file *file, struct range r);
/* The file's place answers us: others of it may begin. */
void queue_prove(struct queue *q, struct fetch_file *file);
/* Whoever serves it lets a client ask for ranges. */
void queue_gives_ranges(struct queue *q, struct fetch_file *file);
/* Storage refused a part of it for good; with fewer connections it may not. False: that happened as
 * often as retry.attempts without a byte between. */
bool queue_forgive(struct queue *q, struct fetch_file *file);
/* The part is over: `got` is its end if all of it arrived, less if it gave up there. Nobody gets the
 * rest before not_before_ms; 0: at once. */
void queue_give_back(struct queue *q, struct part *part, uint64_t got, uint64_t not_before_ms);
/* May this part hash the bytes it brings from `at` on? Then it must hash the little that is written
 * and not hashed before that, and call queue_hash_done in the end. */
bool queue_hash_take(struct queue *q, struct fetch_file *file, uint64_t at);
void queue_hash_done(struct queue *q, struct fetch_file *file);

bool queue_must_stop(struct queue *q, const struct fetch_file *file); /* the part should give up */
void queue_restart_in_one_piece(struct queue *q, struct fetch_file *file);
/* Its bytes are wrong, not missing: what is there of it cannot be trusted either. False: that
 * happened before, it is for good. */
bool queue_start_from_scratch(struct queue *q, struct fetch_file *file);

/* For finishers. Waits; NULL when there will be nothing more. */
struct fetch_file *queue_next_to_finish(struct queue *q);
/* So many finishers end: their threads are wanted elsewhere. */
void queue_spare_finishers(struct queue *q, unsigned count);
/* How far may it be hashed now? */
uint64_t queue_hash_front(struct queue *q, struct fetch_file *file);
/* Hashed so far. True: that was all of it, publish it; else more may come. */
bool queue_finished_step(struct queue *q, struct fetch_file *file);
void queue_done(struct queue *q, struct fetch_file *file);     /* published */
void queue_mismatch(struct queue *q, struct fetch_file *file); /* from scratch, once */
void queue_fail(struct queue *q, struct fetch_file *file, const struct err *err);

/* For the syncer. Waits for a large file with bytes that a power cut would take; NULL: no more. */
struct fetch_file *queue_next_to_sync(struct queue *q);
void               queue_synced(struct queue *q, struct fetch_file *file);

bool queue_direct_url(struct queue *q, struct fetch_file *file, struct buf *out);
void queue_learn_url(struct queue *q, struct fetch_file *file, struct str url);
/* Only this one: another part may have learnt a fresh one meanwhile. */
void queue_forget_url(struct queue *q, struct fetch_file *file, struct str url);

void queue_stop(struct queue *q);

#endif
