/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of a job that wait for an agent, the lowest index first. Private to broker/core.
 */
#ifndef BELT_CORE_WAITING_H
#define BELT_CORE_WAITING_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

void waiting_add(struct core *core, struct job *job, uint64_t index, struct task *task); /* waits (again) */
void waiting_changed(struct core *core, struct job *job);
uint64_t
waiting_oldest(const struct job *job); /* since when its first waiting task has waited, UINT64_MAX: none does */
void waiting_put_back(struct job *job, uint64_t index);
/* The lowest index that waits; call only when job->counts.waiting > 0. */
uint64_t waiting_pop(struct job *job);

#endif
