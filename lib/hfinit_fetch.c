/* hfinit_fetch.c: one repo, or one file of it, in one call: a spec made of a few words, and a run. */
#include "hfinit_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

/* --- names --- */

static bool is_key(const struct spec_flag *flag, const char *const *keys)
{
    for (; *keys; keys++)
        if (str_eq(flag->key, str_from(*keys)))
            return true;
    return false;
}

/* Readable as far as it goes, and a hash (FNV-1a) for what is cut off or looks alike. */
static char *name_of(struct arena *arena, struct str repo)
{
    enum { READABLE = 40 };
    char     name[READABLE + 1];
    uint32_t hash = 2166136261u;
    size_t   n = 0;

    for (size_t i = 0; i < repo.len; i++) {
        char c = repo.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        hash = (hash ^ (unsigned char)c) * 16777619u;
        if (n < READABLE) {
            name[n] = plain || c == '_' || (c == '.' && n > 0) ? c : '-';
            n++;
        }
    }
    name[n] = '\0';
    return arena_printf(arena, "%s-%08x", name, (unsigned)hash);
}

static struct str value_of(const struct spec_flag *flag, size_t count, const char *const *keys)
{
    for (size_t i = 0; i < count; i++)
        if (is_key(&flag[i], keys))
            return flag[i].value;
    return STR("");
}

/* [datasets/|spaces/]ORG/NAME@REVISION, however it was said: what another run of the same wants too. */
static struct str whole_name(struct arena *arena, struct str repo, struct str type,
                             struct str revision)
{
    static const char *const kinds[] = {"models/", "datasets/", "spaces/"};
    const char              *kind = str_eq(type, STR("dataset")) ? kinds[1]
                                    : str_eq(type, STR("space")) ? kinds[2]
                                                                 : kinds[0];

    if (str_has_prefix(repo, STR("hf://")))
        repo = str_sub(repo, strlen("hf://"), repo.len);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_has_prefix(repo, str_from(kinds[i]))) {
            kind = kinds[i];
            repo = str_sub(repo, strlen(kind), repo.len);
        }
    if (str_find(repo, STR("@"), 0) >= 0)
        revision = STR("");
    else if (revision.len == 0)
        revision = STR("main");
    return str_from(arena_printf(arena, "%s%.*s%s%.*s", kind == kinds[0] ? "" : kind, STR_ARG(repo),
                                 revision.len ? "@" : "", STR_ARG(revision)));
}

size_t hfinit_name_by_repo(hfinit *h, struct spec_flag *flag, size_t count)
{
    static const char *const repo_keys[] = {"repos", "repo", NULL};
    static const char *const type_keys[] = {"type", "repo-type", "repoType", NULL};
    static const char *const revision_keys[] = {"revision", NULL}, *const name_keys[] = {"name",
                                                                                         NULL};
    struct str repo;

    if (value_of(flag, count, name_keys).len)
        return 0;
    repo = whole_name(&h->wish, value_of(flag, count, repo_keys), value_of(flag, count, type_keys),
                      value_of(flag, count, revision_keys));
    flag[count] = (struct spec_flag){
        .key = STR("name"),
        .value = str_from(name_of(&h->wish, repo)),
        .origin = STR("the repo's name"),
        .is_weak = true,
    };
    return 1;
}

/* --- one repo as a spec --- */

struct flags {
    struct arena     *arena; /* of their texts */
    struct spec_flag *flag;  /* owned */
    size_t            count;
};

static void add(struct flags *f, const char *key, const char *value)
{
    if (!value)
        return;
    f->flag = mem_resize(f->flag, f->count + 1, sizeof(*f->flag));
    f->flag[f->count++] =
        (struct spec_flag){.key = str_from(key), .value = arena_str(f->arena, str_from(value))};
}

static void add_list(struct flags *f, const char *key, const char *const *item)
{
    for (; item && *item; item++)
        add(f, key, *item);
}

/* What the client says of all repos at once is not meant for this one. */
static void add_settings(struct flags *f, const hfinit *h)
{
    static const char *const of_repos[] = {"repos",   "repo",  "allow", "include", "ignore",
                                           "exclude", "files", "file",  NULL};

    f->flag = mem_resize(NULL, h->flag_count + 1, sizeof(*f->flag));
    for (size_t i = 0; i < h->flag_count; i++)
        if (!is_key(&h->flag[i], of_repos))
            f->flag[f->count++] = h->flag[i];
}

int hfinit_load_repo_as(hfinit *h, const hfinit_repo *repo, const char *file, unsigned as,
                        hfinit_error *error)
{
    struct arena wish = {0};
    struct flags f = {.arena = &wish};
    int          rc;

    add_settings(&f, h);
    add(&f, "repo", repo->id);
    add(&f, "revision", repo->revision);
    add(&f, "path", repo->path);
    add(&f, "optional", "false"); /* without it there is nothing to give back */
    if (file) {
        add(&f, "file", file);
        add(&f, "allow", ""); /* no pattern: neither here nor in the environment */
    } else {
        add_list(&f, "file", repo->file);
        add_list(&f, "include", repo->allow);
        add_list(&f, "exclude", repo->ignore);
    }
    hfinit_forget(h); /* not before: the repo may be named by what is lent of the one before */
    h->wish = wish;
    f.flag = mem_resize(f.flag, f.count + 1, sizeof(*f.flag));
    f.count += hfinit_name_by_repo(h, f.flag, f.count);
    rc = hfinit_load_flags(h, f.flag, f.count, NULL, NULL,
                           as | HFINIT_WITHOUT_FILE | HFINIT_HOME_CACHE, error);
    free(f.flag);
    return rc;
}

int hfinit_load_repo(hfinit *h, const hfinit_repo *repo, hfinit_error *error)
{
    return hfinit_load_repo_as(h, repo, NULL, 0, error);
}

/* --- fetching it --- */

const char *hfinit_folder(hfinit *h, size_t i)
{
    const struct report_run *run = h->snapshot ? snapshot_report(h->snapshot) : NULL;

    buf_clear(&h->text);
    if (run && i < run->repo_count && run->repo[i].commit[0])
        buf_add_str(&h->text, run->repo[i].folder);
    return buf_cstr(&h->text);
}

int hfinit_fetch_snapshot(hfinit *h, const hfinit_repo *repo, char **folder, hfinit_error *error)
{
    if (hfinit_load_repo(h, repo, error) || hfinit_run(h, error))
        return -1;
    *folder = mem_strdup(hfinit_folder(h, 0));
    return 0;
}

int hfinit_fetch_file(hfinit *h, const hfinit_repo *repo, const char *file, char **path,
                      hfinit_error *error)
{
    struct buf whole = {0};
    char      *name = mem_strdup(file); /* which may be lent of what is loaded now */
    int        rc = -1;

    if (hfinit_load_repo_as(h, repo, name, 0, error) || hfinit_run(h, error))
        goto out;
    buf_printf(&whole, "%s/%s", hfinit_folder(h, 0), name);
    *path = buf_take(&whole);
    rc = 0;
out:
    free(name);
    return rc;
}

/* --- patterns --- */

bool hfinit_match(const char *pattern, const char *path)
{
    return pattern_matches(str_from(pattern), str_from(path));
}

static bool any_matches(const char *const *pattern, const char *path)
{
    for (; *pattern; pattern++)
        if (hfinit_match(*pattern, path))
            return true;
    return false;
}

bool hfinit_selects(const char *const *allow, const char *const *ignore, const char *path)
{
    return (!allow || any_matches(allow, path)) && !(ignore && any_matches(ignore, path));
}
