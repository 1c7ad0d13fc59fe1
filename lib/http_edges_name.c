/* http_edges_name.c: asks for the addresses of a host, in a thread of its own. musl's resolver
 * blocks, for many seconds when name servers are silent, and no lane may wait for it; nor does the
 * end of a run: the thread is detached, and a table that closed meanwhile is freed by it. */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "http_edges_internal.h"
#include "http_internal.h"

static int ask(const char *name, struct addrinfo **out)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    return getaddrinfo(name, NULL, &hints, out);
}

static bool write_address(const struct addrinfo *from, char out[INET6_ADDRSTRLEN])
{
    const void *bytes = NULL;

    if (from->ai_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)from->ai_addr)->sin_addr;
    if (from->ai_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)from->ai_addr)->sin6_addr;
    return bytes && inet_ntop(from->ai_family, bytes, out, INET6_ADDRSTRLEN) != NULL;
}

/* The same question that libcurl is made to ask (http_setup.c): the absolute name first. */
static void *look_up(void *arg)
{
    struct edges_host *h = arg; /* name and port never change; the rest is not ours to read */
    struct str         name = str_from(h->name);
    struct addrinfo   *found = NULL;
    struct buf         absolute = {0};
    char               address[EDGES_PER_HOST_MAX][INET6_ADDRSTRLEN];
    unsigned           count = 0;
    int                rc = -1;

    if (http_is_absolute_name(name)) {
        buf_printf(&absolute, "%s.", h->name);
        rc = ask(buf_cstr(&absolute), &found);
        buf_release(&absolute);
    }
    if (rc != 0)
        rc = ask(h->name, &found);
    for (const struct addrinfo *a = rc == 0 ? found : NULL; a && count < EDGES_PER_HOST_MAX;
         a = a->ai_next)
        count += write_address(a, address[count]);
    if (rc == 0)
        freeaddrinfo(found);
    edges_learn(h, (const char(*)[INET6_ADDRSTRLEN])address, count);
    return NULL;
}

bool edges_look_up(struct edges_host *host)
{
    pthread_attr_t attr;
    pthread_t      thread;
    int            rc;

    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, look_up, host);
    pthread_attr_destroy(&attr);
    return rc == 0;
}
