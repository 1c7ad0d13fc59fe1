/* metrics.h: where the metrics of a run go: a listener, a file for node-exporter, a Pushgateway.
 *
 * The run hands its state over once a second and goes on; who asks gets the last page, made then, from
 * another thread. Nothing here ever fails a run: what does not work is a warning. It outlives the runs
 * of a sidecar. */
#ifndef HFI_METRICS_H
#define HFI_METRICS_H

#include <stdatomic.h>

#include "http.h"
#include "log.h"
#include "report.h"
#include "spec.h"

struct metrics;

struct metrics_config {
    const struct spec *spec; /* borrowed: metrics.*, name */
    struct clock       clock;
    const struct log  *log;
};

/* NULL if the spec wants none. Opens the port, for afterwards a sandbox may forbid that. */
struct metrics *metrics_new(const struct metrics_config *config);
/* Begins to answer, on a thread of its own; a second call does nothing. */
void metrics_start(struct metrics *m);
void metrics_free(struct metrics *m); /* NULL is fine, here and in all others */

/* The state of a run, to be shown from now on. `is_ready`: the marker is there. */
void metrics_show(struct metrics *m, const struct report_metrics *run, bool is_ready);
/* Is that of a run that failed what is shown? */
bool metrics_tells_failure(const struct metrics *m);
/* Between runs. */
void metrics_show_ready(struct metrics *m, bool is_ready);
enum metrics_look { METRICS_UNCHANGED, METRICS_CHANGED, METRICS_FAILED };
void metrics_count_look(struct metrics *m, enum metrics_look result);

bool metrics_wants_push(const struct metrics *m);
/* Puts the page that is shown to the Pushgateway. Takes at most limit_ms, and ends early once *stop is
 * set (NULL: never). */
void metrics_push(struct metrics *m, const struct http_config *http, uint64_t limit_ms,
                  const _Atomic int *stop);

#endif
