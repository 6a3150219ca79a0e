/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a slot of C functions: reads tasks, calls the functions,
 * writes their answers (belt_task_* of <belt/belt.h> act here).
 */
#ifndef BELT_TASK_H
#define BELT_TASK_H

#include "agent.h"
#include "arena.h"
#include "slot_pipe.h"

struct keeper_shared;

/** SIGUSR1 makes belt_task_cancelled() true for the running task. */
void task_catch_cancel(void);
/** What a slot has of its agent. */
struct task_ends {
    struct slot_pipe pipe;
    struct arena_memory *arena; /* NULL: none */
};

/** Serves tasks from the pipe until its other side is gone, then ends the process. */
_Noreturn void task_slot_run(const struct task_ends *ends, const struct belt_agent_options *options,
                             struct keeper_shared *shared, uint32_t number);

#endif
