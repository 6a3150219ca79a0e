/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers that do not answer for their tasks. Private to broker/core.
 */
#ifndef BELT_CORE_STALLED_H
#define BELT_CORE_STALLED_H

#include "broker/core/model/state.h"

/* The agent has answered for some task: it has ended, or told its progress. */
void stalled_answered(const struct core *core, struct agent *agent);
/* The agent has answered for this task, which may have been taken back from it before and then holds no slot any more.
 */
void stalled_named(struct agent *agent, const struct belt_task_ref *ref);
/* The agent says HELLO, and will name what it holds. */
void stalled_forget(struct agent *agent);
/* Each of its slots holds a task that was taken back from it. */
bool stalled_is_full(const struct agent *agent);
/* For how many ms the agent has held tasks without a word on any of them; 0: it holds none. */
uint64_t stalled_quiet(const struct core *core, const struct agent *agent);
/* It has been silent on its tasks for so long that a report says so. */
bool stalled_seems(const struct core *core, const struct agent *agent);

#endif
