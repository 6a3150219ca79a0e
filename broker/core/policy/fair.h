/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is to get tasks dispatched. Private to broker/core.
 */
#ifndef BELT_CORE_FAIR_H
#define BELT_CORE_FAIR_H

#include "broker/core/model/state.h"

/* The job has waiting tasks, and takes part. */
void fair_enter(struct core *core, struct job *job);
/* The job has no waiting tasks any more, or goes. */
void fair_leave(struct job *job);
/* The job of the queue whose turn it is; NULL: none may go. Jobs that may not go are set aside until fair_turn_over().
 */
struct job *fair_first(struct core *core, struct queue *queue);
/* What a task of the job seems to take, in us of service. */
float fair_cost(const struct job *job);
/* As many tasks of the job were given to the agent; `place` is that of their queue among those of the agent. */
void fair_given(struct agent *agent, uint32_t place, struct job *job, uint32_t count);
/* The run is over: its job is charged what it took instead of what it seemed to take. */
void fair_settle(struct core *core, const struct run *run);
/* Tasks like this one take longer than it seemed when it was given out. */
void fair_charge_anew(struct core *core, struct run *run);
/* Before the first job is asked for in a turn, and after the last. */
void fair_turn(struct core *core);
void fair_turn_over(struct core *core);

#endif
