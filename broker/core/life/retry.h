/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a task runs again after a failure, and after which pause. Private to broker/core.
 */
#ifndef BELT_CORE_RETRY_H
#define BELT_CORE_RETRY_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* Counts the failure of the task, and answers whether it is to run again. */
bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item);
/* The pause before its next run, in ms; 0: none. */
uint64_t retry_pause(struct core *core, const struct job *job, const struct task *task);

#endif
