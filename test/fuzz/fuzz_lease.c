/* Leases: a claim on a shared volume may hold anything; ours is read back. Input: a byte (bit 0: a
 * claim's text follows), then that, or the pod's name and the name of its status file. */
#include "../../lib/store_lease.c"

#include "fuzz.h"

#define IS_ENDED(field) REQUIRE(memchr(field, '\0', sizeof(field)))

static void makes_sense(const struct claim *claim)
{
    IS_ENDED(claim->holder.instance);
    IS_ENDED(claim->holder.host);
    IS_ENDED(claim->holder.pod);
    IS_ENDED(claim->holder.status);
    IS_ENDED(claim->boot_id);
}

/* As long as it was cut, and the same as far as it goes. */
static void is_start_of(const char *got, const char *text)
{
    REQUIRE(strncmp(got, text, strlen(got)) == 0);
}

static void comes_back(const char *pod, const char *status_name)
{
    struct store store = {.instance = "00112233445566ff",
                          .boot_id = "11111111-2222-3333-4444-555555555555"};
    struct claim claim = {0};
    struct buf   text = {0};

    setenv("HOSTNAME", pod, 1);
    render_claim(&store, status_name, &text);
    REQUIRE(fuzz_is_json(buf_view(&text)));
    parse_claim(buf_view(&text), &claim);
    makes_sense(&claim);
    REQUIRE(strcmp(claim.holder.instance, store.instance) == 0);
    REQUIRE(strcmp(claim.boot_id, store.boot_id) == 0);
    if (strlen(status_name) < sizeof(claim.holder.status)) /* a spec's name has 64 characters */
        REQUIRE(text.len <= CLAIM_MAX_BYTES);
    if (strlen(pod) < sizeof(claim.holder.pod) && fuzz_is_utf8(str_from(pod)))
        REQUIRE(strcmp(claim.holder.pod, pod) == 0);
    if (fuzz_is_utf8(str_from(status_name)))
        is_start_of(claim.holder.status, status_name);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct claim claim = {0};

    if (input_byte(&in) & 1) {
        parse_claim(input_rest(&in), &claim);
        makes_sense(&claim);
    } else {
        const char *pod = input_cstr(&in);

        comes_back(pod, input_cstr(&in));
    }
    input_release(&in);
    return 0;
}
