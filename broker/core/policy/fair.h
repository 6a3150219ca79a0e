/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is. Private to broker/core.
 */
#ifndef BELT_CORE_FAIR_H
#define BELT_CORE_FAIR_H

#include "broker/core/model/state.h"

void fair_enter(struct core *core, struct job *job); /* it has waiting tasks now */
void fair_leave(struct job *job);                    /* it has none any more, or goes */
struct job *fair_first(struct core *core,
                       struct queue *queue); /* NULL: none may go. Those that may not are set aside for the turn */
float fair_cost(const struct job *job);      /* of a task, as it seems, in us */
void fair_given(struct agent *agent, uint32_t place, struct job *job,
                uint32_t count);                            /* so many tasks, of this queue of the agent */
void fair_settle(struct core *core, const struct run *run); /* it is over */
void fair_charge_anew(struct core *core, struct run *run);  /* such tasks take longer than it seemed */
void fair_turn(struct core *core);                          /* before the first is asked for */
void fair_turn_over(struct core *core);

#endif
