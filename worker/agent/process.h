/* SPDX-License-Identifier: Apache-2.0
 *
 * The process of a slot as the agent holds it: its start, its bytes in and out, its signals, its end.
 */
#ifndef BELT_WORKER_AGENT_PROCESS_H
#define BELT_WORKER_AGENT_PROCESS_H

#include "worker/agent/state.h"

void agent_process_started(struct agent *agent, struct process *process, pid_t pid, int in, int out, int err);
void agent_process_close(struct agent *agent, struct process *process);
/** Reads once into `queue`: the number of bytes, 0 at the end, or -1 when nothing is there. */
ssize_t agent_process_read(int fd, struct slot_queue *queue);
/** Writes what waits in its queue, and watches for room when not all of it fits. */
void agent_process_write(struct agent *agent, struct process *process);
void agent_process_dirty(struct agent *agent, struct process *process);
void agent_process_kill(struct agent *agent, struct process *process, int signal);
/** The process did something that it must not do: it is stopped like one that runs over its time. */
void agent_process_fault(struct agent *agent, struct process *process);
/** Its process has ended and was reaped: what is left of its process group ends first when it was stopped or crashed,
 *  and then runner.ended() is called. */
void agent_process_ended(struct agent *agent, struct process *process, int status);
/** Ends those that linger for nothing any more. */
void agent_processes_linger(struct agent *agent);
/** Starts the process of a slot; `env` NULL: with the agent's environment. 0 or errno. */
int agent_process_spawn(struct agent *agent, struct process *process, char *const *argv, char *const *env, bool input,
                        bool tty);
/** Puts a wait status into words (`size` bytes of text) and into the numbers of the outcome. */
void agent_process_status(int status, char *text, size_t size, struct slot_table_outcome *outcome);
/** A persistent slot could not be started. */
void agent_process_lost(struct agent *agent, struct process *process, const char *why);
/** The system had no room to start the process (spawn_is_short(error)): it is tried again. */
void agent_process_short(struct agent *agent, struct process *process, int error);
/** From time to time, has the slots give back memory that they do not use. */
void agent_processes_rest(struct agent *agent);
/* A command that is named in a message: enough of its first line to know it by. */
#define PROCESS_COMMAND 80
/** "'COMMAND'", cut to its first line and to `size` (PROCESS_COMMAND), or what else the slot runs. */
const char *agent_process_command(const struct process *process, char *text, size_t size);
/** Says that a persistent slot ended without an answer. */
void agent_process_warn(struct agent *agent, const struct process *process);

#endif
