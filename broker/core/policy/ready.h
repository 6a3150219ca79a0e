/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether tasks of a job may be given out now. Private to broker/core.
 */
#ifndef BELT_CORE_READY_H
#define BELT_CORE_READY_H

#include "broker/core/model/state.h"

/* False: its deadline is over, its results are not taken, a chunk may still fill up, agents may still hold its tasks
 * from before a restart, or there is no room for results. The queue is looked at again when that may have changed. */
bool ready_may_go(struct core *core, struct job *job);

#endif
