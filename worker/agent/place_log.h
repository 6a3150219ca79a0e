/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process of a place writes to standard error, on its way to the result and to the owner.
 */
#ifndef BELT_WORKER_AGENT_PLACE_LOG_H
#define BELT_WORKER_AGENT_PLACE_LOG_H

#include "worker/agent/place.h"

/** Reads what is there, unless it is muted. */
void place_read_log(struct agent *agent, struct place *place);
/** The log so far, as part of an outcome, at its task's end; place_log_clear() when it was used. */
struct belt_bytes place_log(struct agent *agent, struct place *place);
/** The same of a process that has ended without a task: what it said last, whatever results carry. */
struct belt_bytes place_log_start(struct agent *agent, struct place *place);
void place_log_clear(struct place *place);
/** Before the place of a task that is not finished is closed. */
void place_log_last(struct agent *agent, struct place *place);
/** The owner's pipe has room again. */
void place_log_resume(struct agent *agent);
/** At the agent's end, within bounded time: the owner takes what is left. */
void place_log_finish(struct agent *agent);

#endif
