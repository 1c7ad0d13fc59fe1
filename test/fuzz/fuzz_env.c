/* Variables and flags, the sources that have only text. Input: a line each, "NAME=value" or
 * "--flag=value"; a CR stands for a line break inside a value. */
#include "settings.h"

enum { LINES_MAX = 40 };

/* What would make a load read files of this machine. */
static bool reads_files(struct str line)
{
    static const char *const names[] = {"HF_INIT_SPEC=",       "HF_TOKEN_PATH=",  "HF_HOME=",
                                        "HF_INIT_TOKEN_FILE=", "XDG_CACHE_HOME=", "HOME="};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_has_prefix(line, str_from(names[i])))
            return true;
    return false;
}

static struct str with_line_breaks(struct input *in, struct str line)
{
    struct str copy = input_keep(in, line);

    for (size_t i = 0; i < copy.len; i++)
        if (copy.p[i] == '\r')
            ((char *)(uintptr_t)copy.p)[i] = '\n';
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input       in = input_of(data, size);
    const char        *env[LINES_MAX + 3] = {"HF_TOKEN=" SECRET, "HOME=/nonexistent"};
    struct spec_flag   flag[LINES_MAX];
    size_t             env_count = 2;
    uint8_t            how = input_byte(&in);
    struct spec_source source = {.env = env,
                                 .flag = flag,
                                 .without_repos = how & 1,
                                 .without_target = how & 2,
                                 .home_cache = how & 4};

    if (input_holds(&in, STR(SECRET)))
        return 0; /* it is looked for in what comes out */
    for (int i = 0; in.rest.len && i < LINES_MAX / 2; i++) {
        struct str line = with_line_breaks(&in, input_cut_line(&in)), key;

        if (str_has_prefix(line, STR("--"))) {
            line = str_sub(line, 2, line.len);
            str_cut(&line, '=', &key);
            flag[source.flag_count++] =
                (struct spec_flag){.key = key, .value = line.p ? line : STR("")};
        } else if (!reads_files(line)) {
            env[env_count++] = input_zero_terminated(&in, line);
        }
    }
    source.without_token = how & 8;
    settings_load(&source);
    input_release(&in);
    return 0;
}
