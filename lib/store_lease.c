/* store_lease.c: see store_lease.h.
 *
 * A lease is the inode that its path names. Whoever takes over puts an inode of its own there by
 * rename; the holder finds out when it renews. The claim is written before it gets its name, so a
 * reader sees a whole one or none.
 *
 *     {"instance":"…","host":"…","pod":"…","boot_id":"…","mount":0,"pid":1,"status":"default.status.json"} */
#include "store_lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fs.h"
#include "json.h"
#include "store_internal.h"

#define DEAD_AFTER_NS (120ll * 1000000000)
#define FORGOTTEN_MS  (24ull * 3600 * 1000)

enum { CLAIM_MAX_BYTES = 4096, RIVALS_WAIT_MS = 250, TRIES = 5 };

struct store_lease {
    struct store *store;
    char          name[80]; /* below .hf-init */
    int           fd;       /* our claim; holds the lock where there are locks */
};

/* --- locks --- */

/* 0 locked, -1 errno. */
static int try_lock(const struct store *store, int fd)
{
    int rc;

    if (store->options.lock_mode == STORE_LOCKS_LIE)
        return 0;
    if (store->options.lock_mode == STORE_LOCKS_NONE) {
        errno = ENOSYS;
        return -1;
    }
    do
        rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc && errno == EINTR);
    return rc;
}

/* Do locks keep a second one out on this volume? Some accept every lock of everybody. */
static bool locks_exclude(struct store *store)
{
    struct store_place *place = store->place;
    enum lock_verdict   verdict;
    struct err          ignored;
    char                temp[64];
    int                 a, b = -1;

    pthread_mutex_lock(&store->lock);
    verdict = store->locks;
    pthread_mutex_unlock(&store->lock);
    if (verdict != LOCKS_UNKNOWN)
        return verdict == LOCKS_EXCLUDE;
    store_temp_name(store, temp);
    verdict = LOCKS_USELESS;
    a = fs_open_at(place->temp_fd, temp, O_RDWR | O_CREAT | O_EXCL, 0600, &ignored);
    if (a >= 0)
        b = fs_open_at(place->temp_fd, temp, O_RDWR, 0, &ignored);
    if (a >= 0 && b < 0 && ignored.sys_errno == ENOENT)
        verdict = LOCKS_UNKNOWN; /* a sweep took it away; the next one who asks finds out */
    else if (a >= 0 && b >= 0 && try_lock(store, a) == 0 && try_lock(store, b) != 0 &&
             (errno == EWOULDBLOCK || errno == EACCES))
        verdict = LOCKS_EXCLUDE;
    fs_close(&b);
    fs_close(&a);
    fs_unlink_at(place->temp_fd, temp, &ignored);
    pthread_mutex_lock(&store->lock);
    store->locks = verdict;
    pthread_mutex_unlock(&store->lock);
    return verdict == LOCKS_EXCLUDE;
}

/* --- claims --- */

struct claim {
    struct store_lease_holder holder;
    char                      boot_id[40];
    uint64_t                  mount; /* fs_lock_mount */
    struct stat               st;
};

static void copy_text(const struct json *root, const char *key, char *out, size_t size)
{
    struct str text = {"", 0};

    json_str(json_get(root, key), &text);
    snprintf(out, size, "%.*s", STR_ARG(text));
}

static void parse_claim(struct str text, struct claim *claim)
{
    struct json *root = NULL;
    struct err   ignored;

    if (json_parse(text, &root, &ignored) == 0) {
        copy_text(root, "instance", claim->holder.instance, sizeof(claim->holder.instance));
        copy_text(root, "host", claim->holder.host, sizeof(claim->holder.host));
        copy_text(root, "pod", claim->holder.pod, sizeof(claim->holder.pod));
        copy_text(root, "status", claim->holder.status, sizeof(claim->holder.status));
        copy_text(root, "boot_id", claim->boot_id, sizeof(claim->boot_id));
        json_u64(json_get(root, "mount"), &claim->mount);
    }
    json_free(root);
}

/* Opens the claim that a path names now and reads it. 1 there (*fd is the caller's), 0 not, -1.
 * A claim that cannot be read as one has an empty instance and lives as long as its mtime says. */
static int open_claim(struct store *store, const char *name, int *fd, struct claim *claim,
                      struct err *err)
{
    char    text[CLAIM_MAX_BYTES];
    ssize_t len;

    *claim = (struct claim){0};
    *fd = fs_open_at(store->place->state_fd, name, O_RDWR, 0, err);
    if (*fd < 0 && (err->kind == ERR_PERMISSION || err->kind == ERR_READ_ONLY)) /* another uid's */
        *fd = fs_open_at(store->place->state_fd, name, O_RDONLY, 0, err);
    if (*fd < 0)
        return err->sys_errno == ENOENT ? 0 : -1;
    if (fstat(*fd, &claim->st) != 0) {
        err_sys(err, errno, "stat .hf-init/%s", name);
        goto fail;
    }
    len = fs_pread_full(*fd, text, sizeof(text), 0, err);
    if (len < 0)
        goto fail;
    parse_claim((struct str){text, (size_t)len}, claim);
    return 1;
fail:
    fs_close(fd);
    return -1;
}

enum verdict { LIVING, DEAD_BY_LOCK, DEAD_BY_TIME };

/* Is the holder of this claim gone? fd: the claim, opened by us; locked with DEAD_BY_LOCK. Fills
 * idle_ms. */
static int judge_claim(struct store *store, int fd, struct claim *claim, enum verdict *verdict,
                       struct err *err)
{
    int64_t now_ns, idle_ns;

    if (store_volume_now_ns(store, &now_ns, err))
        return -1;
    idle_ns = now_ns - inventory_mtime_ns(&claim->st);
    claim->holder.idle_ms = idle_ns > 0 ? (uint64_t)idle_ns / 1000000 : 0;
    *verdict = LIVING;
    /* On this kernel a lock goes with its process. Across nodes that is hearsay, and across mounts in user
     * space, one for each pod perhaps, nothing at all. */
    if (!store->options.read_only && /* to try locks is to write */
        strcmp(store->boot_id, "-") != 0 && strcmp(claim->boot_id, store->boot_id) == 0 &&
        claim->mount == store->lock_mount && locks_exclude(store) && try_lock(store, fd) == 0)
        *verdict = DEAD_BY_LOCK;
    else if (idle_ns > DEAD_AFTER_NS)
        *verdict = DEAD_BY_TIME;
    return 0;
}

static void render_claim(const struct store *store, const char *status_name, struct buf *out)
{
    const char *pod = getenv("HOSTNAME"); /* the pod's name, as the kubelet sets it */
    char        host[128] = "";

    gethostname(host, sizeof(host) - 1);
    buf_printf(out, "{\"instance\":\"%s\",\"host\":\"", store->instance);
    log_add_json_text(out, str_from(host));
    buf_add_str(out, STR("\",\"pod\":\""));
    log_add_json_text(out, str_sub(str_from(pod), 0, 127));
    buf_printf(out, "\",\"boot_id\":\"%s\",\"mount\":%" PRIu64 ",\"pid\":%ld,\"status\":\"",
               store->boot_id, store->lock_mount, (long)getpid());
    log_add_json_text(out, str_from(status_name));
    buf_add_str(out, STR("\"}\n"));
}

/* Writes our claim under a temporary name and locks it. */
static int write_claim(struct store *store, const char *status_name, char temp[64], int *fd,
                       struct err *err)
{
    struct buf text = {0};
    struct err ignored;
    int        rc;

    store_temp_name(store, temp);
    render_claim(store, status_name, &text);
    *fd = fs_open_at(store->place->temp_fd, temp, O_RDWR | O_CREAT | O_EXCL,
                     (mode_t)store->options.file_mode, err);
    rc = *fd < 0 ? -1 : fs_pwrite_full(*fd, text.p, text.len, 0, err);
    buf_release(&text);
    if (rc) {
        fs_close(fd);
        fs_unlink_at(store->place->temp_fd, temp, &ignored);
        return err_wrap(err, "write a file");
    }
    (void)try_lock(store, *fd);
    return 0;
}

/* Does the path name our inode? 1, 0, -1. */
static int names_ours(const struct store *store, const char *name, int fd, struct err *err)
{
    struct stat ours, named;
    int         there;

    if (fstat(fd, &ours) != 0)
        return err_sys(err, errno, "stat .hf-init/%s", name);
    there = fs_exists_at(store->place->state_fd, name, &named, err);
    if (there <= 0)
        return there;
    return ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* --- taking --- */

/* Waits until rivals who judged the old holder dead together with us have done their renames. */
static void wait_for_rivals(void)
{
    usleep(RIVALS_WAIT_MS * 1000);
}

/* Puts the claim where nobody has one. 1 done, 0 somebody was faster, -1 error. */
static int claim_free_name(struct store *store, const char *name, const char *temp, int fd,
                           struct err *err)
{
    struct err ignored;
    int        rc = fs_link_at(store->place->temp_fd, temp, store->place->state_fd, name, err);

    if (rc >= 0) {
        fs_unlink_at(store->place->temp_fd, temp, &ignored);
        return rc ? 1 : names_ours(store, name, fd, err); /* the reply of an NFS server was lost */
    }
    /* No hard links here. A rename may push out a rival's claim, which both find out by looking
     * again: only one inode has the name. */
    if (fs_rename_open_at(fd, store->place->temp_fd, temp, store->place->state_fd, name, err))
        return -1;
    fs_unlink_at(store->place->temp_fd, temp, &ignored); /* the link was made, and not told of */
    wait_for_rivals();
    return names_ours(store, name, fd, err);
}

/* The holder of the claim in dead_fd is gone: replaces it unless another one did. 1, 0, -1.
 * With the lock on the old claim there is no rival: it was found on this kernel, and those on
 * other nodes may not judge yet. Without it, whoever fails to lock lets the one that has the lock
 * go first, and all wait until the last rename is done before they look whose it was. */
static int replace_dead(struct store *store, const char *name, int dead_fd, enum verdict verdict,
                        const char *temp, int fd, struct err *err)
{
    bool by_lock = verdict == DEAD_BY_LOCK;
    int  rc;

    if (!by_lock && locks_exclude(store) && try_lock(store, dead_fd) != 0)
        wait_for_rivals();
    rc = names_ours(store, name, dead_fd, err); /* still the one that we judged? */
    if (rc != 1)
        return rc;
    if (fs_rename_open_at(fd, store->place->temp_fd, temp, store->place->state_fd, name, err))
        return -1;
    if (!by_lock)
        wait_for_rivals();
    return names_ours(store, name, fd, err);
}

/* One round. 1 taken, 0 held by a living one, 2 the path changed under us: look again, -1. */
static int try_once(struct store *store, const char *name, const char *status_name, int *fd,
                    struct store_lease_holder *holder, struct err *err)
{
    struct claim claim;
    struct err   ignored;
    enum verdict verdict = LIVING;
    char         temp[64];
    int          other = -1, there, rc = -1;

    there = open_claim(store, name, &other, &claim, err);
    if (there < 0 || (there && judge_claim(store, other, &claim, &verdict, err)))
        goto out;
    if (there && verdict == LIVING) {
        *holder = claim.holder;
        rc = 0;
        goto out;
    }
    if (write_claim(store, status_name, temp, fd, err))
        goto out;
    rc = there ? replace_dead(store, name, other, verdict, temp, *fd, err)
               : claim_free_name(store, name, temp, *fd, err);
    if (rc != 1) {
        fs_close(fd);
        fs_unlink_at(store->place->temp_fd, temp, &ignored);
        /* A sweep may have taken our claim for a dead one's before it had its name. */
        rc = rc < 0 && err->sys_errno != ENOENT ? -1 : 2;
    }
out:
    fs_close(&other);
    return rc;
}

static void lease_name(struct str key, char out[80])
{
    struct digest d;
    char          hex[DIGEST_HEX_MAX];

    digest_of_text(key, &d);
    digest_to_hex(&d, hex);
    snprintf(out, 80, "leases/%.32s.lease", hex);
}

int store_lease_try(struct store *store, struct str key, const char *status_name,
                    struct store_lease **out, struct store_lease_holder *holder, struct err *err)
{
    struct store_lease *lease;
    char                name[80];
    int                 fd = -1, rc;

    lease_name(key, name);
    if (store_place_ready(store, store->place, err) ||
        fs_make_dirs_at(store->place->state_fd, "leases", (mode_t)store->options.dir_mode, err))
        return err_wrap(err, "target %s: lease", store->target);
    memset(holder, 0, sizeof(*holder));
    for (int i = 0;; i++) {
        rc = try_once(store, name, status_name, &fd, holder, err);
        if (rc != 2)
            break;
        if (i == TRIES) /* a crowd; whoever has it, it is not us */
            return 0;
    }
    if (rc != 1)
        return rc ? err_wrap(err, "target %s: lease", store->target) : 0;
    lease = mem_alloc(sizeof(*lease));
    lease->store = store;
    lease->fd = fd;
    memcpy(lease->name, name, sizeof(name));
    *out = lease;
    return 1;
}

int store_lease_renew(struct store_lease *lease, struct err *err)
{
    int ours = names_ours(lease->store, lease->name, lease->fd, err);

    if (ours < 0)
        return -1;
    if (!ours)
        return err_set(err, ERR_LOCKED,
                       "another process took over the lease .hf-init/%s, because "
                       "this one gave no sign of life for two minutes",
                       lease->name);
    /* NULL lets the server of a network volume set its own time. Where times cannot be set, the claim
     * is given its first byte once more: the volume notes when. */
    if (futimens(lease->fd, NULL) != 0 && fs_pwrite_full(lease->fd, "{", 1, 0, err))
        return err_wrap(err, "renew the lease .hf-init/%s", lease->name);
    return 0;
}

void store_lease_release(struct store_lease *lease)
{
    struct err ignored;

    if (!lease)
        return;
    if (names_ours(lease->store, lease->name, lease->fd, &ignored) == 1)
        fs_unlink_at(lease->store->place->state_fd, lease->name, &ignored);
    fs_close(&lease->fd);
    free(lease);
}

/* --- who lives --- */

struct census {
    struct store         *store;
    struct name_set      *instances; /* NULL: nobody asks for them */
    store_lease_visit_fn *visit;     /* likewise */
    void                 *user;
    bool                  removes_dead;
};

/* Nobody came back to that place. Another one may do so right now: our claim goes there first, as if
 * we wanted it, and what is ours we may take away. */
static void remove_dead(struct store *store, const char *name, int dead_fd, enum verdict verdict)
{
    struct err ignored;
    char       temp[64];
    int        fd;

    if (write_claim(store, "", temp, &fd, &ignored))
        return;
    if (replace_dead(store, name, dead_fd, verdict, temp, fd, &ignored) == 1)
        fs_unlink_at(store->place->state_fd, name, &ignored);
    else
        fs_unlink_at(store->place->temp_fd, temp, &ignored);
    fs_close(&fd);
}

static int visit_lease(const char *name, void *user, struct err *err)
{
    struct census *census = user;
    struct claim   claim;
    char           rel[300];
    enum verdict   verdict = LIVING;
    int            fd = -1, rc;

    if (!str_has_suffix(str_from(name), STR(".lease")))
        return 0;
    snprintf(rel, sizeof(rel), "leases/%s", name);
    rc = open_claim(census->store, rel, &fd, &claim, err);
    if (rc == 1) {
        if (strcmp(claim.holder.instance, census->store->instance) != 0)
            rc = judge_claim(census->store, fd, &claim, &verdict, err);
        if (rc >= 0 && verdict == LIVING && claim.holder.instance[0] && census->instances)
            name_set_add(census->instances, claim.holder.instance);
        if (rc >= 0 && verdict == LIVING && census->visit &&
            strcmp(claim.holder.instance, census->store->instance) != 0)
            census->visit(&claim.holder, census->user);
        /* By the clock alone, and after minutes, somebody frozen may only seem dead; and to find out
         * costs a pause each. After a day he is. */
        if (rc >= 0 && census->removes_dead &&
            (verdict == DEAD_BY_LOCK ||
             (verdict == DEAD_BY_TIME && claim.holder.idle_ms > FORGOTTEN_MS)))
            remove_dead(census->store, rel, fd, verdict);
    }
    fs_close(&fd);
    return rc < 0 ? -1 : 0;
}

int store_lease_is_living(struct store *store, const char *instance, struct err *err)
{
    struct name_set living = {0};
    int             rc = store_lease_living(store, &living, err);

    if (rc == 0)
        rc = name_set_has(&living, instance);
    name_set_release(&living);
    return rc;
}

static int take_census(struct census *census, struct err *err)
{
    struct store *store = census->store;

    if (store_place_ready(store, store->place, err))
        return -1;
    if (store->place->state_fd < 0)
        return 0;
    return fs_list_at(store->place->state_fd, "leases", visit_lease, census, err);
}

int store_lease_living(struct store *store, struct name_set *instances, struct err *err)
{
    return take_census(&(struct census){.store = store, .instances = instances}, err);
}

int store_lease_sweep(struct store *store, struct name_set *instances, struct err *err)
{
    return take_census(
        &(struct census){.store = store, .instances = instances, .removes_dead = true}, err);
}

int store_lease_each(struct store *store, store_lease_visit_fn *visit, void *user, struct err *err)
{
    return take_census(&(struct census){.store = store, .visit = visit, .user = user}, err);
}

int store_lease_look(struct store *store, struct str key, struct store_lease_holder *holder,
                     struct err *err)
{
    struct claim claim;
    enum verdict verdict = DEAD_BY_LOCK;
    char         name[80];
    int          fd = -1, rc;

    lease_name(key, name);
    if (store_place_ready(store, store->place, err))
        return -1;
    if (store->place->state_fd < 0)
        return 0;
    rc = open_claim(store, name, &fd, &claim, err);
    if (rc == 1 && judge_claim(store, fd, &claim, &verdict, err))
        rc = -1;
    fs_close(&fd);
    if (rc != 1 || verdict != LIVING || strcmp(claim.holder.instance, store->instance) == 0)
        return rc < 0 ? -1 : 0;
    *holder = claim.holder;
    return 1;
}
