/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's loop, and what it says.
 */
#ifndef BELT_WORKER_AGENT_LOOP_H
#define BELT_WORKER_AGENT_LOOP_H

#include "worker/agent/state.h"

uint64_t agent_clock_us(void);
void agent_loop(struct agent *agent);       /* until agent->done */
void agent_end_slots(struct agent *agent);  /* those that idle: their input ends, then by signals */
void agent_stop_slots(struct agent *agent); /* at once */
__attribute__((format(printf, 2, 3))) void agent_log(const struct agent *agent, const char *format, ...);
/** Said even when quiet: that what was warned of is over. */
__attribute__((format(printf, 1, 2))) void agent_say(const char *format, ...);
/** Said even when quiet: the operator must do something. */
__attribute__((format(printf, 2, 3))) void agent_warn(const struct agent *agent, const char *format, ...);
/** The end of the agent, for a reason. */
__attribute__((format(printf, 3, 4))) void agent_fail(struct agent *agent, int rc, const char *format, ...);
void agent_watch(struct agent *agent, int fd, enum agent_watch what, uint32_t slot, uint32_t events);
void agent_unwatch(struct agent *agent, int fd);

#endif
