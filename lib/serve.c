/* serve.c: see serve.h.
 *
 * libmicrohttpd does not poll here: we wait on its epoll descriptor, so that the thread can be ended at
 * once and so that a client that sends a byte a second is shown out. Its own timeout is of silence. */
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONNECTION_BYTES = 8 * 1024, /* for the head of a request and of its answer */
    STACK_BYTES = 256 * 1024,
    LOOK_MS = 1000,
    BACKLOG = 128,
};

struct guest {
    int      fd; /* 0: nobody; standard input is never one */
    uint64_t since_ms;
};

struct serve {
    int                listen_fd, stop_fd, epoll_fd;
    struct MHD_Daemon *daemon; /* owns what was listen_fd */
    struct guest       guest[SERVE_CONNECTIONS];
    unsigned           guest_count; /* at most SERVE_CONNECTIONS */
    serve_fn          *answer;
    void              *user;
    struct clock       clock;
    pthread_t          thread;
    bool               has_thread;
};

/* --- the port --- */

static int bind_to(struct sockaddr *address, socklen_t size, bool dual, int *fd)
{
    int on = 1, off = 0;

    *fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return -1;
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (dual)
        setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(*fd, address, size) == 0 && listen(*fd, BACKLOG) == 0)
        return 0;
    close(*fd);
    *fd = -1;
    return -1;
}

static int bind_v6(const char *host, uint16_t port, int *fd)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (host[0] && inet_pton(AF_INET6, host, &a.sin6_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    return bind_to((struct sockaddr *)&a, sizeof(a), !host[0], fd);
}

static int bind_v4(const char *host, uint16_t port, int *fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (host[0] && inet_pton(AF_INET, host, &a.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    return bind_to((struct sockaddr *)&a, sizeof(a), false, fd);
}

static int open_port(struct str address, int *fd)
{
    ptrdiff_t  colon = str_rfind_char(address, ':');
    struct str host = str_sub(address, 0, colon < 0 ? 0 : (size_t)colon);
    uint64_t   port = 0;
    char       text[64] = "";

    if (colon < 0 || !str_to_u64(str_sub(address, (size_t)colon + 1, address.len), &port) ||
        port > UINT16_MAX || host.len >= sizeof(text)) {
        errno = EINVAL;
        return -1;
    }
    if (host.len > 2 && host.p[0] == '[') {
        memcpy(text, host.p + 1, host.len - 2);
        return bind_v6(text, (uint16_t)port, fd);
    }
    memcpy(text, host.p, host.len);
    if (!host.len && bind_v6("", (uint16_t)port, fd) == 0)
        return 0;
    return bind_v4(text, (uint16_t)port, fd); /* also where a node has no IPv6 */
}

int serve_open(struct str address, const struct clock *clock, struct serve **out, struct err *err)
{
    struct serve *s = mem_alloc(sizeof(*s));

    s->clock = *clock;
    s->listen_fd = -1;
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0 || open_port(address, &s->listen_fd)) {
        err_sys(err, errno, "listen on %.*s", STR_ARG(address));
        serve_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

/* --- guests --- */

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct serve                   *s = user;
    struct guest                   *guest = *context;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (guest) {
            guest->fd = 0;
            s->guest_count--;
        }
        return;
    }
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (int i = 0; info && i < SERVE_CONNECTIONS; i++) {
        if (s->guest[i].fd)
            continue;
        s->guest[i] = (struct guest){info->connect_fd, clock_now_ms(&s->clock)};
        s->guest_count++;
        *context = &s->guest[i];
        return;
    }
}

static void show_out_the_slow(struct serve *s)
{
    uint64_t now_ms = clock_now_ms(&s->clock);

    for (int i = 0; i < SERVE_CONNECTIONS && s->guest_count; i++)
        if (s->guest[i].fd && now_ms - s->guest[i].since_ms > SERVE_PATIENCE_MS)
            shutdown(s->guest[i].fd, SHUT_RDWR); /* libmicrohttpd finds that it has left */
}

/* --- requests --- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct serve_answer *answer)
{
    enum MHD_Result      rc = MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer_copy(answer->body.len, buf_cstr(&answer->body));

    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        rc = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
    }
    buf_release(&answer->body);
    return rc;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **context)
{
    struct serve       *s = user;
    struct serve_answer answer = {.status = MHD_HTTP_METHOD_NOT_ALLOWED,
                                  .content_type = "text/plain; charset=utf-8"};
    const char         *accept;

    (void)version, (void)data, (void)context;
    if (*data_size) /* a body that nobody asked for; what it is sent for was refused already */
        return MHD_NO;
    accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
        s->answer(str_from(path), str_from(accept), &answer, s->user);
    return send_answer(connection, &answer);
}

/* --- the thread --- */

static int wait_ms(struct serve *s)
{
    int64_t least = MHD_get_timeout64s(s->daemon);

    /* Without guests too: a daemon that was full listens again only when it is run after they left. */
    return least < 0 || least > LOOK_MS ? LOOK_MS : (int)least;
}

static void *serve_main(void *user)
{
    struct serve *s = user;
    struct pollfd p[2] = {{.fd = s->epoll_fd, .events = POLLIN},
                          {.fd = s->stop_fd, .events = POLLIN}};

    while (poll(p, 2, wait_ms(s)) >= 0 || errno == EINTR) {
        if (p[1].revents)
            break;
        show_out_the_slow(s);
        if (MHD_run(s->daemon) != MHD_YES)
            break;
    }
    return NULL;
}

/* A daemon that cannot be started has closed the socket it was given, or has not: it depends on how far it
 * came, and it does not say. By now the number may be another thread's.
 *
 * source  libmicrohttpd 1.0.1, daemon.c, MHD_start_daemon_va(): what returns NULL before free_and_fail */
static bool is_still(int fd, const struct stat *was)
{
    struct stat now;

    return fstat(fd, &now) == 0 && now.st_dev == was->st_dev && now.st_ino == was->st_ino;
}

static int start_daemon(struct serve *s, struct err *err)
{
    const union MHD_DaemonInfo *info;
    struct stat                 socket;
    int                         fd = s->listen_fd;

    if (fstat(fd, &socket) != 0)
        return err_sys(err, errno, "look at the listener's socket");
    s->listen_fd = -1;
    s->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVE_CONNECTIONS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
    if (!s->daemon) {
        if (is_still(fd, &socket))
            close(fd);
        return err_set(err, ERR_INTERNAL, "the listener cannot be started");
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return err_set(err, ERR_INTERNAL, "the listener has no descriptor to wait on");
    s->epoll_fd = info->epoll_fd;
    return 0;
}

int serve_start(struct serve *s, serve_fn *answer, void *user, struct err *err)
{
    pthread_attr_t attr;
    int            rc;

    s->answer = answer;
    s->user = user;
    if (start_daemon(s, err))
        return -1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    rc = pthread_create(&s->thread, &attr, serve_main, s);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        err_sys(err, rc, "start a listener thread");
        return err_hint(err, "%s", err_more_threads);
    }
    s->has_thread = true;
    return 0;
}

void serve_free(struct serve *s)
{
    uint64_t one = 1;

    if (!s)
        return;
    if (s->has_thread && write(s->stop_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(s->thread, NULL);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s);
}
