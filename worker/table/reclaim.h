/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back what slots have in hand and have not begun. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_RECLAIM_H
#define BELT_WORKER_TABLE_RECLAIM_H

#include "worker/table/state.h"

/** Asks slots for what another slot could begin now, and for what lies behind a task that takes too long. */
void slot_table_reclaim_turn(struct slot_table *table, uint64_t now);
/** The agent leaves: all that has not begun is asked for. */
void slot_table_reclaim_all(struct slot_table *table, uint64_t now);
/** The slot, which may have been asked, gives nothing back any more. */
void slot_table_reclaim_over(struct slot_table *table, struct slot_table_slot *slot);

#endif
