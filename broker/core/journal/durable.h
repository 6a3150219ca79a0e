/* SPDX-License-Identifier: Apache-2.0
 *
 * When the records of a job are written and deleted. Private to broker/core.
 */
#ifndef BELT_CORE_DURABLE_H
#define BELT_CORE_DURABLE_H

#include "broker/core/model/state.h"

/* Writes what has changed of the job in this turn, and deletes the records that say nothing new any more. */
void durable_turn(struct core *core, struct job *job);
/* Deletes the record of a reader that goes. */
void durable_reader_gone(struct core *core, struct reader *reader);
/* Deletes all records of a job that is over. */
void durable_forget(struct core *core, struct job *job);

#endif
