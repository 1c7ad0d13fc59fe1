/* fetch_write.h: from the bytes of one part to the partial, its journal and the file's hash.
 *
 * Bytes are gathered to blocks of 256 KiB that end at multiples of their size, written, hashed while
 * they are warm if they lie at the file's front, and noted in the journal every 4 MiB or 2 s. */
#ifndef HFI_FETCH_WRITE_H
#define HFI_FETCH_WRITE_H

#include "fetch_queue.h"

struct writer;

/* What the writers of one lane share, so that two files are hashed at once. {0} is empty. */
struct write_pair {
    struct writer *waiting; /* whose last block waits for another's, to be hashed with it */
    unsigned char *buffer;  /* owned: a block nobody uses now, or NULL */
    unsigned       hashing; /* writers that feed a hash */
};
void write_pair_release(struct write_pair *pair); /* after all its writers have ended */

struct writer { /* its thread's own */
    struct queue      *queue;
    struct part       *part;
    struct write_pair *pair;
    bool               hashes;    /* it feeds the file's hash */
    uint64_t           written;   /* [part.begin, written) is in the partial */
    uint64_t           journaled; /* … and in its journal */
    uint64_t           journaled_at_ms;
    unsigned char     *gather;   /* owned; bytes from `written` on */
    unsigned char     *unhashed; /* owned; the block before that, while we wait in the pair */
    size_t             gathered, gather_size;
};

void writer_begin(struct writer *w, struct queue *q, struct part *part, struct write_pair *pair);
uint64_t writer_received(const struct writer *w); /* written or gathered: bytes before this */
/* Takes the next bytes. What lies behind the part's end, which may have fallen, is left out when
 * it comes to writing. */
int writer_add(struct writer *w, const void *data, size_t len, struct err *err);
/* Writes what is gathered and notes it in the journal. */
int writer_finish(struct writer *w, struct err *err);
/* Lets go of the hash and of its memory. */
void writer_end(struct writer *w);

#endif
