/* Requests as the Hub wants them written. */
#include "check.h"
#include "hub.h"

static void urls_are_written_like_the_official_client(void)
{
    static const struct {
        const char    *what, *endpoint;
        enum repo_type type;
        const char    *id, *revision, *path, *want;
    } rows[] = {
        {"revision", "https://huggingface.co", REPO_MODEL, "acme/tiny", "main", "",
         "https://huggingface.co/api/models/acme/tiny/revision/main?expand=sha"},
        {"revision", "https://huggingface.co", REPO_MODEL, "gpt2", "refs/pr/7", "",
         "https://huggingface.co/api/models/gpt2/revision/refs%2Fpr%2F7?expand=sha"},
        {"revision", "https://m.example/hf", REPO_DATASET, "acme/set", "feat/x y#1", "",
         "https://m.example/hf/api/datasets/acme/set/revision/feat%2Fx%20y%231?expand=sha"},
        {"revision", "https://huggingface.co", REPO_SPACE, "acme/app", "a?b%c", "",
         "https://huggingface.co/api/spaces/acme/app/revision/a%3Fb%25c?expand=sha"},
        {"tree", "http://hub:8080", REPO_MODEL, "acme/tiny", "9c3f", "",
         "http://hub:8080/api/models/acme/tiny/tree/9c3f?recursive=true&expand=false"},
        {"tree", "http://hub:8080", REPO_SPACE, "acme/app", "9c3f", "",
         "http://hub:8080/api/spaces/acme/app/tree/9c3f?recursive=true&expand=false"},
        {"resolve", "https://huggingface.co", REPO_MODEL, "acme/tiny", "9c3f", "a/b.bin",
         "https://huggingface.co/acme/tiny/resolve/9c3f/a/b.bin"},
        {"resolve", "https://huggingface.co", REPO_DATASET, "acme/set", "9c3f", "d 1/a#b%c?d+e.txt",
         "https://huggingface.co/datasets/acme/set/resolve/9c3f/d%201/a%23b%25c%3Fd%2Be.txt"},
        {"resolve", "https://m/hf", REPO_SPACE, "acme/app", "9c3f", "\xE6\x97\xA5.md",
         "https://m/hf/spaces/acme/app/resolve/9c3f/%E6%97%A5.md"},
        {"page", "https://huggingface.co", REPO_MODEL, "acme/tiny", "", "",
         "https://huggingface.co/acme/tiny"},
        {"page", "https://huggingface.co", REPO_DATASET, "acme/set", "", "",
         "https://huggingface.co/datasets/acme/set"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct str endpoint = str_from(rows[i].endpoint), id = str_from(rows[i].id);
        struct str revision = str_from(rows[i].revision), path = str_from(rows[i].path);
        struct buf out = {0};

        check_row(rows[i].want);
        if (!strcmp(rows[i].what, "revision"))
            hub_url_revision(&out, endpoint, rows[i].type, id, revision);
        else if (!strcmp(rows[i].what, "tree"))
            hub_url_tree(&out, endpoint, rows[i].type, id, revision);
        else if (!strcmp(rows[i].what, "resolve"))
            hub_url_resolve(&out, endpoint, rows[i].type, id, revision, path);
        else
            hub_url_page(&out, endpoint, rows[i].type, id);
        CHECK_STR(buf_cstr(&out), rows[i].want);
        buf_release(&out);
    }
}

static void ranges_become_inclusive(void)
{
    static const struct {
        struct range r;
        const char  *want;
    } rows[] = {
        {{0, 1}, "bytes=0-0"},
        {{0, 1024}, "bytes=0-1023"},
        {{67108864, 500000000000}, "bytes=67108864-499999999999"},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct buf out = {0};
        check_row(rows[i].want);
        hub_range_header(&out, rows[i].r);
        CHECK_STR(buf_cstr(&out), rows[i].want);
        buf_release(&out);
    }
}

int main(void)
{
    urls_are_written_like_the_official_client();
    ranges_become_inclusive();
    return check_end("test_hub_request");
}
