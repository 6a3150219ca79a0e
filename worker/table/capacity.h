/* SPDX-License-Identifier: Apache-2.0
 *
 * How much work a slot may have in hand, by the measured run times. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_CAPACITY_H
#define BELT_WORKER_TABLE_CAPACITY_H

#include "worker/table/state.h"

/* No task is late before this, in us: the agent may not have been told of an answer yet (SLOTS.md), and its timer
 * counts in ms. */
#define SLOT_TABLE_LATE_US 1000u

/** What the task is expected to take, in us; a whole credit when nobody knows. */
uint64_t slot_table_task_cost(const struct slot_table *table, const struct slot_table_task *task);
/** What half of the tasks like this one take less than, in us; 0: not measured. */
uint64_t slot_table_typical(const struct slot_table *table, const struct slot_table_task *task);
/** A task of this one's function has taken `service_us`. */
void slot_table_measure(struct slot_table *table, const struct slot_table_task *task, uint64_t service_us);
/** Whether the slot may have the task now. */
bool slot_table_slot_fits(const struct slot_table *table, const struct slot_table_slot *slot,
                          const struct slot_table_task *task);
/** Keeps the slot in its program's list of idle slots, of slots with room for more, or in none. */
void slot_table_room_update(struct slot_table *table, struct slot_table_slot *slot);
/** Keeps the slot in its program's list of those that hold tasks which they could give back, or not. */
void slot_table_reclaimable_update(struct slot_table *table, struct slot_table_slot *slot);
/** Whether nothing may be put behind what the slot runs, which takes much longer than its like. */
bool slot_table_late(struct slot_table *table, uint64_t now, struct slot_table_slot *slot);
/** When that is to be asked of a slot that runs a task. */
uint64_t slot_table_late_at(const struct slot_table *table, const struct slot_table_slot *slot);

#endif
