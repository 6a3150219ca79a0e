/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks in the table: where one waits, ends, or is given back. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_TASKS_H
#define BELT_WORKER_TABLE_TASKS_H

#include "worker/table/books.h"

void slot_table_task_end(struct slot_table *slots, uint64_t now, struct slot_table_task *task,
                         const struct slot_table_outcome *outcome);
void slot_table_task_return(struct slot_table *slots, struct slot_table_task *task);
/* Waits again, at its old place by order of arrival. `behind`: waits and came later (NULL: nobody knows one), so that a
 * run of tasks, the last one first, is walked through once. Returns the task, which is that for the next one. */
struct slot_table_task *slot_table_enqueue_again(struct slot_table *slots, struct slot_table_task *task,
                                                 struct slot_table_task *behind);
void slot_table_withdraw(struct slot_table *slots,
                         struct slot_table_task *task); /* takes one that was not handed over out of its queue */

#endif
