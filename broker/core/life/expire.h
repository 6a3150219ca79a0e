/* SPDX-License-Identifier: Apache-2.0
 *
 * Start and deadline. Private to broker/core.
 */
#ifndef BELT_CORE_EXPIRE_H
#define BELT_CORE_EXPIRE_H

#include "broker/core/model/state.h"

void expire_times(struct core *core, struct job *job); /* of a new job, from its options */
void expire_turn(struct core *core, struct job *job);  /* it is due, maybe for this */
void expire_more(struct core *core, struct job *job);  /* tasks came after the deadline */
/* One task is not wanted any more; `waiting`: unless it has begun. */
void expire_one(struct core *core, struct job *job, uint64_t index, bool waiting, const char *who);
void expire_halt(struct core *core, struct job *job, const char *who); /* nothing more of it begins */

#endif
