/* SPDX-License-Identifier: Apache-2.0
 *
 * Which places of a job the turns look at because results there may have become free (life/release.c). Private to
 * broker/core.
 */
#ifndef BELT_CORE_SWEEP_H
#define BELT_CORE_SWEEP_H

#include "broker/core/model/state.h"

/* Nothing of the job is looked at any more. */
void sweep_forget(struct job *job);
/* The turns look at the job as long as a sweep of it is under way. */
void sweep_enlist(struct core *core, struct job *job);
/* Results with the numbers from `from` to `end - 1` are looked at. A sweep that is under way comes to its end first, so
 * that readers that come and go do not hold it up. */
void sweep_request(struct core *core, struct job *job, unsigned mode, uint64_t from, uint64_t end);

#endif
