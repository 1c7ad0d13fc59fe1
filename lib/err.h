/* err.h: an error is a value with a kind, a place and a reason.
 *
 * Fixed size and owned by the caller, so that reporting one can never fail. The innermost function
 * sets it, each layer above wraps it with what it alone knows (file, repo), and whoever decides
 * prints it once. A kind answers "what should happen next": its reason word, exit code and retry
 * rule are looked up in one table (err.c), never improvised. */
#ifndef HFI_ERR_H
#define HFI_ERR_H

#include <stdbool.h>
#include <stdint.h>

enum err_kind {
    ERR_NONE,
    ERR_INTERNAL, /* a bug of ours */
    ERR_USAGE,
    ERR_SPEC,
    ERR_UNAUTHORIZED,
    ERR_GATED,
    ERR_FORBIDDEN,
    ERR_DISABLED,
    ERR_REPO_NOT_FOUND,
    ERR_REVISION_NOT_FOUND,
    ERR_ENTRY_NOT_FOUND,
    ERR_NOTHING_SELECTED,
    ERR_TLS_UNTRUSTED,
    ERR_DISK_FULL,
    ERR_QUOTA,
    ERR_TOO_LARGE,
    ERR_IO,
    ERR_READ_ONLY,
    ERR_PERMISSION,
    ERR_DNS,
    ERR_UNREACHABLE, /* refused, reset, timed out, body cut short */
    ERR_STALLED,
    ERR_RATE_LIMITED,
    ERR_SERVER,     /* 408, 5xx */
    ERR_BAD_ANSWER, /* an answer that makes no sense: bad JSON, foreign Content-Range */
    ERR_PROXY,      /* an HTML page where data should be; a proxy that refuses */
    ERR_HOST_NOT_ALLOWED,
    ERR_DEADLINE,
    ERR_INTEGRITY,
    ERR_UNSAFE_NAME,
    ERR_LOCKED,
    ERR_OFFLINE,
    ERR_TERMINATED,  /* SIGTERM */
    ERR_INTERRUPTED, /* SIGINT */
    ERR_KINDS
};

enum err_again {
    ERR_AGAIN_NO,      /* the same request gives the same answer */
    ERR_AGAIN_BACKOFF, /* after a jittered wait */
    ERR_AGAIN_ONCE,    /* one more try, from scratch */
};

struct err {
    enum err_kind kind;
    int           sys_errno;              /* 0 if no system call is to blame */
    long          http_status;            /* 0 if there was no answer */
    uint64_t      retry_after_ms;         /* the wait the server named; 0 none */
    uint64_t      need_bytes, have_bytes; /* for ERR_DISK_FULL and friends; 0 unknown */
    char          text[640];              /* what failed, where, why */
    char          hint[320];              /* what to do next; "" to use err_hint()'s default */
    char          url[320];               /* without query and userinfo */
    char          request_id[96];
    char          repo[160]; /* id of the repo concerned, "" none */
    char          file[320]; /* path of the file concerned, "" none */
};

/* Sets kind and text; clears everything else. Always returns -1, so that a caller may return it. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets the kind that belongs to an errno value (ENOSPC, EDQUOT, EROFS, EACCES, EPERM, else
 * ERR_IO) and appends its description: "fmt…: No space left on device". Returns -1. */
int err_sys(struct err *err, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "fmt…: " before the text. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the next step, a sentence without a full stop. Returns -1. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Back to "no error". */
void err_clear(struct err *err);

/* Reason word of the contract, e.g. "InsufficientDisk"; never NULL. */
const char *err_reason(enum err_kind kind);
/* Process exit code of the contract. */
int err_exit_code(enum err_kind kind);
/* May running the same spec again, unchanged, succeed? */
bool err_is_retryable(enum err_kind kind);
/* What the engine does about it inside a run. */
enum err_again err_again(enum err_kind kind);
/* The hint to show: err->hint if set, else the kind's usual advice, else "". */
const char *err_next_step(const struct err *err);
/* A hint: a thread could not be had. */
extern const char err_more_threads[];

/* Out of memory or a broken invariant: says where on stderr and aborts. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What die() was called with, "" if nobody died: for a handler of SIGABRT. */
const char *die_text(void);

#endif
