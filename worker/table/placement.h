/* SPDX-License-Identifier: Apache-2.0
 *
 * Which slot gets which of the tasks that wait. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_PLACEMENT_H
#define BELT_WORKER_TABLE_PLACEMENT_H

#include "worker/table/state.h"

/** Gives slots what waits, as far as they have room. */
void slot_table_place_turn(struct slot_table *table, uint64_t now);
/** Gives the slot of what is bound to it, as far as it has room. */
void slot_table_feed(struct slot_table *table, uint64_t now, struct slot_table_slot *slot);

#endif
