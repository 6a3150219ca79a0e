/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper: a small process that the agent forks before it has threads or a
 * ZeroMQ context. It forks the slots of C functions and their replacements, reports
 * their deaths, and when the agent is gone, however it went, kills the
 * process groups of everything that the agent had started.
 */
#ifndef BELT_WORKER_AGENT_KEEPER_H
#define BELT_WORKER_AGENT_KEEPER_H

#include "worker/agent.h"
#include "worker/slot/arena.h"
#include "worker/slot/memory.h"

#include "proto/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

struct keeper {
    pid_t pid;
    int fd;
    struct slots_shared *shared;
    struct slot_memory *memories; /* by slot number modulo `memory_count`, shared too; NULL: no C functions */
    uint32_t memory_count;
    uint8_t *arenas; /* as many struct arena_memory, with halves of `units`; NULL: there are none */
    uint32_t units;
};

enum keeper_event_type { KEEPER_STARTED, KEEPER_FAILED, KEEPER_DIED };

struct keeper_event {
    uint32_t type;
    uint32_t slot;
    pid_t pid;
    int status;  /* DIED: of waitpid; FAILED: errno */
    int io, log; /* STARTED: the slot's protocol socket and the reading end of its standard error; given */
};

/**
 * Forks it. `groups`: slot numbers are below it; `mask`: the slots' signal mask; `spared`: what the agent ignores
 * and they do not; `foreign`: a descriptor
 * of the agent that is not for the keeper. 0, or -1 with errno.
 */
int keeper_start(struct keeper *keeper, const struct belt_agent_options *options, uint32_t groups, const sigset_t *mask,
                 const struct belt_signals *spared, int foreign);
/** Whether SIGTERM or SIGINT has reached the keeper too, which is in a session of its own: then it has reached all. */
bool keeper_signalled(const struct keeper *keeper);
/** Asks for a process for `slot`; KEEPER_STARTED or KEEPER_FAILED follows. 0; 1: no room, ask again after its events;
 * -1: it is gone. */
int keeper_ask(struct keeper *keeper, uint32_t slot);
/** 1: got one; 0: none is there; -1: the keeper is gone. */
int keeper_next(struct keeper *keeper, struct keeper_event *event);
/** What a slot of C functions shares with its agent. */
struct slot_memory *keeper_memory(const struct keeper *keeper, uint32_t slot);
/** What it shares with its agent for large payloads; NULL: nothing. */
struct arena_memory *keeper_arena(const struct keeper *keeper, uint32_t slot);
/** Ends it and all it keeps. Safe to call on a zeroed struct with fd -1. */
void keeper_stop(struct keeper *keeper);

#endif
