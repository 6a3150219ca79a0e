/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that are withheld from readers because the store has no room to record them. Private to broker/core.
 */
#ifndef BELT_CORE_WITHHELD_H
#define BELT_CORE_WITHHELD_H

#include "broker/core/model/state.h"

/* How many results of the job may be recorded although there is no room, since readers wait for them. */
uint32_t withheld_wanted(const struct core *core, struct job *job);
/* These results were recorded so, in the record with this number. */
void withheld_written(struct core *core, struct job *job, uint64_t number, uint64_t first, uint32_t count);
/* Their record was deleted: the room that it took is there again. */
void withheld_taken(struct core *core, struct job *job);
/* Notes whether the job withholds results. Called in each turn, and when the job ends. */
void withheld_note(struct core *core, struct job *job);

#endif
