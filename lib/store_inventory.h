/* store_inventory.h: what we published or verified in one repo's place, so that nothing is hashed
 * twice: a file is proven if its size and mtime are those we noted beside its digest.
 *
 * A text file of lines, each led by its checksum; the last one about a path counts. A running
 * process appends, a finished one replaces the file. Lines that do not check are skipped: then a
 * file is hashed once more.
 *
 *     hf-init inventory 1
 *     CRC c COMMIT                    the files below belong to this commit's metadata; "-": none
 *     CRC f DIGEST SIZE MTIME_NS PATH relative to the repo's folder
 *     CRC r COMMIT REVISION           the folder holds this commit for the revision; in layout dir of that
 *                                     repo alone: "model acme/tiny main"
 *     CRC p LAYOUT FOLDER             "dir" or "cache", and the repo's folder below the target
 */
#ifndef HFI_STORE_INVENTORY_H
#define HFI_STORE_INVENTORY_H

#include <sys/stat.h>

#include "arena.h"
#include "buf.h"
#include "digest.h"

struct inventory_entry {
    struct str    path;
    uint64_t      size_bytes;
    int64_t       mtime_ns;
    struct digest digest;
    uint32_t      commit;  /* index in inventory.commit; 0: none */
    bool          seen;    /* asked for in this run, and there */
    bool          doubted; /* proves nothing until it is noted anew */
    bool          gone;    /* is not written any more */
};

struct inventory_ref {
    struct str revision;
    char       commit[41];
};

struct inventory_slot {
    uint32_t entry; /* index + 1; 0: free */
    uint32_t hash;  /* of its path, so that others are mostly passed by unseen */
};

/* {0} is empty. */
struct inventory {
    struct arena            names; /* owns all texts */
    struct inventory_entry *entry;
    size_t                  entry_count, entry_capacity;
    struct inventory_slot  *slot; /* hash table */
    size_t                  slot_count;
    size_t                  expected; /* the entry that is likely to be looked for next */
    char (*commit)[41];               /* [0] is "-" */
    size_t                commit_count;
    struct inventory_ref *ref;
    size_t                ref_count;
    struct str            place;   /* "cache models--acme--tiny"; empty: not told */
    bool                  changed; /* since it was read */
};

void inventory_release(struct inventory *inv);

/* Reads the text in pieces; ends with an empty one. */
struct inventory_reader {
    struct inventory *inv; /* borrowed */
    /* The text is what others noted meanwhile: of it comes only what we did not see ourselves. */
    bool merge;
    /* With merge, where several revisions lie side by side: references come too, and entries that we
     * have otherwise if the volume agrees. NULL: neither. */
    bool (*holds)(const struct inventory_entry *entry, void *user);
    void      *user;
    struct buf rest; /* owned until the end: a line that is not whole yet */
    uint64_t   read_bytes;
    uint32_t   commit;
    bool       begun, foreign; /* of another version */
};
void inventory_read(struct inventory_reader *r, struct str piece);
/* Appends the next lines to `out`, *next of which were written before: about 64 KiB. False: these
 * were the last. */
bool inventory_render(const struct inventory *inv, size_t *next, struct buf *out);
/* The lines that begin a new one. */
void inventory_render_head(const struct inventory *inv, struct buf *out);
/* The lines that make one entry known, for appending. */
void inventory_render_entry(const struct inventory *inv, const struct inventory_entry *entry,
                            struct buf *out);

struct inventory_entry *inventory_find(struct inventory *inv, struct str path);
/* Adds or replaces; copies the path. `commit` NULL: none. */
struct inventory_entry *inventory_put(struct inventory *inv, struct str path,
                                      const struct digest *digest, const struct stat *st,
                                      const char *commit);
bool                    inventory_proves(const struct inventory_entry *entry, const struct stat *st,
                                         const struct digest *digest);
/* From now on no entry proves anything until it is put again. */
void    inventory_doubt(struct inventory *inv);
int64_t inventory_mtime_ns(const struct stat *st);

uint32_t inventory_commit_index(struct inventory *inv, const char *commit);
/* From now on the folder holds `commit`, and nothing else, for the revision. */
void inventory_set_ref(struct inventory *inv, struct str revision, const char *commit);
/* The same where several commits lie side by side. */
void inventory_add_ref(struct inventory *inv, struct str revision, const char *commit);
void inventory_drop_commit(struct inventory *inv, const char *commit);
void inventory_set_place(struct inventory *inv, bool is_cache, const char *folder);
/* The file is gone from the volume. */
void inventory_forget(struct inventory *inv, struct inventory_entry *entry);
bool inventory_get_ref(const struct inventory *inv, struct str revision, char commit[41]);

#endif
