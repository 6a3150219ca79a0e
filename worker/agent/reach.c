/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a broker cannot be reached. See reach.h.
 */
#include "worker/agent/reach.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A host that is up answers within a few round trips around the world. */
#define CONNECT_MS 3000

struct attempt {
    int fd;
    char endpoint[512];
};

/* 0 or errno. */
static int try_address(int family, const struct sockaddr *address, socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t size = sizeof(error);

    if (fd < 0)
        return errno;
    if (connect(fd, address, len) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (poll(&wait, 1, CONNECT_MS) != 1)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    close(fd);
    return error;
}

static void explain(int error, char text[REACH_TEXT])
{
    if (error == 0)
        snprintf(text, REACH_TEXT,
                 "it takes connections but does not answer: is this the broker's address for workers?");
    else if (error == ECONNREFUSED)
        snprintf(text, REACH_TEXT,
                 "it refuses the connection: does the broker run there, and is this its port for workers?");
    else if (error == ETIMEDOUT)
        snprintf(text, REACH_TEXT,
                 "it does not answer within %d s: is the host up, and does a firewall let this through?",
                 CONNECT_MS / 1000);
    else if (error == ENOENT)
        snprintf(text, REACH_TEXT, "there is no such socket: does the broker run?");
    else
        snprintf(text, REACH_TEXT, "%s", strerror(error));
}

static int try_path(const char *path, char text[REACH_TEXT])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len >= sizeof(address.sun_path))
        len = sizeof(address.sun_path) - 1;
    memcpy(address.sun_path, path, len);
    if (address.sun_path[0] == '@') /* an abstract name */
        address.sun_path[0] = '\0';
    int error = try_address(AF_UNIX, (const struct sockaddr *)&address,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    explain(error, text);
    return error;
}

static int try_host(const char *name, char text[REACH_TEXT])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char host[256];
    const char *colon = strrchr(name, ':');
    int error = EHOSTUNREACH;

    snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - name) : (int)strlen(name), name);
    char *plain = host;
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        plain++;
    }
    int rc = getaddrinfo(plain, colon ? colon + 1 : NULL, &hints, &list);
    if (rc != 0) {
        text_print(text, REACH_TEXT, "the name '%s' does not resolve: %s", plain, gai_strerror(rc));
        return EHOSTUNREACH;
    }
    for (const struct addrinfo *at = list; at && error != 0; at = at->ai_next)
        error = try_address(at->ai_family, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(list);
    explain(error, text);
    return error;
}

int reach_try(const char *endpoint, char text[REACH_TEXT])
{
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return try_host(endpoint + 6, text);
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return try_path(endpoint + 6, text);
    snprintf(text, REACH_TEXT, "it does not answer");
    return EINVAL;
}

static void *run(void *arg)
{
    struct attempt *attempt = arg;
    char text[REACH_TEXT];

    reach_try(attempt->endpoint, text);
    ssize_t ignored = write(attempt->fd, text, strlen(text));
    (void)ignored;
    close(attempt->fd);
    free(attempt);
    return NULL;
}

int reach_start(const char *endpoint)
{
    struct attempt *attempt = malloc(sizeof(*attempt));
    int ends[2] = {-1, -1}, rc;
    sigset_t all, before;
    pthread_t thread;

    if (!attempt)
        return -1;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(attempt);
        return -1;
    }
    attempt->fd = ends[1];
    snprintf(attempt->endpoint, sizeof(attempt->endpoint), "%s", endpoint);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, run, attempt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        pthread_detach(thread);
        return ends[0];
    }
    close(ends[0]);
    close(ends[1]);
    free(attempt);
    errno = rc;
    return -1;
}
