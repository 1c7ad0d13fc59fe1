/* report_text.c: numbers and heartbeat lines as people read them in `kubectl logs`. */
#include <inttypes.h>
#include <stdio.h>

#include "report.h"
#include "report_emit.h"

enum {
    QUIET_AFTER_MS = 10000, /* a file without a byte for so long is worth a word */
    QUIET_SHOWN = 3,
};

static const char *const unit_name[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

/* Three digits at most: 1.5, 81.2, 210. */
static void format_in_unit(uint64_t bytes, unsigned unit, char out[16])
{
    unsigned __int128 tenths =
        ((unsigned __int128)bytes * 10u + ((1ull << (10 * unit)) >> 1)) >> (10 * unit);

    if (unit == 0)
        snprintf(out, 16, "%u", (unsigned)bytes);
    else if (tenths < 1000)
        snprintf(out, 16, "%u.%u", (unsigned)(tenths / 10), (unsigned)(tenths % 10));
    else
        snprintf(out, 16, "%u", (unsigned)((tenths + 5) / 10));
}

/* The largest unit in which the number is at least one, after rounding. */
static unsigned unit_of(uint64_t bytes)
{
    unsigned unit = 0;

    while (unit < 6 && (bytes >> (10 * unit)) >= 1024)
        unit++;
    if (unit > 0 && unit < 6 && (((bytes >> (10 * unit - 1)) + 1) >> 1) >= 1024)
        unit++;
    return unit;
}

void report_bytes(uint64_t bytes, char out[24])
{
    unsigned unit = unit_of(bytes);
    char     number[16];

    format_in_unit(bytes, unit, number);
    snprintf(out, 24, "%s %s", number, unit_name[unit]);
}

void report_bytes_of(uint64_t part, uint64_t whole, char out[48])
{
    unsigned unit = unit_of(whole);
    char     a[16], b[16];

    format_in_unit(part, unit, a);
    format_in_unit(whole, unit, b);
    snprintf(out, 48, "%s of %s %s", a, b, unit_name[unit]);
}

void report_duration(uint64_t ms, char out[24])
{
    uint64_t s = ms / 1000;

    if (ms < 1000)
        snprintf(out, 24, "%ums", (unsigned)ms);
    else if (s < 10)
        snprintf(out, 24, "%u.%us", (unsigned)s, (unsigned)(ms % 1000 / 100));
    else if (s < 60)
        snprintf(out, 24, "%us", (unsigned)s);
    else if (s < 3600)
        snprintf(out, 24, "%um %02us", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(out, 24, "%uh %02um", (unsigned)(s / 3600), (unsigned)(s % 3600 / 60));
    else
        snprintf(out, 24, "%" PRIu64 "d %02uh", s / 86400, (unsigned)(s % 86400 / 3600));
}

void report_add_seconds(struct buf *out, uint64_t ms)
{
    char text[24];

    report_duration(ms, text);
    if (ms >= 1000 && ms < 10000)
        buf_printf(out, "%us", (unsigned)(ms / 1000));
    else
        buf_add_str(out, str_from(text));
}

/* ---- the heartbeat ---- */

/* "12:01:07 UTC" */
static void add_time_of_day(struct buf *out, int64_t wall_ms)
{
    char stamp[32];

    log_timestamp(wall_ms, stamp);
    buf_printf(out, "%.8s UTC", stamp + 11);
}

static void add_transfer(const struct progress_view *view, struct buf *out)
{
    const struct progress_totals *t = &view->totals;
    char                          text[48], rate[24];

    report_bytes_of(progress_bytes_there(t), t->bytes_planned, text);
    buf_printf(out, " %u%%: %s", progress_percent(view), text);
    if (view->phase == PHASE_DOWNLOADING) {
        report_bytes(view->bytes_per_s_now, rate);
        buf_printf(out, ", %s/s", rate);
        if (view->eta_ms != UINT64_MAX && view->eta_ms > 0) {
            buf_add_str(out, STR(", "));
            report_add_seconds(out, view->eta_ms + 999);
            buf_add_str(out, STR(" left"));
        }
    }
    buf_printf(out, ", %" PRIu64 " of %" PRIu64 " files", progress_files_there(t),
               t->files_planned);
    if (view->retries)
        buf_printf(out, ", %" PRIu64 " %s", view->retries,
                   view->retries == 1 ? "retry" : "retries");
}

static void add_wait(const struct progress_view *view, struct buf *out)
{
    if (!view->waiting_for[0])
        return;
    buf_add_str(out, view->phase == PHASE_WAITING ? STR(": ") : STR("; waiting for "));
    report_add_line(out, str_from(view->waiting_for));
    if (view->waiting_until_wall_ms > 0) {
        buf_add_str(out, STR(" until "));
        add_time_of_day(out, view->waiting_until_wall_ms);
        if (view->waiting_until_wall_ms > view->now_wall_ms) {
            buf_add_str(out, STR(" (in "));
            report_add_seconds(out, (uint64_t)(view->waiting_until_wall_ms - view->now_wall_ms));
            buf_add_char(out, ')');
        }
    }
}

/* The one thing to know about a download that hangs: which file, since when, from which host. */
static void add_quiet(const struct progress_view *view, struct buf *out)
{
    unsigned quiet = 0;

    for (size_t i = 0; i < view->slot_count; i++) {
        const struct progress_slot *slot = &view->slot[i];

        if (slot->quiet_ms < QUIET_AFTER_MS || ++quiet > QUIET_SHOWN)
            continue;
        buf_add_str(out, quiet == 1 ? STR("; quiet for ") : STR(", for "));
        report_add_seconds(out, slot->quiet_ms);
        buf_add_str(out, STR(": "));
        report_add_line(out, str_from(slot->path));
        if (slot->host[0]) {
            buf_add_str(out, STR(" from "));
            report_add_line(out, str_from(slot->host));
        }
        buf_add_str(out, STR(" since "));
        add_time_of_day(out, view->now_wall_ms - (int64_t)slot->quiet_ms);
    }
    if (quiet > QUIET_SHOWN)
        buf_printf(out, " and %u more", quiet - QUIET_SHOWN);
}

void report_heartbeat(const struct progress_view *view, struct buf *out)
{
    bool moves = view->phase == PHASE_DOWNLOADING || view->phase == PHASE_VERIFYING;

    buf_add_str(out, str_from(progress_phase_name(view->phase)));
    if (moves && view->totals.files_planned) {
        add_transfer(view, out);
    } else {
        buf_add_str(out, STR(" for "));
        report_add_seconds(out, view->phase_ms[view->phase]);
    }
    add_wait(view, out);
    add_quiet(view, out);
}

void report_log_heartbeat(const struct log *log, const struct progress_view *view, bool as_json)
{
    const struct progress_totals *t = &view->totals;
    struct buf                    line = {0};

    report_heartbeat(view, &line);
    if (!as_json)
        log_write(log, LOG_INFO, buf_cstr(&line));
    else
        log_write(log, LOG_INFO, buf_cstr(&line),
                  LOG_CSTR("phase", progress_phase_name(view->phase)),
                  LOG_NUM("percent", progress_percent(view)),
                  LOG_NUM("bytes", progress_bytes_there(t)),
                  LOG_NUM("bytes_total", t->bytes_planned),
                  LOG_NUM("bytes_per_second", view->bytes_per_s_now),
                  LOG_INT("eta_ms", view->eta_ms == UINT64_MAX ? -1 : (int64_t)view->eta_ms),
                  LOG_NUM("files", progress_files_there(t)),
                  LOG_NUM("files_total", t->files_planned), LOG_NUM("retries", view->retries));
    buf_release(&line);
}
