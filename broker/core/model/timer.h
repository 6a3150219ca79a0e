/* SPDX-License-Identifier: Apache-2.0
 *
 * Which job is due next. Private to broker/core.
 */
#ifndef BELT_CORE_TIMER_H
#define BELT_CORE_TIMER_H

#include "broker/core/model/state.h"

void timer_set(struct core *core, struct job *job); /* something of its times changed */
void timer_remove(struct core *core, struct job *job);
/* A job that is due now: timer_set() when it was looked at. NULL: none; the turn comes back for the next. */
struct job *timer_due(struct core *core);
uint64_t timer_patience_left(const struct core *core,
                             const struct job *job); /* ms until it is given up when nobody comes */

#endif
