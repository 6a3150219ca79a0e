/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching and closing connections (gate.h). A descriptor is ZeroMQ's to close: it is shut down, and ZeroMQ sees its
 * end. Were it another connection's by then, in the moment between the last look and this, that one would connect anew.
 */
#include "broker/gate.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool is_admin(const struct gate *gate, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t size = sizeof(address);
    if ((!gate->admin && !gate->admin_port) || getsockname(fd, &address.any, &size) != 0)
        return false;
    if (address.any.sa_family == AF_UNIX)
        return gate->admin && strncmp(address.local.sun_path, gate->admin, sizeof(address.local.sun_path)) == 0;
    if (address.any.sa_family == AF_INET)
        return gate->admin_port && ntohs(address.v4.sin_port) == gate->admin_port;
    return gate->admin_port && address.any.sa_family == AF_INET6 && ntohs(address.v6.sin6_port) == gate->admin_port;
}

static void read_monitors(struct gate *gate, uint64_t now)
{
    struct belt_link_news news;
    for (int side = 0; side < 2; side++) {
        while (gate->monitors[side] && belt_link_monitor_recv(gate->monitors[side], &gate->watch[side], &news) == 1) {
            if (news.came)
                connections_came(&gate->connections, news.fd, is_admin(gate, news.fd), now);
            else
                connections_went(&gate->connections, news.fd);
        }
    }
}

void gate_turn(struct gate *gate, uint64_t now)
{
    int fd;
    if (!gate->monitors[0])
        return;
    read_monitors(gate, now);
    if (gate->blind)
        return;
    while (connections_choose(&gate->connections, now, &fd) != CONNECTION_STAYS) {
        read_monitors(gate, now);
        const struct connection *connection = connections_find(&gate->connections, fd);
        if (connection && connection->closing)
            shutdown(fd, SHUT_RDWR);
    }
}

const struct connection *gate_find(struct gate *gate, int fd, uint64_t now)
{
    if (!gate->monitors[0])
        return NULL;
    if (fd < 0) {
        gate->blind = true;
        return NULL;
    }
    const struct connection *connection = connections_find(&gate->connections, fd);
    if (connection)
        return connection;
    for (int side = 0; side < 2; side++)
        gate->watch[side].look = true; /* it may have come since the last look */
    read_monitors(gate, now);
    return connections_find(&gate->connections, fd);
}

bool gate_tell(struct gate *gate, uint64_t now, char *line, size_t size)
{
    const uint64_t *ended = gate->connections.ended;
    uint64_t silent = ended[CONNECTION_NO_HELLO] - gate->told[CONNECTION_NO_HELLO];
    uint64_t many = ended[CONNECTION_TOO_MANY] - gate->told[CONNECTION_TOO_MANY];
    if (silent + many == 0 || (gate->told_ms && now < gate->told_ms + BELT_REFUSALS_TOLD_MS))
        return false;
    snprintf(line, size,
             "closed connections: %llu that said no HELLO for %.1f s, %llu beyond the limit of %u (the limit of open "
             "files, or --max-peers); %u are connected",
             (unsigned long long)silent, (double)gate->connections.hello_ms / 1000, (unsigned long long)many,
             gate->connections.max[0], gate->connections.count[0] + gate->connections.count[1]);
    memcpy(gate->told, ended, sizeof(gate->told));
    gate->told_ms = now;
    return true;
}

uint64_t gate_due(const struct gate *gate)
{
    uint64_t due = gate->blind ? UINT64_MAX : connections_due(&gate->connections);
    if (memcmp(gate->told, gate->connections.ended, sizeof(gate->told)) != 0 &&
        gate->told_ms + BELT_REFUSALS_TOLD_MS < due)
        due = gate->told_ms + BELT_REFUSALS_TOLD_MS;
    return due;
}

void gate_fini(struct gate *gate)
{
    connections_fini(&gate->connections);
}
