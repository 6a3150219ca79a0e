/* SPDX-License-Identifier: Apache-2.0
 *
 * The tries of durable tasks on disk. Private to broker/core.
 */
#ifndef BELT_CORE_TRIES_H
#define BELT_CORE_TRIES_H

#include "broker/core/model/state.h"

void tries_note(struct core *core, struct job *job, uint64_t index); /* its tries changed: to disk */
void tries_over(struct core *core, struct job *job, uint64_t index); /* it has its result */
void tries_turn(struct core *core, struct job *job);
/* They are on disk, in the record with this number. NULL: they are there already. */
struct tried *tries_restore(struct job *job, uint64_t index, uint64_t number);
void tries_forget(struct job *job);

#endif
