/* signals.c: see signals.h. */
#include "signals.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "app.h"

enum {
    /* A run stops within 2 s. One that does not hangs, perhaps in a dead NFS server: leave with the
     * right code rather than be killed with the wrong one. */
    PATIENCE_S = 2,
    THREAD_STACK_BYTES = 256 * 1024,
};

static int exit_code_of(int signal)
{
    return signal == SIGINT ? 130 : 143;
}

/* Is there anything to put in order? Then it is told to. */
static bool begin_stop(struct signals *s, int signal)
{
    bool wait;

    pthread_mutex_lock(&s->lock);
    wait = s->run || s->is_finishing;
    if (s->run)
        hfinit_cancel(s->run, signal == SIGINT);
    pthread_mutex_unlock(&s->lock);
    return wait;
}

/* The run's threads may stand anywhere, with any lock of the library: it is asked nothing. */
static void leave_message(const char *path, const char *why, int signal)
{
    char text[320];

    snprintf(text, sizeof(text),
             "{\"message\":\"stopped by %s %s; what was fetched is kept. Start again to resume.\","
             "\"reason\":\"%s\",\"exitCode\":%d,\"retryable\":true}",
             signal == SIGINT ? "SIGINT" : "SIGTERM", why,
             signal == SIGINT ? "Interrupted" : "Terminated", exit_code_of(signal));
    app_write_message(path, text);
}

/* Keeps the lock: a run that ends at this very moment must not have its say as well. */
static _Noreturn void leave(struct signals *s, const char *why, int signal)
{
    pthread_mutex_lock(&s->lock);
    if (s->run)
        leave_message(s->message_path, why, signal);
    _exit(exit_code_of(signal));
}

static void *watch(void *user)
{
    static const char     late[] = "hf-init: did not stop within 2 s, leaving at once\n";
    struct signals       *s = user;
    const struct timespec patience = {.tv_sec = PATIENCE_S};
    int                   first = 0, second;
    ssize_t               ignored;

    while (sigwait(&s->set, &first) != 0)
        ;
    if (!begin_stop(s, first))
        _exit(exit_code_of(first));
    do
        second = sigtimedwait(&s->set, NULL, &patience);
    while (second < 0 && errno == EINTR);
    if (second > 0)
        leave(s, "twice, the second time before it had put everything in order", second);
    ignored = write(STDERR_FILENO, late, sizeof(late) - 1);
    (void)ignored;
    leave(s, "and not ready within 2 s", first);
}

/* What the one who started us ignores (nohup, a shell's background job) stays ignored. */
static void add_unless_ignored(sigset_t *set, int signal)
{
    struct sigaction action;

    if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        return;
    sigaddset(set, signal);
}

void signals_start(struct signals *signals)
{
    pthread_attr_t attr;
    pthread_t      thread;
    int            failed;

    *signals = (struct signals){.lock = PTHREAD_MUTEX_INITIALIZER};
    sigemptyset(&signals->set);
    sigaddset(&signals->set, SIGTERM);
    add_unless_ignored(&signals->set, SIGINT);
    add_unless_ignored(&signals->set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals->set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed connection or reader is an error value, not death */
    signal(SIGXFSZ, SIG_IGN); /* likewise a file size limit: EFBIG */

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    failed = pthread_create(&thread, &attr, watch, signals);
    pthread_attr_destroy(&attr);
    if (failed)
        pthread_sigmask(SIG_UNBLOCK, &signals->set, NULL);
}

void signals_guard(struct signals *signals, hfinit *run, const char *message_path)
{
    pthread_mutex_lock(&signals->lock);
    signals->run = run;
    signals->message_path = message_path;
    pthread_mutex_unlock(&signals->lock);
}

void signals_unguard(struct signals *signals)
{
    pthread_mutex_lock(&signals->lock);
    signals->run = NULL;
    signals->is_finishing = true;
    pthread_mutex_unlock(&signals->lock);
}
