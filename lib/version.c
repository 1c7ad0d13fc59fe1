/* version.c: version, commit and libraries; the build defines the first two for this file alone. */
#include "version.h"

#include <deps-versions.h>

#include "digest.h"
#include "tls.h"

static const struct {
    const char *name, *version, *source, *licence;
} library[] = {
#define LIBRARY(name, version, source, licence) {name, version, source, licence},
    DEPS_EACH(LIBRARY)};

enum { LIBRARY_COUNT = sizeof(library) / sizeof(library[0]) };

const char *version_number(void)
{
    return HF_INIT_VERSION;
}

const char *version_commit(void)
{
    return HF_INIT_COMMIT;
}

void version_json(struct buf *out)
{
    buf_printf(out, "{\"version\":\"%s\",\"commit\":\"%s\",\"libraries\":{", version_number(),
               version_commit());
    for (size_t i = 0; i < LIBRARY_COUNT; i++)
        buf_printf(out, "%s\"%s\":{\"version\":\"%s\",\"source\":\"%s\",\"licence\":\"%s\"}",
                   i ? "," : "", library[i].name, library[i].version, library[i].source,
                   library[i].licence);
    buf_printf(out,
               "},\"roots\":{\"date\":\"%s\",\"count\":%zu},\"hash\":\"%s\","
               "\"cpu\":{\"aes\":%s}}",
               tls_roots_date(), tls_roots_count(), digest_implementation(),
               tls_cpu_has_aes() ? "true" : "false");
}

void version_text(struct buf *out)
{
    buf_printf(out, "hf-init %s (commit %s)\n", version_number(), version_commit());
    for (size_t i = 0; i < LIBRARY_COUNT; i++)
        buf_printf(out, "  %-16s %-10s %-18s (source %s)\n", library[i].name, library[i].version,
                   library[i].licence, library[i].source);
    buf_printf(out, "  roots of trust   %zu certificates of %s\n", tls_roots_count(),
               tls_roots_date());
    buf_printf(out, "  AES-GCM, hashes  %s\n", digest_implementation());
    buf_printf(out, "  processor        %s\n", tls_cpu_has_aes() ? "AES" : "no AES");
}
