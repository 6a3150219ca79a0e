/* SPDX-License-Identifier: Apache-2.0
 *
 * While the store has no room. Private to broker/core.
 */
#ifndef BELT_CORE_WITHHELD_H
#define BELT_CORE_WITHHELD_H

#include "broker/core/model/state.h"

uint32_t withheld_wanted(const struct core *core, struct job *job); /* so many results may be recorded */
/* They are, in the record with this number. */
void withheld_written(struct core *core, struct job *job, uint64_t number, uint64_t first, uint32_t count);
void withheld_taken(struct core *core, struct job *job); /* the room they took is there again */
void withheld_note(struct core *core, struct job *job);  /* turn, or the job's end: does it withhold something? */

#endif
