/* Names: a path, an id, a revision, a folder of the spec that is accepted never leads out of the
 * target, by walking it and on a real volume with a link planted on it. Input: the name. */
#include <errno.h>
#include <fcntl.h>

#include "../unit/volume.h"
#include "fuzz.h"
#include "names.h"
#include "repo.h"
#include "spec_rules.h"

static int root_fd = -1;

static void leave_nothing(void)
{
    volume_remove();
}

/* A folder with a link to the one above it, and one to a file outside. */
static void make_volume(void)
{
    struct err err;

    if (root_fd >= 0)
        return;
    volume_new();
    atexit(leave_nothing);
    REQUIRE(mkdir(at("target"), 0755) == 0);
    REQUIRE(symlink("..", at("target/l")) == 0 && symlink("../outside", at("target/f")) == 0);
    root_fd = fs_open_dir(at("target"), &err);
    REQUIRE(root_fd >= 0);
}

/* Takes away the file and the folders that were made for it. */
static void remove_again(const char *path)
{
    char *at_slash, *rest = mem_strdup(path);

    unlinkat(root_fd, rest, 0);
    while ((at_slash = strrchr(rest, '/'))) {
        *at_slash = '\0';
        unlinkat(root_fd, rest, AT_REMOVEDIR);
    }
    free(rest);
}

/* Where a descriptor really is. */
static void lies_below_target(int fd, const char *path)
{
    char    link[64], place[8192], want[8192];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, place, sizeof(place) - 1);
    REQUIRE(len > 0);
    place[len] = '\0';
    snprintf(link, sizeof(link), "/proc/self/fd/%d", root_fd);
    len = readlink(link, want, sizeof(want) - 1);
    REQUIRE(len > 0);
    snprintf(want + len, sizeof(want) - (size_t)len, "/%s", path);
    REQUIRE(strcmp(place, want) == 0);
}

static void is_written_below_target(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct err  err;
    int         fd;

    make_volume();
    if (slash) {
        char *folder = mem_strndup(path, (size_t)(slash - path));

        fs_make_dirs_at(root_fd, folder, 0755, &err);
        free(folder);
    }
    fd = fs_open_at(root_fd, path, O_RDWR | O_CREAT, 0644, &err);
    if (fd >= 0) {
        lies_below_target(fd, path);
        fs_close(&fd);
        remove_again(path);
    } else if (slash && strncmp(path, "l/", 2) != 0 && strncmp(path, "f/", 2) != 0) {
        remove_again(path); /* folders that were made in vain */
    }
    REQUIRE(!is_there("outside"));
}

static void paths(struct input *in, struct str path)
{
    struct err err;

    if (repo_check_path(path, &err)) {
        REQUIRE(err.kind == ERR_UNSAFE_NAME && fuzz_is_line(str_from(err.text)));
        return;
    }
    REQUIRE(stays_below(path));
    if (path.len < 1000)
        is_written_below_target(input_zero_terminated(in, path));
}

/* A folder's name in the Hub cache tells the id and nothing else. */
static void ids(struct str id)
{
    struct buf folder = {0}, back = {0};
    struct err err;
    struct str rest;

    if (repo_check_id(id, &err)) {
        REQUIRE(err.kind == ERR_SPEC && fuzz_is_line(str_from(err.text)));
        return;
    }
    REQUIRE(stays_below(id));
    repo_folder_name(REPO_DATASET, id, &folder);
    REQUIRE(stays_below(buf_view(&folder)) && str_find_char(buf_view(&folder), '/', 0) < 0);
    rest = str_sub(buf_view(&folder), strlen("datasets--"), folder.len);
    for (size_t i = 0; i < rest.len; i++) {
        bool is_slash = str_has_prefix(str_sub(rest, i, rest.len), STR("--"));

        buf_add_char(&back, is_slash ? '/' : rest.p[i]);
        i += is_slash;
    }
    REQUIRE(str_eq(buf_view(&back), id));
    buf_release(&folder);
    buf_release(&back);
}

static void references(struct str text)
{
    struct buf      storage = {0};
    struct repo_ref ref;
    struct err      err;

    if (repo_ref_parse(text, &storage, &ref, &err) == 0) {
        REQUIRE(repo_check_id(ref.id, &err) == 0);
        REQUIRE(ref.revision.len == 0 || repo_check_revision(ref.revision, &err) == 0);
    } else {
        REQUIRE(err.kind == ERR_SPEC && fuzz_is_line(str_from(err.text)));
    }
    buf_release(&storage);
}

static void revisions(struct str revision)
{
    struct err err;

    if (repo_check_revision(revision, &err) == 0)
        REQUIRE(stays_below(revision)); /* it becomes a file below refs/ */
    if (repo_is_commit(revision))
        REQUIRE(revision.len == 40 && repo_check_revision(revision, &err) == 0);
}

/* path: of the spec; "." and empty segments are taken out of it later. */
static void folders(struct str text)
{
    struct buf normal = {0};
    struct str segment;
    struct err err;

    if (text.len == 0 || spec_rule_path(text, &err))
        return;
    while (str_cut(&text, '/', &segment)) {
        if (segment.len == 0 || str_eq(segment, STR(".")))
            continue;
        if (normal.len)
            buf_add_char(&normal, '/');
        buf_add_str(&normal, segment);
    }
    REQUIRE(normal.len == 0 || repo_check_path(buf_view(&normal), &err) ||
            stays_below(buf_view(&normal)));
    buf_release(&normal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct str   text = input_rest(&in);

    REQUIRE(str_is_utf8(text) == fuzz_is_utf8(text));
    paths(&in, text);
    ids(text);
    references(text);
    revisions(text);
    folders(text);
    input_release(&in);
    return 0;
}
