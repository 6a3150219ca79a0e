/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker's shell: what comes from the sockets goes into the core, what the
 * core asks for goes out. Private to broker/.
 */
#ifndef BELT_BROKER_SHELL_H
#define BELT_BROKER_SHELL_H

#include "broker/core/core.h"
#include "broker/durability.h"
#include "broker/gate.h"
#include "broker/peers.h"
#include "broker/senders.h"

#include "proto/link.h"

struct shell {
    struct core *core;
    struct core_update *update;
    struct belt_decoder *decoder;
    void *sockets[2];                /* by enum broker_side, like the next */
    struct belt_link_watch watch[2]; /* of the sockets */
    struct peers peers;
    struct gate gate;
    struct senders senders;
    struct peer *waiting; /* those whose connection had no room */
    struct peer *pressed; /* those for which much waits, or did at the last look */
    size_t parked;        /* bytes in all outboxes */
    size_t out_max;       /* of all that is parked or under way; beyond it peers that do not read are given up */
    size_t max_frame;
    uint64_t *gone; /* handles of peers that the core must be told are gone */
    uint32_t gone_count, gone_room;
    uint64_t refused;              /* messages of peers beyond the table's size */
    struct durability *durability; /* NULL: nothing is kept on disk */
    size_t burst_bytes[2];         /* taken in by the turn under way */
    bool again;                    /* the core was told of something after its turn: another one follows at once */
    bool check;                    /* the scheduler's books are checked as it goes: core_check_sometimes() */
    bool trace, quiet;
    uint64_t wall;         /* ms since 1970, of the turn under way */
    uint64_t random[32];   /* drawn ahead */
    uint32_t random_count; /* of them, not used yet */
};

/** ms on the monotonic clock. */
uint64_t shell_now(void);

/** ms since 1970. */
uint64_t shell_wall(void);

/** A line on standard error; `warning` says it although the broker is quiet. */
void shell_log(const struct shell *shell, bool warning, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Takes in what is there, as far as the watches tell and within a bound, then lets the core decide and sends. */
void shell_turn(struct shell *shell);

/** Tells the core to take no new work. */
void shell_drain(struct shell *shell);
/** Its time has ended a sleep: counts and tells when a message was there, which is a fault. */
void shell_slept(struct shell *shell, int timeout_ms);
/** Tells every peer that the broker ends (PROTOCOL.md §6.4). False: there is none. */
bool shell_bye(struct shell *shell);

/** How long nothing needs to be done, in ms from `now`; -1: until something comes. */
long shell_timeout(const struct shell *shell, uint64_t now);

/** Forgets all peers. The sockets, the core and the decoder stay with their owner. */
void shell_fini(struct shell *shell);

#endif
