/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may make the broker keep more. Private to broker/core.
 */
#ifndef BELT_CORE_BUDGET_H
#define BELT_CORE_BUDGET_H

#include "../model/state.h"

uint64_t budget_left(const struct core *core, const struct job *job); /* bytes of inputs that the job may add */
bool budget_takes(const struct core *core, const struct job *job, uint64_t size); /* an input of this size */
bool budget_keeps(const struct core *core, uint64_t size);                        /* anything else */
/* It waits until there is room for a task of this size. */
void budget_starve(struct core *core, struct job *job, uint64_t size);
void budget_feed(struct core *core, struct job *job); /* it has room, or is over */
void budget_turn(struct core *core);
bool budget_has_room(
    const struct core *core); /* for a job that waits: what a turn has freed is the next one's to give */

#endif
