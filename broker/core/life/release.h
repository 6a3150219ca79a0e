/* SPDX-License-Identifier: Apache-2.0
 *
 * Letting go of results that every reader has acknowledged. Private to broker/core.
 */
#ifndef BELT_CORE_RELEASE_H
#define BELT_CORE_RELEASE_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* The task is DONE just now: it may be free at once, when all readers stand behind it. */
void release_finished(struct core *core, struct job *job, uint64_t index, struct task *task);
/* The reader has acknowledged the results with the numbers from `from` up to its `acked`. */
void release_acknowledged(struct core *core, struct reader *reader, uint64_t from);
/* From now on the reader holds back what it has not acknowledged. */
void release_came(struct core *core, struct reader *reader);
/* A reader that had acknowledged the numbers below `acked` is gone, and holds nothing back any more. */
void release_left(struct core *core, struct job *job, unsigned mode, uint64_t acked);
/* The job was built anew from its records: all of its results are looked at. */
void release_restored(struct core *core, struct job *job);
/* Looks at a bounded number of results that may have become free. */
void release_turn(struct core *core);

#endif
