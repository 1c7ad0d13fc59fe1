/* Markers: what is written is read back; what is read is of the right form, all of it or nothing.
 * Input: a byte (bit 0: a marker's text follows), then that, or the lines of run.h. */
#include "fuzz.h"
#include "run.h"

static const char spec_digest[] =
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static bool is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

static void whole_or_nothing(struct str text)
{
    static const char  pinned[] = "0123456789abcdef0123456789abcdef01234567";
    struct report_repo before[2] = {
        {.id = "org/one", .type = "model", .revision = "main", .path = "one"},
        {.id = "org/two", .type = "dataset", .revision = pinned, .path = "", .optional = true},
    };
    struct report_repo repo[2];

    memcpy(repo, before, sizeof(repo));
    if (!report_read_marker(text, spec_digest, repo, 2)) {
        REQUIRE(memcmp(repo, before, sizeof(repo)) == 0);
        return;
    }
    REQUIRE(fuzz_is_utf8(text));
    REQUIRE(is_hex(repo[0].commit, 40) && is_hex(repo[0].list_digest, 64));
    REQUIRE(repo[1].commit[0] == '\0' || strcmp(repo[1].commit, pinned) == 0);
    for (int i = 0; i < 2; i++)
        REQUIRE(repo[i].id == before[i].id && repo[i].bytes < 1ull << 53);
}

/* The same repo twice cannot be told apart; a spec has none twice. */
static bool are_different(const struct report_run *run)
{
    const struct report_repo *a = &run->repo[0], *b = &run->repo[1];

    return run->repo_count < 2 || strcmp(a->id, b->id) != 0;
}

static bool is_readable(const struct report_repo *repo)
{
    bool pinned = is_hex(repo->revision, 40);

    return repo->commit[0] ? !pinned || strcmp(repo->revision, repo->commit) == 0 : repo->optional;
}

static void comes_back(struct input *in)
{
    struct fuzz_run    r;
    struct report_repo repo[RUN_REPOS];
    struct buf         text = {0};
    bool               readable = true;

    run_read(&r, in);
    report_marker(&r.run, r.view.now_wall_ms, &text);
    REQUIRE(fuzz_is_json(buf_view(&text)));
    for (size_t i = 0; i < r.run.repo_count; i++) {
        repo[i] = r.repo[i];
        repo[i].file_count = repo[i].bytes = 0;
        memset(repo[i].commit, 0, sizeof(repo[i].commit));
        memset(repo[i].list_digest, 0, sizeof(repo[i].list_digest));
        readable = readable && is_readable(&r.repo[i]);
    }
    if (r.is_text && are_different(&r.run)) {
        REQUIRE(report_read_marker(buf_view(&text), spec_digest, repo, r.run.repo_count) ==
                readable);
        for (size_t i = 0; readable && i < r.run.repo_count; i++) {
            REQUIRE(strcmp(repo[i].commit, r.repo[i].commit) == 0);
            if (!repo[i].commit[0])
                continue;
            REQUIRE(repo[i].bytes == r.repo[i].bytes);
            REQUIRE(repo[i].file_count == r.repo[i].file_count);
            REQUIRE(strcmp(repo[i].list_digest, r.repo[i].list_digest) == 0);
        }
    }
    REQUIRE(report_read_marker(buf_view(&text), "another", repo, r.run.repo_count) == 0);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);

    if (input_byte(&in) & 1)
        whole_or_nothing(input_rest(&in));
    else
        comes_back(&in);
    input_release(&in);
    return 0;
}
