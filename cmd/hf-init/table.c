/* table.c: see table.h. */
#include "table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const char *const *head)
{
    *table = (struct table){.head = head};
    while (head[table->columns] && table->columns < TABLE_COLUMNS)
        table->columns++;
}

void table_row(struct table *table)
{
    size_t row_bytes = table->columns * sizeof(*table->cell);

    table->cell = realloc(table->cell, (table->rows + 1) * row_bytes);
    if (!table->cell)
        abort();
    memset(table->cell + table->rows * table->columns, 0, row_bytes);
    table->rows++;
    table->column = 0;
}

void table_cell(struct table *table, const char *text)
{
    char *copy = strdup(text ? text : "");

    if (!copy)
        abort();
    table->cell[(table->rows - 1) * table->columns + table->column++] = copy;
}

void table_format_bytes(uint64_t bytes, char out[24])
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double                   value = (double)bytes;
    size_t                   i = 0;

    while (i < 6 && value >= 1023.5) {
        value /= 1024;
        i++;
    }
    if (i == 0)
        snprintf(out, 24, "%" PRIu64 " B", bytes);
    else
        snprintf(out, 24, value < 99.95 ? "%.1f %s" : "%.0f %s", value, unit[i]);
}

void table_bytes(struct table *table, uint64_t bytes)
{
    char text[24];

    table_format_bytes(bytes, text);
    table_cell(table, text);
}

/* Columns on the screen, taking each character as one wide: good enough for names of repos. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static bool is_right(const char *head)
{
    return head[0] == '>';
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t own = width_of(text), pad = width > own ? width - own : 0;

    if (right)
        fprintf(out, "%*s", (int)pad, "");
    table_print_line(out, text);
    if (!right && !last)
        fprintf(out, "%*s", (int)pad, "");
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out)
{
    size_t width[TABLE_COLUMNS] = {0};

    for (size_t c = 0; c < table->columns; c++)
        width[c] = width_of(table->head[c] + is_right(table->head[c]));
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t own = table->cell[i] ? width_of(table->cell[i]) : 0;

        if (own > width[i % table->columns])
            width[i % table->columns] = own;
    }
    for (size_t c = 0; c < table->columns; c++)
        print_cell(out, table->head[c] + is_right(table->head[c]), width[c],
                   is_right(table->head[c]), c + 1 == table->columns);
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t c = i % table->columns;

        print_cell(out, table->cell[i] ? table->cell[i] : "", width[c], is_right(table->head[c]),
                   c + 1 == table->columns);
    }
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (struct table){0};
}

/* Length of the UTF-8 sequence at p, or 0. NUL ends the text and is never a continuation. */
static size_t sequence_len(const unsigned char *p)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, len;
    } forms[] = {
        {0x01, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t len = forms[i].len, n = 1;

        if (p[0] < forms[i].first_low || p[0] > forms[i].first_high)
            continue;
        if (len > 1 && (p[1] < forms[i].second_low || p[1] > forms[i].second_high))
            return 0;
        for (n = 2; n < len; n++)
            if ((p[n] & 0xC0) != 0x80)
                return 0;
        return len;
    }
    return 0;
}

static uint32_t letter_of(const unsigned char *p, size_t len)
{
    uint32_t letter = *p & (len == 1 ? 0x7Fu : 0xFFu >> (len + 1));

    for (size_t i = 1; i < len; i++)
        letter = letter << 6 | (p[i] & 0x3Fu);
    return letter;
}

bool table_is_control(uint32_t letter)
{
    return letter < ' ' || (letter >= 0x7F && letter < 0xA0) || letter == 0x200E ||
           letter == 0x200F || (letter >= 0x202A && letter <= 0x202E) ||
           (letter >= 0x2066 && letter <= 0x2069);
}

void table_print_line(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        size_t len = sequence_len(p);

        if (*p == '\n' || *p == '\t')
            fputc(' ', out);
        else if (len == 0 || table_is_control(letter_of(p, len)))
            fputc('?', out);
        else
            fwrite(p, 1, len, out);
        p += len ? len : 1;
    }
}

void table_print_json(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    fputc('"', out);
    while (*p) {
        size_t len = sequence_len(p);

        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (len == 0)
            fputs("\\ufffd", out);
        else if (table_is_control(letter_of(p, len)))
            fprintf(out, "\\u%04x", (unsigned)letter_of(p, len));
        else
            fwrite(p, 1, len, out);
        p += len ? len : 1;
    }
    fputc('"', out);
}
