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
 *     CRC r COMMIT REVISION           the folder holds this commit for the revision
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
    uint32_t      commit; /* index in inventory.commit; 0: none */
    bool          seen;   /* asked for in this run, and there */
};

struct inventory_ref {
    struct str revision;
    char       commit[41];
};

/* {0} is empty. */
struct inventory {
    struct arena            names; /* owns all texts */
    struct inventory_entry *entry;
    size_t                  entry_count, entry_capacity;
    uint32_t               *slot; /* hash table: index in entry + 1 */
    size_t                  slot_count;
    char (*commit)[41]; /* [0] is "-" */
    size_t                commit_count;
    struct inventory_ref *ref;
    size_t                ref_count;
    bool                  changed; /* since it was read */
};

void inventory_release(struct inventory *inv);
void inventory_parse(struct inventory *inv, struct str text);
void inventory_render(const struct inventory *inv, struct buf *out);
/* The lines that make one entry known, for appending. */
void inventory_render_entry(const struct inventory *inv, const struct inventory_entry *entry,
                            struct buf *out);

struct inventory_entry *inventory_find(const struct inventory *inv, struct str path);
/* Adds or replaces; copies the path. `commit` NULL: none. */
struct inventory_entry *inventory_put(struct inventory *inv, struct str path,
                                      const struct digest *digest, const struct stat *st,
                                      const char *commit);
/* Takes from `more` what we did not see ourselves. */
void    inventory_merge(struct inventory *inv, const struct inventory *more);
bool    inventory_proves(const struct inventory_entry *entry, const struct stat *st,
                         const struct digest *digest);
int64_t inventory_mtime_ns(const struct stat *st);

uint32_t inventory_commit_index(struct inventory *inv, const char *commit);
/* From now on the folder holds `commit`, and nothing else, for the revision. */
void inventory_set_ref(struct inventory *inv, struct str revision, const char *commit);
bool inventory_get_ref(const struct inventory *inv, struct str revision, char commit[41]);

#endif
