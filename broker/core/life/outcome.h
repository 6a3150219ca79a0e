/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a run and of a task: whether the task has its outcome, or runs again. A run that is handed in here is
 * over, and freed. Private to broker/core.
 */
#ifndef BELT_CORE_OUTCOME_H
#define BELT_CORE_OUTCOME_H

#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* A task that does not run gets TASK_EXPIRED, or TASK_CANCELLED when its job was halted. */
void outcome_expire(struct core *core, struct job *job, uint64_t index, struct task *task);
/* A task that does not run gets TASK_CANCELLED. */
void outcome_cancel(struct core *core, struct job *job, uint64_t index, struct task *task);
/* The one place where a task gets its result. Its caller has taken it out of the state that it was in: it neither runs
 * nor counts as waiting. */
void outcome_set(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item,
                 struct pinned *last);
/* The task of this run waits again at once, unless it is not wanted any more. `tie` says what becomes of the attempt
 * when its agent comes back with it. */
void outcome_again(struct core *core, struct run *run, struct task *task, enum task_tie tie);
/* The agent must have been running the task, and will not end it; `text` says why. */
void outcome_lost(struct core *core, struct run *run, enum task_tie tie, struct belt_bytes text);
/* The agent has sent this outcome: the task gets it as its result, or is tried again. */
void outcome_of_run(struct core *core, struct run *run, struct task *task, const struct belt_result_item *item,
                    struct pinned *last, enum task_tie tie);

#endif
