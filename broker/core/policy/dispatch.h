/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving waiting tasks to agents. Private to broker/core.
 */
#ifndef BELT_CORE_DISPATCH_H
#define BELT_CORE_DISPATCH_H

#include "broker/core/model/state.h"

/* Fills the agents that have room, and takes tasks back from those that have too many. */
void dispatch_turn(struct core *core);
/* Tells the client of a job when its tasks have waited for some time and no worker serves their function, and when one
 * does again. */
void dispatch_notices(struct core *core, struct job *job);

#endif
