/* settings.h: what must hold of a spec that was loaded, and of one that was refused. */
#ifndef HFI_FUZZ_SETTINGS_H
#define HFI_FUZZ_SETTINGS_H

#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"
#include "names.h"
#include "report.h"
#include "spec.h"
#include "spec_table.h"
#include "spec_value.h"

/* The token that every load is given: it may be in no text that anybody sees. */
#define SECRET "s3cr3ts3cr3ts3cr3t"

static inline bool settings_show_secret(const char *text)
{
    return strstr(text, SECRET) != NULL;
}

/* A file named "-" is standard input. */
static inline void settings_without_input(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    REQUIRE(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    close(fd);
}

/* How the pod's end would look. */
static inline void settings_refused(const struct err *err)
{
    struct buf text = {0};

    REQUIRE(err->kind == ERR_SPEC || err->kind == ERR_USAGE);
    REQUIRE(err_exit_code(err->kind) == 2 && err->text[0]);
    REQUIRE(!settings_show_secret(err->text) && !settings_show_secret(err->hint));
    report_termination(NULL, NULL, err, &text);
    REQUIRE(fuzz_is_json(buf_view(&text)) && text.len <= REPORT_TERMINATION_MAX);
    buf_clear(&text);
    report_verdict_line(NULL, NULL, err, 0, false, &text);
    REQUIRE(fuzz_is_line(buf_view(&text)));
    buf_release(&text);
}

static inline void settings_visit(const char *path, struct str value, const char *origin,
                                  void *user)
{
    struct buf *all = user;

    buf_printf(all, "%s=%zu:", path, value.len);
    buf_add_str(all, value);
    REQUIRE(!settings_show_secret(origin));
}

/* A value that is shown, read again, is the same value. */
static inline void settings_come_back(enum spec_scope scope, const void *base, void *copy)
{
    size_t                     count;
    const struct spec_setting *table = spec_table(scope, &count);
    struct buf                 shown = {0}, again = {0};
    struct arena               arena = {0};
    struct err                 err;

    for (size_t i = 0; i < count; i++) {
        struct spec_scalar value;

        if (table[i].type == SPEC_LIST || table[i].type == SPEC_PATTERNS ||
            (table[i].traits & SPEC_IS_URL))
            continue;
        buf_clear(&shown);
        buf_clear(&again);
        spec_value_show(&table[i], base, &shown);
        value = (struct spec_scalar){.text = buf_view(&shown)};
        if (shown.len == 0) /* not set */
            continue;
        REQUIRE(spec_value_set(&arena, &table[i], &value, copy, &err) == 0);
        spec_value_show(&table[i], copy, &again);
        REQUIRE(str_eq(buf_view(&shown), buf_view(&again)));
    }
    buf_release(&shown);
    buf_release(&again);
    arena_release(&arena);
}

static inline void settings_of_repo(const struct spec *spec, const struct spec_repo *repo)
{
    struct spec_repo copy = *repo;
    struct err       err;

    REQUIRE(repo_check_id(repo->id, &err) == 0);
    REQUIRE(repo_check_revision(repo->revision, &err) == 0 && stays_below(repo->revision));
    REQUIRE(str_eq(repo->path, STR(".")) || stays_below(repo->path));
    REQUIRE(spec->layout == SPEC_LAYOUT_DIR || str_eq(repo->path, STR(".")));
    REQUIRE(!repo->require_commit || repo_is_commit(repo->revision));
    for (size_t i = 0; i < repo->files.count; i++)
        REQUIRE(stays_below(repo->files.item[i]));
    for (size_t i = 0; i < repo->ref_alias.count; i++)
        REQUIRE(stays_below(repo->ref_alias.item[i]));
    settings_come_back(SPEC_OF_REPO, repo, &copy);
}

static inline void settings_accepted(const struct spec *spec, struct buf *shown)
{
    struct spec copy = *spec;

    REQUIRE(spec->endpoint.count > 0 && spec->shard_index < spec->shard_count);
    REQUIRE(strlen(spec->digest) == 64 && strspn(spec->digest, "0123456789abcdef") == 64);
    for (size_t i = 0; i < spec->endpoint.count; i++)
        REQUIRE(!str_has_suffix(spec->endpoint.item[i], STR("/")));
    for (size_t i = 0; i < spec->repo_count; i++)
        settings_of_repo(spec, &spec->repo[i]);
    settings_come_back(SPEC_OF_RUN, spec, &copy);
    spec_visit(spec, settings_visit, shown);
    REQUIRE(!settings_show_secret(buf_cstr(shown)));
}

/* Loads it twice: the same comes out. Was it accepted? */
static inline bool settings_load(const struct spec_source *source)
{
    struct buf  first = {0}, second = {0};
    struct spec spec;
    struct err  err = {0}, other = {0};
    int         rc;

    settings_without_input();
    rc = spec_load(&spec, source, &err);
    if (rc)
        settings_refused(&err);
    else
        settings_accepted(&spec, &first);
    spec_release(&spec);
    REQUIRE(spec_load(&spec, source, &other) == rc);
    if (rc)
        REQUIRE(strcmp(err.text, other.text) == 0);
    else
        spec_visit(&spec, settings_visit, &second);
    REQUIRE(str_eq(buf_view(&first), buf_view(&second)));
    spec_release(&spec);
    buf_release(&first);
    buf_release(&second);
    return rc == 0;
}

#endif
