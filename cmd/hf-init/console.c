/* console.c: see console.h.
 *
 * Standard error is shared with whoever started us, so O_NONBLOCK, a property of the shared file
 * description, is not ours to set. poll() before each piece does it: a pipe that polls writable
 * takes PIPE_BUF bytes without blocking. */
#include "console.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { /* how long a line may wait for room */
       ERROR_WAIT_MS = 1000,
       OTHER_WAIT_MS = 200,
};

void console_init(struct console *console, int fd)
{
    *console = (struct console){.fd = fd, .is_terminal = isatty(fd) == 1};
    bars_init(&console->bars, fd, console->is_terminal);
}

/* 1 room, 0 none in time, -1 nobody reads */
static int wait_for_room(struct console *c, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    int           n;

    do
        n = poll(&p, 1, wait_ms);
    while (n < 0 && errno == EINTR);
    if (n < 0 || (p.revents & (POLLERR | POLLNVAL)))
        return -1;
    return n > 0 ? 1 : 0;
}

/* Writes all of it, or (before the first byte) nothing: half a line would spoil the next one too.
 * That is why the rest of a line may wait long, and its beginning not. */
static bool write_whole(struct console *c, const char *text, size_t len, int wait_ms)
{
    enum { REST_WAIT_MS = 5000 };
    size_t at = 0;

    while (at < len) {
        size_t  piece = len - at < PIPE_BUF ? len - at : PIPE_BUF;
        int     room = wait_for_room(c, at ? REST_WAIT_MS : wait_ms);
        ssize_t n;

        if (room <= 0) {
            c->is_closed = room < 0;
            return false;
        }
        n = write(c->fd, text + at, piece);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            c->is_closed = errno == EPIPE || errno == EBADF;
            return false;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* As the library writes them: "2026-11-22T20:12:17.123Z", and of it 20:12:17 for people. */
static void now(char stamp[32])
{
    struct timespec wall;
    struct tm       utc;
    size_t          len;

    clock_gettime(CLOCK_REALTIME, &wall);
    gmtime_r(&wall.tv_sec, &utc);
    len = strftime(stamp, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + len, 32 - len, ".%03uZ", (unsigned)(wall.tv_nsec / 1000000));
}

/* What was lost is said in the form of the lines around it. */
static void own_up(struct console *c, bool json)
{
    static const char what[] = "standard error was not read in time";
    char              line[160], stamp[32];
    int               len;

    now(stamp);
    if (json)
        len = snprintf(line, sizeof(line),
                       "{\"ts\":\"%s\",\"level\":\"warn\",\"msg\":\"%s\",\"lines_dropped\":%u}\n",
                       stamp, what, c->dropped);
    else
        len = snprintf(line, sizeof(line), "%.8s WARN  %s lines_dropped=%u\n", stamp + 11, what,
                       c->dropped);
    if (!write_whole(c, line, (size_t)len, 0))
        return;
    c->dropped = 0;
    c->is_stuck = false; /* somebody reads again: lines may wait a little, as before */
}

static void write_line(struct console *c, hfinit_level level, const char *line, size_t len)
{
    char *copy;
    int   wait_ms = ERROR_WAIT_MS;

    if (c->is_closed)
        return;
    copy = malloc(len + 1);
    if (!copy)
        return;
    memcpy(copy, line, len);
    copy[len] = '\n';
    bars_hide(&c->bars);
    if (c->dropped)
        own_up(c, len && line[0] == '{');
    /* Once it is stuck, only errors wait: else every line of a long run would. */
    if (level != HFINIT_LOG_ERROR)
        wait_ms = c->is_stuck ? 0 : OTHER_WAIT_MS;
    c->is_stuck = !write_whole(c, copy, len + 1, wait_ms);
    c->dropped += c->is_stuck ? 1 : 0;
    bars_show(&c->bars);
    free(copy);
}

void console_log(hfinit_level level, const char *line, size_t len, void *user)
{
    struct console *c = user;

    write_line(c, level, line, len);
}

void console_say(struct console *console, const char *fmt, ...)
{
    char    line[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    write_line(console, HFINIT_LOG_ERROR, line, strlen(line));
}

void console_error(struct console *console, const hfinit_error *error)
{
    console_say(console, "hf-init: %s", error->message);
    if (error->hint[0])
        console_say(console, "  next: %s", error->hint);
    if (error->request_id[0])
        console_say(console, "  request id: %s", error->request_id);
}

/* An earlier write may have met it already, and what it said is gone. */
static bool has_reader_left(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

int console_finish_stdout(hfinit_error *error)
{
    int failed;

    errno = 0;
    failed = fflush(stdout);
    if ((!failed && !ferror(stdout)) || errno == EPIPE || has_reader_left())
        return 0;
    memset(error, 0, sizeof(*error));
    error->exit_code = 21;
    error->reason = "IoError";
    error->retryable = true;
    snprintf(error->message, sizeof(error->message), "standard output: %s",
             errno ? strerror(errno) : "write error");
    return -1;
}
