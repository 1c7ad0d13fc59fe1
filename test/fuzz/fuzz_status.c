/* Status: what is written is JSON that reads well; what is read, from a volume that others write to,
 * never reaches a terminal as anything but lines. Input: a byte (bit 0: a status document follows),
 * then that, or the lines of run.h. */
#include "fuzz.h"
#include "run.h"

static const int64_t now_ms = 1795378337000;

static void are_lines(struct str text)
{
    struct str line;

    REQUIRE(text.len == 0 || text.p[text.len - 1] == '\n');
    while (str_cut(&text, '\n', &line))
        REQUIRE(fuzz_is_line(line));
}

static void is_told_to_people(struct str json)
{
    struct buf text = {0};
    struct err err = {0};
    int        code = report_status_exit_code(json);

    REQUIRE(code >= 0 && code < 256);
    if (report_status_text(json, now_ms, &text, &err) == 0) {
        REQUIRE(text.len > 0 && fuzz_is_utf8(buf_view(&text)));
        are_lines(buf_view(&text));
    } else {
        REQUIRE(err.kind == ERR_BAD_ANSWER && text.len == 0 && code == 3);
    }
    buf_release(&text);
}

static int code_of(const struct fuzz_run *r)
{
    switch (r->view.phase) {
    case PHASE_COMPLETE: return 0;
    case PHASE_FAILED:
    case PHASE_CANCELLED: return r->err.kind ? err_exit_code(r->err.kind) : 3;
    default: return 3;
    }
}

static void is_written(struct input *in)
{
    struct fuzz_run r;
    struct buf      json = {0}, line = {0};

    run_read(&r, in);
    report_status(&r.run, &r.view, &r.err, &json);
    REQUIRE(fuzz_is_json(buf_view(&json)));
    REQUIRE(json.p[json.len - 1] == '\n');
    is_told_to_people(buf_view(&json));
    REQUIRE(report_status_exit_code(buf_view(&json)) == code_of(&r));
    report_heartbeat(&r.view, &line);
    REQUIRE(fuzz_is_line(buf_view(&line)));
    buf_release(&json);
    buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);

    if (input_byte(&in) & 1)
        is_told_to_people(input_rest(&in));
    else
        is_written(&in);
    input_release(&in);
    return 0;
}
