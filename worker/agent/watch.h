/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptors that the agent's loop waits for, and what each of them means.
 */
#ifndef BELT_WORKER_AGENT_WATCH_H
#define BELT_WORKER_AGENT_WATCH_H

#include "worker/agent/state.h"

#include <sys/epoll.h>

/** `events` of `fd` (as of epoll) wake the loop as `what`, of `slot` when it belongs to one. */
void agent_watch(struct agent *agent, int fd, enum agent_watch what, uint32_t slot, uint32_t events);
void agent_unwatch(struct agent *agent, int fd);

#endif
