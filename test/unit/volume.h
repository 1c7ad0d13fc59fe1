/* volume.h: a folder to write in, gone at the end; small helpers of the tests that touch disk. */
#ifndef HFI_VOLUME_H
#define HFI_VOLUME_H

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "check.h"
#include "digest.h"
#include "fs.h"
#include "store.h"

static char volume[512]; /* the folder in use */

static inline int volume_remove_one(const char *path, const struct stat *st, int type,
                                    struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void volume_remove(void)
{
    nftw(volume, volume_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A fresh, empty one. */
static inline void volume_new(void)
{
    const char *base = getenv("TMPDIR");

    if (volume[0])
        volume_remove();
    snprintf(volume, sizeof(volume), "%s/hf-init-test.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(volume)) {
        perror(volume);
        exit(2);
    }
}

/* Path below the volume; four of them may be in use at a time. */
static inline const char *at(const char *rel)
{
    static char     path[4][2048];
    static unsigned next;
    char           *p = path[next++ % 4];

    snprintf(p, sizeof(path[0]), "%s/%s", volume, rel);
    return p;
}

static inline bool is_there(const char *rel)
{
    struct stat st;

    return lstat(at(rel), &st) == 0;
}

static inline void put_file(const char *rel, const void *data, size_t len)
{
    int fd = open(at(rel), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd) != 0) {
        perror(at(rel));
        exit(2);
    }
}

static inline void put_text(const char *rel, const char *text)
{
    put_file(rel, text, strlen(text));
}

/* Content of a file, lent until the next call; "(missing)" if it is not there. */
static inline const char *text_of(const char *rel)
{
    static struct buf text;
    struct err        err;
    int               rc = fs_read_file(at(rel), 1 << 24, &text, &err);

    return rc == 1 ? buf_cstr(&text) : "(missing)";
}

static inline const char *link_of(const char *rel)
{
    static char text[4096];
    ssize_t     len = readlink(at(rel), text, sizeof(text) - 1);

    text[len < 0 ? 0 : len] = '\0';
    return text;
}

/* Number of names in a folder; 0 if it is not there. */
static inline int count_names_visit(const char *name, void *user, struct err *err)
{
    (void)name;
    (void)err;
    ++*(int *)user;
    return 0;
}

static inline int count_names(const char *rel)
{
    struct err err;
    int        count = 0, fd = fs_open_dir(at(rel), &err);

    if (fd < 0)
        return 0;
    fs_list_at(fd, ".", count_names_visit, &count, &err);
    fs_close(&fd);
    return count;
}

/* Runs fn in a process of its own, which ends without cleaning up, as if killed. */
static inline int in_child(int (*fn)(void *user), void *user)
{
    int   status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int rc = fn(user);

        fflush(stdout);
        _exit(rc);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- a store --- */

#define COMMIT_A "9c3f0a7be51d4c2f8a6e0b1d2c3e4f5061728394"
#define COMMIT_B "0123456789abcdef0123456789abcdef01234567"

static inline struct store_options volume_options(void)
{
    return (struct store_options){
        .target = volume, .file_mode = 0644, .dir_mode = 0755, .clock = clock_system()};
}

static inline struct store *open_store(const struct store_options *options)
{
    struct store *store = NULL;
    struct err    err = {0};

    if (!check_one(store_new(options, &store, &err) == 0, __FILE__, __LINE__, err.text))
        exit(2);
    return store;
}

static inline struct store_repo *open_repo(struct store *store, bool is_cache, const char *commit)
{
    struct store_repo        *repo = NULL;
    struct err                err = {0};
    struct store_repo_options options = {
        .is_cache = is_cache,
        .type = REPO_MODEL,
        .id = STR("acme/tiny"),
        .path = STR("models/tiny"),
        .revision = STR("main"),
        .hub_metadata = true,
    };

    memcpy(options.commit, commit, 41);
    if (!check_one(store_repo_open(store, &options, &repo, &err) == 0, __FILE__, __LINE__,
                   err.text))
        exit(2);
    return repo;
}

/* A file of the Hub with this content. */
static inline struct store_file file_of(const char *path, const void *data, size_t len,
                                        enum digest_kind kind)
{
    struct store_file file = {.path = str_from(path), .size_bytes = len};
    struct digest_run run;

    digest_begin(&run, kind, len);
    digest_add(&run, data, len);
    digest_end(&run, &file.digest);
    return file;
}

static inline struct store_file text_file(const char *path, const char *text)
{
    return file_of(path, text, strlen(text), DIGEST_GIT_SHA1);
}

/* Fetches it "from the Hub" and publishes it. */
static inline int publish(struct store_repo *repo, const struct store_file *file, const void *data,
                          struct err *err)
{
    struct store_partial *p = NULL;

    if (store_partial_open(repo, file, &p, err))
        return -1;
    if (store_partial_write(p, data, file->size_bytes, 0, err)) {
        store_partial_close(p);
        return -1;
    }
    return store_partial_publish(p, err);
}

static inline int publish_text(struct store_repo *repo, const char *path, const char *text,
                               struct err *err)
{
    struct store_file file = text_file(path, text);

    return publish(repo, &file, text, err);
}

static inline struct store_view look_at(struct store_repo *repo, const struct store_file *file)
{
    struct store_view view = {0};
    struct err        err = {0};

    check_one(store_look(repo, file, &view, &err) == 0, __FILE__, __LINE__, err.text);
    return view;
}

/* A listing from texts, as tests write it. */
struct tree_row {
    const char *path;
    uint64_t    size_bytes;
    const char *oid, *sha256, *xet_hash; /* hex; the last two may be NULL */
};

static inline const unsigned char *tree_bytes(const char *hex)
{
    static struct digest kept[16];
    static unsigned      next;
    struct digest       *d = &kept[next++ % 16];

    digest_from_hex(str_from(hex), d);
    return d->byte;
}

static inline void tree_row_entry(const void *user, size_t i, struct store_tree_entry *out)
{
    const struct tree_row *row = &((const struct tree_row *)user)[i];

    *out = (struct store_tree_entry){.path = str_from(row->path), .size_bytes = row->size_bytes};
    out->oid = tree_bytes(row->oid);
    out->is_lfs = row->sha256 != NULL;
    digest_from_hex(str_from(row->sha256 ? row->sha256 : row->oid), &out->digest);
    if (row->xet_hash)
        out->xet_hash = tree_bytes(row->xet_hash);
}

static inline struct store_tree tree_of_rows(const struct tree_row *row, size_t count,
                                             bool is_public)
{
    return (struct store_tree){count, tree_row_entry, row, is_public};
}

#endif
