/* serve.h: the wall around libmicrohttpd: a small HTTP listener on a thread of its own.
 *
 * For scrapers and probes, and for whoever else reaches the port: it answers GET and HEAD, one request
 * a connection. A connection has SERVE_PATIENCE_MS for all of it, and at most SERVE_CONNECTIONS live at a
 * time; the next ones wait in the kernel. Nothing that happens here can fail the process. */
#ifndef HFI_SERVE_H
#define HFI_SERVE_H

#include "buf.h"
#include "clock.h"
#include "err.h"

enum { SERVE_CONNECTIONS = 32, SERVE_PATIENCE_MS = 5000 };

struct serve;

struct serve_answer {
    unsigned    status;
    const char *content_type; /* static */
    struct buf  body;         /* owned; released by the listener */
};
/* Fills the answer to one request; on the listener's thread. `accept` is the header of that name. */
typedef void serve_fn(struct str path, struct str accept, struct serve_answer *out, void *user);

/* Opens the port: ":9464" (every address, IPv6 and IPv4), "127.0.0.1:9464" or "[::1]:9464". Nobody is
 * answered before serve_start. */
int serve_open(struct str address, const struct clock *clock, struct serve **out, struct err *err);
int serve_start(struct serve *serve, serve_fn *answer, void *user, struct err *err);
/* Ends the thread and closes everything; NULL is fine. */
void serve_free(struct serve *serve);

#endif
