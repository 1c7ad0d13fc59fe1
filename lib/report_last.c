/* report_last.c: what a run leaves when die() cuts it down. The texts are made beforehand with a place
 * for the reason in them; whoever dies only fills that in. */
#include <string.h>

#include "report.h"

#define BLANKS_40 "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"

/* As long as the longest reason. */
static const char blank[] = BLANKS_40 BLANKS_40 BLANKS_40 BLANKS_40 BLANKS_40;

void last_words_prepare(struct last_words *words, const struct report_run *run,
                        const struct progress_view *view, bool with_status)
{
    int        next = !atomic_load(&words->current);
    struct err err;

    err_set(&err, ERR_INTERNAL, "%s", blank);
    err_hint(&err, "if memory ran out, give the container more of it; else this is a bug in "
                   "hf-init: please report it with the log");
    buf_clear(&words->status[next]);
    buf_clear(&words->termination[next]);
    report_termination(run, view, &err, &words->termination[next]);
    if (with_status) {
        struct progress_view failed = *view;

        failed.phase = PHASE_FAILED;
        failed.slot_count = 0;
        report_status(run, &failed, &err, &words->status[next]);
    }
    atomic_store(&words->current, next);
}

/* In place: the reason is never longer than the blank. */
static const char *fill_in(struct buf *text, const char *why)
{
    char  *at = text->p && text->len ? strstr(text->p, blank) : NULL;
    size_t len = 0;

    if (!at)
        return buf_cstr(text);
    for (; len < sizeof(blank) - 1 && why[len]; len++) {
        bool plain = (unsigned char)why[len] >= ' ' && why[len] != '"' && why[len] != '\\';

        at[len] = plain ? why[len] : ' ';
    }
    memmove(at + len, at + sizeof(blank) - 1, strlen(at + sizeof(blank) - 1) + 1);
    return text->p;
}

struct last_words_view last_words_speak(struct last_words *words, const char *why)
{
    int current = atomic_load(&words->current);

    return (struct last_words_view){
        .status = fill_in(&words->status[current], why),
        .termination = fill_in(&words->termination[current], why),
    };
}

void last_words_release(struct last_words *words)
{
    for (int i = 0; i < 2; i++) {
        buf_release(&words->status[i]);
        buf_release(&words->termination[i]);
    }
}
