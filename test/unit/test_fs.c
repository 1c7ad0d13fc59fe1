/* Nothing outside a folder is reached through names or links below it; and the rest of fs. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "volume.h"

static int dir_fd;

static void reopen(void)
{
    struct err err = {0};

    fs_close(&dir_fd);
    volume_new();
    dir_fd = fs_open_dir(volume, &err);
    CHECK(dir_fd >= 0);
}

static void unsafe_names_are_refused(void)
{
    static const char *const rows[] = {"",    "/etc/passwd", "..",   "../x", "a/../b", "a/..",
                                       "./a", "a/.",         "a//b", "a/",   "/"};
    struct err               err;
    struct stat              st;

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i]);
        CHECK(fs_open_at(dir_fd, rows[i], O_RDWR | O_CREAT, 0644, &err) == -1 &&
              err.kind == ERR_UNSAFE_NAME);
        CHECK(fs_make_dirs_at(dir_fd, rows[i], 0755, &err) == -1);
        CHECK(fs_exists_at(dir_fd, rows[i], &st, &err) == -1);
        CHECK(fs_unlink_at(dir_fd, rows[i], &err) == -1);
        CHECK(fs_rename_at(dir_fd, "x", dir_fd, rows[i], &err) == -1);
        CHECK(fs_replace_at(dir_fd, rows[i], STR("x"), 0644, &err) == -1);
    }
    check_row(NULL);
}

/* Each row plants a link and tries to write through it. outside/ is what an attacker wants. */
static const struct {
    const char *name, *link, *points_to, *attempt;
} plants[] = {
    {"first folder", "a", "outside", "a/f"},
    {"middle folder", "d/b", "../../outside", "d/b/c/f"},
    {"last folder", "d/e/c", "../../../outside", "d/e/c/f"},
    {"the file itself", "d/f", "../../outside/f", "d/f"},
    {"absolute", "d/g", "/tmp", "d/g/hf-init-planted"},
    {"dangling", "d/h", "../../outside/new", "d/h"},
    {"loop", "d/l", "l", "d/l/f"},
    {"to a folder inside", "d/i", "e", "d/i/f"},
};

static void planted_links_are_not_followed(void)
{
    struct err  err;
    struct stat st;
    char        link[256], attempt[256];

    reopen();
    mkdir(at("in"), 0755);
    mkdir(at("in/d"), 0755);
    mkdir(at("in/d/e"), 0755);
    mkdir(at("outside"), 0755);
    put_text("outside/f", "precious");
    fs_close(&dir_fd);
    dir_fd = fs_open_dir(at("in"), &err);
    for (size_t i = 0; i < CHECK_COUNT(plants); i++) {
        bool is_last = strcmp(plants[i].link, plants[i].attempt) == 0;

        check_row(plants[i].name);
        snprintf(link, sizeof(link), "in/%s", plants[i].link);
        snprintf(attempt, sizeof(attempt), "%s", plants[i].attempt);
        CHECK(symlink(plants[i].points_to, at(link)) == 0);
        CHECK(fs_open_at(dir_fd, attempt, O_RDWR | O_CREAT, 0644, &err) == -1);
        CHECK(err.kind == ERR_IO);
        CHECK_HAS(err.text, "link");
        CHECK(fs_open_at(dir_fd, attempt, O_RDONLY, 0, &err) == -1);
        CHECK(fs_open_at(dir_fd, attempt, O_WRONLY | O_TRUNC, 0, &err) == -1);
        CHECK(fs_make_dirs_at(dir_fd, attempt, 0755, &err) == -1);
        CHECK(fs_open_dir_at(dir_fd, attempt, &err) == -1);
        if (!is_last) {
            put_text("in/src", "evil");
            CHECK(fs_rename_at(dir_fd, "src", dir_fd, attempt, &err) == -1);
            CHECK(fs_replace_at(dir_fd, attempt, STR("evil"), 0644, &err) == -1);
            CHECK(fs_symlink_at("x", dir_fd, attempt, &err) == -1);
            CHECK(fs_link_at(dir_fd, "src", dir_fd, attempt, &err) == -1);
            CHECK(fs_unlink_at(dir_fd, attempt, &err) == -1);
            CHECK(fs_exists_at(dir_fd, attempt, &st, &err) != 1);
        } else { /* the link is replaced, not what it points to */
            CHECK(fs_exists_at(dir_fd, attempt, &st, &err) == 1 && S_ISLNK(st.st_mode));
            CHECK(fs_replace_at(dir_fd, attempt, STR("ours"), 0644, &err) == 0);
            CHECK(fs_exists_at(dir_fd, attempt, &st, &err) == 1 && S_ISREG(st.st_mode));
        }
        CHECK_STR(text_of("outside/f"), "precious");
        CHECK(count_names("outside") == 1);
    }
    check_row(NULL);
    CHECK(access("/tmp/hf-init-planted", F_OK) != 0);
    reopen();
}

/* Each row makes a link below in/ and reads through it: blobs/b, or what lies outside. */
static const struct {
    const char *name, *link, *points_to;
    bool        leads_there;
} links[] = {
    {"as a cache has them", "c/r/s/1/f", "../../blobs/b", true},
    {"from a folder of the repo", "c/r/s/1/d/e/f", "../../../../blobs/b", true},
    {"beside it", "c/r/blobs/beside", "b", true},
    {"below it", "c/r/down", "blobs/b", true},
    {"at the top", "top", "c/r/blobs/b", true},
    {"by way of another link", "c/r/s/1/again", "f", true},
    {"to nothing", "c/r/s/1/nothing", "../../blobs/nothing", false},
    {"to itself", "c/r/s/1/itself", "itself", false},
    {"to a folder", "c/r/s/1/folder", "../../blobs", false},
    {"absolute", "c/r/s/1/absolute", "/etc/passwd", false},
    {"out", "c/r/s/1/out", "../../../../../outside/f", false},
    {"out, from the top", "up", "../outside/f", false},
    {"out and in again", "c/r/s/1/turn", "../../../../../in/c/r/blobs/b", false},
    {"by way of a link that leads out", "c/r/s/1/outwards", "out", false},
};

static void links_are_followed_as_long_as_they_stay_below(void)
{
    struct err  err = {0};
    struct stat st;
    char        text[16], link[256];
    int         fd;

    reopen();
    CHECK(fs_make_dirs(at("in/c/r/blobs"), 0755, &err) == 0);
    CHECK(fs_make_dirs(at("in/c/r/s/1/d/e"), 0755, &err) == 0);
    CHECK(fs_make_dirs(at("outside"), 0755, &err) == 0);
    put_text("in/c/r/blobs/b", "blob");
    put_text("outside/f", "precious");
    fs_close(&dir_fd);
    dir_fd = fs_open_dir(at("in"), &err);
    for (size_t i = 0; i < CHECK_COUNT(links); i++) {
        check_row(links[i].name);
        snprintf(link, sizeof(link), "in/%s", links[i].link);
        CHECK(symlink(links[i].points_to, at(link)) == 0);
        fd = fs_open_resolved_at(dir_fd, links[i].link, &err);
        CHECK((fd >= 0) == links[i].leads_there);
        CHECK((fs_resolve_at(dir_fd, links[i].link, &st, &err) == 1 && S_ISREG(st.st_mode)) ==
              links[i].leads_there);
        if (fd >= 0)
            CHECK(read(fd, text, sizeof(text)) == 4 && memcmp(text, "blob", 4) == 0);
        fs_close(&fd);
    }
    check_row(NULL);
    reopen();
}

static void only_regular_files_are_opened(void)
{
    struct err         err;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int                fd, sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    mkfifo(at("fifo"), 0644);
    mkdir(at("folder"), 0755);
    CHECK(fs_open_at(dir_fd, "fifo", O_RDONLY, 0, &err) == -1 && err.kind == ERR_IO);
    CHECK_HAS(err.text, "FIFO");
    CHECK(fs_open_at(dir_fd, "fifo", O_WRONLY, 0, &err) == -1);
    CHECK(fs_open_at(dir_fd, "folder", O_RDONLY, 0, &err) == -1 && err.kind == ERR_IO);
    CHECK_HAS(err.text, "folder");
    snprintf(name.sun_path, sizeof(name.sun_path), "%.90s/sock", volume);
    if (bind(sock, (struct sockaddr *)&name, sizeof(name)) == 0)
        CHECK(fs_open_at(dir_fd, "sock", O_RDWR, 0, &err) == -1 && err.kind == ERR_IO);
    close(sock);
    fd = fs_open_dir(at("fifo"), &err);
    CHECK(fd == -1 && err.kind == ERR_IO);
}

static void folders_appear_with_their_mode(void)
{
    struct err  err = {0};
    struct stat st;
    mode_t      old = umask(077);

    CHECK(fs_make_dirs_at(dir_fd, "p/q/r", 0755, &err) == 0);
    CHECK(fs_make_dirs_at(dir_fd, "p/q/r", 0755, &err) == 0);
    CHECK(stat(at("p/q"), &st) == 0 && (st.st_mode & 07777) == 0755);
    chmod(at("p"), 02775);
    CHECK(fs_make_dirs_at(dir_fd, "p/s/t", 0750, &err) == 0);
    CHECK(stat(at("p/s/t"), &st) == 0 && (st.st_mode & 07777) == 02750);
    CHECK(fs_make_dirs(at("x/y/z"), 0755, &err) == 0);
    CHECK(stat(at("x/y/z"), &st) == 0 && (st.st_mode & 0777) == 0755);
    put_text("file", "x");
    CHECK(fs_make_dirs_at(dir_fd, "file", 0755, &err) == -1);
    CHECK(fs_make_dirs_at(dir_fd, "file/a", 0755, &err) == -1 && err.kind == ERR_IO);
    CHECK_HAS(err.text, "not a folder");
    CHECK(fs_make_dirs(at("file"), 0755, &err) == -1);
    umask(old);
}

static void files_are_replaced_whole(void)
{
    struct err  err = {0};
    struct stat st;
    struct buf  text = {0};
    struct str  x = STR("x");
    char        name[256];

    CHECK(fs_replace_at(dir_fd, "p/one", STR("1"), 0640, &err) == 0);
    CHECK(fs_replace_at(dir_fd, "p/one", STR("22"), 0640, &err) == 0);
    CHECK_STR(text_of("p/one"), "22");
    CHECK(stat(at("p/one"), &st) == 0 && (st.st_mode & 0777) == 0640);
    memset(name, 'n', 255);
    name[255] = '\0';
    CHECK(fs_replace_at(dir_fd, name, STR("long"), 0644, &err) == 0);
    CHECK(fs_read_small_at(dir_fd, name, 4, &text, &err) == 1);
    CHECK_STR(buf_cstr(&text), "long");
    CHECK(fs_read_small_at(dir_fd, name, 3, &text, &err) == -1 && err.kind == ERR_TOO_LARGE);
    CHECK(fs_read_small_at(dir_fd, "nothing/there", 3, &text, &err) == 0);
    CHECK(fs_write_new_from_at(dir_fd, "p/one", fs_text_source, &x, 0644, false, &err) == -1);
    CHECK(fs_replace_at(dir_fd, "p/q", STR("x"), 0644, &err) == -1 && err.kind == ERR_IO);
    CHECK_HAS(err.text, "folder");
    CHECK(fs_read_file(at("nothing"), 10, &text, &err) == 0);
    CHECK(fs_read_file(volume, 10, &text, &err) == -1);
    buf_release(&text);
}

static void bytes_land_where_they_belong(void)
{
    struct err      err = {0};
    struct fs_space space;
    struct stat     st;
    char            got[8] = "";
    int             fd = fs_open_at(dir_fd, "data", O_RDWR | O_CREAT | O_EXCL, 0644, &err), copy;

    CHECK(fs_allocate(fd, 100000, &err) == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 100000);
    CHECK(fs_pwrite_full(fd, "tail", 4, 99996, &err) == 0);
    CHECK(fs_pread_full(fd, got, sizeof(got), 99996, &err) == 4);
    CHECK_STR(got, "tail");
    CHECK(fs_sync_data(fd, &err) == 0);
    CHECK(fs_write_behind(fd, 0, 100000, false, &err) == 0);
    CHECK(fs_write_behind(fd, 0, 100000, true, &err) == 0);
    copy = fs_open_at(dir_fd, "copy", O_RDWR | O_CREAT | O_EXCL, 0644, &err);
    CHECK(fs_copy(fd, copy, 100000, NULL, NULL, &err) == 0);
    CHECK(fs_pread_full(copy, got, 4, 99996, &err) == 4 && memcmp(got, "tail", 4) == 0);
    CHECK(fs_space(dir_fd, &space, &err) == 0);
    CHECK(space.total_bytes >= space.free_bytes && space.device == (uint64_t)st.st_dev);
    CHECK(fs_allocate(fd, 0, &err) == 0);
    fs_close(&fd);
    fs_close(&copy);
    fs_close(&copy);
    CHECK(copy == -1);
}

static int refused_as_another_user(void *user)
{
    struct err err = {0};

    (void)user;
    if (setgid(12345) != 0 || setuid(12345) != 0)
        return 2;
    if (fs_open_at(dir_fd, "p/new", O_RDWR | O_CREAT, 0644, &err) != -1 ||
        err.kind != ERR_PERMISSION || !strstr(err.text, "uid 12345") ||
        !strstr(err.text, "mode 0755") || !strstr(err.hint, "fsGroup"))
        printf("# %s / %s\n", err.text, err.hint);
    else
        return 0;
    return 1;
}

static void refusals_name_the_user_and_the_folder(void)
{
    if (geteuid() != 0)
        return; /* needs to become somebody else */
    chmod(volume, 0755);
    chmod(at("p"), 0755);
    CHECK(in_child(refused_as_another_user, NULL) == 0);
}

/* What a seccomp profile that does not know a call does to us, or a file system that lacks it. False where nobody
 * listens to seccomp: under qemu-user. */
static bool forbid(unsigned call, int sys_errno)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)sys_errno),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = CHECK_COUNT(code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return true;
    printf("# no seccomp here\n");
    return false;
}

static void everything(void)
{
    unsafe_names_are_refused();
    planted_links_are_not_followed();
    links_are_followed_as_long_as_they_stay_below();
    only_regular_files_are_opened();
    folders_appear_with_their_mode();
    files_are_replaced_whole();
    bytes_land_where_they_belong();
}

/* A file of 64 MiB under a fallocate that fails so; what fs_allocate says to it. The child ends here, well, where
 * that cannot be had. */
static int allocate_without(int sys_errno, struct stat *st, struct err *err)
{
    int fd, rc;

    if (!forbid(SYS_fallocate, sys_errno))
        _exit(0);
    fd = fs_open_at(dir_fd, "allocated", O_RDWR | O_CREAT | O_TRUNC, 0644, err);
    rc = fs_allocate(fd, 64 << 20, err);
    fstat(fd, st);
    fs_close(&fd);
    return rc;
}

static int space_is_only_promised_where_it_cannot_be_had(void *sys_errno)
{
    struct err  err = {0};
    struct stat st;

    if (allocate_without(*(int *)sys_errno, &st, &err))
        return 1;
    if (st.st_size != 64 << 20)
        return 2;
    return st.st_blocks > 64 ? 3 : 0; /* nobody wrote zeros */
}

static int a_full_disk_is_told_before_the_first_byte(void *sys_errno)
{
    struct err  err = {0};
    struct stat st;

    return allocate_without(*(int *)sys_errno, &st, &err) != -1 ||
           (err.kind != ERR_DISK_FULL && err.kind != ERR_QUOTA);
}

static void files_are_allocated_as_far_as_the_volume_can(void)
{
    static const int lacks[] = {EOPNOTSUPP, ENOSYS, EPERM, EINVAL}, full[] = {ENOSPC, EDQUOT};

    for (size_t i = 0; i < CHECK_COUNT(lacks); i++)
        CHECK(in_child(space_is_only_promised_where_it_cannot_be_had, (void *)&lacks[i]) == 0);
    for (size_t i = 0; i < CHECK_COUNT(full); i++)
        CHECK(in_child(a_full_disk_is_told_before_the_first_byte, (void *)&full[i]) == 0);
}

static void network_file_systems_are_known(void)
{
    static const struct {
        const char *name;
        uint32_t    type;
        bool        is_network;
    } rows[] = {
        {"NFS", 0x6969, true},        {"CIFS", 0xFF534D42, true},     {"SMB2", 0xFE534D42, true},
        {"FUSE", 0x65735546, true},   {"Lustre", 0x0BD00BD0, true},   {"CephFS", 0x00C36400, true},
        {"ext4", 0xEF53, false},      {"XFS", 0x58465342, false},     {"btrfs", 0x9123683E, false},
        {"tmpfs", 0x01021994, false}, {"overlay", 0x794C7630, false},
    };

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        check_row(rows[i].name);
        CHECK(fs_type_is_network(rows[i].type) == rows[i].is_network);
    }
    check_row(NULL);
    CHECK(!fs_is_network(-1));
}

static int without_openat2(void *sys_errno)
{
    unsigned failed = check_state.failed;

    forbid(SYS_openat2, *(int *)sys_errno);
    reopen();
    everything();
    volume_remove();
    return check_state.failed > failed;
}

int main(void)
{
    int eperm = EPERM, enosys = ENOSYS;

    dir_fd = -1;
    reopen();
    everything();
    refusals_name_the_user_and_the_folder();
    files_are_allocated_as_far_as_the_volume_can();
    network_file_systems_are_known();
    CHECK(in_child(without_openat2, &enosys) == 0);
    CHECK(access(volume, F_OK) != 0); /* the child took it away */
    CHECK(in_child(without_openat2, &eperm) == 0);
    fs_close(&dir_fd);
    volume_remove();
    return check_end("test_fs");
}
