/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages that a connection has no room for at the moment, in their order: what a broker has for one of its peers, or
 * an agent for its broker. Knows no socket.
 */
#ifndef BELT_PROTO_OUTBOX_H
#define BELT_PROTO_OUTBOX_H

#include "proto/codec.h"

struct outbox_item;

struct outbox {
    struct outbox_item *first, *last;
    size_t bytes;   /* of all frames, and what keeping them takes */
    size_t granted; /* of these: what its peer gave credit for */
};

/** Appends; takes the frames' references. False when out of memory: they stay with the caller. */
bool outbox_push(struct outbox *outbox, struct belt_frames *frames, bool granted);
/** The oldest message; NULL when there is none. */
struct belt_frames *outbox_front(struct outbox *outbox);
/** Whether its peer gave credit for it. */
bool outbox_front_granted(const struct outbox *outbox);
/** Removes the oldest message and gives back what it still refers to. */
void outbox_pop(struct outbox *outbox);
/** Removes all. */
void outbox_clear(struct outbox *outbox);

#endif
