/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the outcome of a task counts. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_JUDGE_H
#define BELT_WORKER_TABLE_JUDGE_H

#include "worker/table/state.h"

/** A task that is in no list has ended with this outcome, if nothing from outside has ended it. `ours`: Belt has. */
void slot_table_judge(struct slot_table *table, uint64_t now, struct slot_table_task *task,
                      const struct slot_table_outcome *outcome, bool ours);
/** Decides the outcomes whose time has come. */
void slot_table_judge_turn(struct slot_table *table, uint64_t now);
/** Gives the tasks of all outcomes that wait back to the broker. */
void slot_table_judge_return(struct slot_table *table);

#endif
