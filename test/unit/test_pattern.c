/* test_pattern.c: patterns select what huggingface_hub would select. */
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"
#include "pattern.h"

/* Each row was produced by running huggingface_hub's own filter. */
static const struct {
    const char *pattern, *path;
    bool        matches;
} rows[] = {
    /* clang-format off */
    {"*.json", "config.json", true},
    {"*.json", "sub/config.json", true},
    {"*.json", "a/b/c.json", true},
    {"*.json", "config.jsonl", false},
    {"*.json", ".json", true},
    {"*.JSON", "config.json", false},
    {"config.json", "config.json", true},
    {"config.json", "sub/config.json", false},
    {"*", ".gitattributes", true},
    {"*", "a/b", true},
    {"*.*", "LICENSE", false},
    {"data/", "data/x.parquet", true},
    {"data/", "data/sub/x.parquet", true},
    {"data/", "data", false},
    {"data/", "olddata/x.parquet", false},
    {"data", "data/x.parquet", false},
    {"data/*", "data/sub/x.parquet", true},
    {"data/**", "data/x", true},
    {"data/**", "data/", true},
    {"**/x.bin", "x.bin", false},
    {"**/x.bin", "a/x.bin", true},
    {"**/x.bin", "a/b/x.bin", true},
    {"*/x.bin", "a/b/x.bin", true},
    {"*x.bin", "x.bin", true},
    {"model-???"
     "?" "?-of-00002.safetensors", "model-00001-of-00002.safetensors", true},
    {"model-?.bin", "model-10.bin", false},
    {"?", "/", true},
    {"a?b", "a/b", true},
    {"model-0000[1-3].bin", "model-00002.bin", true},
    {"model-0000[1-3].bin", "model-00004.bin", false},
    {"[!a]*", "b.txt", true},
    {"[!a]*", "a.txt", false},
    {"[!.]*", ".gitattributes", false},
    {"[^a]*", "a.txt", true},
    {"[^a]*", "^x", true},
    {"[^a]*", "b.txt", false},
    {"[abc", "[abc", true},
    {"[abc", "a", false},
    {"[]", "[]", true},
    {"[]]", "]", true},
    {"[!]]", "a", true},
    {"[!]]", "]", false},
    {"[a-]", "-", true},
    {"[a-]", "b", false},
    {"[z-a]", "m", false},
    {"[!z-a]", "m", true},
    {"[*]", "*", true},
    {"[*]", "x", false},
    {"[?]", "?", true},
    {"[[]x", "[x", true},
    {"a[/]b", "a/b", true},
    {"[a-c]/[!d]", "a/d", false},
    {"*.{json,txt}", "a.json", false},
    {"*.{json,txt}", "a.{json,txt}", true},
    {"a\\b", "a/b", true},
    {"unet\\*.json", "unet/x.json", true},
    {"\\*", "*", false},
    {"\\*", "/x", true},
    {"*\303\251*", "d\303\251.txt", true},
    {"?.txt", "\303\251.txt", true},
    {"*.txt", "a\nb.txt", true},
    {" *.txt", "a.txt", false},
    {"", "a.txt", false},
    {"", "", true},
    {"README.md", "readme.md", false},
    {"./config.json", "config.json", false},
    {"/config.json", "config.json", false},
    {"onnx/", "onnx/model.onnx", true},
    {"onnx", "onnx/model.onnx", false},
    {"original/*", "original/consolidated.00.pth", true},
    {"*consolidated*", "original/consolidated.00.pth", true},
    {"*.bin.index.json", "pytorch_model.bin.index.json", true},
    {"*.bin", "pytorch_model.bin.index.json", false},
    {"a+b(1).txt", "a+b(1).txt", true},
    {"a.txt", "axtxt", false},
    {"***", "x/y", true},
    {"[]-a]", "^", true},
    {"[a-c-e]", "-", true},
    {"[a-c-e]", "d", false},
    {"[--/]", ".", true},
    {"*?c", "abc", true},
    {"*?c", "c", false},
    {"*[bc]d", "abcd", true},
    {"*[bc]d", "abad", false},
    {"*\303\251.b", "a\303\251.\303\251.b", true},
    {"*a.b", "a.aa.b", true},
    {"*a.b", "a.aa.c", false},
    /* clang-format on */
};

static void check_rows(void)
{
    char name[200];

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        snprintf(name, sizeof(name), "row %zu: %s on %s", i + 1, rows[i].pattern, rows[i].path);
        check_row(name);
        CHECK(pattern_matches(str_from(rows[i].pattern), str_from(rows[i].path)) ==
              rows[i].matches);
    }
    check_row(NULL);
}

static const struct {
    const char *name, *pattern, *path;
    bool        matches;
} more[] = {
    {"a folder pattern matches what a later star would", "*a/", "ba/c", true},
    {"a folder pattern written with a backslash", "data\\", "data/x", true},
    {"a folder pattern does not reach a sibling", "a/", "ab/c", false},
    {"an invalid byte is one unit for ?", "a?b", "a\377b", true},
    {"an invalid byte is taken by *", "a*b", "a\377\376b", true},
    {"an invalid byte is no literal", "a\377b", "a\377b", false},
    {"an invalid byte is in no class, not even a complement", "a[!x]b", "a\377b", false},
    {"a cut-off sequence is invalid bytes",
     "?"
     "??",
     "a\303", false},
    {"a class of code points", "[\303\240-\303\277]", "\303\251", true},
    {"a class of code points excludes", "[!\303\240-\303\277]", "\303\251", false},
    {"a backslash in a class is a separator", "a[\\]b", "a/b", true},
    {"a backslash in the path is a separator", "a/b", "a\\b", true},
    {"a class that never closes after a closed one", "[a][b", "a[b", true},
    {"two stars share what is between", "a*b*c", "axbxbxc", true},
    {"the last star gives way", "*.tar.gz", "a.tar.tar.gz", true},
    {"the end must match", "*.tar", "a.tar.gz", false},
    {"a slash finds either kind", "*/b", "x/a\\\\b", true},
};

static void check_more(void)
{
    for (size_t i = 0; i < CHECK_COUNT(more); i++) {
        check_row(more[i].name);
        CHECK(pattern_matches(str_from(more[i].pattern), str_from(more[i].path)) ==
              more[i].matches);
    }
    check_row(NULL);
}

static void check_selection(void)
{
    const struct str          json = STR("*.json"), b = STR("b*");
    const struct pattern_list none = {0}, empty = {.is_set = true};
    const struct pattern_list allow = {&json, 1, true}, ignore = {&b, 1, true};

    CHECK(pattern_selects(&allow, &ignore, STR("a.json")));
    CHECK(!pattern_selects(&allow, &ignore, STR("b.json"))); /* ignore always wins */
    CHECK(!pattern_selects(&allow, &ignore, STR("a.txt")));
    CHECK(pattern_selects(&none, &none, STR("a.txt")));
    CHECK(pattern_selects(&none, &empty, STR("a.txt")));
    CHECK(!pattern_selects(&empty, &none, STR("a.txt"))); /* an empty allow list matches nothing */
    CHECK(!pattern_selects(&none, &ignore, STR("b.txt")));
}

/* What takes exponential or cubic time in a careless matcher. The alarm ends a test that hangs. */
static void check_time(void)
{
    static const char *const units[] = {"*", "*a", "[", "[a", "[!]]", "?*", "[a-z]*"};
    struct buf               pattern = {0}, path = {0};

    alarm(60);
    for (int i = 0; i < 4000; i++)
        buf_add_char(&path, i % 7 ? 'a' : '[');
    for (size_t i = 0; i < CHECK_COUNT(units); i++) {
        buf_clear(&pattern);
        while (pattern.len < 4000)
            buf_add_str(&pattern, str_from(units[i]));
        buf_add_char(&pattern, 'x');
        CHECK(!pattern_matches(buf_view(&pattern), buf_view(&path)));
    }
    alarm(0);
    buf_release(&pattern);
    buf_release(&path);
}

int main(void)
{
    check_rows();
    check_more();
    check_selection();
    check_time();
    return check_end("test_pattern");
}
