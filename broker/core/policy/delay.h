/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks that wait for their next try. Private to broker/core.
 */
#ifndef BELT_CORE_DELAY_H
#define BELT_CORE_DELAY_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

void delay_add(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause);
void delay_remove(struct core *core, struct job *job, struct task *task); /* it is WAITING, and yet in no list */
void delay_turn(struct core *core, struct job *job);
void delay_forget(struct core *core, struct job *job); /* nothing of it waits any more */

#endif
