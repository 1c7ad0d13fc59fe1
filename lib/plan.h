/* plan.h: decides which files of which repo are missing. Touches neither net nor disk: it is fed
 * with listings and with what the store sees, and answers with counts and lists.
 *
 * Invariant: file[] is grouped by repo and sorted by path within one; a path occurs once. */
#ifndef HFI_PLAN_H
#define HFI_PLAN_H

#include "arena.h"
#include "hub.h"
#include "spec.h"

enum plan_state {
    PLAN_UNKNOWN, /* not looked at yet */
    PLAN_PRESENT, /* there and valid */
    PLAN_FETCH,   /* to be fetched, from have_bytes on */
    PLAN_SAME,    /* same content as another file of this place: fetched once, then copied */
};

struct plan_file {        /* there may be 100,000 of them */
    struct str      path; /* borrowed from the listing */
    uint64_t        size_bytes, have_bytes;
    uint64_t        allocated_bytes; /* by its partial, on disk already */
    struct digest   digest;
    uint32_t        repo;    /* index into plan.repo */
    uint32_t        same_as; /* PLAN_SAME: index into plan.file */
    enum plan_state state;
    bool            is_lfs;
    bool            is_mine; /* false: another shard fetches it */
    bool            is_twin; /* another file of this place has the same content; plan_find_same */
};

struct plan_repo {
    const struct spec_repo *spec;         /* borrowed */
    size_t                  first, count; /* its files */
    size_t                  listed;       /* files of the commit before the filter */
    uint64_t                bytes;        /* of its files */
    size_t                  place; /* the first repo that keeps its files where this one does */
    char                    list_digest[65]; /* sha256 over "digest size path\n" */
};

struct plan {
    struct arena      arena; /* owns repo */
    struct plan_file *file;
    size_t            file_count, file_capacity;
    struct plan_repo *repo; /* one per repo of the spec, same order; count 0 if not planned */
    size_t            repo_count;
};

void plan_init(struct plan *plan, const struct spec *spec);
void plan_release(struct plan *plan);

/* Do files, allow and ignore of the repo's spec want this path? */
bool plan_selects(const struct spec_repo *repo, struct str path);

/* Adds the selected files of one repo; the entries must outlive the plan. Checks the whole listing, selected or not, for names that
 * cannot live side by side.
 *   errors  ERR_UNSAFE_NAME (same path twice with different content, a file where a folder must
 *           be), ERR_ENTRY_NOT_FOUND (a name of files: is missing), ERR_NOTHING_SELECTED,
 *           ERR_TOO_LARGE (maxBytes; need and have are filled) */
int plan_add_repo(struct plan *plan, size_t repo, const struct hub_entry *entry, size_t count,
                  struct err *err);

/* Two of the repo's files whose names differ in case alone; false if it has none. */
bool plan_find_twins(const struct plan *plan, size_t repo, struct str *a, struct str *b);

/* Leaves only this process's share to be fetched: files dealt out by size, so that shares are even, and
 * those of one content to one.
 * Deterministic: every shard computes the same deal, whichever optional repos it could list. */
void plan_take_shard(struct plan *plan, uint32_t index, uint32_t count);

/* After states are known: files to fetch whose content another file of the same place has, or will
 * have, become PLAN_SAME. In layout cache such files share a blob, and copying is a link; revisions of
 * one repo are one place there. */
void plan_find_same(struct plan *plan);

#endif
