/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back tasks that lie unstarted at one agent while another one idles. Private to broker/core.
 */
#ifndef BELT_CORE_BALANCE_H
#define BELT_CORE_BALANCE_H

#include "broker/core/model/state.h"

/* Considers it for one queue. */
void balance_turn(struct core *core, struct queue *queue);
/* An agent that idles now could take what lies at others, in every queue it serves. */
void balance_offer(struct core *core, struct agent **agents, uint32_t count);
/* Sends RECALL for `count` tasks to the agent, for the sake of `queue`. False: it cannot be asked now, since it has not
 * answered an earlier one or is not connected. */
bool balance_recall(struct core *core, const struct queue *queue, struct agent *agent, uint32_t count, const char *why);

#endif
