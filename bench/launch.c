/* launch.c: runs one command and writes what it used as JSON.
 *
 *     launch [-c CPU[,CPU]] [-g CGROUP_PROCS]... [-n NETNS] [-t SECONDS] OUT COMMAND [ARGUMENT]...
 *
 *     -c  processors it may use      -g  a cgroup.procs to enter (v1 has one tree per controller)
 *     -n  network namespace          -t  SIGKILL after so long; "killed" says so
 *     SIGUSR1 to this program sends SIGKILL to the command.
 *
 * A process of its own, because Linux counts the memory of the process that forked into ru_maxrss of the one that
 * execs (fs/exec.c, setmax_mm_hiwater_rss): started from Python, every figure would begin at 20 MB. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t        child;
static volatile sig_atomic_t killed;

static void on_signal(int sig)
{
    (void)sig;
    killed = 1;
    if (child > 0)
        kill(child, SIGKILL);
}

static void die(const char *what)
{
    fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
    exit(125);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void pin(const char *list)
{
    cpu_set_t set;
    char     *end;

    CPU_ZERO(&set);
    for (const char *p = list; *p; p = *end ? end + 1 : end)
        CPU_SET((size_t)strtoul(p, &end, 10), &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        die("sched_setaffinity");
}

static void enter_netns(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || setns(fd, CLONE_NEWNET))
        die(path);
    close(fd);
}

static void enter_cgroup(const char *procs)
{
    int fd = open(procs, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "0\n", 2) != 2)
        die(procs);
    close(fd);
}

int main(int argc, char **argv)
{
    const char   *cpus = NULL, *netns = NULL, *groups[8];
    int           group_count = 0, option, status;
    unsigned      limit_s = 0;
    struct rusage used;
    double        began;
    FILE         *out;

    while ((option = getopt(argc, argv, "+c:g:n:t:")) != -1) {
        switch (option) {
        case 'c': cpus = optarg; break;
        case 'g':
            if (group_count < 8)
                groups[group_count++] = optarg;
            break;
        case 'n': netns = optarg; break;
        case 't': limit_s = (unsigned)strtoul(optarg, NULL, 10); break;
        default: return 125;
        }
    }
    if (argc - optind < 2)
        return 125;
    out = fopen(argv[optind], "we");
    if (!out)
        die(argv[optind]);
    signal(SIGUSR1, on_signal);
    signal(SIGALRM, on_signal);

    for (int i = 0; i < group_count;
         i++) /* this one first, as it takes 10 ms: the command inherits it */
        enter_cgroup(groups[i]);
    if (netns)
        enter_netns(netns);
    if (cpus)
        pin(cpus);
    began = now_s();
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGUSR1, SIG_DFL);
        execvp(argv[optind + 1], argv + optind + 1);
        die(argv[optind + 1]);
    }
    if (limit_s)
        alarm(limit_s);
    while (wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR)
            die("wait4");
    fprintf(
        out,
        "{\"wall_s\": %.6f, \"user_s\": %.6f, \"sys_s\": %.6f, \"maxrss_bytes\": %ld, \"code\": %d, "
        "\"killed\": %s, \"switches\": %ld}\n",
        now_s() - began, seconds(used.ru_utime), seconds(used.ru_stime), used.ru_maxrss * 1024L,
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), killed ? "true" : "false",
        used.ru_nvcsw + used.ru_nivcsw);
    return fclose(out) ? 125 : 0;
}
