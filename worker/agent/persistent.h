/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processes have in common that outlive their tasks: C functions, coprocesses and filters.
 */
#ifndef BELT_WORKER_AGENT_PERSISTENT_H
#define BELT_WORKER_AGENT_PERSISTENT_H

#include "worker/agent/process.h"

void persistent_started(struct agent *agent, struct process *process, pid_t pid, int in, int out, int err);
void persistent_give(struct agent *agent, struct process *process, const struct slot_table_given *task);
/** Does the same and counts the task, for a runner that does not count by itself. */
void persistent_give_counted(struct agent *agent, struct process *process, const struct slot_table_given *task);
/** Hands over a task whose payload lies at `at` in the memory that the agent shares with the slot. */
void persistent_give_at(struct agent *agent, struct process *process, const struct slot_table_given *task, size_t at);
/** The slot broke the protocol, in `what` way: it is killed, and the task that it runs is to blame. */
void persistent_violation(struct agent *agent, struct process *process, const char *what);
void persistent_output(struct agent *agent, struct process *process);
void persistent_ended(struct agent *agent, struct process *process, int status);
void persistent_spawn(struct agent *agent, struct process *process);
/** Ends the input of the process, which then ends by itself. */
void persistent_close(struct agent *agent, struct process *process);

#endif
