/* bars.c: see bars.h. A frame is one write: cursor up, every line over the old one and cleared to its
 * end, the rest of the screen cleared. Nothing is blanked first, so nothing flickers. */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "bars.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "table.h"

enum {
    NARROWEST = 20,
    FILES_MAX = 16,
    NAME_LEAST = 12,
    SIZE_COLUMNS = 20, /* "123.4 of 567.8 GiB" */
    RATE_COLUMNS = 12, /* " 123.4 MiB/s" */
    TIME_COLUMNS = 9,  /* " 12:34:56" */
    QUIET_AFTER_MS = 10000,
};

/* --- a text that grows --- */

struct text {
    char  *p;
    size_t len, capacity;
};

static void add_bytes(struct text *t, const char *bytes, size_t len)
{
    if (t->len + len + 1 > t->capacity) {
        size_t capacity = (t->len + len + 1) * 2;
        char  *grown = realloc(t->p, capacity);

        if (!grown)
            return; /* a bar less */
        t->p = grown;
        t->capacity = capacity;
    }
    memcpy(t->p + t->len, bytes, len);
    t->len += len;
    t->p[t->len] = '\0';
}

static void add_text(struct text *t, const char *text)
{
    add_bytes(t, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void add_format(struct text *t, const char *fmt, ...)
{
    char    line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    add_text(t, line);
}

static void add_many(struct text *t, const char *one, unsigned count)
{
    while (count-- > 0)
        add_text(t, one);
}

/* --- how wide is a text on the screen? --- */

/* One code point of UTF-8; bytes that are none are taken one by one. */
static size_t next_letter(const char *p, wchar_t *letter)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t   len = u[0] < 0x80 ? 1 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc2 ? 2 : 0;
    uint32_t c = len == 1 ? u[0] : len ? u[0] & (0xffu >> (len + 1)) : 0;

    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            len = 0;
            break;
        }
        c = c << 6 | (u[i] & 0x3fu);
    }
    *letter = len ? (wchar_t)c : L'?';
    return len ? len : 1;
}

/* -1: it is printed as ?. */
static int own_width(wchar_t letter)
{
    return table_is_control((uint32_t)letter) ? -1 : wcwidth(letter);
}

static unsigned width_of_letter(wchar_t letter)
{
    int width = own_width(letter);

    return width < 0 ? 1 : (unsigned)width;
}

static unsigned width_of(const char *text)
{
    unsigned width = 0;
    wchar_t  letter;

    while (*text) {
        text += next_letter(text, &letter);
        width += width_of_letter(letter);
    }
    return width;
}

/* The letters from `skip` columns on, `width` columns at most; control characters as ?. */
static unsigned add_columns(struct text *t, const char *text, unsigned skip, unsigned width)
{
    unsigned used = 0, seen = 0;

    while (*text) {
        wchar_t  letter;
        size_t   len = next_letter(text, &letter);
        unsigned columns = width_of_letter(letter);

        if (seen >= skip) {
            if (used + columns > width)
                break;
            if (own_width(letter) < 0 || (len == 1 && (unsigned char)*text >= 0x80))
                add_text(t, "?");
            else
                add_bytes(t, text, len);
            used += columns;
        }
        seen += columns;
        text += len;
    }
    return used;
}

/* Exactly `width` columns: filled up, or with its middle left out: of a path both ends tell most, and
 * of shards (model-00001-of-00004.safetensors) the first half. */
static void add_name(struct text *t, const char *name, unsigned width, bool is_unicode)
{
    const char *dots = is_unicode ? "\xe2\x80\xa6" : "~";
    unsigned    whole = width_of(name), head, used;

    if (whole <= width) {
        used = add_columns(t, name, 0, width);
    } else {
        head = (width - 1) / 2;
        used = add_columns(t, name, 0, head);
        add_text(t, dots);
        used += 1 + add_columns(t, name, whole - (width - 1 - head), width - 1 - head);
    }
    add_many(t, " ", width - used);
}

/* --- numbers --- */

static void format_size(double bytes, unsigned unit, char out[16])
{
    for (unsigned i = 0; i < unit; i++)
        bytes /= 1024;
    snprintf(out, 16, unit == 0 || bytes >= 999.95 ? "%.0f" : "%.1f", bytes);
}

static unsigned unit_of(uint64_t bytes)
{
    unsigned unit = 0;

    while (bytes >= 1000 && unit < 6) {
        bytes /= 1024;
        unit++;
    }
    return unit;
}

static const char *const unit_names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

static void add_sizes(struct text *t, uint64_t done, uint64_t all)
{
    char     a[16], b[16], both[48];
    unsigned unit = unit_of(all);

    format_size((double)done, unit, a);
    format_size((double)all, unit, b);
    snprintf(both, sizeof(both), "%s of %s %s", a, b, unit_names[unit]);
    add_format(t, "%*s", SIZE_COLUMNS, both);
}

static void add_rate(struct text *t, uint64_t bytes_per_second)
{
    char     number[16], whole[32] = "";
    unsigned unit = unit_of(bytes_per_second);

    format_size((double)bytes_per_second, unit, number);
    if (bytes_per_second)
        snprintf(whole, sizeof(whole), "%s %s/s", number, unit_names[unit]);
    add_format(t, "%*s", RATE_COLUMNS, whole);
}

static void format_time(uint64_t ms, char out[32])
{
    uint64_t s = (ms + 999) / 1000;

    if (s >= 360000)
        out[0] = '\0';
    else if (s >= 3600)
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
}

static void add_time(struct text *t, uint64_t ms)
{
    char time[32] = "";

    if (ms != UINT64_MAX)
        format_time(ms, time);
    add_format(t, "%*s", TIME_COLUMNS, time);
}

/* --- a line --- */

/* Eighths of a column, where letters for them can be shown. */
static void add_bar(struct text *t, const struct bars *bars, uint64_t done, uint64_t all,
                    unsigned width)
{
    static const char *const eighth[] = {"",
                                         "\xe2\x96\x8f",
                                         "\xe2\x96\x8e",
                                         "\xe2\x96\x8d",
                                         "\xe2\x96\x8c",
                                         "\xe2\x96\x8b",
                                         "\xe2\x96\x8a",
                                         "\xe2\x96\x89"};
    double                   part = all ? (double)done / (double)all : 0;
    unsigned                 filled, rest;

    if (part > 1)
        part = 1;
    filled = (unsigned)(part * width * 8);
    rest = filled % 8;
    filled /= 8;
    if (!bars->is_unicode)
        rest = 0;
    add_text(t, bars->is_coloured ? "\x1b[36m" : bars->is_unicode ? "" : "[");
    add_many(t, bars->is_unicode ? "\xe2\x96\x88" : "#", filled);
    add_text(t, eighth[rest]);
    add_text(t, bars->is_coloured ? "\x1b[2m" : "");
    add_many(t, bars->is_unicode ? (bars->is_coloured ? "\xe2\x94\x80" : " ") : ".",
             width - filled - (rest ? 1 : 0));
    add_text(t, bars->is_coloured ? "\x1b[0m" : bars->is_unicode ? "" : "]");
}

struct line {
    const char *name;
    uint64_t    done, all, rate, eta_ms;
};

/* NAME BAR SIZES RATE TIME; on a narrow screen what is least needed goes first. */
static void add_line(struct text *t, const struct bars *bars, const struct line *line,
                     unsigned columns, unsigned name_width)
{
    unsigned ends = bars->is_unicode ? 0 : 2; /* [ and ] */
    unsigned left = columns - name_width - 1;
    bool     time = left >= 8 + SIZE_COLUMNS + RATE_COLUMNS + TIME_COLUMNS + ends;
    bool     rate = left >= 8 + SIZE_COLUMNS + RATE_COLUMNS + ends;
    bool     size = left >= 6 + SIZE_COLUMNS + ends;
    unsigned fixed = (unsigned)((size ? SIZE_COLUMNS : 5) + (rate ? RATE_COLUMNS : 0) +
                                (time ? TIME_COLUMNS : 0));

    add_name(t, line->name, name_width, bars->is_unicode);
    add_text(t, " ");
    if (left > fixed + ends + 2)
        add_bar(t, bars, line->done, line->all, left - fixed - ends);
    else
        add_many(t, " ", left > fixed ? left - fixed : 0);
    if (size)
        add_sizes(t, line->done, line->all);
    else
        add_format(t, "%4u%%",
                   line->all ? (unsigned)((double)line->done * 100 / (double)line->all) : 0u);
    if (rate)
        add_rate(t, line->rate);
    if (time)
        add_time(t, line->eta_ms);
}

static void add_file(struct text *t, const struct bars *bars, const hfinit_progress_file *file,
                     unsigned columns, unsigned name_width)
{
    struct line line = {.name = file->path,
                        .done = file->bytes_done,
                        .all = file->bytes,
                        .rate = file->bytes_per_second,
                        .eta_ms = UINT64_MAX};
    char        quiet[600], time[32];

    if (file->bytes_per_second && file->bytes > file->bytes_done)
        line.eta_ms = (file->bytes - file->bytes_done) * 1000 / file->bytes_per_second;
    if (file->quiet_ms < QUIET_AFTER_MS) {
        add_line(t, bars, &line, columns, name_width);
        return;
    }
    format_time(file->quiet_ms, time);
    add_name(t, file->path, name_width, bars->is_unicode);
    snprintf(quiet, sizeof(quiet), " no byte for %s%s%s", time, file->host[0] ? " from " : "",
             file->host);
    add_columns(t, quiet, 0, columns - name_width);
}

static void add_total(struct text *t, const struct bars *bars, const hfinit_progress *p,
                      unsigned columns, unsigned name_width)
{
    char        name[64], waiting[400], time[32];
    struct line line = {.name = name,
                        .done = p->bytes_done,
                        .all = p->bytes,
                        .rate = p->bytes_per_second,
                        .eta_ms = p->eta_ms};
    bool is_hashing = strcmp(p->phase, "verifying") == 0; /* a bar says more than a sentence */

    if ((p->waiting_for[0] && !is_hashing) || p->files == 0) {
        format_time(p->waiting_ms ? p->waiting_ms : p->elapsed_ms, time);
        if (p->waiting_for[0])
            snprintf(waiting, sizeof(waiting), "waiting for %s%s%s", p->waiting_for,
                     p->waiting_ms ? ", for another " : "", p->waiting_ms ? time : "");
        else
            snprintf(waiting, sizeof(waiting), "%s, %s", p->phase, time);
        add_columns(t, waiting, 0, columns);
        return;
    }
    snprintf(name, sizeof(name), "%" PRIu64 " of %" PRIu64 " files", p->files_done, p->files);
    if (strcmp(p->phase, "downloading") != 0)
        snprintf(name, sizeof(name), "%s", p->phase);
    add_line(t, bars, &line, columns, name_width);
}

char *bars_render(const struct bars *bars, const hfinit_progress *p, unsigned columns,
                  unsigned lines, unsigned *rows)
{
    struct text t = {0};
    unsigned    most = lines > 3 ? lines - 2 : 1, widest = NAME_LEAST, shown = 0;
    size_t      files = p->file_count;

    if (columns < NARROWEST)
        columns = NARROWEST;
    columns--; /* a letter in the last column makes some terminals wrap */
    if (most > FILES_MAX)
        most = FILES_MAX;
    if (files > most - 1)
        files = most - 1;
    for (size_t i = 0; i < files; i++)
        if (width_of(p->file[i].path) > widest)
            widest = width_of(p->file[i].path);
    if (widest > columns / 3)
        widest = columns / 3;
    for (size_t i = 0; i < files; i++, shown++) {
        add_file(&t, bars, &p->file[i], columns, widest);
        add_text(&t, "\n");
    }
    add_total(&t, bars, p, columns, widest);
    *rows = shown + 1;
    return t.p;
}

/* --- the screen --- */

static bool has_letters(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);

        if (value && value[0])
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

void bars_init(struct bars *bars, int fd, bool is_terminal)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    *bars = (struct bars){
        .fd = fd,
        .is_on = is_terminal && term && term[0] && strcmp(term, "dumb") != 0,
        .is_unicode = has_letters(),
        .is_coloured = !(no_color && no_color[0]),
    };
}

void bars_release(struct bars *bars)
{
    free(bars->frame);
    *bars = (struct bars){0};
}

static void write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);

        if (n <= 0)
            return; /* nobody looks */
        text += n;
        len -= (size_t)n;
    }
}

/* A terminal that is held (Ctrl-S, a hung line) must not hold the run. */
static bool has_room(const struct bars *bars)
{
    struct pollfd p = {.fd = bars->fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static void add_home(struct text *t, unsigned rows)
{
    if (rows > 1)
        add_format(t, "\x1b[%uA", rows - 1);
    add_text(t, "\r");
}

static void put(struct bars *bars, const char *frame, unsigned rows)
{
    struct text t = {0};

    add_home(&t, bars->rows);
    for (const char *line = frame, *end; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        add_bytes(&t, line, (size_t)(end - line));
        add_text(&t, "\x1b[K");
        if (*end)
            add_text(&t, "\r\n");
    }
    add_text(&t, "\x1b[J");
    write_all(bars->fd, t.p, t.len);
    free(t.p);
    bars->rows = rows;
}

void bars_hide(struct bars *bars)
{
    struct text t = {0};

    if (!bars->rows || !has_room(bars))
        return;
    add_home(&t, bars->rows);
    add_text(&t, "\x1b[J");
    write_all(bars->fd, t.p, t.len);
    free(t.p);
    bars->rows = 0;
}

static unsigned rows_of(const char *frame)
{
    unsigned rows = 1;

    for (; *frame; frame++)
        rows += *frame == '\n';
    return rows;
}

void bars_show(struct bars *bars)
{
    if (bars->frame && !bars->rows && has_room(bars))
        put(bars, bars->frame, rows_of(bars->frame));
}

void bars_draw(const hfinit_progress *progress, void *user)
{
    struct bars   *bars = user;
    struct winsize size = {0};
    unsigned       rows;

    if (!bars->is_on || !has_room(bars))
        return;
    if (progress->is_over) {
        bars_hide(bars);
        free(bars->frame);
        bars->frame = NULL;
        return;
    }
    if (ioctl(bars->fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    free(bars->frame);
    bars->frame = bars_render(bars, progress, size.ws_col, size.ws_row, &rows);
    if (bars->frame)
        put(bars, bars->frame, rows);
}
