/* store_journal.c: see store_journal.h. */
#include "store_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

enum { JOURNAL_MAX_BYTES = 64 << 20 };

void journal_view_release(struct journal_view *view)
{
    range_set_release(&view->durable);
    range_set_release(&view->written);
    *view = (struct journal_view){0};
}

/* Takes "…text CRC" apart. The checksum continues the one of the lines before. */
static bool take_checked(struct str line, uint32_t *crc, struct str *text)
{
    ptrdiff_t at = str_rfind_char(line, ' ');
    uint32_t  want;
    char      hex[9];

    if (at < 0)
        return false;
    *text = str_sub(line, 0, (size_t)at);
    want = digest_crc32(*crc, text->p, text->len);
    snprintf(hex, sizeof(hex), "%08" PRIx32, want);
    if (!str_eq(str_sub(line, (size_t)at + 1, line.len), str_from(hex)))
        return false;
    *crc = want;
    return true;
}

static bool copy_word(char *to, size_t size, struct str word)
{
    if (word.len == 0 || word.len >= size || memchr(word.p, '\0', word.len))
        return false;
    memcpy(to, word.p, word.len);
    to[word.len] = '\0';
    return true;
}

static bool parse_head(struct str text, struct journal_head *head)
{
    struct str word[7], more = text;
    size_t     count = 0;

    while (count < 7 && str_cut(&more, ' ', &word[count]))
        count++;
    return count == 7 && !more.p && str_eq(word[0], STR("hf-init")) &&
           str_eq(word[1], STR("journal")) && str_eq(word[2], STR("1")) &&
           digest_from_hex(word[3], &head->digest) && str_to_u64(word[4], &head->size_bytes) &&
           copy_word(head->boot_id, sizeof(head->boot_id), word[5]) &&
           copy_word(head->owner, sizeof(head->owner), word[6]);
}

/* What one 'w' line said and where it stood, kept until we know which 's' covers it. */
struct mark {
    struct range range;
    uint64_t     offset; /* where its line begins */
};

/* What one 'h' line said. */
struct hash_note {
    uint64_t   hashed_bytes;
    struct str hex; /* borrowed from the text */
};

struct marks {
    struct mark      *item;
    size_t            count, capacity;
    uint64_t          synced_offset;
    struct hash_note *hash;
    size_t            hash_count, hash_capacity;
};

/* "HASHED STATE" */
static bool parse_hash(struct str text, uint64_t size_bytes, struct marks *marks)
{
    struct hash_note note;
    struct str       hashed, more = text;

    if (!str_cut(&more, ' ', &hashed) || !str_cut(&more, ' ', &note.hex) || more.p ||
        !str_to_u64(hashed, &note.hashed_bytes) || note.hashed_bytes > size_bytes ||
        note.hex.len == 0 || note.hex.len % 2 || note.hex.len > 2 * DIGEST_STATE_MAX ||
        !str_is_hex(note.hex, note.hex.len))
        return false;
    if (marks->hash_count == marks->hash_capacity) {
        marks->hash_capacity = marks->hash_capacity ? marks->hash_capacity * 2 : 64;
        marks->hash = mem_resize(marks->hash, marks->hash_capacity, sizeof(*marks->hash));
    }
    marks->hash[marks->hash_count++] = note;
    return true;
}

static bool parse_line(struct str text, uint64_t offset, uint64_t size_bytes, struct marks *marks)
{
    struct str  kind, begin, end, more = text;
    struct mark mark = {.offset = offset};
    uint64_t    synced;

    if (!str_cut(&more, ' ', &kind) || !more.p)
        return false;
    if (str_eq(kind, STR("s"))) {
        if (!str_to_u64(more, &synced) || synced > offset)
            return false;
        if (synced > marks->synced_offset)
            marks->synced_offset = synced;
        return true;
    }
    if (str_eq(kind, STR("h")))
        return parse_hash(more, size_bytes, marks);
    if (!str_eq(kind, STR("w")) || !str_cut(&more, ' ', &begin) || !str_cut(&more, ' ', &end) ||
        more.p || !str_to_u64(begin, &mark.range.begin) || !str_to_u64(end, &mark.range.end) ||
        range_is_empty(mark.range) || mark.range.end > size_bytes)
        return false;
    if (marks->count == marks->capacity) {
        marks->capacity = marks->capacity ? marks->capacity * 2 : 64;
        marks->item = mem_resize(marks->item, marks->capacity, sizeof(*marks->item));
    }
    marks->item[marks->count++] = mark;
    return true;
}

static unsigned char nibble(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void choose_hash(const struct marks *marks, const struct range_set *durable,
                        struct journal_hash *out)
{
    const struct hash_note *best = NULL;

    for (size_t i = 0; i < marks->hash_count; i++) {
        const struct hash_note *note = &marks->hash[i];

        if ((!best || note->hashed_bytes > best->hashed_bytes) &&
            range_set_covers(durable, (struct range){0, note->hashed_bytes}))
            best = note;
    }
    if (!best)
        return;
    out->hashed_bytes = best->hashed_bytes;
    out->len = best->hex.len / 2;
    for (size_t i = 0; i < out->len; i++)
        out->state[i] =
            (unsigned char)(nibble(best->hex.p[2 * i]) << 4 | nibble(best->hex.p[2 * i + 1]));
}

bool journal_parse(struct str text, const char *boot_id, struct journal_view *out)
{
    struct journal_view view = {0};
    struct marks        marks = {0};
    struct str          line;
    uint32_t            crc = 0;
    bool                is_head = true, same_boot;

    for (size_t at = 0;;) { /* a line without its newline is torn */
        ptrdiff_t  newline = str_find_char(text, '\n', at);
        struct str body;

        if (newline < 0)
            break;
        line = str_sub(text, at, (size_t)newline);
        if (!take_checked(line, &crc, &body) ||
            !(is_head ? parse_head(body, &view.head)
                      : parse_line(body, at, view.head.size_bytes, &marks)))
            break;
        is_head = false;
        at = (size_t)newline + 1;
    }
    same_boot = strcmp(boot_id, "-") != 0 && strcmp(boot_id, view.head.boot_id) == 0;
    for (size_t i = 0; i < marks.count; i++) {
        if (marks.item[i].offset < marks.synced_offset)
            range_set_add(&view.durable, marks.item[i].range);
        if (same_boot || marks.item[i].offset < marks.synced_offset)
            range_set_add(&view.written, marks.item[i].range);
    }
    choose_hash(&marks, &view.durable, &view.durable_hash);
    free(marks.item);
    free(marks.hash);
    *out = view;
    return !is_head;
}

int journal_load(int dir_fd, const char *name, const char *boot_id, struct journal_view *out)
{
    struct buf text = {0};
    struct err ignored;
    int        rc = 0;

    if (fs_read_small_at(dir_fd, name, JOURNAL_MAX_BYTES, &text, &ignored) == 1)
        rc = journal_parse(buf_view(&text), boot_id, out) ? 1 : 0;
    buf_release(&text);
    return rc;
}

/* Adds "text CRC\n" to the lines to be written. */
static void add_line(struct buf *lines, uint32_t *crc, const char *text)
{
    *crc = digest_crc32(*crc, text, strlen(text));
    buf_printf(lines, "%s %08" PRIx32 "\n", text, *crc);
}

static void add_marks(struct buf *lines, uint32_t *crc, const struct range_set *set)
{
    char text[64];

    for (size_t i = 0; i < set->count; i++) {
        snprintf(text, sizeof(text), "w %" PRIu64 " %" PRIu64, set->item[i].begin,
                 set->item[i].end);
        add_line(lines, crc, text);
    }
}

/* In one write, so that a kill leaves a whole line or none. */
static int append(struct journal *j, const struct buf *lines, uint32_t crc, struct err *err)
{
    if (fs_pwrite_full(j->fd, lines->p, lines->len, j->len_bytes, err))
        return err_wrap(err, "journal");
    j->crc = crc;
    j->len_bytes += lines->len;
    return 0;
}

static void hash_text(const struct journal_hash *hash, struct buf *out)
{
    buf_printf(out, "h %" PRIu64 " ", hash->hashed_bytes);
    for (size_t i = 0; i < hash->len; i++)
        buf_printf(out, "%02x", hash->state[i]);
}

static void add_hash(struct buf *lines, uint32_t *crc, const struct journal_hash *hash)
{
    struct buf text = {0};

    if (hash->len == 0)
        return;
    hash_text(hash, &text);
    add_line(lines, crc, buf_cstr(&text));
    buf_release(&text);
}

static void add_content(struct buf *lines, uint32_t *crc, const struct journal_view *content)
{
    const struct journal_head *head = &content->head;
    char                       text[256], hex[DIGEST_HEX_MAX];

    digest_to_hex(&head->digest, hex);
    snprintf(text, sizeof(text), "hf-init journal 1 %s %" PRIu64 " %s %s", hex, head->size_bytes,
             head->boot_id, head->owner);
    add_line(lines, crc, text);
    add_marks(lines, crc, &content->durable);
    if (content->durable.count) {
        snprintf(text, sizeof(text), "s %zu", lines->len);
        add_line(lines, crc, text);
    }
    add_marks(lines, crc, &content->written);
    add_hash(lines, crc, &content->durable_hash);
    if (content->newest_hash.hashed_bytes > content->durable_hash.hashed_bytes)
        add_hash(lines, crc, &content->newest_hash);
}

int journal_create(struct journal *j, int dir_fd, const char *name,
                   const struct journal_view *content, struct err *err)
{
    struct journal fresh = JOURNAL_INIT;
    struct buf     lines = {0};
    uint32_t       crc = 0;
    int            rc = -1;

    add_content(&lines, &crc, content);
    fresh.fd = fs_open_at(dir_fd, name, O_RDWR | O_CREAT | O_EXCL, 0660, err);
    if (fresh.fd < 0)
        goto out;
    if (append(&fresh, &lines, crc, err)) {
        journal_close(&fresh);
        goto out;
    }
    *j = fresh;
    rc = 0;
out:
    buf_release(&lines);
    return rc;
}

static int append_text(struct journal *j, const char *text, struct err *err)
{
    struct buf line = {0};
    uint32_t   crc = j->crc;
    int        rc;

    add_line(&line, &crc, text);
    rc = append(j, &line, crc, err);
    buf_release(&line);
    return rc;
}

int journal_mark(struct journal *j, struct range r, struct err *err)
{
    char text[64];

    snprintf(text, sizeof(text), "w %" PRIu64 " %" PRIu64, r.begin, r.end);
    return append_text(j, text, err);
}

int journal_note_hash(struct journal *j, const struct journal_hash *hash, struct err *err)
{
    struct buf text = {0};
    int        rc;

    hash_text(hash, &text);
    rc = append_text(j, buf_cstr(&text), err);
    buf_release(&text);
    return rc;
}

int journal_note_sync(struct journal *j, uint64_t offset, struct err *err)
{
    char text[64];

    snprintf(text, sizeof(text), "s %" PRIu64, offset);
    if (append_text(j, text, err))
        return -1;
    return fs_sync_data(j->fd, err);
}

void journal_close(struct journal *j)
{
    fs_close(&j->fd);
    *j = (struct journal)JOURNAL_INIT;
}
