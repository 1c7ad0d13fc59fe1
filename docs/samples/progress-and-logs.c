/* progress-and-logs.c: runs a spec file with a progress line on standard error and JSON log lines on
 * standard output; Ctrl-C stops it, and the next run goes on where it was.
 *
 *     progress-and-logs SPEC */
#include <hfinit.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

extern char **environ;

static void print_log(hfinit_level level, const char *line, size_t len, void *user)
{
    (void)level;
    fwrite(line, 1, len, user);
    fputc('\n', user);
    fflush(user);
}

static void print_progress(const hfinit_progress *now, void *user)
{
    uint64_t percent = now->bytes ? now->bytes_done * 100 / now->bytes : 0;

    fprintf(user, "\r%-12s %3" PRIu64 "%%  %" PRIu64 " of %" PRIu64 " files  %" PRIu64 " KiB/s  ",
            now->phase, percent, now->files_done, now->files, now->bytes_per_second / 1024);
    if (now->waiting_for[0])
        fprintf(user, "waiting for %s", now->waiting_for);
    else if (now->file_count)
        fprintf(user, "%.40s from %s", now->file[0].path, now->file[0].host);
    if (now->is_over)
        fputc('\n', user);
}

static sigset_t interrupt;

/* A thread of its own: hfinit_cancel is not for signal handlers. */
static void *wait_for_interrupt(void *client)
{
    int number;

    if (sigwait(&interrupt, &number) == 0)
        hfinit_cancel(client, true);
    return NULL;
}

int main(int argc, char **argv)
{
    hfinit_error error;
    pthread_t    watcher;
    hfinit      *client;
    int          rc;

    if (argc != 2) {
        fprintf(stderr, "usage: progress-and-logs SPEC\n");
        return 2;
    }
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL); /* before any thread: they all inherit it */

    client = hfinit_new();
    hfinit_set_log(client, print_log, stdout);
    hfinit_set_progress(client, print_progress, stderr);
    if (pthread_create(&watcher, NULL, wait_for_interrupt, client) != 0) {
        fprintf(stderr, "no thread to wait for signals in\n");
        hfinit_free(client);
        return 1;
    }
    rc = hfinit_load(client, argv[1], (const char *const *)environ, &error);
    if (rc == 0)
        rc = hfinit_run(client, &error);
    if (rc != 0)
        fprintf(stderr, "%s: %s\nnext: %s\n", error.reason, error.message, error.hint);
    pthread_kill(watcher, SIGINT); /* whatever becomes of it, the run is over */
    pthread_join(watcher, NULL);
    hfinit_free(client);
    return rc == 0 ? 0 : error.exit_code;
}
