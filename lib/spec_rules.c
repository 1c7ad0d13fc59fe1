/* spec_rules.c: the rules for names, URLs and tokens' whereabouts.
 *
 * A text that may be a credential by mistake (a token where a file name belongs, a URL with a
 * password) is never repeated in the message. */
#include "spec_rules.h"

#include <arpa/inet.h>
#include <string.h>

#include "pattern.h"
#include "repo.h"
#include "spec_value.h"
#include "url.h"

enum { NAME_BYTES_MAX = 64, PATTERN_BYTES_MAX = 4096, TOKEN_LOOKS_BYTES = 20 };

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

int spec_rule_api_version(struct str text, struct err *err)
{
    char shown[SPEC_QUOTE_TEXT];

    if (str_eq(text, STR("hf-init/v1")))
        return 0;
    return err_set(err, ERR_SPEC, "%s is not supported; this hf-init reads \"hf-init/v1\"",
                   spec_quote(text, shown));
}

int spec_rule_name(struct str text, struct err *err)
{
    bool ok = text.len > 0 && text.len <= NAME_BYTES_MAX && text.p[0] != '.';
    char shown[SPEC_QUOTE_TEXT];

    for (size_t i = 0; i < text.len; i++)
        ok = ok && (is_name_char(text.p[i]) || text.p[i] == '.' || text.p[i] == '-');
    if (ok)
        return 0;
    return err_set(err, ERR_SPEC,
                   "%s is not a name; allowed: letters, digits, '.', '_' and '-', at most 64, not "
                   "starting with '.'",
                   spec_quote(text, shown));
}

/* Takes the next segment that is not empty or "." off the front. */
static bool next_segment(struct str *rest, struct str *segment)
{
    while (str_cut(rest, '/', segment))
        if (segment->len > 0 && !str_eq(*segment, STR(".")))
            return true;
    return false;
}

/* "/", "//", "/./", "/.." */
static bool is_root(struct str text)
{
    struct str rest = text, segment;

    while (next_segment(&rest, &segment))
        if (!str_eq(segment, STR("..")))
            return false;
    return text.p[0] == '/';
}

int spec_rule_target(struct str text, struct err *err)
{
    char shown[SPEC_QUOTE_TEXT];

    if (text.p[0] == '~' && (text.len == 1 || text.p[1] == '/'))
        return err_set(err, ERR_SPEC, "\"~\" is not expanded here; write the whole path");
    if (is_root(text)) {
        err_set(err, ERR_SPEC,
                "%s is the root of the file system; repos do not belong among its folders",
                spec_quote(text, shown));
        return err_hint(err, "name a folder of its own, such as /models");
    }
    return 0;
}

int spec_rule_endpoint(struct str text, struct err *err)
{
    struct url url;
    char       shown[SPEC_QUOTE_TEXT];

    if (str_find_char(text, '@', 0) >= 0)
        return err_set(err, ERR_SPEC,
                       "a URL with a user name or password is refused; a token goes into `token`");
    if (!url_parse(text, &url))
        return err_set(
            err, ERR_SPEC,
            "%s is not an endpoint; allowed: http:// or https://, a host, perhaps a port "
            "and a path",
            spec_quote(text, shown));
    if (url.has_query || str_find_char(text, '#', 0) >= 0)
        return err_set(err, ERR_SPEC, "this URL has a query or a fragment; an endpoint has none");
    return 0;
}

/* A name, "*." and one, or an address, each perhaps with a port: what could never match is a slip. */
int spec_rule_host(struct str text, struct err *err)
{
    uint64_t   port;
    struct str host = url_cut_port(text, &port);
    bool is_v6 = str_find_char(host, ':', 0) >= 0, is_bracketed = str_has_prefix(text, STR("["));
    bool ok = text.len <= 255 && port <= UINT16_MAX && (is_v6 || !is_bracketed);
    char shown[SPEC_QUOTE_TEXT];

    if (port == 0 && host.len != text.len && !str_has_suffix(text, STR("]")))
        ok = false; /* host:0 */
    if (is_bracketed && port == 0)
        ok = ok && text.p[text.len - 1] == ']';
    if (is_v6)
        ok = ok && url_is_address(AF_INET6, host);
    if (str_has_prefix(host, STR("*.")))
        host = str_sub(host, 2, host.len);
    ok = ok && host.len > 0 && host.p[0] != '.';
    for (size_t i = 0; i < host.len && !is_v6; i++)
        ok = ok && (is_name_char(host.p[i]) || host.p[i] == '.' || host.p[i] == '-');
    if (ok)
        return 0;
    return err_set(err, ERR_SPEC,
                   "%s is not a host; write its name alone, such as cas-bridge.xethub.hf.co or "
                   "*.hf.co, or with a port",
                   spec_quote(text, shown));
}

static bool looks_like_token(struct str text)
{
    return str_has_prefix(text, STR("hf_")) && text.len >= TOKEN_LOOKS_BYTES &&
           str_find_char(text, '/', 0) < 0;
}

int spec_rule_token_file(struct str text, struct err *err)
{
    if (looks_like_token(text))
        return err_set(err, ERR_SPEC,
                       "this looks like a token, not like the path of a file that holds one");
    return 0;
}

int spec_rule_token_env(struct str text, struct err *err)
{
    bool ok = text.len > 0 && !(text.p[0] >= '0' && text.p[0] <= '9');
    char shown[SPEC_QUOTE_TEXT];

    if (looks_like_token(text))
        return err_set(err, ERR_SPEC,
                       "this looks like a token, not like the name of a variable that holds one");
    for (size_t i = 0; i < text.len; i++)
        ok = ok && is_name_char(text.p[i]);
    if (ok)
        return 0;
    return err_set(err, ERR_SPEC, "%s is not the name of a variable", spec_quote(text, shown));
}

int spec_rule_revision(struct str text, struct err *err)
{
    return repo_check_revision(text, err);
}

int spec_rule_ref_alias(struct str text, struct err *err)
{
    if (repo_check_revision(text, err))
        return -1;
    if (repo_is_commit(text))
        return err_set(err, ERR_SPEC, "a commit cannot be a ref; name a branch or a tag");
    return 0;
}

int spec_rule_path(struct str text, struct err *err)
{
    struct str rest = text, segment;
    bool       is_first = true;
    char       shown[SPEC_QUOTE_TEXT];

    if (text.p[0] == '/')
        return err_set(err, ERR_SPEC, "%s is absolute; it must be relative to target",
                       spec_quote(text, shown));
    while (next_segment(&rest, &segment)) {
        if (str_eq(segment, STR("..")))
            return err_set(err, ERR_SPEC, "%s leads out of target; \"..\" is not allowed",
                           spec_quote(text, shown));
        if (is_first && str_eq(segment, STR(".hf-init")))
            return err_set(err, ERR_SPEC, "%s is where hf-init keeps its own state",
                           spec_quote(text, shown));
        if (repo_check_path(segment, err)) {
            err->kind = ERR_SPEC;
            return -1;
        }
        is_first = false;
    }
    return 0;
}

int spec_rule_file(struct str text, struct err *err)
{
    if (repo_check_path(text, err)) {
        err->kind = ERR_SPEC;
        return -1;
    }
    return 0;
}

int spec_rule_pattern(struct str text, struct err *err)
{
    if (text.len > PATTERN_BYTES_MAX)
        return err_set(err, ERR_SPEC, "a pattern of %zu bytes; allowed: 4096", text.len);
    return 0;
}

int spec_rule_push_url(struct str text, struct err *err)
{
    struct url url;

    if (url_parse(text, &url))
        return 0;
    return err_set(err, ERR_SPEC, "not a URL; allowed: http:// or https://, a host and a path");
}

/* No names: they would be looked up before anything else, and may lead to somewhere else. */
static bool is_literal_address(struct str host)
{
    if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
        return url_is_address(AF_INET6, str_sub(host, 1, host.len - 1));
    return url_is_address(AF_INET, host);
}

int spec_rule_listen(struct str text, struct err *err)
{
    ptrdiff_t colon = str_rfind_char(text, ':');
    uint64_t  port;
    char      shown[SPEC_QUOTE_TEXT];

    if (colon >= 0 && str_to_u64(str_sub(text, (size_t)colon + 1, text.len), &port) && port > 0 &&
        port <= 65535 && (colon == 0 || is_literal_address(str_sub(text, 0, (size_t)colon))))
        return 0;
    return err_set(err, ERR_SPEC, "%s is not an address; write :9464, 127.0.0.1:9464 or [::1]:9464",
                   spec_quote(text, shown));
}
