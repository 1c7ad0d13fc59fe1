/* hub.c: the requests that the Hub understands. Bytes that are not plain go out as %XX, a revision
 * as one segment even if it contains slashes, a file path with its slashes kept. */
#include "hub.h"

#include <inttypes.h>

#include "url.h"

/* ENDPOINT/api/models/ORG/NAME/WHAT/REVISION */
static void add_api(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                    const char *what, struct str revision)
{
    buf_add_str(out, endpoint);
    buf_printf(out, "/api/%s/%.*s/%s/", repo_type_plural(type), STR_ARG(id), what);
    url_encode(out, revision, false);
}

void hub_url_revision(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                      struct str revision)
{
    add_api(out, endpoint, type, id, "revision", revision);
    /* Without it the answer names every file of the repo: megabytes for the commit alone. */
    buf_add_str(out, STR("?expand=sha"));
}

void hub_url_tree(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                  struct str commit)
{
    add_api(out, endpoint, type, id, "tree", commit);
    /* expand=true would mean 50 entries a page instead of 1000. */
    buf_add_str(out, STR("?recursive=true&expand=false"));
}

void hub_url_resolve(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                     struct str commit, struct str path)
{
    buf_add_str(out, endpoint);
    buf_printf(out, "/%s%.*s/resolve/", repo_type_prefix(type), STR_ARG(id));
    url_encode(out, commit, false);
    buf_add_char(out, '/');
    url_encode(out, path, true);
}

void hub_url_page(struct buf *out, struct str endpoint, enum repo_type type, struct str id)
{
    buf_add_str(out, endpoint);
    buf_printf(out, "/%s%.*s", repo_type_prefix(type), STR_ARG(id));
}

void hub_range_header(struct buf *out, struct range r)
{
    if (range_is_empty(r))
        die("a request for no bytes"); /* "bytes=5-4" would be answered with the whole file */
    buf_printf(out, "bytes=%" PRIu64 "-%" PRIu64, r.begin, r.end - 1);
}
