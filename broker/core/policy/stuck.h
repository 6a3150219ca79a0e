/* SPDX-License-Identifier: Apache-2.0
 *
 * Agents whose slots are busy with much longer tasks than was expected. Private to broker/core.
 */
#ifndef BELT_CORE_STUCK_H
#define BELT_CORE_STUCK_H

#include "broker/core/model/state.h"

void stuck_watch(struct core *core, struct agent *agent, double typical_us); /* it was given tasks that take so long */
void stuck_moved(struct core *core, struct agent *agent);                    /* a task of it has ended */
void stuck_forget(struct agent *agent);
void stuck_turn(struct core *core);
/* How many slots of the agent are busy with much longer tasks than was expected, as far as can be seen: they have been
 * there for long, and later ones have ended. */
uint32_t stuck_late(const struct core *core, const struct agent *agent);
/* With late slots it holds so many tasks like those of `job` in effect, and should hold `target`: it gives back what is
 * too much. */
void stuck_check(struct core *core, struct agent *agent, const struct job *job, uint32_t held, uint32_t target);
void stuck_shift(struct core *core);                         /* run times of some queues have risen */
void stuck_returned(struct core *core, struct agent *agent); /* RECALL is answered */

#endif
