/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection between an agent and a slot of C functions: a ring for each direction (ring.h), and a bell for each
 * side. The agent, which waits for many things, is woken over a socket, and learns from it that the slot has ended. The
 * slot sleeps on a number in shared memory: on its end of the socket each byte that the agent takes would wake it for
 * nothing. It moves bytes; the slot protocol is above it.
 */
#ifndef BELT_WORKER_SLOT_PIPE_H
#define BELT_WORKER_SLOT_PIPE_H

#include "worker/slot/ring.h"

#include <sys/types.h>

/** The two rings of a slot, in memory that the agent shares with it. */
struct slot_rings {
    struct ring tasks, answers;
    _Alignas(64) atomic_uint rung; /* how often the slot was woken */
    atomic_bool closed;            /* no more tasks will come */
};

struct slot_pipe {
    struct slot_rings *rings;
    struct ring *in, *out;
    bool agent;
    int bell; /* the socket; borrowed */
};

/** Before a new slot uses them. */
void slot_rings_reset(struct slot_rings *rings);
/** The agent's side (`agent`) or the slot's. */
struct slot_pipe slot_pipe_open(struct slot_rings *rings, int bell, bool agent);

/** More than 0: so many bytes were read; 0: the other side is gone, or has gone mad; -1: nothing is there, and the bell
 * will ring. The slot sleeps until there is something: it never gets -1. */
ssize_t slot_pipe_read(struct slot_pipe *pipe, void *to, size_t room);
/** Writes up to `len` bytes: how many, perhaps 0: then the bell will ring when there is room. Nobody is woken: see
 * slot_pipe_tell(). */
size_t slot_pipe_write(struct slot_pipe *pipe, const void *data, size_t len);
/** Wakes the other side, if it sleeps, to what was written. -1: it is gone. */
int slot_pipe_tell(struct slot_pipe *pipe);
/** On the slot's side, when there is no room: sleeps until there may be some. A slot whose agent is gone is killed
 * (keeper.h). */
void slot_pipe_sleep(struct slot_pipe *pipe);
/** On the agent's side: no more tasks will come; the slot reads those that are there, and then its end. */
void slot_pipe_close(struct slot_pipe *pipe);

#endif
