/* store.c: the target, its file systems and the private folder .hf-init.
 *
 *   .hf-init/NAME               state files of the run
 *   .hf-init/partials leases inventory
 *   .hf-init/temp/INSTANCE.N    what is about to be renamed to where it belongs: a killed process
 *                               leaves stray files here and nowhere else */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fs.h"
#include "store_internal.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

const char store_cachedir_tag[] =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

/* --- name_set --- */

/* Index of name, or where it belongs. */
static size_t name_set_search(const struct name_set *set, const char *name, bool *found)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int    order = strcmp(set->item[middle], name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

bool name_set_has(const struct name_set *set, const char *name)
{
    bool found;

    name_set_search(set, name, &found);
    return found;
}

bool name_set_add(struct name_set *set, const char *name)
{
    bool   found;
    size_t at = name_set_search(set, name, &found);

    if (found)
        return false;
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? set->capacity * 2 : 16;
        set->item = mem_resize(set->item, set->capacity, sizeof(*set->item));
    }
    memmove(&set->item[at + 1], &set->item[at], (set->count - at) * sizeof(*set->item));
    set->item[at] = mem_strdup(name);
    set->count++;
    return true;
}

void name_set_append(struct name_set *set, const char *name)
{
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? set->capacity * 2 : 16;
        set->item = mem_resize(set->item, set->capacity, sizeof(*set->item));
    }
    set->item[set->count++] = mem_strdup(name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void name_set_sort(struct name_set *set)
{
    size_t kept = 0;

    if (set->count)
        qsort(set->item, set->count, sizeof(*set->item), by_name);
    for (size_t i = 0; i < set->count; i++)
        if (kept && strcmp(set->item[kept - 1], set->item[i]) == 0)
            free(set->item[i]);
        else
            set->item[kept++] = set->item[i];
    set->count = kept;
}

void name_set_release(struct name_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->item[i]);
    free(set->item);
    *set = (struct name_set){0};
}

/* --- places --- */

static struct store_place *place_new(struct store *store, const char *rel, int root_fd)
{
    struct store_place *place = mem_alloc(sizeof(*place)), **at = &store->place;

    *place = (struct store_place){.rel = mem_strdup(rel),
                                  .root_fd = root_fd,
                                  .state_fd = -1,
                                  .partials_fd = -1,
                                  .temp_fd = -1};
    while (*at)
        at = &(*at)->next;
    *at = place;
    return place;
}

static void place_free(struct store_place *place)
{
    fs_close(&place->temp_fd);
    fs_close(&place->partials_fd);
    fs_close(&place->state_fd);
    fs_close(&place->root_fd);
    free(place->stale);
    free(place->rel);
    free(place);
}

/* Opens a folder of .hf-init; with create, makes it first. -1 without error if it is not there. */
static int open_state_dir(int dir_fd, const char *rel, bool create, mode_t mode, int *fd,
                          struct err *err)
{
    if (*fd >= 0)
        return 0;
    *fd = fs_open_dir_at(dir_fd, rel, err);
    if (*fd >= 0)
        return 0;
    if (err->sys_errno != ENOENT)
        return -1;
    if (!create)
        return 0;
    if (fs_make_dirs_at(dir_fd, rel, mode, err))
        return -1;
    *fd = fs_open_dir_at(dir_fd, rel, err);
    return *fd < 0 ? -1 : 0;
}

int store_place_ready(struct store *store, struct store_place *place, struct err *err)
{
    bool   create = !store->options.read_only;
    mode_t mode = (mode_t)store->options.dir_mode;
    int    rc = -1;

    pthread_mutex_lock(&store->lock);
    if (place->root_fd < 0 || place->temp_fd >= 0) {
        rc = 0;
    } else if (!open_state_dir(place->root_fd, ".hf-init", create, mode, &place->state_fd, err)) {
        if (place->state_fd < 0 ||
            (!open_state_dir(place->state_fd, "partials", create, mode, &place->partials_fd, err) &&
             !open_state_dir(place->state_fd, "temp", create, mode, &place->temp_fd, err)))
            rc = 0;
        place->syncs_early = store->options.sync_early || fs_is_network(place->state_fd);
    }
    pthread_mutex_unlock(&store->lock);
    return rc;
}

/* What tells one file system from another, so that rename works inside one: bind mounts of the
 * same device refuse a rename between them, so the mount counts where the kernel names it. */
struct mount {
    uint64_t device, mount_id;
};

static struct mount mount_of(int fd)
{
    struct statx sx = {0};
    struct stat  st = {0};
    struct mount m = {0};

    if (fstat(fd, &st) == 0)
        m.device = (uint64_t)st.st_dev;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 && (sx.stx_mask & STATX_MNT_ID))
        memcpy(&m.mount_id, (char *)&sx + 0x90, sizeof(m.mount_id)); /* stx_mnt_id, if named */
    return m;
}

/* Walks down to the deepest part of `folder` that exists. *root_len: length of the part of it that
 * is the root of that file system; 0: the target itself. */
static int find_root(struct store *store, const char *folder, size_t *root_len, struct err *err)
{
    struct mount last = mount_of(store->target_fd);
    char         part[4096];
    size_t       at = 0, len = strlen(folder);

    *root_len = 0;
    if (strcmp(folder, ".") == 0)
        return 0;
    while (at < len) {
        struct mount here;
        int          fd;

        at += strcspn(folder + at, "/");
        snprintf(part, sizeof(part), "%.*s", (int)at, folder);
        fd = fs_open_dir_at(store->target_fd, part, err);
        if (fd < 0)
            return err->sys_errno == ENOENT ? 0 : -1;
        here = mount_of(fd);
        fs_close(&fd);
        if (here.device != last.device || here.mount_id != last.mount_id)
            *root_len = at;
        last = here;
        at++;
    }
    return 0;
}

int store_place_for(struct store *store, const char *folder, struct store_place **out,
                    struct err *err)
{
    struct store_place *place;
    char                rel[4096];
    size_t              root_len;
    int                 fd;

    if (store->target_fd < 0) { /* read_only, nothing there */
        *out = store->place;
        return 0;
    }
    if (find_root(store, folder, &root_len, err))
        return -1;
    snprintf(rel, sizeof(rel), "%.*s", root_len ? (int)root_len : 1, root_len ? folder : ".");
    pthread_mutex_lock(&store->lock);
    for (place = store->place; place && strcmp(place->rel, rel) != 0; place = place->next)
        continue;
    if (!place && (fd = fs_open_dir_at(store->target_fd, rel, err)) >= 0)
        place = place_new(store, rel, fd);
    pthread_mutex_unlock(&store->lock);
    *out = place;
    return place ? 0 : -1;
}

/* --- temporary names --- */

void store_temp_name(struct store *store, char out[64])
{
    snprintf(out, 64, "%s.%u", store->instance, atomic_fetch_add(&store->temp_count, 1u));
}

int store_replace(struct store *store, struct store_place *place, int dir_fd, const char *rel,
                  struct str content, bool durable, struct err *err)
{
    return store_replace_from(store, place, dir_fd, rel, fs_text_source, &content, durable, err);
}

int store_replace_from(struct store *store, struct store_place *place, int dir_fd, const char *rel,
                       fs_source_fn *source, void *user, bool durable, struct err *err)
{
    struct err ignored;
    char       temp[64];

    if (store_place_ready(store, place, err))
        return -1;
    for (int tries = 0;; tries++) {
        store_temp_name(store, temp);
        if (fs_write_new_from_at(place->temp_fd, temp, source, user,
                                 (mode_t)store->options.file_mode, durable, err))
            return err_wrap(err, "replace %s", rel);
        if (fs_rename_at(place->temp_fd, temp, dir_fd, rel, err) == 0)
            break;
        fs_unlink_at(place->temp_fd, temp, &ignored);
        /* Another process that does not know us (we hold no lease) may have swept the file. */
        if (err->sys_errno != ENOENT || tries == 3)
            return -1;
    }
    if (durable) {
        struct buf folder = {0};
        ptrdiff_t  slash = str_rfind_char(str_from(rel), '/');
        int        rc;

        buf_printf(&folder, "%.*s", slash < 0 ? 1 : (int)slash, slash < 0 ? "." : rel);
        rc = fs_sync_dir_at(dir_fd, buf_cstr(&folder), err);
        buf_release(&folder);
        return rc;
    }
    return 0;
}

int store_volume_now_ns(struct store *store, int64_t *now_ns, struct err *err)
{
    struct err  ignored;
    struct stat st;
    char        temp[64];
    int         fd;

    if (store->options.read_only) {
        *now_ns = clock_wall_ms(&store->options.clock) * 1000000;
        return 0;
    }
    if (store_place_ready(store, store->place, err))
        return -1;
    store_temp_name(store, temp);
    fd = fs_open_at(store->place->temp_fd, temp, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
    if (fd < 0)
        return err_wrap(err, "ask the volume for its time");
    if (fstat(fd, &st) == 0)
        *now_ns = inventory_mtime_ns(&st);
    fs_close(&fd);
    fs_unlink_at(store->place->temp_fd, temp, &ignored);
    return 0;
}

/* --- the store --- */

static void make_instance(struct store *store)
{
    unsigned char byte[8];

    if (getrandom(byte, sizeof(byte), 0) != (ssize_t)sizeof(byte))
        for (size_t i = 0; i < sizeof(byte); i++)
            byte[i] = (unsigned char)clock_random_below(&store->options.clock, 256);
    for (size_t i = 0; i < sizeof(byte); i++)
        snprintf(store->instance + 2 * i, 3, "%02x", byte[i]);
}

static void read_boot_id(struct store *store)
{
    struct buf text = {0};
    struct err ignored;
    struct str id = str_from(store->options.boot_id);

    if (!store->options.boot_id &&
        fs_read_file("/proc/sys/kernel/random/boot_id", 128, &text, &ignored) == 1)
        id = str_trim(buf_view(&text));
    if (id.len == 0 || id.len >= sizeof(store->boot_id) || str_find_char(id, ' ', 0) >= 0)
        id = STR("-");
    snprintf(store->boot_id, sizeof(store->boot_id), "%.*s", STR_ARG(id));
    buf_release(&text);
}

/* The nearest folder above a target that does not exist: its file system will hold it. */
static int open_nearest(const char *path, struct err *err)
{
    char folder[4096];
    int  fd;

    snprintf(folder, sizeof(folder), "%s", path);
    for (;;) {
        char *slash = strrchr(folder, '/');

        if (slash)
            slash[slash == folder] = '\0';
        else
            snprintf(folder, sizeof(folder), ".");
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        if (!slash || slash == folder)
            return err_sys(err, errno, "open %s", folder);
    }
}

static int duplicate(int fd, struct err *err)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return copy < 0 ? err_sys(err, errno, "keep the target open") : copy;
}

/* However it was written: "." where a container starts in "/", or a link. */
static bool is_root(int fd)
{
    struct stat here, root;

    return fstat(fd, &here) == 0 && stat("/", &root) == 0 && here.st_dev == root.st_dev &&
           here.st_ino == root.st_ino;
}

static int open_target(struct store *store, struct err *err)
{
    bool read_only = store->options.read_only;
    int  root_fd = -1;

    if (!read_only && fs_make_dirs(store->target, (mode_t)store->options.dir_mode, err))
        return -1;
    store->target_fd = fs_open_dir(store->target, err);
    if (store->target_fd < 0 && !(read_only && err->sys_errno == ENOENT))
        return -1;
    if (store->target_fd >= 0 && is_root(store->target_fd)) {
        err_set(err, ERR_SPEC,
                "it is the root of the file system; repos do not belong among its folders");
        return err_hint(err, "name a folder of its own, such as /models");
    }
    store->space_fd =
        store->target_fd >= 0 ? duplicate(store->target_fd, err) : open_nearest(store->target, err);
    if (store->space_fd < 0)
        return -1;
    store->lock_mount = fs_lock_mount(store->space_fd);
    if (store->target_fd >= 0 && (root_fd = duplicate(store->target_fd, err)) < 0)
        return -1;
    place_new(store, ".", root_fd);
    return store_place_ready(store, store->place, err);
}

/* The windows of some sixteen streams, each with one full and one being filled, shall fit into the
 * memory that there is; larger ones than 8 MiB make no disk faster. */
static void size_windows(struct store *store)
{
    enum { WINDOW_MIN = 1 << 20, WINDOW_MAX = 8 << 20, EARLY_MIN = 8 << 20, EARLY_MAX = 64 << 20 };
    uint64_t memory = store->options.memory_bytes ? store->options.memory_bytes : UINT64_MAX;

    store->window_bytes = WINDOW_MAX;
    while (store->window_bytes > WINDOW_MIN && store->window_bytes > memory / 32)
        store->window_bytes /= 2;
    store->early_bytes = EARLY_MAX;
    while (store->early_bytes > EARLY_MIN && store->early_bytes > memory / 4)
        store->early_bytes /= 2;
}

/* Recursive: without links a blob's reader gets a copy, which is published in turn. */
static void init_naming(struct store *store)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    for (size_t i = 0; i < NAMING_LOCKS; i++)
        pthread_mutex_init(&store->naming[i], &attr);
    pthread_mutexattr_destroy(&attr);
}

int store_new(const struct store_options *options, struct store **out, struct err *err)
{
    struct store *store = mem_alloc(sizeof(*store));
    size_t        len = strlen(options->target);

    store->options = *options;
    store->target_fd = store->space_fd = -1;
    pthread_mutex_init(&store->lock, NULL);
    init_naming(store);
    if (len == 0 || len >= sizeof(store->target)) {
        err_set(err, ERR_SPEC, "target: a folder of 1 to %zu bytes is needed",
                sizeof(store->target) - 1);
        goto fail;
    }
    memcpy(store->target, options->target, len + 1);
    while (len > 1 && store->target[len - 1] == '/')
        store->target[--len] = '\0';
    store->options.target = store->target;
    size_windows(store);
    make_instance(store);
    read_boot_id(store);
    if (open_target(store, err)) {
        err_wrap(err, "target %s", store->target);
        goto fail;
    }
    *out = store;
    return 0;
fail:
    store_free(store);
    return -1;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    while (store->place) {
        struct store_place *next = store->place->next;

        place_free(store->place);
        store->place = next;
    }
    name_set_release(&store->repo_key);
    fs_close(&store->space_fd);
    fs_close(&store->target_fd);
    for (size_t i = 0; i < NAMING_LOCKS; i++)
        pthread_mutex_destroy(&store->naming[i]);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

int store_target_fd(const struct store *store)
{
    return store->target_fd;
}

void store_set_drop_cache(struct store *store, bool drop_cache)
{
    store->options.drop_cache = drop_cache;
}

void store_end_rehash(struct store *store)
{
    store->options.rehash = false;
}

const char *store_instance(const struct store *store)
{
    return store->instance;
}

/* --- state files --- */

int store_write_state(struct store *store, const char *name, struct str content, bool durable,
                      struct err *err)
{
    if (store_place_ready(store, store->place, err))
        return -1;
    return store_replace(store, store->place, store->place->state_fd, name, content, durable, err);
}

void store_leave_state(struct store *store, const char *name, const char *text)
{
    const struct store_place *place = store->place;
    size_t                    at = 0, len = strlen(text);
    ssize_t                   n = 1;
    char                      temp[64];
    int                       fd;

    if (place->state_fd < 0 || place->temp_fd < 0)
        return;
    store_temp_name(store, temp);
    fd = openat(place->temp_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                (mode_t)store->options.file_mode);
    if (fd < 0)
        return;
    for (; at < len && n > 0; at += n > 0 ? (size_t)n : 0)
        n = write(fd, text + at, len - at);
    close(fd);
    if (at < len || renameat(place->temp_fd, temp, place->state_fd, name) != 0)
        unlinkat(place->temp_fd, temp, 0);
}

int store_read_state(struct store *store, const char *name, size_t max, struct buf *out,
                     struct err *err)
{
    if (store_place_ready(store, store->place, err))
        return -1;
    if (store->place->state_fd < 0)
        return 0;
    return fs_read_small_at(store->place->state_fd, name, max, out, err);
}

int store_list_state(struct store *store, fs_visit_fn *visit, void *user, struct err *err)
{
    if (store_place_ready(store, store->place, err))
        return -1;
    return store->place->state_fd < 0 ? 0
                                      : fs_list_at(store->place->state_fd, ".", visit, user, err);
}

int store_remove_state(struct store *store, const char *name, bool durable, struct err *err)
{
    if (store_place_ready(store, store->place, err))
        return -1;
    if (store->place->state_fd < 0)
        return 0;
    if (fs_unlink_at(store->place->state_fd, name, err))
        return -1;
    return durable ? fs_sync_dir_at(store->place->state_fd, ".", err) : 0;
}
