/* SPDX-License-Identifier: Apache-2.0
 *
 * Which job is due next. Private to broker/core.
 */
#ifndef BELT_CORE_TIMER_H
#define BELT_CORE_TIMER_H

#include "broker/core/model/state.h"

/* A time of the job has changed: the job finds its place anew. */
void timer_set(struct core *core, struct job *job);
/* The job goes. */
void timer_remove(struct core *core, struct job *job);
/* A job that is due, which is looked at and then given to timer_set(). NULL: none is; the turn comes back for the next.
 */
struct job *timer_due(struct core *core);
/* For how many ms the job is still kept when nobody comes to feed or read it. */
uint64_t timer_patience_left(const struct core *core, const struct job *job);

#endif
