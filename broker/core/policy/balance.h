/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies unstarted is taken back for who idles. Private to broker/core.
 */
#ifndef BELT_CORE_BALANCE_H
#define BELT_CORE_BALANCE_H

#include "broker/core/model/state.h"

void balance_turn(struct core *core, struct queue *queue);
/* An agent that idles now could take what lies at others, in every queue it serves. */
void balance_offer(struct core *core, struct agent **agents, uint32_t count);
/* RECALL, unless one is not answered yet; for the sake of this queue. False: not now. */
bool balance_recall(struct core *core, const struct queue *queue, struct agent *agent, uint32_t count, const char *why);

#endif
