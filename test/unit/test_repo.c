/* test_repo.c: names of repos, revisions and files, as users and the Hub write them. */
#include <stdlib.h>

#include "check.h"
#include "repo.h"

#define A16  "aaaaaaaaaaaaaaaa"
#define A96  A16 A16 A16 A16 A16 A16
#define A255 A96 A96 A16 A16 A16 "aaaaaaaaaaaaaaa"

static void check_types(void)
{
    enum repo_type type = REPO_MODEL;

    CHECK(repo_type_parse(STR("dataset"), &type) && type == REPO_DATASET);
    CHECK(repo_type_parse(STR("spaces"), &type) && type == REPO_SPACE);
    CHECK(!repo_type_parse(STR("kernel"), &type) && type == REPO_SPACE);
    CHECK_STR(repo_type_name(REPO_MODEL), "model");
    CHECK_STR(repo_type_plural(REPO_DATASET), "datasets");
    CHECK_STR(repo_type_prefix(REPO_MODEL), "");
    CHECK_STR(repo_type_prefix(REPO_SPACE), "spaces/");
}

static const struct {
    const char *id, *complaint; /* NULL: fine */
} ids[] = {
    {"gpt2", NULL},
    {"a/b", NULL},
    {"a.b/c.d", NULL},
    {"_a", NULL},
    {"a_", NULL},
    {A96, NULL},
    {"org/" A96, NULL},
    {A96 "a", "96 characters"},
    {"org/" A96 "a", "96 characters"},
    {A96 "a/x", "96 characters"},
    {"a/b/c", "at most one '/'"},
    {"datasets/a/b", "at most one '/'"},
    {"-a", "start and end"},
    {"a-", "start and end"},
    {".a", "start and end"},
    {"a.", "start and end"},
    {"org/-x", "start and end"},
    {"org-/x", "start and end"},
    {"\303\251/x", "only letters"},
    {"a/b\n", "only letters"},
    {"a b", "only letters"},
    {"", "write NAME or ORG/NAME"},
    {"org/", "write NAME or ORG/NAME"},
    {"/x", "write NAME or ORG/NAME"},
    {"x.git", ".git"},
    {"foo--bar", "no \"--\""},
    {"a..b", "no \"--\" and no \"..\""},
    {"https://huggingface.co/a/b", "is a URL"},
    {"a/b@main", "has its own key"},
};

static void check_ids(void)
{
    for (size_t i = 0; i < CHECK_COUNT(ids); i++) {
        struct err err = {0};

        check_row(ids[i].id);
        if (!ids[i].complaint) {
            CHECK(repo_check_id(str_from(ids[i].id), &err) == 0);
            continue;
        }
        CHECK(repo_check_id(str_from(ids[i].id), &err) == -1);
        CHECK(err.kind == ERR_SPEC);
        CHECK(strstr(err.text, ids[i].complaint) != NULL);
        CHECK(strchr(err.text, '\n') == NULL);
    }
    check_row(NULL);
}

static const struct {
    struct str revision;
    bool       ok, is_commit;
} revisions[] = {
    {STR("main"), true, false},
    {STR("0123456789abcdef0123456789abcdef01234567"), true, true},
    {STR("0123456789ABCDEF0123456789ABCDEF01234567"), true, false},
    {STR("0123456"), true, false},
    {STR("feat/x y#1"), true, false},
    {STR("refs/pr/7"), true, false},
    {STR("v1.0"), true, false},
    {STR("\303\251"), true, false},
    {STR(""), false, false},
    {STR("a..b"), false, false},
    {STR("../x"), false, false},
    {STR("/x"), false, false},
    {STR("x/"), false, false},
    {STR("a//b"), false, false},
    {STR("a/./b"), false, false},
    {STR("a\\b"), false, false},
    {STR("a\nb"), false, false},
    {STR("a\0b"), false, false},
    {STR("a\377"), false, false},
    {STR(A255 "a"), false, false},
};

static void check_revisions(void)
{
    for (size_t i = 0; i < CHECK_COUNT(revisions); i++) {
        struct err err = {0};

        check_row(revisions[i].revision.p);
        CHECK((repo_check_revision(revisions[i].revision, &err) == 0) == revisions[i].ok);
        CHECK(err.kind == (revisions[i].ok ? ERR_NONE : ERR_SPEC));
        CHECK(repo_is_commit(revisions[i].revision) == revisions[i].is_commit);
    }
    check_row(NULL);
}

static const struct {
    struct str path;
    bool       ok;
} paths[] = {
    {STR("a/b.txt"), true},
    {STR("a\\b"), true},
    {STR("ab:c.txt"), true},
    {STR("..a"), true},
    {STR("a.."), true},
    {STR("a/ .. /b"), true},
    {STR("~/x"), true},
    {STR("CON"), true},
    {STR("a b%20#?&+[].txt"), true},
    {STR("\343\201\202.bin"), true},
    {STR(A255), true},
    {STR(A255 "a"), false},
    {STR("a//b"), false},
    {STR("."), false},
    {STR("a/./b"), false},
    {STR(""), false},
    {STR("dir/"), false},
    {STR("a\0b"), false},
    {STR("a\nb"), false},
    {STR("a\177b"), false},
    {STR("../x"), false},
    {STR("a/../b"), false},
    {STR("..\\x"), false},
    {STR("a\\..\\b"), false},
    {STR("/etc/x"), false},
    {STR("C:\\x"), false},
    {STR("D:x"), false},
    {STR("a:b"), false},
    {STR("x/a:b"), false},
    {STR("\\x"), false},
    {STR("\\\\h\\s"), false},
    {STR("x/\\\\h\\s"), false},
    {STR("a\377"), false},
    {STR("a\355\240\200"), false},
    {STR(".."), false},
    {STR("a/.."), false},
};

static void check_paths(void)
{
    struct buf deep = {0};
    struct err err = {0};

    for (size_t i = 0; i < CHECK_COUNT(paths); i++) {
        err_clear(&err);
        check_row(paths[i].path.p);
        CHECK((repo_check_path(paths[i].path, &err) == 0) == paths[i].ok);
        CHECK(err.kind == (paths[i].ok ? ERR_NONE : ERR_UNSAFE_NAME));
        CHECK(strchr(err.text, '\n') == NULL);
    }
    check_row("depth");
    for (int i = 0; i < 63; i++)
        buf_add_str(&deep, STR("d/"));
    buf_add_char(&deep, 'f');
    CHECK(repo_check_path(buf_view(&deep), &err) == 0);
    buf_add_str(&deep, STR("/g"));
    CHECK(repo_check_path(buf_view(&deep), &err) == -1);
    check_row("length");
    buf_clear(&deep);
    for (int i = 0; i < 41; i++)
        buf_add_str(&deep, STR(A96 "aaa/"));
    buf_add_char(&deep, 'f');
    CHECK(repo_check_path(buf_view(&deep), &err) == -1);
    buf_release(&deep);
    check_row(NULL);
}

static const struct {
    const char    *text;
    bool           ok;
    enum repo_type type;
    const char    *id, *revision, *path;
} refs[] = {
    {"gpt2", true, REPO_MODEL, "gpt2", "", ""},
    {"org/a", true, REPO_MODEL, "org/a", "", ""},
    {"org/a@main", true, REPO_MODEL, "org/a", "main", ""},
    {"org/a@feat/x", true, REPO_MODEL, "org/a", "feat/x", ""},
    {"org/a@50%25", true, REPO_MODEL, "org/a", "50%25", ""},
    {"org/a@refs/pr/7", true, REPO_MODEL, "org/a", "refs/pr/7", ""},
    {"models/org/a", true, REPO_MODEL, "org/a", "", ""},
    {"datasets/org/a@v1", true, REPO_DATASET, "org/a", "v1", ""},
    {"datasets/squad", true, REPO_DATASET, "squad", "", ""},
    {"spaces/org/a", true, REPO_SPACE, "org/a", "", ""},
    {"hf://org/a", true, REPO_MODEL, "org/a", "", ""},
    {"hf://datasets/org/a@v1/data/x.parquet", true, REPO_DATASET, "org/a", "v1", "data/x.parquet"},
    {"hf://org/a/sub/", true, REPO_MODEL, "org/a", "", "sub/"},
    {"hf://org/a@refs/pr/7/config.json", true, REPO_MODEL, "org/a", "refs/pr/7", "config.json"},
    {"hf://org/a@refs/convert/parquet", true, REPO_MODEL, "org/a", "refs/convert/parquet", ""},
    {"hf://org/a@feat%2Fx/f", true, REPO_MODEL, "org/a", "feat/x", "f"},
    {"hf://gpt2", false, REPO_MODEL, "", "", ""},
    {"hf://org/a@%2e%2e/f", false, REPO_MODEL, "", "", ""},
    {"hf://org/a@%0a", false, REPO_MODEL, "", "", ""},
    {"hf://org/a@%zz", false, REPO_MODEL, "", "", ""},
    {"hf://org/a@", false, REPO_MODEL, "", "", ""},
    {"hf://kernels/org/a/b", false, REPO_MODEL, "", "", ""},
    {"hf://", false, REPO_MODEL, "", "", ""},
    {"org/a@", false, REPO_MODEL, "", "", ""},
    {"org/a/b", false, REPO_MODEL, "", "", ""},
    {"@main", false, REPO_MODEL, "", "", ""},
    {"", false, REPO_MODEL, "", "", ""},
    {"https://huggingface.co/org/a", false, REPO_MODEL, "", "", ""},
};

static bool is(struct str got, const char *want)
{
    return str_eq(got, str_from(want));
}

static void check_refs(void)
{
    for (size_t i = 0; i < CHECK_COUNT(refs); i++) {
        struct buf      storage = {0};
        struct repo_ref ref = {0};
        struct err      err = {0};
        int             rc = repo_ref_parse(str_from(refs[i].text), &storage, &ref, &err);

        check_row(refs[i].text);
        CHECK((rc == 0) == refs[i].ok);
        if (rc == 0 && refs[i].ok) {
            CHECK(ref.type == refs[i].type);
            CHECK(is(ref.id, refs[i].id));
            CHECK(is(ref.revision, refs[i].revision));
            CHECK(is(ref.path, refs[i].path));
        }
        buf_release(&storage);
    }
    check_row(NULL);
}

static void check_folders(void)
{
    struct buf name = {0};

    repo_folder_name(REPO_MODEL, STR("acme/tiny"), &name);
    CHECK_STR(buf_cstr(&name), "models--acme--tiny");
    buf_clear(&name);
    repo_folder_name(REPO_DATASET, STR("squad"), &name);
    CHECK_STR(buf_cstr(&name), "datasets--squad");
    buf_release(&name);
}

int main(void)
{
    check_types();
    check_ids();
    check_revisions();
    check_paths();
    check_refs();
    check_folders();
    return check_end("test_repo");
}
