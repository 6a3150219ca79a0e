/* SPDX-License-Identifier: Apache-2.0
 *
 * What was given to ZeroMQ for a peer and has not left this process yet. ZeroMQ bounds its queues in messages only and
 * tells nobody how full they are; so frames go out in tickets, which it gives back when it has written them. Decides
 * nothing.
 *
 * Threads: tickets come back on ZeroMQ's thread; all else belongs to the broker's.
 */
#ifndef BELT_BROKER_FLIGHT_H
#define BELT_BROKER_FLIGHT_H

#include "proto/codec.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Of all peers. */
struct flights {
    atomic_size_t bytes;
    int wake_fd; /* an eventfd: somebody who asked for it (flight_watch) has room; -1: nobody is told */
};

/* Of one peer; outlives it until its last ticket is back. */
struct flight;

/** NULL when out of memory. Borrows `all`, which must outlive the ZeroMQ context. */
struct flight *flight_new(struct flights *all);
/** Its peer is gone. Accepts NULL. */
void flight_free(struct flight *flight);

/** The same frames in tickets, with references of their own; `reply`: nobody gave credit for them. False when out of
 *  memory. What is too small for a ticket is counted with those that follow. */
bool flight_wrap(struct flight *flight, const struct belt_frames *frames, bool reply, struct belt_frames *wrapped);

/** Bytes under way: all, and of replies. */
size_t flight_bytes(const struct flight *flight);
size_t flight_replies(const struct flight *flight);
/** Tells the eventfd once when no more than `bytes` are under way. */
void flight_watch(struct flight *flight, size_t bytes);

#endif
