/* SPDX-License-Identifier: Apache-2.0
 *
 * The start and the deadline of a job, and tasks that are not to begin any more. Private to broker/core.
 */
#ifndef BELT_CORE_EXPIRE_H
#define BELT_CORE_EXPIRE_H

#include "broker/core/model/state.h"

/* Sets the start and the deadline of a new job from its options. */
void expire_times(struct core *core, struct job *job);
/* For a job that is due: starts it, or goes on to expire its tasks. */
void expire_turn(struct core *core, struct job *job);
/* Tasks came after the deadline: they expire, too. */
void expire_more(struct core *core, struct job *job);
/* Cancels the task at `index` because `who` asked for it; with `waiting` only if it has not begun. */
void expire_one(struct core *core, struct job *job, uint64_t index, bool waiting, const char *who);
/* Cancels all tasks of the job that have not begun, because `who` asked for it; what runs goes on. */
void expire_halt(struct core *core, struct job *job, const char *who);

#endif
