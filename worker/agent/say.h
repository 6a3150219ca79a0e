/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent says to its operator on standard error, the reason why it ends, and its clock.
 */
#ifndef BELT_WORKER_AGENT_SAY_H
#define BELT_WORKER_AGENT_SAY_H

#include "worker/agent/state.h"

/** CLOCK_MONOTONIC, in us. */
uint64_t agent_clock_us(void);
/** A line of the log, unless the agent is quiet. */
__attribute__((format(printf, 2, 3))) void agent_log(const struct agent *agent, const char *format, ...);
/** A line that a quiet agent says too: that what it warned of is over. */
__attribute__((format(printf, 1, 2))) void agent_say(const char *format, ...);
/** A line that a quiet agent says too: the operator must do something. */
__attribute__((format(printf, 2, 3))) void agent_warn(const struct agent *agent, const char *format, ...);
/** Ends the agent's loop; belt_agent_run() returns `rc` with this text. The first call counts. */
__attribute__((format(printf, 3, 4))) void agent_fail(struct agent *agent, int rc, const char *format, ...);

#endif
