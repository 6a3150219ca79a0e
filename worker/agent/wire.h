/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's conversation with its broker.
 */
#ifndef BELT_WORKER_AGENT_WIRE_H
#define BELT_WORKER_AGENT_WIRE_H

#include "worker/agent/state.h"

uint32_t agent_max_payload(const struct agent *agent);
int wire_open(struct agent *agent);
void wire_close(struct agent *agent);
void wire_receive(struct agent *agent);
void wire_reach(struct agent *agent); /* why the broker cannot be reached is known */
void wire_timer(struct agent *agent);
void wire_send_news(struct agent *agent); /* returned, results */
void wire_progress(struct agent *agent, struct process *process, uint64_t done, uint64_t total);
void wire_leaving(struct agent *agent);
void wire_bye(struct agent *agent);
bool wire_quiet(const struct agent *agent); /* nothing waits to be sent */
uint64_t wire_deadline_us(const struct agent *agent);
bool wire_ready(struct agent *agent); /* something can be received, or sent that waits */

#endif
