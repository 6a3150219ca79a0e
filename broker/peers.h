/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is at the other end: routes of the two sockets <-> the handles that the
 * core knows peers by. A handle is never used twice. Decides nothing.
 */
#ifndef BELT_BROKER_PEERS_H
#define BELT_BROKER_PEERS_H

#include "proto/link.h"
#include "broker/flight.h"
#include "proto/outbox.h"

#include <uthash.h>

enum broker_side { BROKER_CLIENTS, BROKER_WORKERS };

struct peer {
    uint64_t handle;
    struct outbox outbox;
    struct flight *flight;
    struct peer *next_waiting, *prev_waiting; /* those with an outbox: shell.c */
    size_t held;                              /* bytes of messages to it that wait for the disk */
    struct peer *next_pressed, *prev_pressed; /* those for which much waits: shell.c */
    bool pressed;
    bool full[3];  /* the core was told so, by enum core_full */
    int fd;        /* of the connection that it said HELLO over, */
    uint64_t link; /* and its number; 0: not known */
    bool gone;     /* the core is told at the next occasion; nothing is sent any more */
    UT_hash_handle by_route, by_handle;
    uint8_t side; /* enum broker_side; with the route it is one key, so nothing stands between them */
    struct belt_route route;
};

struct peers {
    struct peer *by_route, *by_handle;
    struct peer *last; /* messages come in runs */
    uint64_t next_handle;
    uint32_t count, max;
    struct flights flights; /* of all */
};

void peers_init(struct peers *peers, uint32_t max);
void peers_fini(struct peers *peers);
/** The peer at this route; a new one if it is not known. NULL when there are too many, or no memory. */
struct peer *peers_at(struct peers *peers, enum broker_side side, const struct belt_route *route);
/** The peer at this route, NULL when it is not known. */
struct peer *peers_known(struct peers *peers, enum broker_side side, const struct belt_route *route);
/** NULL when the handle is dead. */
struct peer *peers_find(struct peers *peers, uint64_t handle);
/** Forgets it, with what waits in its outbox. */
void peers_remove(struct peers *peers, struct peer *peer);

#endif
