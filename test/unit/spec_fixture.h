/* spec_fixture.h: loads a spec from text, variables and flags, without files. */
#ifndef HFI_SPEC_FIXTURE_H
#define HFI_SPEC_FIXTURE_H

#include "check.h"
#include "spec.h"

enum { FIXTURE_FLAGS = 8 };

struct fixture {
    struct spec spec;
    struct err  err;
};

/* `yaml` NULL: no file. `flags`: "key=value" texts, NULL-terminated, or NULL. */
static inline int fixture_load(struct fixture *f, const char *yaml, const char *const *env,
                               const char *const *flags)
{
    struct spec_flag   flag[FIXTURE_FLAGS];
    struct spec_source source = {.env = env, .flag = flag};

    for (; flags && flags[source.flag_count]; source.flag_count++) {
        struct str value = str_from(flags[source.flag_count]), key;

        str_cut(&value, '=', &key);
        flag[source.flag_count] = (struct spec_flag){.key = key, .value = value};
    }
    if (yaml)
        source.file_text = str_from(yaml);
    f->err = (struct err){0};
    if (spec_load(&f->spec, &source, &f->err) == 0)
        return 0;
    spec_release(&f->spec); /* it still knew where to tell the failure */
    return -1;
}

#define ENV(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define FLAGS(...) ENV(__VA_ARGS__)

/* The text must load. */
static inline bool fixture_ok(struct fixture *f, const char *yaml, const char *const *env,
                              const char *const *flags)
{
    if (fixture_load(f, yaml, env, flags) == 0)
        return CHECK(true);
    CHECK_STR(f->err.text, "(no error)");
    return false;
}

/* The text must be refused as a faulty spec with this in the message. */
static inline void fixture_refused(const char *yaml, const char *const *env,
                                   const char *const *flags, const char *complaint)
{
    struct fixture f;

    if (!CHECK(fixture_load(&f, yaml, env, flags) == -1)) {
        spec_release(&f.spec);
        return;
    }
    CHECK(f.err.kind == ERR_SPEC || f.err.kind == ERR_USAGE);
    if (!strstr(f.err.text, complaint))
        CHECK_STR(f.err.text, complaint);
    else
        CHECK(true);
}

static inline void check_is(struct str got, const char *want, int line)
{
    char text[256];

    snprintf(text, sizeof(text), "%.*s", STR_ARG(got));
    check_text(text, want, "spec", line);
}
#define CHECK_IS(got, want) check_is((got), (want), __LINE__)

#endif
