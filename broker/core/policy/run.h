/* SPDX-License-Identifier: Apache-2.0
 *
 * A task in the hands of an agent: begun there, ended, or not wanted any more. Private to broker/core.
 */
#ifndef BELT_CORE_RUN_H
#define BELT_CORE_RUN_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* The agent has the task from before a restart or a lost connection: it goes on there. */
struct run *run_adopt(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task);
bool run_has_room(const struct agent *agent, uint32_t bytes); /* for a task of this size, in its byte window */
/* Sends DROP for this run alone: its result is not wanted. */
void run_drop(struct core *core, struct run *run);
/* Sends DROP for all runs of the job. */
void run_drop_job(struct core *core, struct job *job);
/* The agent has done with the task and keeps its result: the run counts no more as held by the agent. */
void run_unload(struct core *core, struct run *run);
/* The run is over: it leaves its agent and all counts. The caller says what becomes of its task. */
void run_free(struct core *core, struct run *run);
/* The task goes to the agent: it is RUNNING. `chunk`: see struct run. */
struct run *run_new(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task,
                    uint64_t chunk);
/* The run of this attempt on this agent; NULL: the attempt is stale, or another agent has it. Gives the job and the
 * task as well, as far as there are any. */
struct run *run_find(struct core *core, const struct agent *agent, const struct belt_task_ref *ref, struct job **job,
                     struct task **task);
void run_send_drop(struct core *core, struct agent *agent, const struct belt_task_ref *refs, uint32_t count);

#endif
