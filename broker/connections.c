/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of connections (connections.h). When there are too many, the one that has been without a session for
 * longest is closed: of many that say nothing each new one has as long for its HELLO as it takes to open so many.
 */
#include "broker/connections.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void connections_init(struct connections *connections, uint32_t max, uint32_t max_reserved, uint64_t hello_ms)
{
    *connections = (struct connections){.max = {max, max_reserved}, .hello_ms = hello_ms};
}

static struct connection *find(const struct connections *connections, int fd)
{
    struct connection *connection = NULL;
    HASH_FIND(by_fd, connections->by_fd, &fd, sizeof(fd), connection);
    return connection;
}

const struct connection *connections_find(const struct connections *connections, int fd)
{
    return find(connections, fd);
}

static void stop_waiting(struct connections *connections, struct connection *connection)
{
    if (connection->waiting)
        DL_DELETE(connections->waiting, connection);
    connection->waiting = false;
}

static void wait_from(struct connections *connections, struct connection *connection, uint64_t now)
{
    stop_waiting(connections, connection);
    connection->waiting = true;
    connection->since_ms = now;
    DL_APPEND(connections->waiting, connection);
}

static void uncount(struct connections *connections, struct connection *connection)
{
    if (!connection->closing)
        connections->count[connection->reserved]--;
    connection->closing = true;
}

static void forget(struct connections *connections, struct connection *connection)
{
    stop_waiting(connections, connection);
    uncount(connections, connection);
    HASH_DELETE(by_fd, connections->by_fd, connection);
    free(connection);
}

void connections_fini(struct connections *connections)
{
    struct connection *connection, *next;
    HASH_ITER (by_fd, connections->by_fd, connection, next)
        forget(connections, connection);
}

void connections_came(struct connections *connections, int fd, bool reserved, uint64_t now)
{
    connections_went(connections, fd);
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return;
    connection->fd = fd;
    connection->reserved = reserved;
    connection->id = ++connections->last_id;
    connections->count[reserved]++;
    HASH_ADD(by_fd, connections->by_fd, fd, sizeof(connection->fd), connection);
    wait_from(connections, connection, now);
}

void connections_went(struct connections *connections, int fd)
{
    struct connection *connection = find(connections, fd);
    if (connection)
        forget(connections, connection);
}

void connections_greeted(struct connections *connections, int fd)
{
    struct connection *connection = find(connections, fd);
    if (connection)
        stop_waiting(connections, connection);
}

void connections_parted(struct connections *connections, int fd, uint64_t id, uint64_t now)
{
    struct connection *connection = find(connections, fd);
    if (connection && connection->id == id && !connection->closing)
        wait_from(connections, connection, now);
}

static enum connection_end end(struct connections *connections, struct connection *connection, enum connection_end why,
                               int *fd)
{
    *fd = connection->fd;
    stop_waiting(connections, connection);
    uncount(connections, connection);
    connections->ended[why]++;
    return why;
}

/* The first that waits, of one kind. */
static struct connection *first_of(const struct connections *connections, bool reserved)
{
    struct connection *connection;
    DL_FOREACH (connections->waiting, connection)
        if (connection->reserved == reserved)
            return connection;
    return NULL;
}

enum connection_end connections_choose(struct connections *connections, uint64_t now, int *fd)
{
    struct connection *first = connections->waiting;
    if (first && now >= first->since_ms + connections->hello_ms)
        return end(connections, first, CONNECTION_NO_HELLO, fd);
    for (int kind = 0; kind < 2; kind++) {
        struct connection *surplus =
            connections->count[kind] > connections->max[kind] ? first_of(connections, kind) : NULL;
        if (surplus)
            return end(connections, surplus, CONNECTION_TOO_MANY, fd);
    }
    return CONNECTION_STAYS;
}

uint64_t connections_due(const struct connections *connections)
{
    return connections->waiting ? connections->waiting->since_ms + connections->hello_ms : UINT64_MAX;
}
