/* fake_hub.h: a Hub inside the test, behind hfinit_set_transport: any model below acme/ but
 * acme/nothing, all with the same files. Knows no more of the library than hfinit.h says. */
#ifndef HFI_FAKE_HUB_H
#define HFI_FAKE_HUB_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "digest.h"
#include "hfinit.h"

#define FAKE_COMMIT "0123456789abcdef0123456789abcdef01234567"

enum { FAKE_LARGE_BYTES = 9 * 1024 * 1024 };

struct fake_file {
    const char *path;
    const char *content; /* NULL: FAKE_LARGE_BYTES computed ones, and then it is an LFS file */
};

static const struct fake_file fake_files[] = {
    {"config.json", "{}\n"},
    {"model.safetensors", NULL},
    {"sub/tokenizer.json", "{\"a\": 1}\n"},
};
enum { FAKE_FILES = sizeof(fake_files) / sizeof(fake_files[0]) };

struct fake_hub {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    unsigned        requests, files; /* asked for so far, in all and of files */
    unsigned        ranges;          /* of `files`, those with a range */
    char            token[80];       /* of the last request */
    char            user_agent[80];

    /* What goes wrong: the next `spoil_times` requests whose path holds `spoil`. */
    const char *spoil;
    unsigned    spoil_times;
    int         status; /* 0: fail_code */
    const char *header, *header_value, *body;
    hfinit_code fail_code;
    uint64_t    leap_ms; /* the fake clock's, at each of them */
    bool        flip;    /* one byte of the file is wrong */
    bool        cut;     /* the file ends early */

    bool hold, is_held; /* requests for files wait until hold is false */

    uint64_t now_ms; /* of the fake clock: a second per look */
};

static inline void fake_hub_init(struct fake_hub *hub)
{
    *hub = (struct fake_hub){.now_ms = 1000};
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->changed, NULL);
}

/* --- content --- */

static inline uint64_t fake_size(const struct fake_file *file)
{
    return file->content ? strlen(file->content) : FAKE_LARGE_BYTES;
}

static inline void fake_read(const struct fake_file *file, uint64_t at, char *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = file->content ? file->content[at + i] : (char)((at + i) * 2654435761u >> 13);
}

static inline void fake_digest(const struct fake_file *file, enum digest_kind kind,
                               char hex[DIGEST_HEX_MAX])
{
    char             *all = mem_alloc(fake_size(file));
    struct digest_run run;
    struct digest     digest;

    fake_read(file, 0, all, fake_size(file));
    digest_begin(&run, kind, fake_size(file));
    digest_add(&run, all, fake_size(file));
    digest_end(&run, &digest);
    digest_to_hex(&digest, hex);
    free(all);
}

/* --- answers --- */

static inline void fake_tree(hfinit_answer *answer)
{
    struct buf json = {0};
    char       oid[DIGEST_HEX_MAX], sha256[DIGEST_HEX_MAX];

    for (size_t i = 0; i < FAKE_FILES; i++) {
        unsigned long long size = fake_size(&fake_files[i]);

        fake_digest(&fake_files[i], DIGEST_GIT_SHA1, oid);
        buf_printf(&json, "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%llu,\"oid\":\"%s\"",
                   i ? "," : "[", fake_files[i].path, size, oid);
        if (!fake_files[i].content) {
            fake_digest(&fake_files[i], DIGEST_SHA256, sha256);
            buf_printf(&json, ",\"lfs\":{\"oid\":\"%s\",\"size\":%llu}", sha256, size);
        }
        buf_add_char(&json, '}');
    }
    buf_add_char(&json, ']');
    hfinit_answer_status(answer, 200);
    hfinit_answer_header(answer, "Content-Type", "application/json");
    hfinit_answer_body(answer, json.p, json.len);
    buf_release(&json);
}

static inline void fake_send(struct fake_hub *hub, const struct fake_file *file, const char *range,
                             hfinit_answer *answer)
{
    uint64_t begin = 0, end = fake_size(file);
    char     text[96], piece[64 * 1024];
    bool     flip = hub->flip;

    hfinit_answer_status(answer, range[0] ? 206 : 200);
    if (range[0]) {
        char *rest;

        begin = strtoull(range + strlen("bytes="), &rest, 10);
        end = strtoull(rest + 1, NULL, 10) + 1;
        snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)begin,
                 (unsigned long long)end - 1, (unsigned long long)fake_size(file));
        hfinit_answer_header(answer, "Content-Range", text);
    }
    snprintf(text, sizeof(text), "%llu", (unsigned long long)(end - begin));
    hfinit_answer_header(answer, "content-length", text);
    if (hub->cut) {
        hub->cut = false;
        end = begin + (end - begin) / 2;
    }
    while (begin < end) {
        size_t len = end - begin < sizeof(piece) ? (size_t)(end - begin) : sizeof(piece);

        fake_read(file, begin, piece, len);
        if (flip)
            piece[0] ^= 1;
        flip = false;
        if (hfinit_answer_body(answer, piece, len) != 0)
            return;
        begin += len;
    }
}

static inline void fake_wait(struct fake_hub *hub)
{
    hub->is_held = hub->hold;
    pthread_cond_broadcast(&hub->changed);
    while (hub->hold)
        pthread_cond_wait(&hub->changed, &hub->lock);
}

static inline void fake_spoil(struct fake_hub *hub, hfinit_answer *answer)
{
    hub->spoil_times--;
    __atomic_add_fetch(&hub->now_ms, hub->leap_ms, __ATOMIC_RELAXED);
    if (!hub->status) {
        hfinit_answer_fail(answer, hub->fail_code, "as it was told to");
        return;
    }
    hfinit_answer_status(answer, hub->status);
    hfinit_answer_header(answer, "X-Request-Id", "req-1");
    if (hub->header)
        hfinit_answer_header(answer, hub->header, hub->header_value);
    if (hub->body)
        hfinit_answer_body(answer, hub->body, strlen(hub->body));
}

static inline const struct fake_file *fake_find(const char *path)
{
    const char *at = strstr(path, "/resolve/" FAKE_COMMIT "/");

    for (size_t i = 0; at && i < FAKE_FILES; i++)
        if (strcmp(at + strlen("/resolve/" FAKE_COMMIT "/"), fake_files[i].path) == 0)
            return &fake_files[i];
    return NULL;
}

static inline void fake_answer(struct fake_hub *hub, const hfinit_request *request,
                               hfinit_answer *answer)
{
    const char             *path = strstr(request->url, "hub.test") + strlen("hub.test");
    const struct fake_file *file = fake_find(path);

    hub->requests++;
    hub->files += file != NULL;
    hub->ranges += file && request->range[0];
    snprintf(hub->token, sizeof(hub->token), "%s", request->token);
    snprintf(hub->user_agent, sizeof(hub->user_agent), "%s", request->user_agent);
    if (file)
        fake_wait(hub);
    if (hub->spoil_times && strstr(path, hub->spoil)) {
        fake_spoil(hub, answer);
    } else if (file) {
        fake_send(hub, file, request->range, answer);
    } else if (strncmp(path, "/api/models/acme/", 17) == 0 && !strstr(path, "/nothing/")) {
        if (strstr(path, "/tree/" FAKE_COMMIT)) {
            fake_tree(answer);
        } else {
            hfinit_answer_status(answer, 200);
            hfinit_answer_body(answer, "{\"sha\":\"" FAKE_COMMIT "\"}", 50);
        }
    } else {
        hfinit_answer_status(answer, 404);
        hfinit_answer_header(answer, "X-Error-Code", "RepoNotFound");
    }
}

/* The hfinit_transport_fn; `user` is the hub. */
static inline void fake_serve(const hfinit_request *request, hfinit_answer *answer, void *user)
{
    struct fake_hub *hub = user;

    pthread_mutex_lock(&hub->lock);
    fake_answer(hub, request, answer);
    pthread_mutex_unlock(&hub->lock);
}

/* --- time: a second per look, and 2001-09-09T01:46:40Z for ever --- */

static inline uint64_t fake_now_ms(void *user)
{
    struct fake_hub *hub = user;

    return __atomic_add_fetch(&hub->now_ms, 1000, __ATOMIC_RELAXED);
}

static inline int64_t fake_wall_ms(void *user)
{
    (void)user;
    return 1000000000000;
}

#endif
