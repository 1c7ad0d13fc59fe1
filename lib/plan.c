/* plan.c: selection, shares and duplicates; see plan.h. */
#include "plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

/* In a cache the revisions of one repo share its blobs. An optional one may fail alone, so nobody
 * waits for what it fetches. */
static size_t place_of(const struct spec *spec, size_t repo)
{
    const struct spec_repo *b = &spec->repo[repo];

    for (size_t i = 0; i < repo && spec->layout == SPEC_LAYOUT_CACHE && !b->optional; i++) {
        const struct spec_repo *a = &spec->repo[i];

        if (!a->optional && a->type == b->type && str_eq(a->id, b->id))
            return i;
    }
    return repo;
}

void plan_init(struct plan *plan, const struct spec *spec)
{
    *plan = (struct plan){.repo_count = spec->repo_count};
    plan->repo = arena_alloc(&plan->arena, spec->repo_count * sizeof(*plan->repo));
    for (size_t i = 0; i < spec->repo_count; i++)
        plan->repo[i] = (struct plan_repo){.spec = &spec->repo[i], .place = place_of(spec, i)};
}

void plan_release(struct plan *plan)
{
    free(plan->file);
    arena_release(&plan->arena);
    *plan = (struct plan){0};
}

static int by_path(const void *a, const void *b)
{
    const struct hub_entry *const *x = a, *const *y = b;

    return str_cmp((*x)->path, (*y)->path);
}

static bool same_content(const struct hub_entry *a, const struct hub_entry *b)
{
    return a->size_bytes == b->size_bytes && digest_equal(&a->digest, &b->digest);
}

static const struct hub_entry *find(const struct hub_entry *const *sorted, size_t count,
                                    struct str path)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(sorted[middle]->path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && str_eq(sorted[low]->path, path) ? sorted[low] : NULL;
}

/* Length of what two paths have in common at their start. */
static size_t common_length(struct str a, struct str b)
{
    size_t len = 0, shorter = a.len < b.len ? a.len : b.len;

    while (len < shorter && a.p[len] == b.p[len])
        len++;
    return len;
}

/* Is some folder of this path, `from` bytes on, itself a file of the listing? */
static bool runs_through_file(const struct hub_entry *const *sorted, size_t count, struct str path,
                              size_t from)
{
    for (ptrdiff_t slash = str_find_char(path, '/', from); slash >= 0;
         slash = str_find_char(path, '/', (size_t)slash + 1))
        if (find(sorted, count, str_sub(path, 0, (size_t)slash)))
            return true;
    return false;
}

/* Drops exact repetitions and refuses contradictions. Returns the new count, or -1. */
static ptrdiff_t check_names(const struct hub_entry **sorted, size_t count, struct err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !str_eq(sorted[kept - 1]->path, sorted[i]->path))
            sorted[kept++] = sorted[i];
        else if (!same_content(sorted[kept - 1], sorted[i]))
            return err_set(err, ERR_UNSAFE_NAME,
                           "the listing has %.*s twice, with different contents",
                           STR_ARG(sorted[i]->path));
    }
    for (size_t i = 0; i < kept;
         i++) { /* folders shared with the path before were looked at there */
        size_t from = i ? common_length(sorted[i - 1]->path, sorted[i]->path) : 0;

        if (runs_through_file(sorted, kept, sorted[i]->path, from))
            return err_set(err, ERR_UNSAFE_NAME,
                           "the listing has %.*s, but also a file where its folder must be",
                           STR_ARG(sorted[i]->path));
    }
    return (ptrdiff_t)kept;
}

static bool is_named(const struct spec_list *files, struct str path)
{
    for (size_t i = 0; i < files->count; i++)
        if (str_eq(files->item[i], path))
            return true;
    return false;
}

/* `files` are wanted whatever the patterns say; without patterns they are all that is wanted. */
bool plan_selects(const struct spec_repo *repo, struct str path)
{
    if (is_named(&repo->files, path))
        return true;
    if (repo->files.count && !repo->allow.is_set && repo->ignore.count == 0)
        return false;
    return pattern_selects(&repo->allow, &repo->ignore, path);
}

static void add_file(struct plan *plan, size_t repo, const struct hub_entry *entry)
{
    if (plan->file_count == plan->file_capacity) {
        plan->file_capacity = plan->file_capacity ? plan->file_capacity * 2 : 64;
        plan->file = mem_resize(plan->file, plan->file_capacity, sizeof(*plan->file));
    }
    plan->file[plan->file_count++] = (struct plan_file){
        .repo = (uint32_t)repo,
        .path = entry->path,
        .size_bytes = entry->size_bytes,
        .digest = entry->digest,
        .is_lfs = entry->is_lfs,
        .is_mine = true,
    };
    plan->repo[repo].count++;
}

static void digest_list(const struct plan *plan, struct plan_repo *repo)
{
    enum { PIECE_BYTES = 16 * 1024 };
    struct buf        text = {0};
    struct digest_run run;
    struct digest     digest;

    digest_begin(&run, DIGEST_SHA256, 0);
    for (size_t i = repo->first; i < repo->first + repo->count; i++) {
        const struct plan_file *f = &plan->file[i];

        buf_add_hex(&text, f->digest.byte, f->digest.kind == DIGEST_SHA256 ? 32 : 20);
        buf_add_char(&text, ' ');
        buf_add_u64(&text, f->size_bytes);
        buf_add_char(&text, ' ');
        buf_add_str(&text, f->path);
        buf_add_char(&text, '\n');
        if (text.len >= PIECE_BYTES) {
            digest_add(&run, text.p, text.len);
            buf_clear(&text);
        }
    }
    digest_add(&run, buf_cstr(&text), text.len);
    digest_end(&run, &digest);
    digest_to_hex(&digest, repo->list_digest);
    buf_release(&text);
}

static int check_selection(const struct plan_repo *repo, const struct hub_entry *const *sorted,
                           size_t count, struct err *err)
{
    const struct spec_repo *spec = repo->spec;

    for (size_t i = 0; i < spec->files.count; i++)
        if (!find(sorted, count, spec->files.item[i]))
            return err_set(err, ERR_ENTRY_NOT_FOUND, "the file %.*s is not in it",
                           STR_ARG(spec->files.item[i]));
    if (repo->count == 0) {
        err_set(err, ERR_NOTHING_SELECTED, "none of its %zu files is selected", count);
        return count ? -1 : err_hint(err, "the repo is empty at this revision");
    }
    if (spec->max_bytes && repo->bytes > spec->max_bytes) {
        err_set(err, ERR_TOO_LARGE,
                "the selection has %" PRIu64 " bytes, more than maxBytes allows (%" PRIu64 ")",
                repo->bytes, spec->max_bytes);
        err->need_bytes = repo->bytes;
        err->have_bytes = spec->max_bytes;
        return -1;
    }
    return 0;
}

static int add_sorted(struct plan *plan, size_t index, const struct hub_entry **sorted,
                      size_t count, struct err *err)
{
    struct plan_repo *repo = &plan->repo[index];
    ptrdiff_t         kept;

    qsort(sorted, count, sizeof(*sorted), by_path);
    kept = check_names(sorted, count, err);
    if (kept < 0)
        return -1;
    repo->first = plan->file_count;
    repo->count = 0;
    repo->bytes = 0;
    repo->listed = (size_t)kept;
    for (size_t i = 0; i < (size_t)kept; i++) {
        if (!plan_selects(repo->spec, sorted[i]->path))
            continue;
        if (__builtin_add_overflow(repo->bytes, sorted[i]->size_bytes, &repo->bytes))
            return err_set(err, ERR_BAD_ANSWER, "the sizes in the listing add up to nonsense");
        add_file(plan, index, sorted[i]);
    }
    if (check_selection(repo, sorted, (size_t)kept, err)) {
        plan->file_count = repo->first;
        repo->count = 0;
        return -1;
    }
    digest_list(plan, repo);
    return 0;
}

int plan_add_repo(struct plan *plan, size_t repo, const struct hub_entry *entry, size_t count,
                  struct err *err)
{
    const struct hub_entry **sorted = mem_alloc(count * sizeof(const struct hub_entry *));
    int                      rc;

    for (size_t i = 0; i < count; i++)
        sorted[i] = &entry[i];
    rc = add_sorted(plan, repo, sorted, count, err);
    free(sorted);
    return rc;
}

/* A file to be put in order by a hash, which mostly decides without a look at the file. */
struct keyed {
    uint64_t key;
    uint32_t index;
};

/* --- names that differ in case alone --- */

/* The character at s[*at], which is UTF-8, in lower case; moves on to the next. */
static wint_t next_lower(struct str s, size_t *at)
{
    size_t   len = str_utf8_len(str_sub(s, *at, s.len));
    uint32_t c = (unsigned char)s.p[*at];

    if (len > 1)
        c &= 0x7Fu >> len;
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)s.p[*at + i] & 0x3F);
    *at += len ? len : 1;
    return towlower((wint_t)c);
}

/* FNV-1a. Whoever makes two other names meet in it has his repo refused, nothing else. */
static uint64_t hash_lower(struct str s)
{
    uint64_t h = 14695981039346656037u;

    for (size_t at = 0; at < s.len;)
        h = (h ^ next_lower(s, &at)) * 1099511628211u;
    return h;
}

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

bool plan_find_twins(const struct plan *plan, size_t repo, struct str *a, struct str *b)
{
    const struct plan_repo *r = &plan->repo[repo];
    struct keyed           *order = mem_resize(NULL, r->count, sizeof(*order));
    bool                    found = false;

    for (size_t i = 0; i < r->count; i++)
        order[i] = (struct keyed){hash_lower(plan->file[r->first + i].path), (uint32_t)i};
    qsort(order, r->count, sizeof(*order), by_key);
    for (size_t i = 1; i < r->count && !found; i++) {
        found = order[i].key == order[i - 1].key;
        *a = plan->file[r->first + order[i - 1].index].path;
        *b = plan->file[r->first + order[i].index].path;
    }
    free(order);
    return found;
}

/* --- shares --- */

static size_t place_of_file(const struct plan *plan, const struct plan_file *f)
{
    return plan->repo[f->repo].place;
}

/* Is fetching one of them to have both? */
static bool are_twins(const struct plan *plan, const struct plan_file *a, const struct plan_file *b)
{
    return place_of_file(plan, a) == place_of_file(plan, b) && a->size_bytes > 0 &&
           digest_equal(&a->digest, &b->digest);
}

/* What is dealt out together: all that is needed, and each optional repo by itself. One shard may fail to
 * list that while the others do, and all must still agree on the rest. */
static size_t deal_of(const struct plan *plan, const struct plan_file *f)
{
    return plan->repo[f->repo].spec->optional ? f->repo + 1 : 0;
}

static int larger_first(const void *a, const void *b, void *user)
{
    const struct plan      *plan = user;
    const struct plan_file *x = &plan->file[*(const size_t *)a];
    const struct plan_file *y = &plan->file[*(const size_t *)b];
    int                     order;

    if (deal_of(plan, x) != deal_of(plan, y))
        return deal_of(plan, x) < deal_of(plan, y) ? -1 : 1;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes > y->size_bytes ? -1 : 1;
    if (place_of_file(plan, x) != place_of_file(plan, y))
        return place_of_file(plan, x) < place_of_file(plan, y) ? -1 : 1;
    order = memcmp(x->digest.byte, y->digest.byte, sizeof(x->digest.byte)); /* twins side by side */
    if (order)
        return order;
    if (x->repo != y->repo)
        return x->repo < y->repo ? -1 : 1;
    return str_cmp(x->path, y->path);
}

static uint32_t lightest_of(const uint64_t *load, uint32_t count)
{
    uint32_t lightest = 0;

    for (uint32_t s = 1; s < count; s++)
        if (load[s] < load[lightest])
            lightest = s;
    return lightest;
}

void plan_take_shard(struct plan *plan, uint32_t index, uint32_t count)
{
    size_t   *order, deal = 0;
    uint64_t *load, *needed; /* the latter by what is not optional */
    uint32_t  to = 0;

    if (count <= 1)
        return;
    order = mem_alloc(plan->file_count * sizeof(*order));
    load = mem_alloc(count * sizeof(*load));
    needed = mem_alloc(count * sizeof(*needed));
    for (size_t i = 0; i < plan->file_count; i++)
        order[i] = i;
    qsort_r(order, plan->file_count, sizeof(*order), larger_first, plan);
    for (size_t i = 0; i < plan->file_count; i++) {
        struct plan_file *f = &plan->file[order[i]];

        if (deal_of(plan, f) != deal) {
            if (deal == 0)
                memcpy(needed, load, count * sizeof(*load));
            else
                memcpy(load, needed, count * sizeof(*load));
            deal = deal_of(plan, f);
        }
        if (i == 0 || !are_twins(plan, &plan->file[order[i - 1]], f)) {
            to = lightest_of(load, count);
            load[to] += f->size_bytes;
        }
        load[to]++; /* a file costs something even when it is empty, or a copy */
        f->is_mine = to == index;
    }
    free(order);
    free(load);
    free(needed);
}

/* --- equal contents --- */

static int by_content(const void *a, const void *b, void *user)
{
    const struct plan      *plan = user;
    const struct keyed     *k = a, *l = b;
    const struct plan_file *x = &plan->file[k->index], *y = &plan->file[l->index];
    size_t                  at_x = place_of_file(plan, x), at_y = place_of_file(plan, y);
    int                     order;

    if (k->key != l->key)
        return k->key < l->key ? -1 : 1;
    if (at_x != at_y)
        return at_x < at_y ? -1 : 1;
    order = memcmp(x->digest.byte, y->digest.byte, sizeof(x->digest.byte));
    if (order)
        return order;
    /* The one that is there, or that an earlier run began, is the one the others copy. */
    if ((x->state == PLAN_PRESENT) != (y->state == PLAN_PRESENT))
        return x->state == PLAN_PRESENT ? -1 : 1;
    if (x->have_bytes != y->have_bytes)
        return x->have_bytes > y->have_bytes ? -1 : 1;
    if (x->repo != y->repo)
        return x->repo < y->repo ? -1 : 1;
    return str_cmp(x->path, y->path);
}

void plan_find_same(struct plan *plan)
{
    struct keyed *order = mem_resize(NULL, plan->file_count, sizeof(*order));

    for (size_t i = 0; i < plan->file_count; i++) {
        memcpy(&order[i].key, plan->file[i].digest.byte, sizeof(order[i].key));
        order[i].index = (uint32_t)i;
    }
    qsort_r(order, plan->file_count, sizeof(*order), by_content, plan);
    for (size_t i = 1, first = 0; i < plan->file_count; i++) {
        struct plan_file *f = &plan->file[order[i].index];
        struct plan_file *leader = &plan->file[order[first].index];

        if (!are_twins(plan, f, leader)) {
            first = i;
            continue;
        }
        f->is_twin = true;
        if (f->state == PLAN_FETCH && f->is_mine && leader->is_mine) {
            f->state = PLAN_SAME;
            f->same_as = order[first].index;
            f->have_bytes = 0;
        }
    }
    free(order);
}
