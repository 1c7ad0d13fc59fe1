/* bars.h: a run on a terminal: a line per file in flight and one for all of it, redrawn in place. */
#ifndef BARS_H
#define BARS_H

#include <stdbool.h>
#include <stddef.h>

#include "hfinit.h"

struct bars {
    int      fd;
    bool     is_on; /* a terminal that understands cursor movements */
    bool     is_unicode, is_coloured;
    unsigned rows;  /* on the screen now; the cursor is at the end of the last */
    char    *frame; /* owned; what is on the screen, to be put back after a log line */
    size_t   frame_len;
};

/* `env` is like environ: TERM, NO_COLOR, and LC_ALL, LC_CTYPE, LANG for what letters it can show. */
void bars_init(struct bars *bars, int fd, bool is_terminal);
void bars_release(struct bars *bars);
/* A hfinit_progress_fn; `user` is the bars. The last frame of a run is taken away. */
void bars_draw(const hfinit_progress *progress, void *user);
/* Around anything else that is written to the terminal. */
void bars_hide(struct bars *bars);
void bars_show(struct bars *bars);

/* One frame for a screen of this size, lines separated by \n; for tests too. Returns malloc'ed text,
 * *rows its lines. */
char *bars_render(const struct bars *bars, const hfinit_progress *progress, unsigned columns,
                  unsigned lines, unsigned *rows);

#endif
