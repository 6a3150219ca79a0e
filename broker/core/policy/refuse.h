/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that there is no room for: their agents keep them, and are asked for them later. Private to broker/core.
 */
#ifndef BELT_CORE_REFUSE_H
#define BELT_CORE_REFUSE_H

#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

#define REFUSED_NONE UINT64_MAX /* in agent->results.refused_from */
/* True: there is no room for this result, and it is not taken. */
bool refuse_result(struct core *core, struct run *run, const struct task *task, const struct belt_result_item *item,
                   const struct pinned *last);
/* The result of a refused run was taken, or is not wanted any more. */
void refuse_over(struct core *core, struct run *run);
/* All results of `msg` were looked at; `refused` is the number of the first of them that was not taken, or
 * REFUSED_NONE. */
void refuse_noted(struct agent *agent, const struct belt_msg_results *msg, uint64_t refused);
/* The reader was sent all that there is for it: when its next result was refused, the agent is asked for it. */
void refuse_awaited(struct core *core, const struct reader *reader);
/* Asks agents for refused results that there is room for. */
void refuse_turn(struct core *core);

#endif
