/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs again, and when. Private to broker/core.
 */
#ifndef BELT_CORE_RETRY_H
#define BELT_CORE_RETRY_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* Whether this outcome is not final; counts the try. */
bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item);
uint64_t retry_pause(struct core *core, const struct job *job,
                     const struct task *task); /* before its next run, in ms */

#endif
