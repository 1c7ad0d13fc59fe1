/* report_status_text.c: the status document as a person wants it told.
 *
 * Input is a file from a shared volume, written by another process, perhaps of another version:
 * what is missing is left out, nothing is trusted to be there. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "report.h"
#include "report_emit.h"

enum { SILENT_AFTER_S = 15 }; /* a live run writes once a second; slow volumes lag behind */

static struct str text_of(const struct json *object, const char *key)
{
    struct str text = {"", 0};

    json_str(json_get(object, key), &text);
    return text;
}

static uint64_t number_of(const struct json *object, const char *key)
{
    uint64_t number = 0;

    json_u64(json_get(object, key), &number);
    return number;
}

static void add_text(struct buf *out, const struct json *object, const char *key)
{
    report_add_line(out, text_of(object, key));
}

/* "2026-11-22T20:12:17.123Z" to seconds since 1970; 0 if it is not of that form. */
static int64_t seconds_of(struct str stamp)
{
    struct tm utc = {0};
    char      text[20];

    if (stamp.len < sizeof(text) - 1)
        return 0;
    memcpy(text, stamp.p, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    return strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) ? (int64_t)timegm(&utc) : 0;
}

static bool phase_is(const struct json *root, const char *name)
{
    return str_eq(text_of(root, "phase"), str_from(name));
}

static bool is_over(const struct json *root)
{
    return phase_is(root, "complete") || phase_is(root, "failed") || phase_is(root, "cancelled");
}

static uint64_t there(const struct json *counts)
{
    return number_of(counts, "present") + number_of(counts, "done");
}

/* "downloading 18%: 2.4 of 13.1 GiB, 210 MiB/s, 52s left, 14 of 40 files" */
static void add_headline(const struct json *root, struct buf *out)
{
    const struct json *totals = json_get(root, "totals"), *files = json_get(totals, "files"),
                      *bytes = json_get(totals, "bytes");
    char     text[48];
    uint64_t eta_s;

    add_text(out, root, "phase");
    if (number_of(files, "planned")) {
        report_bytes_of(there(bytes), number_of(bytes, "planned"), text);
        buf_printf(out, " %" PRIu64 "%%: %s, %" PRIu64 " of %" PRIu64 " files",
                   number_of(totals, "percent"), text, there(files), number_of(files, "planned"));
    }
    if (phase_is(root, "downloading")) {
        report_bytes(number_of(totals, "bytesPerSecond"), text);
        buf_printf(out, ", %s/s", text);
        if (json_u64(json_get(totals, "etaSeconds"), &eta_s) && eta_s < UINT64_MAX / 1000) {
            buf_add_str(out, STR(", "));
            report_add_seconds(out, eta_s * 1000);
            buf_add_str(out, STR(" left"));
        }
    }
    buf_add_char(out, '\n');
}

static void add_labelled(struct buf *out, const char *label, const struct json *object,
                         const char *key)
{
    if (!text_of(object, key).len)
        return;
    buf_printf(out, "  %-9s ", label);
    add_text(out, object, key);
    buf_add_char(out, '\n');
}

static void add_writer(const struct json *root, int64_t now_wall_ms, struct buf *out)
{
    int64_t heartbeat_s = seconds_of(text_of(root, "heartbeat"));
    int64_t age_s = now_wall_ms / 1000 - heartbeat_s;

    buf_printf(out, "  %-9s hf-init ", "by");
    add_text(out, root, "version");
    buf_add_str(out, STR(" on "));
    add_text(out, root, "host");
    buf_printf(out, ", pid %" PRIu64, number_of(root, "pid"));
    if (heartbeat_s && age_s >= 0) {
        buf_add_str(out, STR(", last sign of life "));
        if (age_s)
            report_add_seconds(out, (uint64_t)age_s * 1000);
        else
            buf_add_str(out, STR("less than 1s"));
        buf_add_str(out, STR(" ago"));
        if (!is_over(root) && age_s > SILENT_AFTER_S)
            buf_add_str(out, STR(": it is gone, stuck, or its volume hangs"));
    }
    buf_add_char(out, '\n');
}

static void add_repo(const struct json *repo, struct buf *out)
{
    const struct json *files = json_get(repo, "files"), *bytes = json_get(repo, "bytes"),
                      *error = json_get(repo, "error");
    struct str commit = text_of(repo, "commit");
    char       text[48];

    report_bytes_of(there(bytes), number_of(bytes, "planned"), text);
    buf_add_str(out, STR("  "));
    add_text(out, repo, "id");
    buf_add_char(out, '@');
    add_text(out, repo, "revision");
    if (commit.len && !str_eq(commit, text_of(repo, "revision"))) {
        buf_add_str(out, STR(" ("));
        report_add_line(out, str_sub(commit, 0, 8));
        buf_add_char(out, ')');
    }
    buf_add_str(out, STR(": "));
    add_text(out, repo, "state");
    if (number_of(files, "planned"))
        buf_printf(out, ", %s, %" PRIu64 " of %" PRIu64 " files", text, there(files),
                   number_of(files, "planned"));
    if (error) {
        buf_add_str(out, STR(", "));
        add_text(out, error, "reason");
        buf_add_str(out, STR(": "));
        add_text(out, error, "message");
    }
    buf_add_char(out, '\n');
}

static void add_file(const struct json *file, struct buf *out)
{
    uint64_t quiet_s = number_of(file, "quietSeconds");
    char     text[48];

    report_bytes_of(number_of(file, "bytesDone"), number_of(file, "bytes"), text);
    buf_printf(out, "  %s  ", text);
    add_text(out, file, "path");
    if (text_of(file, "host").len) {
        buf_add_str(out, STR(" from "));
        add_text(out, file, "host");
    }
    if (quiet_s >= 10 && quiet_s < UINT64_MAX / 1000) {
        buf_add_str(out, STR(", no byte for "));
        report_add_seconds(out, quiet_s * 1000);
    }
    buf_add_char(out, '\n');
}

static void add_list(const struct json *root, const char *key, const char *title,
                     void (*add)(const struct json *, struct buf *), struct buf *out)
{
    const struct json *array = json_get(root, key), *item = NULL;

    if (json_is_array(array))
        item = json_first(array);
    if (item)
        buf_printf(out, "%s\n", title);
    for (; item; item = json_next(item))
        add(item, out);
}

static void add_error(const struct json *root, struct buf *out)
{
    const struct json *error = json_get(root, "error");

    if (!json_is_object(error))
        return;
    buf_add_str(out, STR("error "));
    add_text(out, error, "reason");
    buf_printf(out, " (exit %" PRIu64 ")\n", number_of(error, "exitCode"));
    add_labelled(out, "what", error, "message");
    add_labelled(out, "next", error, "hint");
    add_labelled(out, "url", error, "url");
    add_labelled(out, "request", error, "requestId");
}

static bool is_status(const struct json *root)
{
    return json_is_object(root) && str_has_prefix(text_of(root, "schema"), STR("hf-init/status/"));
}

int report_status_text(struct str json, int64_t now_wall_ms, struct buf *out, struct err *err)
{
    struct json *root = NULL;

    if (json_parse(json, &root, err))
        return err_wrap(err, "the status file");
    if (!is_status(root)) {
        json_free(root);
        return err_set(err, ERR_BAD_ANSWER, "the status file is not a hf-init status document");
    }
    add_headline(root, out);
    add_labelled(out, "waiting", root, "waitingFor");
    add_labelled(out, "until", root, "waitingUntil");
    add_labelled(out, "target", root, "target");
    add_labelled(out, "started", root, "startedAt");
    add_labelled(out, "complete", root, "completedAt");
    add_writer(root, now_wall_ms, out);
    add_error(root, out);
    add_list(root, "repos", "repos", add_repo, out);
    add_list(root, "inFlight", "in flight", add_file, out);
    json_free(root);
    return 0;
}

int report_status_exit_code(struct str json)
{
    struct json *root = NULL;
    struct err   ignored;
    uint64_t     code = 0;
    int          answer = REPORT_NOT_YET;

    if (json_parse(json, &root, &ignored))
        return REPORT_NOT_YET;
    if (is_status(root) && phase_is(root, "complete"))
        answer = 0;
    else if (is_status(root) && is_over(root) &&
             json_u64(json_get(json_get(root, "error"), "exitCode"), &code) && code > 0 &&
             code < 256)
        answer = (int)code;
    json_free(root);
    return answer;
}
