/* Stands where a model server would, and where Kubernetes' pause container would: no image can be pulled.
 *
 *   server --model PATH …     ends with 1 at once if there is no such file or folder; else answers 200 on port 8000
 *   server run-batch …        looks for the model likewise, and ends with 0
 *   server                    only stays
 *
 * It stays until SIGTERM, and reaps what becomes a child of it. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static void end(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void reap(int signal_number)
{
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static const char *model_of(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (!strcmp(argv[i], "--model"))
            return argv[i + 1];
    }
    return NULL;
}

static int serve(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(8000)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    char request[4096];

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 16)) {
        perror("server: port 8000");
        return 1;
    }
    for (;;) {
        int client = accept(listener, NULL, NULL);

        if (client < 0)
            continue; /* a signal */
        if (read(client, request, sizeof request) > 0 && write(client, answer, sizeof answer - 1) < 0)
            perror("server: answer");
        close(client);
    }
}

int main(int argc, char **argv)
{
    const char *model = model_of(argc, argv);
    struct stat there;

    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGCHLD, reap);
    signal(SIGPIPE, SIG_IGN);
    if (model && stat(model, &there)) {
        fprintf(stderr, "server: no %s\n", model);
        return 1;
    }
    if (argc > 1 && !strcmp(argv[1], "run-batch"))
        return 0;
    if (model)
        return serve();
    for (;;)
        pause();
}
