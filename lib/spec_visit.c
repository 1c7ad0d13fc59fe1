/* spec_visit.c: shows the spec as it came out, and the table it was read by. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "spec_draft.h"

struct visit {
    spec_visit_fn *call;
    void          *user;
    struct buf     value;
};

static void show(struct visit *v, const char *path, const char *origin)
{
    v->call(path, buf_view(&v->value), origin, v->user);
    buf_clear(&v->value);
}

static void visit_rows(struct visit *v, enum spec_scope scope, const char *prefix, const void *base,
                       const struct spec_place *place)
{
    size_t                     count;
    const struct spec_setting *table = spec_table(scope, &count);
    char                       path[128], where[SPEC_PLACE_TEXT];

    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s%s", prefix, table[i].path);
        spec_value_show(&table[i], base, &v->value);
        show(v, path, spec_place_text(&place[i], where));
    }
}

static void visit_text(struct visit *v, const char *path, struct str value, const char *origin)
{
    if (value.len == 0)
        return;
    buf_add_str(&v->value, value);
    show(v, path, origin);
}

static void visit_proxy(struct visit *v, const char *path, struct str value)
{
    if (value.len == 0)
        return;
    if (str_find_char(value, '@', 0) >= 0) /* also without a scheme, which log_add_url needs */
        buf_printf(&v->value, "(redacted)@%.*s",
                   STR_ARG(str_sub(value, (size_t)str_rfind_char(value, '@') + 1, value.len)));
    else
        buf_add_str(&v->value, value);
    show(v, path, "environment");
}

static void visit_environment(struct visit *v, const struct spec *spec)
{
    visit_proxy(v, "(https proxy)", spec->https_proxy);
    visit_proxy(v, "(http proxy)", spec->http_proxy);
    visit_proxy(v, "(other proxy)", spec->all_proxy);
    visit_text(v, "(no proxy)", spec->no_proxy, "environment");
    for (size_t i = 0; i < spec->ca_files.count; i++)
        visit_text(v, "(CA file)", spec->ca_files.item[i],
                   str_eq(spec->ca_files.item[i], spec->tls_ca_file) ? "tls.caFile"
                                                                     : "environment");
    if (spec->offline)
        visit_text(v, "(offline)", STR("true"), "environment");
    if (spec->disable_symlinks)
        visit_text(v, "(no symlinks)", STR("true"), "HF_HUB_DISABLE_SYMLINKS");
    visit_text(v, "(user agent origin)", spec->user_agent_origin, "HF_HUB_USER_AGENT_ORIGIN");
}

void spec_visit(const struct spec *spec, spec_visit_fn *visit, void *user)
{
    struct visit v = {.call = visit, .user = user};
    char         prefix[32];

    visit_rows(&v, SPEC_OF_RUN, "", spec, spec->place);
    if (secret_is_set(&spec->token)) {
        char origin[256];

        snprintf(origin, sizeof(origin), "%.*s", STR_ARG(spec->token_origin));
        visit_text(&v, "(token)", STR("(redacted)"), origin);
    }
    for (size_t i = 0; i < spec->repo_count; i++) {
        snprintf(prefix, sizeof(prefix), "repos[%zu].", i);
        visit_rows(&v, SPEC_OF_REPO, prefix, &spec->repo[i], spec->repo[i].place);
    }
    visit_environment(&v, spec);
    visit_text(&v, "(digest)", str_from(spec->digest), "of what decides the volume's contents");
    buf_release(&v.value);
}

static void describe(const struct spec_setting *setting, enum spec_scope scope,
                     spec_setting_fn *each, void *user)
{
    struct spec_setting_info info = {
        .type = spec_type_name(setting->type), .help = setting->help, .example = setting->example};
    char       path[128], variable[SPEC_NAME_TEXT] = "";
    struct buf words = {0};

    snprintf(path, sizeof(path), "%s%s", scope == SPEC_OF_REPO ? "repos[]." : "", setting->path);
    if (!(setting->traits & SPEC_FILE_ONLY))
        spec_variable(setting, variable);
    for (size_t i = 0; setting->words && setting->words[i]; i++)
        buf_printf(&words, "%s%s", i ? ", " : "", setting->words[i]);
    info.path = path;
    info.variable = variable;
    info.fallback = setting->fallback ? setting->fallback : "";
    info.words = buf_cstr(&words);
    each(&info, user);
    buf_release(&words);
}

void spec_each_setting(spec_setting_fn *each, void *user)
{
    for (int s = SPEC_OF_RUN; s <= SPEC_OF_REPO; s++) {
        size_t                     count;
        const struct spec_setting *table = spec_table((enum spec_scope)s, &count);

        for (size_t i = 0; i < count; i++)
            describe(&table[i], (enum spec_scope)s, each, user);
    }
}
