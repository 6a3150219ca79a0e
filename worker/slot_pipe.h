/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection between an agent and a slot of C functions: a ring for each direction (ring.h), and a
 * socket over which one side wakes the other when it sleeps, and learns of its end. Both sides use it alike. It moves
 * bytes; the slot protocol is above it.
 */
#ifndef BELT_SLOT_PIPE_H
#define BELT_SLOT_PIPE_H

#include "ring.h"

#include <sys/types.h>

/** The two rings of a slot, in memory that the agent shares with it. */
struct slot_rings {
    struct ring tasks, answers;
};

struct slot_pipe {
    struct ring *in, *out;
    int bell; /* the socket; borrowed */
};

/** The agent's side (`agent`) or the slot's. */
struct slot_pipe slot_pipe_open(struct slot_rings *rings, int bell, bool agent);

/** More than 0: so many bytes were read; 0: the other side is gone, or has gone mad; -1: nothing is there, and the bell will ring. With
 *  `wait` it is never -1. */
ssize_t slot_pipe_read(struct slot_pipe *pipe, void *to, size_t room, bool wait);
/** Writes up to `len` bytes: how many, perhaps 0: then the bell will ring when there is room. Nobody is woken: see slot_pipe_tell(). */
size_t slot_pipe_write(struct slot_pipe *pipe, const void *data, size_t len);
/** Wakes the other side, if it sleeps, to what was written. -1: it is gone. */
int slot_pipe_tell(struct slot_pipe *pipe);
/** Sleeps until the bell rings. False: the other side is gone. */
bool slot_pipe_sleep(struct slot_pipe *pipe);

#endif
