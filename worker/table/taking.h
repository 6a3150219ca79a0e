/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back what slots have not begun. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_TAKING_H
#define BELT_WORKER_TABLE_TAKING_H

#include "worker/table/books.h"

void slot_table_laden_update(struct slot_table *slots, struct slot_table_slot *slot);
bool slot_table_late(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot);
void slot_table_take_turn(struct slot_table *slots, uint64_t now);
void slot_table_take_all(struct slot_table *slots, uint64_t now);
void slot_table_take_over(struct slot_table *slots,
                          struct slot_table_slot *slot); /* what it was asked for is not to be had */

#endif
