/* spec_official.c: what huggingface_hub reads from the environment, with the same meaning.
 *
 * Source: huggingface_hub, constants.py. All other HF_* are accepted and ignored, so that one env
 * block may serve both containers. Empty counts as unset, where Python takes it literally. */
#include "spec_official.h"

#include <stdlib.h>
#include <string.h>

static struct spec_place official(const char *name)
{
    return (struct spec_place){.layer = SPEC_FROM_OFFICIAL, .source = name};
}

static bool is_true(struct str value)
{
    return str_eq(value, STR("1")) || str_eq_nocase(value, STR("ON")) ||
           str_eq_nocase(value, STR("YES")) || str_eq_nocase(value, STR("TRUE"));
}

bool spec_official_bool(const struct spec_draft *d, const char *name)
{
    return is_true(spec_env(d, name));
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Adds the value of the $NAME or ${NAME} that starts at text.p[at], or the text itself if there is
 * no such variable. Returns how much of the text that was. */
static size_t expand_variable(const struct spec_draft *d, struct str text, size_t at,
                              struct buf *out)
{
    bool       braced = at + 1 < text.len && text.p[at + 1] == '{';
    size_t     begin = at + 1 + braced, end = begin;
    char       name[128];
    struct str value = {NULL, 0};

    while (end < text.len && is_name_char(text.p[end]))
        end++;
    if (end > begin && end - begin < sizeof(name) &&
        (!braced || (end < text.len && text.p[end] == '}'))) {
        memcpy(name, text.p + begin, end - begin);
        name[end - begin] = '\0';
        value = spec_env(d, name);
    }
    if (!value.p) {
        buf_add_char(out, '$');
        return 1;
    }
    buf_add_str(out, value);
    return end + braced - at;
}

/* A leading ~ and variables, as os.path.expanduser and expandvars do. */
static struct str expand(struct spec_draft *d, struct str text)
{
    struct buf out = {0};
    struct str home = spec_env(d, "HOME"), result;
    size_t     at = 0;

    if (home.p && text.len && text.p[0] == '~' && (text.len == 1 || text.p[1] == '/')) {
        buf_add_str(&out, home);
        at = 1;
    }
    while (at < text.len) {
        if (text.p[at] == '$') {
            at += expand_variable(d, text, at, &out);
            continue;
        }
        buf_add_char(&out, text.p[at++]);
    }
    result = arena_str(d->arena, buf_view(&out));
    buf_release(&out);
    return result;
}

static struct str below(struct spec_draft *d, struct str folder, const char *name)
{
    return str_from(arena_printf(d->arena, "%.*s/%s", STR_ARG(folder), name));
}

/* HF_HOME, else XDG_CACHE_HOME, else, if allowed, HOME. */
static struct str hf_home(struct spec_draft *d, bool home, const char **name_used)
{
    struct str value = spec_env(d, *name_used = "HF_HOME");

    if (value.p)
        return expand(d, value);
    value = spec_env(d, *name_used = "XDG_CACHE_HOME");
    if (value.p)
        return below(d, expand(d, value), "huggingface");
    value = home ? spec_env(d, *name_used = "HOME") : (struct str){NULL, 0};
    return value.p ? below(d, value, ".cache/huggingface") : value;
}

struct str spec_official_cache(struct spec_draft *d, bool home, const char **name_used)
{
    struct str value = spec_env_either(d, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", name_used);

    if (value.p)
        return expand(d, value);
    value = hf_home(d, home, name_used);
    return value.p ? below(d, value, "hub") : value;
}

struct str spec_official_token_path(struct spec_draft *d, bool *is_guess)
{
    struct str  value = spec_env(d, "HF_TOKEN_PATH");
    const char *name;

    *is_guess = false;
    if (value.p)
        return expand(d, value);
    value = hf_home(d, true, &name);
    *is_guess = strcmp(name, "HF_HOME") != 0;
    return value.p ? below(d, value, "token") : value;
}

/* Whole seconds; 0 means the default, as in Python, which knows no limit: more than ours is ours. */
static int take_seconds(struct spec_draft *d, const char *name, const char *path)
{
    struct str        value = spec_env(d, name);
    struct spec_place place = official(name);
    uint64_t          seconds, most;
    size_t            count;

    if (!value.p)
        return 0;
    if (!str_to_u64(str_trim(value), &seconds))
        return spec_fail(d, &place, "not a whole number of seconds");
    if (seconds == 0)
        return 0;
    most = spec_table(SPEC_OF_RUN, &count)[spec_row(SPEC_OF_RUN, path)].max / 1000;
    seconds = seconds < most ? seconds : most;
    value = str_from(arena_printf(d->arena, "%llu", (unsigned long long)seconds));
    return spec_set_path(d, path, value, &place);
}

static int take_verbosity(struct spec_draft *d)
{
    static const struct {
        const char *theirs, *ours;
    } levels[] = {{"debug", "debug"},
                  {"info", "info"},
                  {"warning", "warn"},
                  {"error", "error"},
                  {"critical", "error"}};
    struct str        value = spec_env(d, "HF_HUB_VERBOSITY");
    struct spec_place place = official("HF_HUB_VERBOSITY");

    if (spec_official_bool(d, "HF_DEBUG")) {
        place = official("HF_DEBUG");
        return spec_set_path(d, "log.level", STR("debug"), &place);
    }
    for (size_t i = 0; value.p && i < sizeof(levels) / sizeof(levels[0]); i++)
        if (str_eq_nocase(value, str_from(levels[i].theirs)))
            return spec_set_path(d, "log.level", str_from(levels[i].ours), &place);
    return 0;
}

static int take_settings(struct spec_draft *d)
{
    struct str        endpoint = spec_env(d, "HF_ENDPOINT");
    struct spec_place place = official("HF_ENDPOINT");

    if (endpoint.p && spec_set_path(d, "endpoint", endpoint, &place))
        return -1;
    if (take_seconds(d, "HF_HUB_ETAG_TIMEOUT", "timeouts.connect") ||
        take_seconds(d, "HF_HUB_DOWNLOAD_TIMEOUT", "timeouts.stall") || take_verbosity(d))
        return -1;
    place = official("HF_HUB_DISABLE_PROGRESS_BARS");
    if (spec_official_bool(d, place.source))
        return spec_set_path(d, "progress", STR("lines"), &place);
    return 0;
}

static void take_switches(struct spec_draft *d)
{
    struct spec *spec = d->spec;
    struct str   offline = spec_env(d, "HF_HUB_OFFLINE");

    spec->offline = offline.p ? is_true(offline) : spec_official_bool(d, "TRANSFORMERS_OFFLINE");
    spec->disable_symlinks = spec_official_bool(d, "HF_HUB_DISABLE_SYMLINKS");
    spec->user_agent_origin =
        arena_str(d->arena, str_trim(spec_env(d, "HF_HUB_USER_AGENT_ORIGIN")));
}

static struct str proxy(struct spec_draft *d, const char *lower, const char *upper)
{
    const char *name;
    struct str  value = spec_env_either(d, lower, upper, &name);

    return arena_str(d->arena, str_trim(value));
}

static void take_proxies(struct spec_draft *d)
{
    d->spec->https_proxy = proxy(d, "https_proxy", "HTTPS_PROXY");
    d->spec->http_proxy = proxy(d, "http_proxy", "HTTP_PROXY");
    d->spec->all_proxy = proxy(d, "all_proxy", "ALL_PROXY");
    d->spec->no_proxy = proxy(d, "no_proxy", "NO_PROXY");
}

int spec_take_official(struct spec_draft *d)
{
    take_switches(d);
    take_proxies(d);
    return take_settings(d);
}
