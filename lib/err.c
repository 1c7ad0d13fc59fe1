/* err.c: the table of kinds, and the few functions that fill an error. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char    *reason;
    int            exit_code;
    bool           retryable;
    enum err_again again;
    const char    *hint;
} kinds[ERR_KINDS] = {
    [ERR_NONE] = {"None", 0, false, ERR_AGAIN_NO, ""},
    [ERR_INTERNAL] = {"Internal", 1, false, ERR_AGAIN_NO,
                      "this is a bug in hf-init: please report it with the log"},
    [ERR_USAGE] = {"Usage", 2, false, ERR_AGAIN_NO, "see hf-init --help"},
    [ERR_SPEC] = {"SpecInvalid", 2, false, ERR_AGAIN_NO, "correct the spec and start again"},
    [ERR_UNAUTHORIZED] = {"Unauthorized", 10, false, ERR_AGAIN_NO,
                          "put a valid Hugging Face token into the secret and start again"},
    [ERR_GATED] = {"Gated", 11, false, ERR_AGAIN_NO,
                   "accept the terms on the repo's page with the token's user, then start again"},
    [ERR_FORBIDDEN] = {"Forbidden", 11, false, ERR_AGAIN_NO,
                       "give the token read access to this repo, then start again"},
    [ERR_DISABLED] = {"Disabled", 11, false, ERR_AGAIN_NO,
                      "the Hub has disabled this repo; choose another one"},
    [ERR_REPO_NOT_FOUND] = {"RepoNotFound", 12, false, ERR_AGAIN_NO,
                            "check the id and the type; a private repo also needs a token"},
    [ERR_REVISION_NOT_FOUND] = {"RevisionNotFound", 12, false, ERR_AGAIN_NO,
                                "check the branch, tag or commit"},
    [ERR_ENTRY_NOT_FOUND] = {"EntryNotFound", 12, false, ERR_AGAIN_NO,
                             "check the file name on the repo's page or with hf-init ls"},
    [ERR_NOTHING_SELECTED] = {"NothingSelected", 12, false, ERR_AGAIN_NO,
                              "check the allow and ignore patterns; hf-init ls tries them"},
    [ERR_TLS_UNTRUSTED] = {"TlsUntrusted", 13, false, ERR_AGAIN_NO,
                           "if this is your proxy or mirror, name its CA in tls.caFile or "
                           "SSL_CERT_FILE"},
    [ERR_DISK_FULL] = {"InsufficientDisk", 20, false, ERR_AGAIN_NO,
                       "enlarge the volume or narrow the selection"},
    [ERR_QUOTA] = {"QuotaExceeded", 20, false, ERR_AGAIN_NO,
                   "raise the quota of the volume or narrow the selection"},
    [ERR_TOO_LARGE] = {"TooLarge", 20, false, ERR_AGAIN_NO,
                       "raise the limit or narrow the selection"},
    [ERR_IO] = {"IoError", 21, true, ERR_AGAIN_NO,
                "look at what is at that path, at the volume, and at the node's kernel log"},
    [ERR_READ_ONLY] = {"ReadOnly", 22, false, ERR_AGAIN_NO,
                       "mount the volume read-write for the init container"},
    [ERR_PERMISSION] = {"PermissionDenied", 22, false, ERR_AGAIN_NO,
                        "set the pod's fsGroup, or make the folder writable for this user"},
    [ERR_DNS] = {"DnsFailure", 30, true, ERR_AGAIN_BACKOFF,
                 "check the cluster DNS and the pod's dnsPolicy"},
    [ERR_UNREACHABLE] = {"Unreachable", 30, true, ERR_AGAIN_BACKOFF,
                         "check egress rules, NetworkPolicy and the proxy settings"},
    [ERR_STALLED] = {"Stalled", 30, true, ERR_AGAIN_BACKOFF,
                     "check the network path; timeouts.stall sets the patience"},
    [ERR_RATE_LIMITED] = {"RateLimited", 31, true, ERR_AGAIN_BACKOFF,
                          "use a token, fewer simultaneous pods, or a mirror"},
    [ERR_SERVER] = {"ServerError", 32, true, ERR_AGAIN_BACKOFF,
                    "try later; https://status.huggingface.co shows the Hub's state"},
    [ERR_BAD_ANSWER] = {"BadAnswer", 32, true, ERR_AGAIN_ONCE,
                        "check the endpoint: is it a Hub, or a faithful mirror of one"},
    [ERR_PROXY] = {"ProxyInterference", 32, true, ERR_AGAIN_ONCE,
                   "something between the pod and the Hub answers in its place; look at the "
                   "proxy settings"},
    [ERR_HOST_NOT_ALLOWED] = {"HostNotAllowed", 32, true, ERR_AGAIN_NO,
                              "add the host to allowedHosts if you trust it"},
    [ERR_DEADLINE] = {"DeadlineExceeded", 33, true, ERR_AGAIN_NO,
                      "start again to resume, or raise timeouts.total"},
    [ERR_INTEGRITY] = {"IntegrityMismatch", 40, true, ERR_AGAIN_ONCE,
                       "the bytes served do not match the Hub's hash; check the mirror or proxy"},
    [ERR_UNSAFE_NAME] = {"UnsafeName", 42, false, ERR_AGAIN_NO,
                         "do not use this repo; report it to the Hub"},
    [ERR_LOCKED] = {"LockTimeout", 50, true, ERR_AGAIN_NO,
                    "look at the other pod that holds the volume, or raise lock.wait"},
    [ERR_OFFLINE] = {"OfflineIncomplete", 60, false, ERR_AGAIN_NO,
                     "run once online, or mount a volume that already holds the files"},
    [ERR_TERMINATED] = {"Terminated", 143, true, ERR_AGAIN_NO, "start again to resume"},
    [ERR_INTERRUPTED] = {"Interrupted", 130, true, ERR_AGAIN_NO, "start again to resume"},
};

const char err_more_threads[] =
    "let the pod have more processes (pids limit, ulimit -u): 32 are enough";

static enum err_kind kind_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC: return ERR_DISK_FULL;
    case EDQUOT: return ERR_QUOTA;
    case EFBIG: return ERR_TOO_LARGE;
    case EROFS: return ERR_READ_ONLY;
    case EACCES:
    case EPERM: return ERR_PERMISSION;
    default: return ERR_IO;
    }
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    struct err fresh = {.kind = kind};
    va_list    ap;

    va_start(ap, fmt);
    vsnprintf(fresh.text, sizeof(fresh.text), fmt, ap);
    va_end(ap);
    *err = fresh;
    return -1;
}

int err_sys(struct err *err, int sys_errno, const char *fmt, ...)
{
    enum { WRAP_BYTES = 120 }; /* said before it by others: a long path must not hide the reason */
    struct err  fresh = {.kind = kind_of_errno(sys_errno), .sys_errno = sys_errno};
    const char *why = strerror(sys_errno);
    va_list     ap;
    size_t      len;

    va_start(ap, fmt);
    vsnprintf(fresh.text, sizeof(fresh.text) - WRAP_BYTES - strlen(why), fmt, ap);
    va_end(ap);
    len = strlen(fresh.text);
    snprintf(fresh.text + len, sizeof(fresh.text) - len, ": %s", why);
    if (sys_errno == EMFILE) /* the volume is not to blame */
        err_hint(&fresh, "let the process have more files open (ulimit -n, RLIMIT_NOFILE): 64 are "
                         "enough");
    *err = fresh;
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char    inner[sizeof(err->text)];
    va_list ap;
    size_t  len;

    memcpy(inner, err->text, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", inner);
    return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
    va_end(ap);
    return -1;
}

void err_clear(struct err *err)
{
    memset(err, 0, sizeof(*err));
}

const char *err_reason(enum err_kind kind)
{
    return kinds[kind].reason;
}

int err_exit_code(enum err_kind kind)
{
    return kinds[kind].exit_code;
}

bool err_is_retryable(enum err_kind kind)
{
    return kinds[kind].retryable;
}

enum err_again err_again(enum err_kind kind)
{
    return kinds[kind].again;
}

const char *err_next_step(const struct err *err)
{
    return err->hint[0] ? err->hint : kinds[err->kind].hint;
}

static const char  fatal[] = "hf-init: fatal: ";
static char        last_line[512]; /* of the process: it has one end */
static atomic_flag is_dying = ATOMIC_FLAG_INIT;

void die(const char *fmt, ...)
{
    char    line[sizeof(last_line)];
    va_list ap;
    ssize_t ignored;

    memcpy(line, fatal, sizeof(fatal));
    va_start(ap, fmt);
    vsnprintf(line + strlen(fatal), sizeof(line) - sizeof(fatal), fmt, ap);
    va_end(ap);
    if (!atomic_flag_test_and_set(&is_dying)) {
        size_t len = strlen(line);

        memcpy(last_line, line, len + 1);
        line[len++] = '\n';
        ignored = write(STDERR_FILENO, line, len);
        (void)ignored;
    }
    abort();
}

const char *die_text(void)
{
    return last_line[0] ? last_line + strlen(fatal) : "";
}
