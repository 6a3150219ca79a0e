/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on disk. Private to broker/core.
 */
#ifndef BELT_CORE_DURABLE_H
#define BELT_CORE_DURABLE_H

#include "state.h"

void kept_add(struct kept_list *list, uint64_t number, uint64_t first, uint32_t count, uint64_t bytes);
uint64_t kept_put(struct core *core, uint64_t job, struct belt_msg msg, uint64_t first, uint32_t count);
void kept_drop(struct core *core, uint64_t job, uint64_t *number);
bool kept_settle(struct job *job, uint64_t index); /* has a result on disk; true: so have all tasks of its record */
void durable_turn(struct core *core, struct job *job);
void durable_reader_gone(struct core *core, struct reader *reader);
void durable_forget(struct core *core, struct job *job); /* the job is over */
bool durable_withholds(const struct job *job);           /* it has results that are not recorded */

#endif
