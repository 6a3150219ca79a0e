/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process of a slot writes to standard error, on its way to the result and to the owner.
 */
#ifndef BELT_WORKER_AGENT_PROCESS_LOG_H
#define BELT_WORKER_AGENT_PROCESS_LOG_H

#include "worker/agent/process.h"

/** Reads what the process has written to standard error, unless it is muted. */
void agent_process_read_log(struct agent *agent, struct process *process);
/** The log of the task that ends, for its outcome; agent_process_log_clear() follows. */
struct belt_bytes agent_process_log(struct agent *agent, struct process *process);
/** The last words of a process that has ended without a task, however little of a log results carry. */
struct belt_bytes agent_process_log_start(struct agent *agent, struct process *process);
void agent_process_log_clear(struct process *process);
/** Takes the last lines of a process that is closed before its task has finished. */
void agent_process_log_last(struct agent *agent, struct process *process);
/** The owner's pipe has room again. */
void agent_process_log_resume(struct agent *agent);
/** At the agent's end, within bounded time: the owner takes what is left. */
void agent_process_log_finish(struct agent *agent);

#endif
