/* progress_view.c: what a reader makes of a look at a run. */
#include <stdlib.h>

#include "progress.h"

void progress_view_release(struct progress_view *view)
{
    free(view->repo);
    view->repo = NULL;
    view->repo_count = 0;
}

uint64_t progress_bytes_there(const struct progress_totals *totals)
{
    uint64_t there = totals->bytes_present + totals->bytes_done;

    return there < totals->bytes_planned ? there : totals->bytes_planned;
}

uint64_t progress_files_there(const struct progress_totals *totals)
{
    uint64_t there = totals->files_present + totals->files_done;

    return there < totals->files_planned ? there : totals->files_planned;
}

unsigned progress_percent(const struct progress_view *view)
{
    const struct progress_totals *t = &view->totals;
    unsigned                      percent;

    if (view->phase == PHASE_COMPLETE)
        return 100;
    if (t->bytes_planned == 0)
        return 0;
    percent = (unsigned)((unsigned __int128)progress_bytes_there(t) * 100u / t->bytes_planned);
    /* All bytes here but files still to hash and publish: not there yet. */
    return percent == 100 && progress_files_there(t) < t->files_planned ? 99 : percent;
}
