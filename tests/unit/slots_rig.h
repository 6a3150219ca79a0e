/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the slot table: a table with three programs, and one line for each thing that happens to it. No tests.
 */
#ifndef BELT_TESTS_SLOTS_RIG_H
#define BELT_TESTS_SLOTS_RIG_H

#include "worker/table/slot_table.h"

#define MS 1000u

struct belt_bytes rig_text(const char *text);
/** Programs: 0 C functions "f" and "g", 1 a command "cmd", 2 a coprocess "co". */
struct slot_table *rig_table(uint32_t slots, uint64_t max_tasks);
void rig_dispatch_with(struct slot_table *s, uint64_t job, const char *function, uint64_t first, uint32_t count,
                       struct belt_msg_dispatch msg, uint32_t attempt);
void rig_dispatch(struct slot_table *s, uint64_t job, const char *function, uint64_t first, uint32_t count);
/** Takes all actions; returns how many are of `type`, the last of them in `*last`. */
uint32_t rig_actions(struct slot_table *s, enum slot_table_action_type type, struct slot_table_action *last);
/** The same after a turn at `now`. */
uint32_t rig_turn(struct slot_table *s, uint64_t now, enum slot_table_action_type type, struct slot_table_action *last);
void rig_answer(struct slot_table *s, uint64_t now, uint32_t slot, uint64_t service_us);
void rig_die(struct slot_table *s, uint64_t now, uint32_t slot);
/** A table whose C slots have said hello. */
struct slot_table *rig_ready(uint32_t slots, uint64_t max_tasks);
/** Lets one slot measure the function at `us`. */
void rig_measure(struct slot_table *s, const char *function, uint64_t us);
/** The result of this number, which must be there. */
void rig_result(struct slot_table *s, uint64_t number, struct slot_table_result *r);

#endif
