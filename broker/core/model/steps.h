/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing the state of a job, an agent or a session. Every change is made by one of these functions, with what follows
 * from it in the books; a step that its table does not allow is an error of the program, and asserts. Private to
 * broker/core.
 */
#ifndef BELT_CORE_STEPS_H
#define BELT_CORE_STEPS_H

#include "broker/core/model/state.h"

/* Leaves a trace line. `why` the job was stopped; else NULL. */
void job_step(struct core *core, struct job *job, enum belt_job_state to, const char *why);
/* The trace line of HELLO and of a lost connection is its session's. */
void agent_step(struct core *core, struct agent *agent, enum agent_state to);
bool agent_is_synced(const struct agent *agent); /* it is connected, and has named what it holds */
/* Moves it to its list. The trace line, which says why, is the caller's (events/peer.c). */
void session_step(struct core *core, struct session *session, enum session_state to);

#endif
