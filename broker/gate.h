/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may stay connected: what ZeroMQ tells of the broker's connections goes into the table of connections.h, and what
 * that chooses is closed. ZeroMQ itself accepts whoever comes, keeps whoever says nothing, and tells nobody when it has
 * no descriptors left.
 */
#ifndef BELT_BROKER_GATE_H
#define BELT_BROKER_GATE_H

#include "broker/connections.h"
#include "proto/link.h"

#include <stddef.h>

struct gate {
    void *monitors[2]; /* of the sockets, by enum broker_side; NULL: nothing is watched */
    struct belt_link_watch watch[2];
    struct connections connections;
    const char *admin;   /* the path of the administration's socket, or NULL */
    uint16_t admin_port; /* its port on loopback, or 0 */
    bool blind;          /* a HELLO came over a connection that is not known: nobody is closed for his silence */
    uint64_t told[3];    /* of connections.ended, to the log */
    uint64_t told_ms;    /* when */
};

/** `now` in ms. Reads what ZeroMQ tells, and closes those that are chosen. */
void gate_turn(struct gate *gate, uint64_t now);
/** The connection behind the descriptor of a HELLO; NULL: it is not known. */
const struct connection *gate_find(struct gate *gate, int fd, uint64_t now);
/** A line for the log, when there is something to tell and the last one was long ago. False: there is none. */
bool gate_tell(struct gate *gate, uint64_t now, char *line, size_t size);
/** When gate_turn() or gate_tell() want to be called at the latest. */
uint64_t gate_due(const struct gate *gate);
/** Forgets all connections. The monitors stay with their owner. */
void gate_fini(struct gate *gate);

#endif
