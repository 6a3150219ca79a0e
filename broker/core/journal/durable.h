/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on disk. Private to broker/core.
 */
#ifndef BELT_CORE_DURABLE_H
#define BELT_CORE_DURABLE_H

#include "broker/core/model/state.h"

void durable_turn(struct core *core, struct job *job);
void durable_reader_gone(struct core *core, struct reader *reader);
void durable_forget(struct core *core, struct job *job); /* the job is over */

#endif
