/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks that wait for their next try. Private to broker/core.
 */
#ifndef BELT_CORE_DELAY_H
#define BELT_CORE_DELAY_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* The task waits for `pause` ms, and then for an agent. */
void delay_add(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause);
/* Its pause is over, or cut short. The task is WAITING then, but not counted among the waiting yet: that is for the
 * caller. */
void delay_remove(struct core *core, struct job *job, struct task *task);
/* Tasks of the job whose pause is over wait for an agent. */
void delay_turn(struct core *core, struct job *job);
/* The job is stopped: none of its tasks is delayed any more. */
void delay_forget(struct core *core, struct job *job);

#endif
