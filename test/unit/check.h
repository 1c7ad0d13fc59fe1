/* check.h: the little that a table test needs. A failed check prints its place and goes on, so that
 * one run shows all failures; check_end() prints the summary and gives main's exit code. */
#ifndef HFI_CHECK_H
#define HFI_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct {
    unsigned    passed, failed;
    const char *row; /* name of the table row being checked, or NULL */
} check_state;

static inline bool check_one(bool ok, const char *file, int line, const char *what)
{
    if (ok) {
        check_state.passed++;
        return true;
    }
    check_state.failed++;
    printf("%s:%d: %s%s%s\n", file, line, check_state.row ? check_state.row : "",
           check_state.row ? ": " : "", what);
    return false;
}

static inline bool check_text(const char *got, const char *want, const char *file, int line)
{
    char what[2048];

    snprintf(what, sizeof(what), "got \"%s\", want \"%s\"", got ? got : "(null)",
             want ? want : "(null)");
    return check_one(got && want && strcmp(got, want) == 0, file, line, what);
}

static inline bool check_number(uint64_t got, uint64_t want, const char *file, int line)
{
    char what[128];

    snprintf(what, sizeof(what), "got %" PRIu64 ", want %" PRIu64, got, want);
    return check_one(got == want, file, line, what);
}

static inline void check_row(const char *name)
{
    check_state.row = name;
}

static inline int check_end(const char *program)
{
    printf("%s: %u passed, %u failed\n", program, check_state.passed, check_state.failed);
    return check_state.failed ? 1 : 0;
}

#define CHECK(cond)          check_one((cond), __FILE__, __LINE__, #cond)
#define CHECK_STR(got, want) check_text((got), (want), __FILE__, __LINE__)
#define CHECK_U64(got, want) check_number((got), (want), __FILE__, __LINE__)
/* Does the text contain the piece? */
#define CHECK_HAS(text, piece)                                         \
    (strstr((text), (piece)) ? check_one(true, __FILE__, __LINE__, "") \
                             : check_text((text), "…" piece "…", __FILE__, __LINE__))
#define CHECK_COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
