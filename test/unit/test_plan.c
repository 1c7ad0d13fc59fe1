/* test_plan.c: the plan holds what was asked for and nothing that cannot live on a disk. */
#include "check.h"
#include "plan.h"

static struct hub_entry entry(const char *path, uint64_t size_bytes, unsigned content)
{
    struct hub_entry e = {.path = str_from(path), .size_bytes = size_bytes};

    e.digest.kind = DIGEST_GIT_SHA1;
    e.digest.byte[0] = (unsigned char)content;
    e.digest.byte[1] = (unsigned char)(content >> 8);
    return e;
}

static struct str json_pattern[] = {{"*.json", 6}};
static struct str readme[] = {{"README.md", 9}};

static enum err_kind plan_one(struct plan *plan, struct spec *spec, const struct hub_entry *e,
                              size_t count)
{
    struct err err = {0};

    plan_init(plan, spec);
    return plan_add_repo(plan, 0, e, count, &err) ? err.kind : ERR_NONE;
}

static void selections(void)
{
    struct hub_entry list[] = {entry("b.json", 2, 1), entry("a/x.json", 3, 2),
                               entry("README.md", 5, 3)};
    struct spec_repo repo = {0};
    struct spec      spec = {.repo = &repo, .repo_count = 1};
    struct plan      plan;

    check_row("all of it, sorted by path");
    CHECK(plan_one(&plan, &spec, list, 3) == ERR_NONE);
    CHECK(plan.file_count == 3 && plan.repo[0].bytes == 10 && plan.repo[0].listed == 3);
    CHECK(str_eq(plan.file[0].path, STR("README.md")) && str_eq(plan.file[2].path, STR("b.json")));
    plan_release(&plan);

    check_row("allow selects; the digest of the list follows");
    repo.allow = (struct pattern_list){json_pattern, 1, true};
    CHECK(plan_one(&plan, &spec, list, 3) == ERR_NONE);
    CHECK(plan.file_count == 2 && plan.repo[0].listed == 3 && plan.repo[0].list_digest[0]);
    plan_release(&plan);

    check_row("files are wanted beside what allow selects");
    repo.files = (struct spec_list){readme, 1};
    CHECK(plan_one(&plan, &spec, list, 3) == ERR_NONE && plan.file_count == 3);
    plan_release(&plan);

    check_row("and are all that is wanted without patterns");
    repo.allow = (struct pattern_list){0};
    CHECK(plan_one(&plan, &spec, list, 3) == ERR_NONE && plan.file_count == 1);
    plan_release(&plan);

    check_row("an empty list of patterns is none");
    repo.ignore = (struct pattern_list){.is_set = true};
    CHECK(plan_one(&plan, &spec, list, 3) == ERR_NONE && plan.file_count == 1);
    plan_release(&plan);

    check_row("a missing one is an error");
    CHECK(plan_one(&plan, &spec, list, 2) == ERR_ENTRY_NOT_FOUND && plan.file_count == 0);
    plan_release(&plan);

    check_row("so is an empty selection");
    repo = (struct spec_repo){.ignore = {json_pattern, 1, true}};
    CHECK(plan_one(&plan, &spec, list, 2) == ERR_NOTHING_SELECTED);
    plan_release(&plan);

    check_row("and one that is too large");
    repo = (struct spec_repo){.max_bytes = 9};
    CHECK(plan_one(&plan, &spec, list, 3) == ERR_TOO_LARGE);
    plan_release(&plan);
    check_row(NULL);
}

static void names(void)
{
    struct hub_entry twins[] = {entry("a", 1, 1), entry("a", 1, 1)};
    struct hub_entry rivals[] = {entry("a", 1, 1), entry("a", 1, 2)};
    struct hub_entry nested[] = {entry("a", 1, 1), entry("a-b", 1, 3), entry("a/b/c", 1, 2)};
    struct hub_entry huge[] = {entry("a", UINT64_MAX, 1), entry("b", 1, 2)};
    struct spec_repo repo = {0};
    struct spec      spec = {.repo = &repo, .repo_count = 1};
    struct plan      plan;

    check_row("a repeated entry counts once");
    CHECK(plan_one(&plan, &spec, twins, 2) == ERR_NONE && plan.file_count == 1);
    plan_release(&plan);
    check_row("two contents for one name");
    CHECK(plan_one(&plan, &spec, rivals, 2) == ERR_UNSAFE_NAME);
    plan_release(&plan);
    check_row("a file where a folder must be");
    CHECK(plan_one(&plan, &spec, nested, 3) == ERR_UNSAFE_NAME);
    plan_release(&plan);
    check_row("sizes that overflow");
    CHECK(plan_one(&plan, &spec, huge, 2) == ERR_BAD_ANSWER);
    plan_release(&plan);
    check_row(NULL);
}

static void names_that_differ_in_case_alone(void)
{
    struct hub_entry none[] = {entry("File", 1, 1), entry("file/x", 1, 2), entry("files", 1, 3),
                               entry("a/file", 1, 4), entry("fil", 1, 5)};
    struct hub_entry deep[] = {entry("A/b.txt", 1, 1), entry("m", 1, 2), entry("a/B.txt", 1, 3)};
    struct spec_repo repo = {0};
    struct spec      spec = {.repo = &repo, .repo_count = 1};
    struct str       a, b;
    struct plan      plan;

    CHECK(plan_one(&plan, &spec, none, 5) == ERR_NONE && !plan_find_twins(&plan, 0, &a, &b));
    plan_release(&plan);
    CHECK(plan_one(&plan, &spec, deep, 3) == ERR_NONE && plan_find_twins(&plan, 0, &a, &b));
    CHECK(!str_eq(a, b) && str_eq_nocase(a, b) && str_eq_nocase(a, STR("a/b.txt")));
    plan_release(&plan);
}

static void shares(void)
{
    enum { FILES = 40, SHARDS = 4 };
    struct hub_entry list[FILES];
    char             path[FILES][8];
    struct spec_repo repo = {0};
    struct spec      spec = {.repo = &repo, .repo_count = 1};
    unsigned         owners[FILES] = {0};
    uint64_t         bytes[SHARDS] = {0};

    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path[i], sizeof(path[i]), "f%u", i);
        list[i] = entry(path[i], 100 + 37 * (i % 7), i);
    }
    for (unsigned s = 0; s < SHARDS; s++) {
        struct plan plan;

        CHECK(plan_one(&plan, &spec, list, FILES) == ERR_NONE);
        plan_take_shard(&plan, s, SHARDS);
        for (unsigned i = 0; i < FILES; i++) {
            owners[i] += plan.file[i].is_mine;
            bytes[s] += plan.file[i].is_mine ? plan.file[i].size_bytes : 0;
        }
        plan_release(&plan);
    }
    check_row("every file belongs to exactly one shard");
    for (unsigned i = 0; i < FILES; i++)
        CHECK_U64(owners[i], 1);
    check_row("and the shares are even");
    for (unsigned s = 1; s < SHARDS; s++)
        CHECK(bytes[s] < bytes[0] + 400 && bytes[0] < bytes[s] + 400);
    check_row(NULL);
}

static void twins_are_in_one_share(void)
{
    enum { FILES = 24, SHARDS = 3 };
    struct hub_entry list[FILES];
    char             path[FILES][8];
    struct spec_repo repo = {0};
    struct spec      spec = {.repo = &repo, .repo_count = 1};
    unsigned         fetched[FILES / 2] = {0};

    for (unsigned i = 0; i < FILES; i++) { /* two of each, all of one size */
        snprintf(path[i], sizeof(path[i]), "f%u", i);
        list[i] = entry(path[i], 100, 1 + i % (FILES / 2));
    }
    for (unsigned s = 0; s < SHARDS; s++) {
        struct plan plan;
        unsigned    mine = 0;

        CHECK(plan_one(&plan, &spec, list, FILES) == ERR_NONE);
        for (size_t i = 0; i < plan.file_count; i++)
            plan.file[i].state = PLAN_FETCH;
        plan_take_shard(&plan, s, SHARDS);
        plan_find_same(&plan);
        for (size_t i = 0; i < plan.file_count; i++) {
            mine += plan.file[i].is_mine;
            fetched[plan.file[i].digest.byte[0] - 1] +=
                plan.file[i].is_mine && plan.file[i].state == PLAN_FETCH;
        }
        CHECK_U64(mine, FILES / SHARDS);
        plan_release(&plan);
    }
    for (unsigned i = 0; i < FILES / 2; i++)
        CHECK_U64(fetched[i], 1);
}

enum { DEALT = 30 };

/* The share of shard 1 of 3 in three repos, of which the second was perhaps not listed. */
static void deal(struct spec *spec, const struct hub_entry *list, bool second, bool mine[3][DEALT])
{
    struct plan plan;
    struct err  err = {0};

    plan_init(&plan, spec);
    for (size_t r = 0; r < 3; r++)
        if (r != 1 || second)
            CHECK(plan_add_repo(&plan, r, list + r * DEALT, DEALT, &err) == 0);
    plan_take_shard(&plan, 1, 3);
    for (size_t i = 0; i < plan.file_count; i++)
        mine[plan.file[i].repo][i - plan.repo[plan.file[i].repo].first] = plan.file[i].is_mine;
    plan_release(&plan);
}

static void shares_do_not_depend_on_a_repo_that_may_fail(void)
{
    struct spec_repo repo[3] = {{.optional = false}, {.optional = true}, {.optional = true}};
    struct spec      spec = {.repo = repo, .repo_count = 3};
    struct hub_entry list[3 * DEALT];
    char             path[3 * DEALT][8];
    bool             with[3][DEALT] = {0}, without[3][DEALT] = {0};

    for (unsigned i = 0; i < 3 * DEALT; i++) {
        snprintf(path[i], sizeof(path[i]), "f%02u", i);
        list[i] = entry(path[i], 100 + (i * 7919) % 997, i);
    }
    deal(&spec, list, true, with);
    deal(&spec, list, false, without);
    CHECK(memcmp(with[0], without[0], sizeof(with[0])) == 0);
    CHECK(memcmp(with[2], without[2], sizeof(with[2])) == 0);
}

static void twins(void)
{
    struct hub_entry list[] = {entry("a", 9, 1), entry("b", 9, 1), entry("c", 9, 2),
                               entry("e", 0, 3), entry("f", 0, 3)};
    struct spec_repo repo = {0};
    struct spec      spec = {.repo = &repo, .repo_count = 1};
    struct plan      plan;

    CHECK(plan_one(&plan, &spec, list, 5) == ERR_NONE);
    for (size_t i = 0; i < plan.file_count; i++)
        plan.file[i].state = PLAN_FETCH;
    plan_find_same(&plan);
    check_row("equal contents are fetched once");
    CHECK(plan.file[0].state == PLAN_FETCH && plan.file[1].state == PLAN_SAME &&
          plan.file[1].same_as == 0);
    check_row("others are left alone, empty files too");
    CHECK(plan.file[2].state == PLAN_FETCH && plan.file[3].state == PLAN_FETCH &&
          plan.file[4].state == PLAN_FETCH);
    plan.file[0].state = plan.file[1].state = PLAN_FETCH;
    plan.file[1].state = PLAN_PRESENT;
    plan_find_same(&plan);
    check_row("the one that is there is the one that is copied");
    CHECK(plan.file[0].state == PLAN_SAME && plan.file[0].same_as == 1);
    check_row(NULL);
    plan_release(&plan);
}

/* Two entries with one file each, of the same content, the second of which is on the volume in part. */
static void two_entries(struct spec *spec, struct plan *plan)
{
    static struct hub_entry list[] = {{.path = {"a", 1}, .size_bytes = 9}};
    struct err              err = {0};

    list[0].digest.kind = DIGEST_GIT_SHA1;
    plan_init(plan, spec);
    CHECK(plan_add_repo(plan, 0, list, 1, &err) == 0 && plan_add_repo(plan, 1, list, 1, &err) == 0);
    plan->file[0].state = plan->file[1].state = PLAN_FETCH;
    plan->file[1].have_bytes = 4;
    plan_find_same(plan);
}

static void twins_in_two_entries(void)
{
    static const struct {
        const char      *name;
        enum spec_layout layout;
        const char      *id;
        enum repo_type   type;
        bool             optional, is_same;
    } rows[] = {
        {"revisions of one repo in a cache", SPEC_LAYOUT_CACHE, "a/b", REPO_MODEL, false, true},
        {"in folders of their own", SPEC_LAYOUT_DIR, "a/b", REPO_MODEL, false, false},
        {"another repo", SPEC_LAYOUT_CACHE, "a/c", REPO_MODEL, false, false},
        {"another type", SPEC_LAYOUT_CACHE, "a/b", REPO_DATASET, false, false},
        {"one that may fail alone", SPEC_LAYOUT_CACHE, "a/b", REPO_MODEL, true, false},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct spec_repo repo[] = {
            {.id = STR("a/b"), .type = REPO_MODEL},
            {.id = str_from(rows[i].id), .type = rows[i].type, .optional = rows[i].optional}};
        struct spec spec = {.repo = repo, .repo_count = 2, .layout = rows[i].layout};
        struct plan plan;

        check_row(rows[i].name);
        two_entries(&spec, &plan);
        CHECK(plan.file[1].state == PLAN_FETCH);
        CHECK(plan.file[0].state == (rows[i].is_same ? PLAN_SAME : PLAN_FETCH));
        CHECK(plan.file[0].same_as == (rows[i].is_same ? 1 : 0));
        CHECK(plan.file[0].is_twin == rows[i].is_same && !plan.file[1].is_twin);
        plan_release(&plan);
    }
    check_row(NULL);
}

int main(void)
{
    selections();
    names();
    names_that_differ_in_case_alone();
    shares();
    twins_are_in_one_share();
    shares_do_not_depend_on_a_repo_that_may_fail();
    twins();
    twins_in_two_entries();
    return check_end("test_plan");
}
