/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets and the descriptors for them (listen.h).
 */
#include "broker/listen.h"
#include "proto/link.h"
#include "proto/text_cut.h"
#include "broker/endpoint.h"
#include "proto/shortage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

/* Where the limit is "none", a process is better off with a number that tables can be made for. */
#define DESCRIPTORS_MAX (1u << 20)

int broker_raise_descriptors(size_t least, size_t *limit, char *error, size_t size)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        snprintf(error, size, "cannot read the limit of open files: %s", strerror(errno));
        return BELT_SYSTEM;
    }
    rlim_t wanted = files.rlim_max < DESCRIPTORS_MAX ? files.rlim_max : DESCRIPTORS_MAX;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = wanted;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    *limit = files.rlim_cur < DESCRIPTORS_MAX ? (size_t)files.rlim_cur : DESCRIPTORS_MAX;
    if (*limit >= least)
        return BELT_OK;
    snprintf(
        error, size,
        "the limit of open files is %zu, a broker needs %zu and one for each peer: raise it (ulimit -Hn, LimitNOFILE=)",
        *limit, least);
    return BELT_SYSTEM;
}

/* ZeroMQ removes whatever is at the path before it binds: nothing of value may be there. 0, or an errno. */
static int path_taken(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(info.st_mode))
        return EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    memcpy(address.sun_path, path, strlen(path));
    int err = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? EADDRINUSE : errno;
    close(fd);
    if (err == EAGAIN) /* it listens, and is busy */
        err = EADDRINUSE;
    return err == ECONNREFUSED || err == ENOENT ? 0 : err; /* left behind by one that died */
}

static void explain(int err, const char *endpoint, char *error, size_t size)
{
    const char *advice = belt_shortage_advice(err);
    switch (err) {
    case EADDRINUSE:
        advice = "another broker, or some other program, listens there: stop it, or choose another address";
        break;
    case EEXIST:
        advice = "something that is no socket is at this path: choose another one";
        break;
    case EACCES:
        advice = "choose a port above 1023, or a directory that may be written";
        break;
    case ENODEV:
    case EADDRNOTAVAIL:
        advice = "this machine has no such address";
        break;
    case ENOENT:
        advice = "the directory does not exist: create it";
        break;
    default:
        advice = advice ? advice : "choose another address";
        break;
    }
    snprintf(error, size, "cannot listen on %.*s: %s: %s", TEXT_UP_TO(endpoint, 300), zmq_strerror(err), advice);
}

/* ZeroMQ binds to addresses and interfaces, it looks no names up: the one name that is allowed has one meaning. */
static const char *with_address(const char *endpoint, char *buffer, size_t size)
{
    static const char local[] = "tcp://localhost:";
    if (strncmp(endpoint, local, sizeof(local) - 1) != 0)
        return endpoint;
    snprintf(buffer, size, "tcp://127.0.0.1:%s", endpoint + sizeof(local) - 1);
    return buffer;
}

void *broker_listen(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys,
                    char *bound, void **monitor, char *error, size_t size)
{
    char buffer[64];
    const char *path = broker_endpoint_path(endpoint);
    int err = path ? path_taken(path) : 0;
    void *socket = NULL;
    if (err == 0) {
        const char *address = with_address(endpoint, buffer, sizeof(buffer));
        mode_t before = umask(077); /* a Unix socket is for its owner; no other thread creates files here */
        belt_link_router_keyed(context, address, max_frame, keys, bound, &socket, monitor);
        err = errno;
        umask(before);
    }
    if (!socket)
        explain(err, endpoint, error, size);
    return socket;
}

int broker_listen_also(void *router, const char *endpoint, const struct belt_link_keys *keys, char *bound, char *error,
                       size_t size)
{
    char buffer[64];
    const char *path = broker_endpoint_path(endpoint);
    int err = path ? path_taken(path) : 0;
    if (err == 0) {
        mode_t before = umask(077);
        err = belt_link_bind(router, with_address(endpoint, buffer, sizeof(buffer)), keys, bound) == 0 ? 0 : errno;
        umask(before);
    }
    if (err == 0)
        return BELT_OK;
    explain(err, endpoint, error, size);
    return BELT_SYSTEM;
}
