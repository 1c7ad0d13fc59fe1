/* The listener of the metrics, where it cannot be had. */
#include "serve.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

static void say_nothing(struct str path, struct str accept, struct serve_answer *out, void *user)
{
    (void)path, (void)accept, (void)out, (void)user;
}

static int lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(fd);
    return fd;
}

/* libmicrohttpd closes the socket it was given then, and its number is anybody's. */
static void a_daemon_that_gets_no_descriptor_takes_none_of_others_along(void)
{
    struct clock  clock = clock_system();
    struct serve *serve;
    struct err    err;
    struct rlimit limit, tight;
    int           before = lowest_free(), others[3];

    CHECK(serve_open(STR("127.0.0.1:0"), &clock, &serve, &err) == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)lowest_free();
    CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    CHECK(serve_start(serve, say_nothing, NULL, &err) == -1);
    CHECK_HAS(err.text, "the listener cannot be started");
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int i = 0; i < 3; i++)
        others[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    serve_free(serve);
    for (int i = 0; i < 3; i++) {
        CHECK(fcntl(others[i], F_GETFD) >= 0);
        close(others[i]);
    }
    CHECK(lowest_free() == before);
}

int main(void)
{
    a_daemon_that_gets_no_descriptor_takes_none_of_others_along();
    return check_end("test_serve");
}
