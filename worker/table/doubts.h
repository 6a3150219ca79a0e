/* SPDX-License-Identifier: Apache-2.0
 *
 * Outcomes that wait until it is known whether somebody else has ended the task. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_DOUBTS_H
#define BELT_WORKER_TABLE_DOUBTS_H

#include "worker/table/books.h"

/** A task that is in no list any more has ended, if nothing from outside has ended it. `ours`: Belt itself has. */
void slot_table_doubt(struct slot_table *slots, uint64_t now, struct slot_table_task *task,
                      const struct slot_table_outcome *outcome, bool ours);
void slot_table_doubt_turn(struct slot_table *slots, uint64_t now);
void slot_table_doubt_return(struct slot_table *slots); /* all of them */
void slot_table_doubt_withdraw(struct slot_table *slots, struct slot_table_task *task);
uint64_t slot_table_doubt_due(const struct slot_table *slots);

#endif
