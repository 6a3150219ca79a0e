/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of completions: in which order the tasks of a job got their results. A place in it is the number of an
 * unordered delivery. Private to broker/core.
 */
#ifndef BELT_CORE_COMPLETIONS_H
#define BELT_CORE_COMPLETIONS_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

uint64_t completions_at(const struct job *job, uint64_t place);
void completions_set(struct job *job, uint64_t place, uint64_t index); /* of a place that nobody has seen */
void completions_trim(struct job *job);                                /* places that nobody needs go from the front */
void completions_add(struct job *job, uint64_t index);
uint64_t completions_place(const struct job *job, const struct task *task); /* in the log, of a task that is DONE */
bool completions_released(const struct job *job, uint64_t index);
/* The task knows its place; the table keeps the lower half of it, which is enough above log_base. */
void completions_note(struct job *job, uint64_t place, uint64_t index);

#endif
