/* SPDX-License-Identifier: Apache-2.0
 *
 * The start and the end of the processes of slots. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_LIFECYCLE_H
#define BELT_WORKER_TABLE_LIFECYCLE_H

#include "worker/table/state.h"

/** Starts slots for what waits. */
void slot_table_start_wanted(struct slot_table *table, uint64_t now);
/** When a program whose slots could not start is tried again; SLOT_TABLE_NEVER: none waits for that. */
uint64_t slot_table_start_due(const struct slot_table *table);
/** Refuses the tasks of programs that cannot start. */
void slot_table_give_up(struct slot_table *table, uint64_t now);
/** What is bound to the slot waits for any slot again; when the agent leaves it goes back. */
void slot_table_unbind(struct slot_table *table, struct slot_table_slot *slot);
/** So does all that the slot has in hand. */
void slot_table_requeue(struct slot_table *table, struct slot_table_slot *slot);

#endif
