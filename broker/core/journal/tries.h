/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of how often durable tasks have been tried, so that a restart does not begin to count anew. Private to
 * broker/core.
 */
#ifndef BELT_CORE_TRIES_H
#define BELT_CORE_TRIES_H

#include "broker/core/model/state.h"

/* The tries of this task have changed: its record is written with the turn. */
void tries_note(struct core *core, struct job *job, uint64_t index);
/* The task has its result: its record is deleted with the turn. */
void tries_over(struct core *core, struct job *job, uint64_t index);
void tries_turn(struct core *core, struct job *job);
/* The tries of this task are on disk, in the record with this number. NULL: another record has said so before. */
struct tried *tries_restore(struct job *job, uint64_t index, uint64_t number);
/* Frees what is known of them; the records go with those of the job. */
void tries_forget(struct job *job);

#endif
