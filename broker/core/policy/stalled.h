/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers that do not answer for their tasks. Private to broker/core.
 */
#ifndef BELT_CORE_STALLED_H
#define BELT_CORE_STALLED_H

#include "broker/core/model/state.h"

void stalled_answered(const struct core *core, struct agent *agent); /* a task of it has ended, or told progress */
/* It has answered for this task in one way or the other, which may have been taken back from it before. */
void stalled_named(struct agent *agent, const struct belt_task_ref *ref);
void stalled_forget(struct agent *agent);        /* it says HELLO: what it holds it will say */
bool stalled_is_full(const struct agent *agent); /* each of its slots holds a task that was taken back */
/* How long it has held tasks without a word on any of them, in ms; 0: it holds none. */
uint64_t stalled_quiet(const struct core *core, const struct agent *agent);
bool stalled_seems(const struct core *core, const struct agent *agent);

#endif
