/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a slot of C functions: reads tasks, calls the functions,
 * writes their answers (belt_task_* of <belt/belt.h> act here).
 */
#ifndef BELT_WORKER_SLOT_TASK_H
#define BELT_WORKER_SLOT_TASK_H

#include "worker/agent.h"
#include "worker/slot/arena.h"
#include "worker/slot/memory.h"
#include "worker/slot/pipe.h"

/** SIGUSR1 makes belt_task_cancelled() true for the running task. */
void task_catch_cancel(void);
/** What a slot has of its agent. */
struct task_ends {
    struct slot_pipe pipe;
    struct arena_memory *arena; /* NULL: none */
    struct slot_memory *memory;
    const struct slots_shared *shared;
};

/** Serves tasks from the pipe until its other side is gone, then ends the process. */
_Noreturn void task_slot_run(const struct task_ends *ends, const struct belt_agent_options *options);

#endif
