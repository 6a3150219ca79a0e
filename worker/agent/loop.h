/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's loop: what it waits for, and what it does about each event.
 */
#ifndef BELT_WORKER_AGENT_LOOP_H
#define BELT_WORKER_AGENT_LOOP_H

#include "worker/agent/state.h"

void agent_loop(struct agent *agent);       /* until agent->done */
void agent_end_slots(struct agent *agent);  /* those that idle: their input ends, then by signals */
void agent_stop_slots(struct agent *agent); /* at once */

#endif
