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
/** Reads why the broker cannot be reached, and says it. */
void wire_reach(struct agent *agent);
void wire_timer(struct agent *agent);
/** Sends what waits, then tasks that go back, then results. */
void wire_send_news(struct agent *agent);
void wire_progress(struct agent *agent, struct process *process, uint64_t done, uint64_t total);
void wire_leaving(struct agent *agent);
void wire_bye(struct agent *agent);
uint64_t wire_deadline_us(const struct agent *agent);
/** A message can be received, or one that waits can be sent. */
bool wire_ready(struct agent *agent);

#endif
