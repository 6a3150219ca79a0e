/* SPDX-License-Identifier: Apache-2.0
 *
 * One task in the table: where it waits, and how it leaves: returned to the broker, or as a result. Private to
 * worker/table.
 */
#ifndef BELT_WORKER_TABLE_TASK_H
#define BELT_WORKER_TABLE_TASK_H

#include "worker/table/state.h"

/** A task of a dispatch, which is in no list yet. Refers to the payload. */
struct slot_table_task *slot_table_task_new(struct slot_table *table, struct slot_table_job_entry *job,
                                            const struct belt_task_item *item);
void slot_table_task_free(struct slot_table *table, struct slot_table_task *task);
void slot_table_tasks_free(struct slot_table *table, struct slot_table_task *list);
void slot_table_job_unref(struct slot_table *table, struct slot_table_job_entry *job);
/** The memory of all tasks. */
void slot_table_blocks_free(struct slot_table *table);
/** The table does not find the task by its key any more. */
void slot_table_task_forget(struct slot_table *table, struct slot_table_task *task);
/** The task, which is in no list, has ended: its outcome becomes a result. */
void slot_table_task_end(struct slot_table *table, uint64_t now, struct slot_table_task *task,
                         const struct slot_table_outcome *outcome);
/** The task, which is in no list, goes back to the broker, and is freed. */
void slot_table_task_return(struct slot_table *table, struct slot_table_task *task);
/** Says the same of a task that the table does not hold. */
void slot_table_returned_add(struct slot_table *table, struct belt_task_ref ref);
/** The task waits again, at its old place by order of arrival. `behind` waits and came later (NULL: nobody knows one),
 * so that a run of tasks, the last one first, is walked through once. Returns the task, which is `behind` for the next.
 */
struct slot_table_task *slot_table_enqueue_again(struct slot_table *table, struct slot_table_task *task,
                                                 struct slot_table_task *behind);
/** Takes a task that no slot has in hand out of the list that it is in. */
void slot_table_withdraw(struct slot_table *table, struct slot_table_task *task);

#endif
