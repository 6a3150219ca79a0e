/* SPDX-License-Identifier: Apache-2.0
 *
 * What every reader has acknowledged is let go. Private to broker/core.
 */
#ifndef BELT_CORE_RELEASE_H
#define BELT_CORE_RELEASE_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

void release_finished(struct core *core, struct job *job, uint64_t index, struct task *task); /* it is DONE now */
void release_acknowledged(struct core *core, struct reader *reader, uint64_t from); /* from there to `acked` */
void release_came(struct core *core,
                  struct reader *reader); /* it holds back from now on what it has not acknowledged */
void release_left(struct core *core, struct job *job, unsigned mode, uint64_t acked); /* a reader that stood there */
void release_restored(struct core *core, struct job *job);
void release_turn(struct core *core);

#endif
