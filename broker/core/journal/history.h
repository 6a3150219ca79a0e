/* SPDX-License-Identifier: Apache-2.0
 *
 * The history. Private to broker/core.
 */
#ifndef BELT_CORE_HISTORY_H
#define BELT_CORE_HISTORY_H

#include "broker/core/model/past.h"
#include "broker/core/model/state.h"

struct history_job *history_find(struct core *core, uint64_t id);
/* Its owner, if a key proved who it was; else empty: it is nobody's. */
struct belt_bytes history_owner(const struct history_job *past);
struct history_job *history_of_key(struct core *core, struct belt_bytes key); /* the others hang on it (`same_key`) */
void history_note(struct core *core, struct job *job); /* all records of it go: its line is on disk from then on */
void history_add(struct core *core, struct job *job);  /* it will be freed */
void history_drop(struct core *core, struct history_job *past);
void history_turn(struct core *core); /* turn: what is too old goes, what is not on disk yet is written */
/* From its record; copies the row. A line that is too old goes with the first turn. */
void history_restore(struct core *core, uint64_t number, const struct belt_row_job *row);
void history_free_all(struct core *core);

#endif
