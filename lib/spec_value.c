/* spec_value.c: text into fields and back, one small function per type. */
#include "spec_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "secret.h"
#include "spec.h"

enum { QUOTE_BYTES = 60, TEXT_BYTES_MAX = 4096 };

const char *spec_quote(struct str text, char out[SPEC_QUOTE_TEXT])
{
    struct buf shown = {0};
    size_t     end = text.len < QUOTE_BYTES ? text.len : QUOTE_BYTES;

    while (end < text.len && end > 0 && ((unsigned char)text.p[end] & 0xC0) == 0x80)
        end--;
    if (secret_may_be_in(text)) { /* pasted into the wrong place */
        snprintf(out, SPEC_QUOTE_TEXT, "(not shown: it looks like a token)");
        return out;
    }
    log_add_json_text(&shown, str_sub(text, 0, end));
    snprintf(out, SPEC_QUOTE_TEXT, "\"%s%s\"", buf_cstr(&shown), end < text.len ? "…" : "");
    buf_release(&shown);
    return out;
}

static void *field(const struct spec_setting *setting, void *base)
{
    return (char *)base + setting->offset;
}

static const void *field_const(const struct spec_setting *setting, const void *base)
{
    return (const char *)base + setting->offset;
}

/* "8 to 256", "at least 1s", in the setting's own unit. */
static void show_limits(const struct spec_setting *setting, char out[SPEC_QUOTE_TEXT])
{
    char        low[SPEC_NUMBER_TEXT], high[SPEC_NUMBER_TEXT];
    const char *zero = setting->traits & SPEC_ZERO_IS_NONE ? "0 (none), or " : "";
    const char *automatic = setting->traits & SPEC_AUTO ? "auto, or " : "";

    if (setting->type == SPEC_DURATION) {
        spec_show_duration(setting->min, low);
        spec_show_duration(setting->max, high);
    } else if (setting->type == SPEC_MODE) {
        snprintf(low, sizeof(low), "%#" PRIo64, setting->min);
        snprintf(high, sizeof(high), "%#" PRIo64, setting->max);
    } else if (setting->type == SPEC_COUNT) {
        snprintf(low, sizeof(low), "%" PRIu64, setting->min);
        snprintf(high, sizeof(high), "%" PRIu64, setting->max);
    } else {
        spec_show_size(setting->min, low);
        spec_show_size(setting->max, high);
    }
    if (setting->max == UINT64_MAX)
        snprintf(out, SPEC_QUOTE_TEXT, "%s%sat least %s", automatic, zero, low);
    else
        snprintf(out, SPEC_QUOTE_TEXT, "%s%s%s to %s", automatic, zero, low, high);
}

static int check_limits(const struct spec_setting *setting, struct str text, uint64_t value,
                        struct err *err)
{
    char shown[SPEC_QUOTE_TEXT], limits[SPEC_QUOTE_TEXT];

    if (value == 0 && (setting->traits & SPEC_ZERO_IS_NONE))
        return 0;
    if (value >= setting->min && value <= setting->max)
        return 0;
    show_limits(setting, limits);
    return err_set(err, ERR_SPEC, "%s is out of range; allowed: %s", spec_quote(text, shown),
                   limits);
}

static bool is_auto(const struct spec_setting *setting, struct str text)
{
    return (setting->traits & SPEC_AUTO) && str_eq(text, STR("auto"));
}

static int check_text(const struct spec_setting *setting, const struct spec_scalar *value,
                      struct err *err)
{
    char        shown[SPEC_QUOTE_TEXT];
    const char *yaml_type = value->is_yaml && value->is_plain ? spec_yaml_type(value->text) : NULL;
    struct str  text = value->text;

    /* A commit of digits only, or like 12e…, is a number to YAML; we read its text unharmed. */
    if (yaml_type && !repo_is_commit(text))
        return err_set(err, ERR_SPEC, "%.*s is %s to YAML, but a string is needed; write \"%.*s\"",
                       STR_ARG(text), yaml_type, STR_ARG(text));
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F)
            return err_set(err, ERR_SPEC, "%s holds a control character", spec_quote(text, shown));
    if (!str_is_utf8(text))
        return err_set(err, ERR_SPEC, "%s is not UTF-8", spec_quote(text, shown));
    if (text.len > TEXT_BYTES_MAX)
        return err_set(err, ERR_SPEC, "a text of %zu bytes; allowed: %d", text.len, TEXT_BYTES_MAX);
    if (text.len == 0) {
        if (setting->traits & SPEC_MAY_BE_EMPTY && setting->type == SPEC_TEXT)
            return 0;
        return err_set(err, ERR_SPEC, "is empty; an example: %s", setting->example);
    }
    return setting->check ? setting->check(text, err) : 0;
}

static int set_text(struct arena *arena, const struct spec_setting *setting,
                    const struct spec_scalar *value, void *base, struct err *err)
{
    if (check_text(setting, value, err))
        return -1;
    *(struct str *)field(setting, base) = arena_str(arena, value->text);
    return 0;
}

static int set_word(const struct spec_setting *setting, struct str text, void *base,
                    struct err *err)
{
    struct spec_nearest nearest = {0};
    char                shown[SPEC_QUOTE_TEXT];
    struct buf          allowed = {0};

    for (int i = 0; setting->words[i]; i++) {
        struct str word = str_from(setting->words[i]);

        if (str_eq(text, word)) {
            memcpy(field(setting, base), &i, sizeof(i));
            buf_release(&allowed);
            return 0;
        }
        spec_nearest_consider(&nearest, text, word);
        buf_printf(&allowed, "%s%s", i ? ", " : "", setting->words[i]);
    }
    err_set(err, ERR_SPEC, "%s is not known; allowed: %s%s%s%s", spec_quote(text, shown),
            buf_cstr(&allowed), spec_nearest_found(&nearest, text) ? "; did you mean " : "",
            spec_nearest_found(&nearest, text) ? nearest.best : "",
            spec_nearest_found(&nearest, text) ? "?" : "");
    buf_release(&allowed);
    return -1;
}

/* YAML: true and false alone. Elsewhere also what the official variables accept. */
static int set_bool(const struct spec_setting *setting, const struct spec_scalar *value, void *base,
                    struct err *err)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    bool                    *out = field(setting, base);
    char                     shown[SPEC_QUOTE_TEXT];

    if (value->is_yaml && !value->is_plain)
        return err_set(err, ERR_SPEC, "%s is a string; write true or false without quotes",
                       spec_quote(value->text, shown));
    for (size_t i = 0; i < (value->is_yaml ? 1 : 4); i++) {
        if (str_eq_nocase(value->text, str_from(yes[i]))) {
            *out = true;
            return 0;
        }
        if (str_eq_nocase(value->text, str_from(no[i]))) {
            *out = false;
            return 0;
        }
    }
    return err_set(err, ERR_SPEC, "%s is neither true nor false", spec_quote(value->text, shown));
}

static int set_count(const struct spec_setting *setting, const struct spec_scalar *value,
                     void *base, struct err *err)
{
    uint64_t number = 0;
    char     shown[SPEC_QUOTE_TEXT], limits[SPEC_QUOTE_TEXT];

    if (!is_auto(setting, value->text)) {
        show_limits(setting, limits);
        if (!str_to_u64(value->text, &number))
            return err_set(err, ERR_SPEC, "%s is not a whole number; allowed: %s",
                           spec_quote(value->text, shown), limits);
        if (value->is_yaml && !value->is_plain)
            return err_set(err, ERR_SPEC, "%s is a string; write %" PRIu64 " without quotes",
                           spec_quote(value->text, shown), number);
        /* 010 is eight to YAML 1.1 and ten to a reader */
        if (value->is_yaml && value->text.len > 1 && value->text.p[0] == '0')
            return err_set(err, ERR_SPEC, "%s has a leading zero; write %" PRIu64,
                           spec_quote(value->text, shown), number);
        if (check_limits(setting, value->text, number, err))
            return -1;
    }
    *(uint32_t *)field(setting, base) = (uint32_t)number;
    return 0;
}

static int set_quantity(const struct spec_setting *setting, struct str text, void *base,
                        struct err *err)
{
    static const struct {
        bool (*parse)(struct str text, uint64_t *out);
        const char *noun, *allowed;
    } kinds[SPEC_TYPES] = {
        [SPEC_SIZE] = {spec_parse_size, "size", "64MiB, 10GB, 2Gi or a number of bytes"},
        [SPEC_RATE] = {spec_parse_rate, "rate", "200MiB/s, 50MB/s or a number of bytes per second"},
        [SPEC_DURATION] = {spec_parse_duration, "duration",
                           "30s, 5m, 2h, 500ms, 1h30m or a number of seconds"},
    };
    uint64_t number = 0;
    char     shown[SPEC_QUOTE_TEXT];

    if (!is_auto(setting, text)) {
        if (!kinds[setting->type].parse(text, &number))
            return err_set(err, ERR_SPEC, "%s is not a %s; allowed: %s%s", spec_quote(text, shown),
                           kinds[setting->type].noun, setting->traits & SPEC_AUTO ? "auto, " : "",
                           kinds[setting->type].allowed);
        if (check_limits(setting, text, number, err))
            return -1;
    }
    *(uint64_t *)field(setting, base) = number;
    return 0;
}

/* With a leading zero only: an unquoted 0644 and 0o644 are octal to YAML 1.1 and 1.2, and their text
 * reaches us unharmed; but 644 is a decimal number to YAML, and Kubernetes writes 420. */
static int set_mode(const struct spec_setting *setting, struct str text, void *base,
                    struct err *err)
{
    struct str digits = text;
    uint32_t   mode = 0;
    char       shown[SPEC_QUOTE_TEXT];
    bool       ok = text.len >= 4 && text.len <= 6 && text.p[0] == '0';

    if (ok)
        digits = str_sub(text, text.p[1] == 'o' ? 2 : 1, text.len);
    for (size_t i = 0; ok && i < digits.len; i++) {
        ok = digits.p[i] >= '0' && digits.p[i] <= '7';
        mode = mode * 8 + (uint32_t)(digits.p[i] - '0');
    }
    if (!ok)
        return err_set(err, ERR_SPEC,
                       "%s is not a mode; write it in octal with a leading zero, as \"%s\"",
                       spec_quote(text, shown), setting->example);
    if (check_limits(setting, text, mode, err))
        return -1;
    if ((mode & setting->min) != setting->min)
        return err_set(err, ERR_SPEC, "%s locks the owner out; %#" PRIo64 " must be in it",
                       spec_quote(text, shown), setting->min);
    *(uint32_t *)field(setting, base) = mode;
    return 0;
}

void spec_list_clear(const struct spec_setting *setting, void *base)
{
    if (setting->type == SPEC_PATTERNS)
        *(struct pattern_list *)field(setting, base) = (struct pattern_list){.is_set = true};
    else
        *(struct spec_list *)field(setting, base) = (struct spec_list){0};
}

/* Grows at powers of two, so that the arena holds at most twice the list. */
static struct str *grow(struct arena *arena, const struct str *item, size_t count)
{
    struct str *larger;

    if (count > 0 && (count & (count - 1)) != 0)
        return (struct str *)(uintptr_t)item; /* it is ours: made below, lent as const */
    larger = arena_alloc(arena, sizeof(*larger) * (count ? 2 * count : 1));
    if (count)
        memcpy(larger, item, sizeof(*larger) * count);
    return larger;
}

int spec_list_add(struct arena *arena, const struct spec_setting *setting,
                  const struct spec_scalar *value, void *base, struct err *err)
{
    struct str *item;

    if (check_text(setting, value, err))
        return -1;
    if (setting->type == SPEC_PATTERNS) {
        struct pattern_list *list = field(setting, base);

        item = grow(arena, list->item, list->count);
        item[list->count++] = arena_str(arena, value->text);
        list->item = item;
        list->is_set = true;
    } else {
        struct spec_list *list = field(setting, base);

        item = grow(arena, list->item, list->count);
        item[list->count++] = arena_str(arena, value->text);
        list->item = item;
    }
    return 0;
}

int spec_value_set(struct arena *arena, const struct spec_setting *setting,
                   const struct spec_scalar *value, void *base, struct err *err)
{
    switch (setting->type) {
    case SPEC_TEXT: return set_text(arena, setting, value, base, err);
    case SPEC_WORD: return set_word(setting, value->text, base, err);
    case SPEC_BOOL: return set_bool(setting, value, base, err);
    case SPEC_COUNT: return set_count(setting, value, base, err);
    case SPEC_SIZE:
    case SPEC_RATE:
    case SPEC_DURATION: return set_quantity(setting, value->text, base, err);
    case SPEC_MODE: return set_mode(setting, value->text, base, err);
    case SPEC_LIST:
    case SPEC_PATTERNS:
        spec_list_clear(setting, base);
        return spec_list_add(arena, setting, value, base, err);
    case SPEC_TYPES: break;
    }
    die("setting %s has no type", setting->path);
}

static void show_list(const struct spec_setting *setting, const struct str *item, size_t count,
                      struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add(out, ", ", 2);
        if (setting->traits & SPEC_IS_URL)
            log_add_url(out, item[i]);
        else
            buf_add_str(out, item[i]);
    }
}

static void show_number(const struct spec_setting *setting, uint64_t value, struct buf *out)
{
    char text[SPEC_NUMBER_TEXT];

    if (value == 0 && (setting->traits & SPEC_AUTO)) {
        buf_printf(out, "auto");
        return;
    }
    if (setting->type == SPEC_DURATION)
        spec_show_duration(value, text);
    else
        spec_show_size(value, text);
    buf_printf(out, "%s%s", text, setting->type == SPEC_RATE && value ? "/s" : "");
}

void spec_value_show(const struct spec_setting *setting, const void *base, struct buf *out)
{
    const void                *at = field_const(setting, base);
    const struct str          *text = at;
    const struct pattern_list *patterns = at;
    const struct spec_list    *list = at;

    switch (setting->type) {
    case SPEC_TEXT: show_list(setting, text, 1, out); break;
    case SPEC_WORD: buf_printf(out, "%s", setting->words[*(const int *)at]); break;
    case SPEC_BOOL: buf_printf(out, "%s", *(const bool *)at ? "true" : "false"); break;
    case SPEC_COUNT:
        if (*(const uint32_t *)at == 0 && (setting->traits & SPEC_AUTO))
            buf_printf(out, "auto");
        else
            buf_printf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case SPEC_SIZE:
    case SPEC_RATE:
    case SPEC_DURATION: show_number(setting, *(const uint64_t *)at, out); break;
    case SPEC_MODE: buf_printf(out, "%#" PRIo32, *(const uint32_t *)at); break;
    case SPEC_LIST: show_list(setting, list->item, list->count, out); break;
    case SPEC_PATTERNS: show_list(setting, patterns->item, patterns->count, out); break;
    case SPEC_TYPES: break;
    }
}

void spec_value_copy(const struct spec_setting *setting, const void *from, void *to)
{
    static const size_t size[SPEC_TYPES] = {
        [SPEC_TEXT] = sizeof(struct str),
        [SPEC_WORD] = sizeof(int),
        [SPEC_BOOL] = sizeof(bool),
        [SPEC_COUNT] = sizeof(uint32_t),
        [SPEC_SIZE] = sizeof(uint64_t),
        [SPEC_RATE] = sizeof(uint64_t),
        [SPEC_DURATION] = sizeof(uint64_t),
        [SPEC_MODE] = sizeof(uint32_t),
        [SPEC_LIST] = sizeof(struct spec_list),
        [SPEC_PATTERNS] = sizeof(struct pattern_list),
    };

    memcpy(field(setting, to), field_const(setting, from), size[setting->type]);
}
