/* SPDX-License-Identifier: Apache-2.0
 *
 * The task that runs in a slot, and how it is stopped: by patience, by asking, by SIGTERM, by SIGKILL. Private to
 * worker/table.
 */
#ifndef BELT_WORKER_TABLE_STOP_H
#define BELT_WORKER_TABLE_STOP_H

#include "worker/table/state.h"

/** The task that runs in the slot or is the next to; NULL: none. */
struct slot_table_task *slot_table_slot_runs(const struct slot_table_slot *slot);
/** A task begins to run in the slot, as far as is known. */
void slot_table_begin(struct slot_table *table, uint64_t now, struct slot_table_slot *slot);
/** The running task is to end. `patient`: it may just have ended by itself. */
void slot_table_stop(struct slot_table *table, uint64_t now, struct slot_table_slot *slot, bool patient);
/** The next degree of stopping the slot. */
void slot_table_stop_step(struct slot_table *table, uint64_t now, struct slot_table_slot *slot);
/** The deadline of the slot has come. */
void slot_table_slot_expired(struct slot_table *table, uint64_t now, struct slot_table_slot *slot);
/** Whether what it said or how it died was our doing. */
bool slot_table_ours(const struct slot_table_slot *slot);

#endif
