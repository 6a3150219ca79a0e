/* SPDX-License-Identifier: Apache-2.0
 *
 * Which slot gets what waits. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_PLACING_H
#define BELT_WORKER_TABLE_PLACING_H

#include "worker/table/books.h"

void slot_table_place_turn(struct slot_table *slots, uint64_t now);
void slot_table_feed(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot);
void slot_table_room_update(struct slot_table *slots, struct slot_table_slot *slot);
void slot_table_measure(struct slot_table *slots, const struct slot_table_task *task, uint64_t service_us);

#endif
