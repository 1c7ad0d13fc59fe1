/* answer.h: answers of a server, written as text, for the tests of hub. */
#ifndef HFI_ANSWER_H
#define HFI_ANSWER_H

#include "http.h"

struct answer {
    struct http_reply  reply;
    struct http_header header[16];
};

/* `lines` is "Name: value\n…"; it must outlive the answer. */
static inline const struct http_reply *answer_of(struct answer *a, long status, const char *lines)
{
    struct str rest = str_from(lines ? lines : ""), line;

    *a = (struct answer){.reply = {.status = status}};
    a->reply.header = a->header;
    while (str_cut(&rest, '\n', &line)) {
        ptrdiff_t colon = str_find_char(line, ':', 0);
        if (colon < 0 || a->reply.header_count == sizeof(a->header) / sizeof(a->header[0]))
            continue;
        a->header[a->reply.header_count++] = (struct http_header){
            .name = str_sub(line, 0, (size_t)colon),
            .value = str_trim(str_sub(line, (size_t)colon + 1, line.len)),
        };
    }
    return &a->reply;
}

#endif
