/* SPDX-License-Identifier: Apache-2.0
 *
 * Which job is due next. Private to broker/core.
 */
#ifndef BELT_CORE_TIMER_H
#define BELT_CORE_TIMER_H

#include "state.h"

void timer_set(struct core *core, struct job *job); /* something of its times changed */
void timer_remove(struct core *core, struct job *job);
void timer_turn(struct core *core);
void core_alarm(struct core *core, uint64_t when); /* the turn wants to come back then */

#endif
