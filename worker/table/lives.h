/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting and stopping the processes of slots, and their deaths. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_LIVES_H
#define BELT_WORKER_TABLE_LIVES_H

#include "worker/table/books.h"

void slot_table_deadline_set(struct slot_table *slots, struct slot_table_slot *slot, uint64_t when);
void slot_table_begin(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot);
void slot_table_stop(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot, bool patient);
bool slot_table_ours(const struct slot_table_slot *slot);
void slot_table_retire(struct slot_table *slots, uint64_t now, struct slot_table_slot *slot, bool ran);
void slot_table_expire(struct slot_table *slots, uint64_t now);
void slot_table_start_wanted(struct slot_table *slots, uint64_t now);
void slot_table_give_up(struct slot_table *slots, uint64_t now);

#endif
