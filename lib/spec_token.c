/* spec_token.c: finds, cleans and checks the token. No message ever repeats a part of it. */
#include "spec_token.h"

#include <string.h>

#include "fs.h"
#include "spec_official.h"

enum { TOKEN_BYTES_MAX = 4096, TOKEN_FILE_BYTES_MAX = 2 * TOKEN_BYTES_MAX };

/* Deletes CR and LF wherever they are, trims, and refuses what no header may carry. An empty result
 * is fine here. */
static int clean(struct str raw, const char *origin, struct buf *out, struct err *err)
{
    struct str trimmed;

    for (size_t i = 0; i < raw.len; i++)
        if (raw.p[i] != '\r' && raw.p[i] != '\n')
            buf_add_char(out, raw.p[i]);
    trimmed = str_trim(buf_view(out));
    if (trimmed.len > TOKEN_BYTES_MAX)
        return err_set(err, ERR_SPEC, "%s: %zu bytes are no token", origin, trimmed.len);
    for (size_t i = 0; i < trimmed.len; i++)
        if (trimmed.p[i] < 0x21 || trimmed.p[i] > 0x7E)
            return err_set(err, ERR_SPEC,
                           "%s: holds a character that no token has: a space, a control character "
                           "or one outside ASCII",
                           origin);
    memmove(out->p ? out->p : (char[1]){0}, trimmed.p, trimmed.len);
    out->len = trimmed.len;
    return 0;
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->capacity);
    buf_release(b);
}

/* Cleans the text and stores it. 1 changed, 0 the same, -1 error. */
static int store(struct spec *spec, struct str raw, const char *origin, struct err *err)
{
    struct buf token = {0};
    struct str said;
    bool       is_same;

    if (clean(raw, origin, &token, err)) {
        wipe(&token);
        return -1;
    }
    is_same = secret_is_set(&spec->token) ? str_eq(secret_reveal(&spec->token), buf_view(&token))
                                          : token.len == 0;
    secret_release(&spec->token);
    if (token.len)
        secret_set(&spec->token, buf_view(&token));
    said = token.len ? str_from(origin) : STR("");
    if (!str_eq(spec->token_origin, said)) /* the arena only grows */
        spec->token_origin = str_from(arena_strdup(&spec->arena, said));
    wipe(&token);
    return is_same ? 0 : 1;
}

static int fail_missing(const char *path, struct err *err)
{
    err_set(err, ERR_SPEC, "token file: %s: there is no such file", path);
    return err_hint(err,
                    "mount the Secret there; if it may be missing, add optional: true to token");
}

int spec_read_token(struct spec *spec, struct err *err)
{
    struct buf  text = {0};
    const char *path = spec->token_file.p; /* an arena's text ends in NUL */
    int         rc;

    if (spec->token_none || spec->token_file.len == 0)
        return 0;
    rc = fs_read_file(path, TOKEN_FILE_BYTES_MAX, &text, err);
    if (rc < 0) {
        wipe(&text);
        err_wrap(err, "token file");
        err->kind = ERR_SPEC;
        return err_hint(err, "give this user read access: fsGroup, or defaultMode of the Secret");
    }
    if (rc == 0 && !spec->token_optional)
        return fail_missing(path, err);
    rc = store(spec, buf_view(&text), path, err);
    wipe(&text);
    if (rc >= 0 && !spec->token_optional && !secret_is_set(&spec->token)) {
        err_set(err, ERR_SPEC, "%s: the token file is empty", path);
        return err_hint(err, "put the token into the Secret, or add optional: true to token");
    }
    return rc;
}

/* Keeps the strongest of file, env and none; two of one source contradict each other. */
static int choose(struct spec_draft *d, bool *is_chosen)
{
    const char *const        paths[] = {"token.file", "token.env", "token.none"};
    const struct spec_place *best = NULL;
    size_t                   chosen = 0;
    struct spec             *spec = d->spec;

    for (size_t i = 0; i < 3; i++) {
        const struct spec_place *place = spec_place_of(d, paths[i]);

        if (place->layer == SPEC_FROM_DEFAULT || (i == 2 && !spec->token_none))
            continue;
        if (best && best->layer == place->layer)
            return spec_fail(d, place,
                             "%s contradicts %s; give one of token.file, token.env and "
                             "token.none",
                             paths[i], paths[chosen]);
        if (best && best->layer > place->layer)
            continue;
        best = place;
        chosen = i;
    }
    *is_chosen = best != NULL;
    if (!best || chosen != 0)
        spec->token_file = STR("");
    if (!best || chosen != 1)
        spec->token_env = STR("");
    spec->token_none = best && chosen == 2;
    return 0;
}

static int take_env(struct spec_draft *d)
{
    struct spec             *spec = d->spec;
    const char              *name = arena_strdup(d->arena, spec->token_env);
    const struct spec_place *place = spec_place_of(d, "token.env");
    struct str               value = spec_env(d, name);

    if (store(spec, value, name, d->err) < 0)
        return -1;
    if (secret_is_set(&spec->token) || spec->token_optional)
        return 0;
    spec_fail(d, place, "token.env: the variable %s is not set", name);
    return err_hint(d->err, "set it from the Secret, or add optional: true to token");
}

/* HF_TOKEN, then HUGGING_FACE_HUB_TOKEN, then the file, as huggingface_hub looks. */
static int take_official(struct spec_draft *d)
{
    struct spec *spec = d->spec;
    const char  *name;
    struct str   value = spec_env_either(d, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", &name);
    bool         is_guess;

    if (spec_official_bool(d, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return 0;
    if (value.p && store(spec, value, name, d->err) < 0)
        return -1;
    if (secret_is_set(&spec->token))
        return 0;
    spec->token_file = spec_official_token_path(d, &is_guess);
    spec->token_optional = true;
    if (spec->token_file.len && spec_read_token(spec, d->err) < 0) {
        if (!is_guess)
            return -1;
        err_clear(d->err); /* ~/.cache of another user is nobody's intention */
        spec->token_file = STR("");
    }
    return 0;
}

/* The program's own word. */
static int take_given(struct spec_draft *d)
{
    struct spec *spec = d->spec;

    spec->token_file = spec->token_env = STR("");
    spec->token_none = !secret_is_set(d->source->token);
    if (spec->token_none)
        return 0;
    return store(spec, secret_reveal(d->source->token), "hfinit_set_token", d->err) < 0 ? -1 : 0;
}

int spec_find_token(struct spec_draft *d)
{
    bool is_chosen = false;

    if (choose(d, &is_chosen))
        return -1;
    if (d->source->without_token)
        return 0;
    if (d->source->token)
        return take_given(d);
    if (d->spec->token_none)
        return 0;
    if (d->spec->token_env.len)
        return take_env(d);
    if (is_chosen)
        return spec_read_token(d->spec, d->err) < 0 ? -1 : 0;
    return take_official(d);
}
