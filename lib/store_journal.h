/* store_journal.h: which ranges of a partial file are there.
 *
 * A text file of lines, each with a checksum that covers all lines before it too, so that a torn or
 * foreign tail is seen:
 *
 *     hf-init journal 1 DIGEST SIZE BOOT_ID OWNER CRC
 *     w BEGIN END CRC         these bytes were written
 *     s OFFSET CRC            all lines before OFFSET of this file are on disk, too
 *     h HASHED STATE CRC      the running sha256 over [0, HASHED), as digest_save writes it, in hex
 *
 * Promise: it never runs ahead of the data. A 'w' counts as long as the kernel that wrote the bytes
 * is still running, since they are in its page cache; after a reboot, or on another node, only
 * what an 's' covers counts. Reading tolerates any garbage: unsure means fetch again.
 *
 * An 'h' counts only where [0, HASHED) is on disk, whatever kernel runs: nobody will read those bytes
 * again, so they must not be lost with a volume that was torn off or set back. What is not on disk
 * yet is in the page cache, and soon hashed again. */
#ifndef HFI_STORE_JOURNAL_H
#define HFI_STORE_JOURNAL_H

#include "digest.h"
#include "err.h"
#include "range.h"

enum { JOURNAL_OWNER_MAX = 33, JOURNAL_BOOT_ID_MAX = 40 };

struct journal_head {
    struct digest digest;
    uint64_t      size_bytes;
    char          boot_id[JOURNAL_BOOT_ID_MAX]; /* "-" if the kernel does not tell */
    char          owner[JOURNAL_OWNER_MAX];     /* key of the repo the file belongs to */
};

/* A running hash, see digest_save. {0} is none. */
struct journal_hash {
    uint64_t      hashed_bytes;
    size_t        len;
    unsigned char state[DIGEST_STATE_MAX];
};

/* What a journal says, or is to say. {0} is nothing. */
struct journal_view {
    struct journal_head head;
    struct range_set    durable; /* on disk */
    struct range_set    written; /* durable, and what only this kernel has; empty on another boot */
    struct journal_hash durable_hash; /* the one that went farthest inside `durable` */
    struct journal_hash newest_hash;  /* the last one noted; none after reading */
};
void journal_view_release(struct journal_view *view);

/* False if the text is not a journal at all. `boot_id`: the kernel we run on. */
bool journal_parse(struct str text, const char *boot_id, struct journal_view *out);
/* Reads a journal below dir_fd. 1 read, 0 missing or unusable; never an error. */
int journal_load(int dir_fd, const char *name, const char *boot_id, struct journal_view *out);

/* An open journal. Not for several threads at once. */
struct journal {
    int      fd;
    uint32_t crc;
    uint64_t len_bytes;
};
#define JOURNAL_INIT {.fd = -1}

/* Creates `name` with this head and what is already there. */
int journal_create(struct journal *j, int dir_fd, const char *name,
                   const struct journal_view *content, struct err *err);
int journal_mark(struct journal *j, struct range r, struct err *err);
int journal_note_hash(struct journal *j, const struct journal_hash *hash, struct err *err);
/* Notes that what was marked up to `offset` (a former len_bytes) is on disk; syncs itself. */
int  journal_note_sync(struct journal *j, uint64_t offset, struct err *err);
void journal_close(struct journal *j);

#endif
