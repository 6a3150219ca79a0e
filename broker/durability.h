/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the core and the store: records go to the committer, messages that
 * promise what they say are held until the disk has it, and at the start the
 * core is built anew from what is there. Decides nothing. Private to broker/.
 */
#ifndef BELT_BROKER_DURABILITY_H
#define BELT_BROKER_DURABILITY_H

#include "broker/committer.h"
#include "broker/core/core.h"
#include "proto/codec.h"

struct held_message {
    struct held_message *next;
    uint64_t through; /* the record that must be durable first; UINT64_MAX: that of the turn under way */
    uint64_t peer;
    uint8_t type;
    struct belt_frames frames;
};

struct durability {
    struct store *store;
    struct committer *committer;
    struct held_message *first, *last;
    uint64_t recorded; /* highest number handed to the committer */
    uint64_t durable;
    int code; /* of the store: BELT_OK while it works */
    uint64_t
        turn_bytes; /* what one turn may hand over, about, so that all that is on its way has room in the reserve */
    uint64_t spare; /* what may be recorded while there is no room */
};

/** Opens the store, feeds its records to the core (`now` in ms), starts the committer. BELT_OK, or a code with the
 * sentence in `error`. */
int durability_open(struct durability *durability, const char *directory, struct core *core, uint32_t max_payload,
                    uint64_t now, char *error, uint32_t size);

/** Hands the update's records over. False: the queue is full or memory is out; nothing was taken, call again once
 *  durability_fd() is readable. */
bool durability_records(struct durability *durability, const struct core_update *update);

/** Keeps a message (takes the frames) until what its turn records is durable. False when out of memory. */
bool durability_hold(struct durability *durability, uint64_t peer, uint8_t type, struct belt_frames *frames);
/** The turn is over: what it held waits for the last record handed over. */
void durability_turn_over(struct durability *durability);

/** Readable when durability_news() has something. */
int durability_fd(const struct durability *durability);
/** Looks how far the disk is. True when the store began or ceased to work (`code` tells). */
bool durability_news(struct durability *durability);
/** The next message that may leave; the caller frees it with durability_free(). NULL: none. */
struct held_message *durability_release(struct durability *durability);
void durability_free(struct held_message *held);

/** Commits what waits, for `within_ms` at most, and closes the store. BELT_OK when all is on disk. */
int durability_close(struct durability *durability, uint64_t within_ms);

#endif
