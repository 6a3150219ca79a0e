/* SPDX-License-Identifier: Apache-2.0
 *
 * When each slot must be looked at: a heap of the slots that wait for a time. Private to worker/table.
 */
#ifndef BELT_WORKER_TABLE_DEADLINE_H
#define BELT_WORKER_TABLE_DEADLINE_H

#include "worker/table/state.h"

/** The slot is looked at when it is `when`; SLOT_TABLE_NEVER: it waits for no time. */
void slot_table_deadline_set(struct slot_table *table, struct slot_table_slot *slot, uint64_t when);
/** The slot whose deadline comes first; NULL: none has one. */
struct slot_table_slot *slot_table_deadline_first(const struct slot_table *table);

#endif
