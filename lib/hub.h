/* hub.h: the Hub's language. Builds requests, reads answers; does no I/O at all, so that every
 * answer of the Hub is one row of a table test. */
#ifndef HFI_HUB_H
#define HFI_HUB_H

#include "arena.h"
#include "buf.h"
#include "digest.h"
#include "err.h"
#include "http.h"
#include "range.h"
#include "repo.h"

struct json_list;

/* --- requests: each appends an absolute URL to `out`. `endpoint` has no trailing slash. --- */
void hub_url_revision(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                      struct str revision);
void hub_url_tree(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                  struct str commit);
void hub_url_resolve(struct buf *out, struct str endpoint, enum repo_type type, struct str id,
                     struct str commit, struct str path);
/* The repo's page for people, for hints: ENDPOINT/datasets/ORG/NAME. */
void hub_url_page(struct buf *out, struct str endpoint, enum repo_type type, struct str id);
/* "bytes=0-1023" for [0, 1024): the one place where the inclusive form is written. */
void hub_range_header(struct buf *out, struct range r);

/* --- answers --- */

/* The commit of a repo-info answer. ERR_BAD_ANSWER (or ERR_PROXY if it is HTML). */
int hub_read_revision(struct str body, char commit[41], struct err *err);

struct hub_entry {             /* one file of a listing; there may be 100,000 of them */
    struct str           path; /* raw UTF-8, checked by repo_check_path */
    uint64_t             size_bytes;
    const unsigned char *xet_hash; /* 32 bytes; NULL: none */
    struct digest digest;  /* sha256 if LFS or Xet, else git blob id: the content's identity */
    unsigned char oid[20]; /* git blob id; of the pointer for LFS files */
    bool          is_lfs;
    bool xet_masked; /* in Xet, but its hash is 64 '*' (may list, not read) or unreadable */
};

/* The files of a listing, read page by page and each page as it comes: what was read of it is not
 * kept. Folders and unknown types are skipped. {0} is empty. */
struct hub_listing {
    struct arena      arena; /* owns the texts of the entries */
    struct hub_entry *entry; /* owned */
    size_t            count, capacity;
    /* of the page at hand: */
    struct json_list *page;       /* owned; NULL: none */
    struct buf        page_head;  /* its first bytes */
    size_t            page_first; /* its first entry */
    struct arena_mark page_mark;
    uint64_t page_hash; /* over all names in it, folders too: a page that comes again shows */
};
void hub_listing_release(struct hub_listing *l);
/* Adds an empty entry. Its texts belong into l->arena. */
struct hub_entry *hub_listing_add(struct hub_listing *l);
/* A page begins. If the one before did not end, it is dropped. */
void hub_listing_begin_page(struct hub_listing *l);
/* More of it. A file without size or oid is an error, and so is one whose `size` and `lfs.size`
 * differ: one of them is the pointer's.
 *   errors  ERR_BAD_ANSWER (no JSON, wrong types, sizes), ERR_UNSAFE_NAME, ERR_PROXY (HTML) */
int hub_listing_add_text(struct hub_listing *l, const void *data, size_t len, struct err *err);
int hub_listing_end_page(struct hub_listing *l, struct err *err);
/* Takes back what the page that was begun last has brought, whether it ended or not. */
void hub_listing_drop_page(struct hub_listing *l);

/* The next page's URL from the Link header, resolved against `url` and, when it names the public
 * Hub while the endpoint is another host, rewritten to the endpoint (mirrors forget to). Returns 1
 * and fills `next`, 0 if this was the last page, -1 if it leads to itself or to an origin that is
 * neither the endpoint's nor url's, or cannot be read (ERR_BAD_ANSWER). Longer loops are for the
 * caller to see. */
int hub_read_next_page(const struct http_reply *reply, struct str endpoint, struct str url,
                       struct buf *next, struct err *err);

/* Where a 3xx leads: resolved, rewritten like next links (unless that is the URL just asked: then
 * the mirror does mean the Hub), checked. ERR_BAD_ANSWER: other schemes, https to http, userinfo.
 * ERR_HOST_NOT_ALLOWED, naming the host, unless it is the endpoint's: off the list, if there is one;
 * a local address, or a private one that the list does not name, unless `url` is local or private
 * itself. An entry of the list is a host or "*.suffix", perhaps with a port, which is then the only
 * one. `url` may be a view of `next`. */
int hub_read_redirect(const struct http_reply *reply, struct str endpoint, struct str url,
                      const struct str *allowed_host, size_t allowed_host_count, struct buf *next,
                      struct err *err);

/* What an answer >= 400 (or an unexpected one below) means. */
struct hub_context {
    struct str     endpoint;
    struct str     url; /* where the answer came from */
    enum repo_type type;
    struct str     id, revision, path; /* path empty for API calls */
    bool           sent_token;
    struct str     token_origin; /* for messages: "/var/run/secrets/hf/token", "HF_TOKEN"; also of
                                  * a token that was not sent */
    struct str     token_form;   /* what may be shown of it: secret_form */
    bool           from_hub;     /* answered by the endpoint's origin, not by a CDN */
};
/* Fills err completely: kind, text with the server's own words, hint, status, url, request id,
 * retry_after_ms (as named, at most ten years). Always returns -1. `body` is the start of the body
 * (at most 64 KiB). A CDN's 401, 403, 404 and 410 for a file are ERR_SERVER: a new URL from the Hub
 * heals them, so the caller looks at status and from_hub before it gives up. An API call is answered
 * by a Hub, wherever the endpoint sent us.
 *   source  huggingface_hub, utils/_http.py, hf_raise_for_status() */
int hub_read_error(const struct http_reply *reply, struct str body, const struct hub_context *ctx,
                   int64_t wall_ms, struct err *err);

/* RateLimit header: `"resolvers";r=2998;t=172`, any order, quoted or not; of several buckets the
 * one nearest to empty. The name is a plain word. */
struct hub_rate {
    char     bucket[32]; /* "api", "resolvers", "pages" */
    uint64_t remaining;
    uint64_t reset_ms; /* from now to the end of the window */
    uint64_t quota;    /* 0: not told */
    uint64_t window_ms;
};
bool hub_read_rate(const struct http_reply *reply, struct hub_rate *out);
/* Retry-After as seconds or as an HTTP date (in the past: 0), at most ten years; false if absent or
 * unreadable. */
bool hub_read_retry_after(const struct http_reply *reply, int64_t wall_ms, uint64_t *wait_ms);

/* Content-Range: "bytes 0-99/1000" gives [0,100) of 1000. False if it is missing or broken; an
 * unknown total ("*") is false too. */
bool hub_read_content_range(const struct http_reply *reply, struct range *range,
                            uint64_t *total_bytes);

/* When a signed URL stops working, in ms since 1970; 0 if it does not say. (Expires=,
 * X-Amz-Date= with X-Amz-Expires=, X-Goog-Date= with X-Goog-Expires=) */
int64_t hub_signed_url_expiry(struct str url);

/* Strips W/ and quotes; *out is 40 or 64 lowercase hex or the function returns false. */
bool hub_normalize_etag(struct str value, struct str *out);

/* Is this body an HTML page, by Content-Type or by its first bytes? For API answers and errors: a
 * file of a repo may well be one. `reply` may be NULL. */
bool hub_is_html(const struct http_reply *reply, struct str body);

#endif
