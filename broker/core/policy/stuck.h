/* SPDX-License-Identifier: Apache-2.0
 *
 * Agents whose slots are busy with much longer tasks than was expected. Private to broker/core.
 */
#ifndef BELT_CORE_STUCK_H
#define BELT_CORE_STUCK_H

#include "broker/core/model/state.h"

/* The agent was given tasks that take `typical_us`: it is watched, as long as some lie behind those that run. */
void stuck_watch(struct core *core, struct agent *agent, double typical_us);
/* A task of the agent has ended. */
void stuck_moved(struct core *core, struct agent *agent);
/* The agent goes, or begins anew. */
void stuck_forget(struct agent *agent);
/* Takes back what lies at agents that have ended nothing for too long. */
void stuck_turn(struct core *core);
/* How many slots of the agent are busy with much longer tasks than was expected, as far as can be seen: they have been
 * there for long, and later ones have ended. */
uint32_t stuck_late(const struct core *core, const struct agent *agent);
/* The agent has late slots. It holds as much as `held` tasks of `job`, and should hold `target`: what is far too much
 * is taken back. */
void stuck_check(struct core *core, struct agent *agent, const struct job *job, uint32_t held, uint32_t target);
/* For queues whose run times have risen: takes back what their agents have been given too much. */
void stuck_shift(struct core *core);
/* The agent has answered RECALL. */
void stuck_returned(struct core *core, struct agent *agent);

#endif
