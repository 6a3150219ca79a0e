/* SPDX-License-Identifier: Apache-2.0
 *
 * Outcomes that do not count yet: it is not known whether a signal from outside made them. A list in the order of the
 * times when they are decided. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_PENDING_H
#define BELT_WORKER_TABLE_PENDING_H

#include "worker/table/state.h"

/** An outcome that waits, with its text and log behind it. */
struct slot_table_pending {
    struct slot_table_outcome outcome;
    uint64_t ended_us, hold_us, due_us;
    bool interrupted; /* its status says that a signal ended the task */
};

/** Copies the outcome. */
struct slot_table_pending *slot_table_pending_new(const struct slot_table_outcome *outcome);
/** The task has no outcome that waits. Accepts a task without one. */
void slot_table_pending_free(struct slot_table_task *task);
/** Puts the task, whose outcome has its times, on the list. */
void slot_table_pending_add(struct slot_table *table, struct slot_table_task *task);
/** Takes the task off the list and forgets its outcome. */
void slot_table_pending_remove(struct slot_table *table, struct slot_table_task *task);
/** When the first of them is to be decided; SLOT_TABLE_NEVER: none waits. */
uint64_t slot_table_pending_due(const struct slot_table *table);

#endif
