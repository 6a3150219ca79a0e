/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a job that wait for an agent, the lowest index first. Private to broker/core.
 */
#ifndef BELT_CORE_WAITING_H
#define BELT_CORE_WAITING_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* The task waits for an agent, for the first time or again. */
void waiting_add(struct core *core, struct job *job, uint64_t index, struct task *task);
/* The number of waiting tasks has changed, or whether they may start: the job enters its queue or leaves it. */
void waiting_changed(struct core *core, struct job *job);
/* Since when its first waiting task has waited, in ms of the core's clock; UINT64_MAX: none waits. */
uint64_t waiting_oldest(const struct job *job);
/* A task that waiting_pop() gave could not be given out: it is the next one again. */
void waiting_put_back(struct job *job, uint64_t index);
/* The lowest index that waits; call only when job->counts.waiting > 0. */
uint64_t waiting_pop(struct job *job);

#endif
