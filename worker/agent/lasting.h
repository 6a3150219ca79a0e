/* SPDX-License-Identifier: Apache-2.0
 *
 * What slots have in common that outlive their tasks: C functions, coprocesses, filters.
 */
#ifndef BELT_WORKER_AGENT_LASTING_H
#define BELT_WORKER_AGENT_LASTING_H

#include "worker/agent/place.h"

void lasting_started(struct agent *agent, struct place *place, pid_t pid, int in, int out, int err);
void lasting_give(struct agent *agent, struct place *place, const struct slot_table_given *task);
/** The same, for a runner that does not count the tasks itself. */
void lasting_give_counted(struct agent *agent, struct place *place, const struct slot_table_given *task);
/** Its payload lies at `at` in memory that the slot shares. */
void lasting_give_at(struct agent *agent, struct place *place, const struct slot_table_given *task, size_t at);
/** The slot broke the protocol, in `what` way: it is killed, and the task that it runs is to blame. */
void lasting_violation(struct agent *agent, struct place *place, const char *what);
void lasting_output(struct agent *agent, struct place *place);
void lasting_ended(struct agent *agent, struct place *place, int status);
void lasting_spawn(struct agent *agent, struct place *place);
/** Its input ends. */
void lasting_close(struct agent *agent, struct place *place);

#endif
