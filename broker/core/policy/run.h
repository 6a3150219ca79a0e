/* SPDX-License-Identifier: Apache-2.0
 *
 * A task in the hands of an agent: begun there, ended, or not wanted any more. Private to broker/core.
 */
#ifndef BELT_CORE_RUN_H
#define BELT_CORE_RUN_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

struct run *run_adopt(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task);
bool run_has_room(const struct agent *agent, uint32_t bytes); /* for a task of this size, in its byte window */
/* DROP for this run alone. */
void run_drop(struct core *core, struct run *run);
void run_drop_job(struct core *core, struct job *job); /* DROP for all that runs of it */
void run_unload(struct core *core, struct run *run);   /* its agent has done with it, and keeps its result */
void run_free(struct core *core, struct run *run);
struct run *run_new(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task,
                    uint64_t chunk);
/* The run of this attempt on this agent, or NULL: then it is stale. */
struct run *run_find(struct core *core, const struct agent *agent, const struct belt_task_ref *ref, struct job **job,
                     struct task **task);
void run_send_drop(struct core *core, struct agent *agent, const struct belt_task_ref *refs, uint32_t count);

#endif
