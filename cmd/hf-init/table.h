/* table.h: columns as wide as their widest cell, for people; and texts made fit for print. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 8 };

struct table {
    char             **cell;                  /* owned, row by row; NULL: none */
    size_t             rows, columns, column; /* column: the next cell's */
    const char *const *head;
};

/* `head` ends with NULL; a heading that starts with '>' (not printed) stands for a right-aligned
 * column. It is borrowed. */
void table_init(struct table *table, const char *const *head);
void table_row(struct table *table);
void table_cell(struct table *table, const char *text);
void table_bytes(struct table *table, uint64_t bytes); /* "13.1 GiB" */
void table_format_bytes(uint64_t bytes, char out[24]); /* the same text */
void table_print(const struct table *table, FILE *out);
void table_release(struct table *table);

/* Does it move a cursor or turn the direction of writing? The same letters as in lib/str.h. */
bool table_is_control(uint32_t letter);
/* Text from elsewhere on one line, without what moves a cursor or turns the direction of writing, or is no
 * UTF-8. */
void table_print_line(FILE *out, const char *text);
/* As a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void table_print_json(FILE *out, const char *text);

#endif
