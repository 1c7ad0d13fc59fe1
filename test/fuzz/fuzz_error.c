/* Refusals: whatever a server says, the error is complete, fit to print, and repeats no credential.
 * Input: status, flags, the revision, the path, headers up to an empty line, the body. */
#include <ctype.h>

#include "../unit/answer.h"
#include "fuzz.h"
#include "hub.h"

/* A run of letters and digits behind "hf_" that is long enough to be a token. */
static bool holds_token(const char *text)
{
    for (const char *at = strstr(text, "hf_"); at; at = strstr(at + 1, "hf_")) {
        size_t len = 0;

        while (isalnum((unsigned char)at[3 + len]))
            len++;
        if (len >= 16)
            return true;
    }
    return false;
}

static void is_fit_to_print(const char *text)
{
    REQUIRE(fuzz_is_cut_line(str_from(text)));
    REQUIRE(!holds_token(text));
}

static void is_complete(const struct err *err, long status)
{
    REQUIRE(err->kind > ERR_INTERNAL && err->kind < ERR_KINDS);
    REQUIRE(err_exit_code(err->kind) > 0 && err_reason(err->kind)[0]);
    REQUIRE(err->text[0] && err->http_status == status && err_next_step(err)[0]);
    REQUIRE(err->retry_after_ms <= 10ull * 365 * 24 * 3600 * 1000);
    REQUIRE(err->sys_errno == 0);
    is_fit_to_print(err->text);
    is_fit_to_print(err->hint);
    is_fit_to_print(err->request_id);
    is_fit_to_print(err->url);
    is_fit_to_print(err->repo);
    is_fit_to_print(err->file);
    REQUIRE(!strchr(err->url, '?') && !strchr(err->url, '@'));
}

/* Headers, as long as lines with a colon come. */
static const char *headers(struct input *in)
{
    ptrdiff_t  end = str_find(in->rest, STR("\n\n"), 0);
    struct str lines = str_sub(in->rest, 0, end < 0 ? 0 : (size_t)end);

    if (end >= 0)
        in->rest = str_sub(in->rest, (size_t)end + 2, in->rest.len);
    return input_zero_terminated(in, lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input       in = input_of(data, size);
    long               status = (long)(input_number(&in) % 1000);
    uint64_t           flags = input_number(&in);
    struct hub_context ctx = {
        .endpoint = STR("https://huggingface.co"),
        .url = STR("https://user:pw@cdn.example/resolve/x?Signature=secret"),
        .type = (enum repo_type)(flags % 3),
        .id = STR("acme/tiny"),
        .revision = input_line(&in),
        .path = input_line(&in),
        .sent_token = flags & 4,
        .token_origin = flags & 8 ? STR("HF_TOKEN") : STR(""),
        .from_hub = flags & 16,
    };
    struct answer            a;
    const struct http_reply *reply = answer_of(&a, status, headers(&in));
    struct str               body = input_rest(&in);
    struct err               err;

    memset(&err, 0xFF, sizeof(err)); /* all of it must be filled */
    REQUIRE(hub_read_error(reply, body, &ctx, 1795378337000, &err) == -1);
    /* The names are the user's: what looks like a token there is not the server's echo. */
    if (str_find(ctx.path, STR("hf_"), 0) < 0 && str_find(ctx.revision, STR("hf_"), 0) < 0)
        is_complete(&err, status);
    input_release(&in);
    return 0;
}
