/* SPDX-License-Identifier: Apache-2.0
 *
 * See proxy.h. One poll loop; a connection is two directions with a buffer each.
 */
#include "tests/chaos/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64
#define PIECE       65536
#define DELAY_MS    30
#define NEVER       UINT64_MAX

struct direction {
    uint8_t bytes[PIECE];
    size_t at, len;
    uint64_t due_ms;     /* what is in `bytes` may be written from here on */
    uint64_t silent_ms;  /* nothing is read before */
    uint64_t delayed_ms; /* pieces are delayed until then */
    uint64_t cut;        /* bytes until the cut, NEVER */
    uint64_t corrupt;
};

struct connection {
    int fd[2]; /* who came, and the target; -1: free */
    struct direction way[2];
};

static struct connection connections[CONNECTIONS];

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void drop(struct connection *connection, bool reset)
{
    struct linger linger = {1, 0};

    for (int i = 0; i < 2; i++) {
        if (reset && connection->fd[i] >= 0)
            setsockopt(connection->fd[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        if (connection->fd[i] >= 0)
            close(connection->fd[i]);
        connection->fd[i] = -1;
    }
}

static void greet(int listener, uint16_t port)
{
    struct sockaddr_in target = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    struct connection *connection = NULL;

    for (int i = 0; i < CONNECTIONS && !connection; i++)
        if (connections[i].fd[0] < 0)
            connection = &connections[i];
    if (fd < 0 || !connection) {
        if (fd >= 0)
            close(fd);
        return;
    }
    connection->fd[0] = fd;
    connection->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 2; i++) {
        setsockopt(connection->fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connection->way[i] = (struct direction){.cut = NEVER, .corrupt = NEVER};
    }
    if (connect(connection->fd[1], (struct sockaddr *)&target, sizeof(target)) != 0 && errno != EINPROGRESS)
        drop(connection, true);
}

static void take(struct connection *connection, int i, uint64_t now)
{
    struct direction *way = &connection->way[i];
    ssize_t got = recv(connection->fd[i], way->bytes, PIECE, 0);

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop(connection, false);
        return;
    }
    way->at = 0;
    way->len = (size_t)got;
    way->due_ms = now < way->delayed_ms ? now + DELAY_MS : now;
    if (way->corrupt < way->len) {
        way->bytes[way->corrupt] ^= 0x55;
        way->corrupt = NEVER;
    } else if (way->corrupt != NEVER) {
        way->corrupt -= way->len;
    }
    if (way->cut < way->len)
        way->len = way->cut;
    if (way->cut != NEVER)
        way->cut -= way->len;
}

static void give(struct connection *connection, int i)
{
    struct direction *way = &connection->way[i];
    ssize_t put = send(connection->fd[!i], way->bytes + way->at, way->len, MSG_NOSIGNAL);

    if (put < 0 && errno != EAGAIN && errno != EINTR) {
        drop(connection, false);
        return;
    }
    if (put > 0) {
        way->at += (size_t)put;
        way->len -= (size_t)put;
    }
}

static void order_one(struct connection *connection, const struct proxy_order *order, uint64_t now)
{
    struct direction *way = &connection->way[order->random >> 32 & 1];

    if (order->fault == PROXY_CUT)
        way->cut = order->bytes;
    else if (order->fault == PROXY_CORRUPT)
        way->corrupt = order->bytes;
    else if (order->fault == PROXY_SILENCE)
        way->silent_ms = now + order->ms;
    else if (order->fault == PROXY_DELAY)
        connection->way[0].delayed_ms = connection->way[1].delayed_ms = now + order->ms;
    else if (order->fault == PROXY_RESET)
        drop(connection, true);
    else
        for (int i = 0; i < 2; i++) {
            connection->way[i].silent_ms = connection->way[i].delayed_ms = 0;
            connection->way[i].cut = connection->way[i].corrupt = NEVER;
        }
}

static void obey(const struct proxy_order *order, uint64_t now)
{
    struct connection *there[CONNECTIONS];
    uint64_t count = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        if (connections[i].fd[0] >= 0)
            there[count++] = &connections[i];
    if (order->fault == PROXY_RESET || order->fault == PROXY_HEAL)
        for (uint64_t i = 0; i < count; i++)
            order_one(there[i], order, now);
    else if (count > 0)
        order_one(there[(order->random & 0xffff) % count], order, now);
}

/* What one connection waits for. */
static void wish(const struct connection *connection, struct pollfd fds[2], uint64_t now)
{
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = connection->fd[i]};
    for (int i = 0; i < 2; i++) {
        const struct direction *way = &connection->way[i];
        if (way->len > 0 && now >= way->due_ms)
            fds[!i].events |= POLLOUT;
        else if (way->len == 0 && now >= way->silent_ms)
            fds[i].events |= POLLIN;
    }
    /* A hang-up would wake us all the time while nothing is wanted of this side. */
    for (int i = 0; i < 2; i++)
        if (fds[i].events == 0)
            fds[i].fd = -1;
}

static void serve(struct connection *connection, const struct pollfd fds[2], uint64_t now)
{
    for (int i = 0; i < 2 && connection->fd[0] >= 0; i++) {
        struct direction *way = &connection->way[i];
        if (way->len > 0 && fds[!i].revents != 0 && now >= way->due_ms)
            give(connection, i);
        else if (way->len == 0 && way->cut == 0)
            drop(connection, false);
        else if (way->len == 0 && fds[i].revents != 0 && now >= way->silent_ms)
            take(connection, i, now);
    }
}

void proxy_run(int listener, uint16_t target_port, int control)
{
    struct pollfd fds[2 + 2 * CONNECTIONS];
    struct proxy_order order;

    for (int i = 0; i < CONNECTIONS; i++)
        connections[i].fd[0] = connections[i].fd[1] = -1;
    for (;;) {
        uint64_t now = now_ms();

        fds[0] = (struct pollfd){.fd = control, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int i = 0; i < CONNECTIONS; i++)
            wish(&connections[i], &fds[2 + 2 * i], now);
        if (poll(fds, 2 + 2 * CONNECTIONS, 10) < 0)
            continue;
        now = now_ms();
        for (int i = 0; i < CONNECTIONS; i++)
            serve(&connections[i], &fds[2 + 2 * i], now);
        if (fds[0].revents != 0) {
            ssize_t got = recv(control, &order, sizeof(order), 0);
            if (got == 0 || (got < 0 && errno != EINTR))
                return;
            obey(&order, now);
        }
        if (fds[1].revents != 0)
            greet(listener, target_port);
    }
}
