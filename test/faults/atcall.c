/* atcall.c: runs a command, and lets something happen to it as it enters a system call.
 *
 *     atcall N COMMAND [ARGUMENT]...            SIGKILL at the N-th call, of all threads together
 *     atcall fdatasync COMMAND [ARGUMENT]...    a thread that calls fdatasync is held there for ever, as a dead disk would
 *
 * Counted is from execve on. Ends with 137 if it killed, else as the command did; if this program dies, the command dies
 * with it. (strace counts per thread and per kind of call, and does not survive the end of a process that it delays.) */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* linux/ptrace.h and sys/ptrace.h do not go together everywhere. */
struct call_info {
    unsigned char      op;
    unsigned char      other[23];
    unsigned long long number, argument[7];
};
enum { GET_SYSCALL_INFO = 0x420e, ENTERING = 1, KILLED = 137 };

static void die(const char *what)
{
    fprintf(stderr, "atcall: %s: %s\n", what, strerror(errno));
    exit(125);
}

static pid_t start(char **command)
{
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0 || raise(SIGSTOP) != 0)
            die("trace");
        execv(command[0], command);
        die(command[0]);
    }
    return pid;
}

/* The number of the call that the thread is about to make; -1: it comes back from one. */
static long entered(pid_t pid)
{
    struct call_info info = {0};

    if (ptrace((enum __ptrace_request)GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
        info.op != ENTERING)
        return -1;
    return (long)info.number;
}

int main(int argc, char **argv)
{
    int holds = argc > 2 && strcmp(argv[1], "fdatasync") == 0, status, code = 125, executed = 0,
        killed = 0;
    unsigned long left = argc > 2 && !holds ? strtoul(argv[1], NULL, 10) : 0;
    pid_t         main_pid, pid;

    if (left == 0 && !holds) {
        fprintf(stderr, "usage: atcall N|fdatasync COMMAND [ARGUMENT]...\n");
        return 2;
    }
    main_pid = start(argv + 2);
    if (waitpid(main_pid, &status, 0) < 0 || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, main_pid, 0,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                   PTRACE_O_EXITKILL) != 0 ||
        ptrace(PTRACE_SYSCALL, main_pid, 0, 0) != 0)
        die("trace");
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        long pass_on = 0;

        if (pid <= 0)
            continue;
        if (!WIFSTOPPED(status)) {
            if (pid == main_pid)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            long call = executed && !killed ? entered(pid) : -1;

            if (holds && call == SYS_fdatasync)
                continue;
            if (!holds && call >= 0 && --left == 0) {
                kill(main_pid, SIGKILL);
                killed = 1;
            }
        } else if (status >> 16) {
            executed |= status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
        } else if (WSTOPSIG(status) != SIGSTOP) { /* a new thread begins with one of those */
            pass_on = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, pid, 0, pass_on);
    }
    return killed ? KILLED : code;
}
