/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a run, and of a task: which outcome it has, or that it runs again. Private to broker/core.
 */
#ifndef BELT_CORE_OUTCOME_H
#define BELT_CORE_OUTCOME_H

#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

void outcome_expire(struct core *core, struct job *job, uint64_t index, struct task *task);
void outcome_cancel(struct core *core, struct job *job, uint64_t index, struct task *task);
/* The one place where a task gets its result; its state is its caller's. */
void outcome_set(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item,
                 struct pinned *last);
void outcome_again(struct core *core, struct run *run, struct task *task, enum task_tie tie);
/* The agent must have been running it and will not end it, for this reason; `tie` says whether it may still come back
 * with it. */
void outcome_lost(struct core *core, struct run *run, enum task_tie tie, struct belt_bytes text);
void outcome_of_run(struct core *core, struct run *run, struct task *task, const struct belt_result_item *item,
                    struct pinned *last, enum task_tie tie);

#endif
