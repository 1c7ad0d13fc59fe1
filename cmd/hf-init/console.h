/* console.h: where lines go. Standard error is often a pipe that somebody else reads, or forgot to
 * read: a full pipe must never hold up a download. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdbool.h>

#include "bars.h"
#include "hfinit.h"

struct console {
    struct bars bars; /* around which lines are written, on a terminal */
    int         fd;
    bool        is_terminal;
    bool        is_closed; /* nobody reads any more */
    bool        is_stuck;  /* the last line found no room in time */
    unsigned    dropped;   /* lines since then; said when there is room again */
};

void console_init(struct console *console, int fd);
/* A hfinit_log_fn; `user` is the console. */
void console_log(hfinit_level level, const char *line, size_t len, void *user);
/* A line of the command itself, as important as an error. */
void console_say(struct console *console, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints an error of a command that has no verdict of its own. */
void console_error(struct console *console, const hfinit_error *error);

/* Results. Flushes standard output: 0, or -1 with an error; a reader that left early is fine. */
int console_finish_stdout(hfinit_error *error);

#endif
