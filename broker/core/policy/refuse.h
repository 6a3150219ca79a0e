/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that there is no room for. Private to broker/core.
 */
#ifndef BELT_CORE_REFUSE_H
#define BELT_CORE_REFUSE_H

#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

#define REFUSED_NONE UINT64_MAX /* in agent->results.refused_from */
/* True: this result is not taken now; its agent keeps it, and is asked for it later. */
bool refuse_result(struct core *core, struct run *run, const struct task *task, const struct belt_result_item *item,
                   const struct pinned *last);
void refuse_over(struct core *core, struct run *run); /* its result was taken, or is not wanted any more */
/* The results of `msg` were looked at; the first that was refused among them has this number. */
void refuse_noted(struct agent *agent, const struct belt_msg_results *msg, uint64_t refused);
void refuse_awaited(struct core *core, const struct reader *reader); /* it has been sent what there is */
void refuse_turn(struct core *core);

#endif
