/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools that are opened otherwise than by the public header: with functions
 * of other runners, or in another role. And the children of a private pool: a
 * broker and an agent that end with it.
 */
#ifndef BELT_CLIENT_PRIVATE_H
#define BELT_CLIENT_PRIVATE_H

#include "proto/message.h"
#include "worker/agent.h"

#include <belt/belt.h>
#include <sys/types.h>

/** As belt_pool_open(NULL, …), with these functions. Borrows them during the call. */
int belt_pool_open_private(const struct belt_agent_function *functions, uint32_t count,
                           const belt_pool_options *options, belt_pool **pool);
/** As belt_pool_open() of a broker, in another role (BELT_ROLE_ADMIN: status and cancel of any job). */
int belt_pool_open_as(const char *broker, enum belt_role role, const belt_pool_options *options, belt_pool **pool);

#define CLIENT_CHILDREN 2u

struct client_private;

/**
 * Forks both. `options` are complete. On success `endpoint` (`size` bytes) is the broker's for clients.
 * Call before this process has threads or a ZeroMQ context of its own.
 */
int client_private_start(const struct belt_agent_function *functions, uint32_t count, const belt_pool_options *options,
                         char *endpoint, size_t size, struct client_private **children);
/** Whether its slots run a function of this name. What they do not run nobody ever will. */
bool client_private_serves(const struct client_private *children, const char *function);
/** The names that they do run, as far as `size` bytes hold them: "a, b, c". */
void client_private_names(const struct client_private *children, char *text, size_t size);
/** Descriptors that become readable when a child ends; -1 where there is none. */
void client_private_fds(const struct client_private *children, int fds[CLIENT_CHILDREN]);
/** The agent's process: SIGTSTP stops its tasks, SIGCONT lets them go on, SIGKILL ends them at once. 0: it has ended.
 */
pid_t client_private_agent(const struct client_private *children);
/** The same of a pool; 0: it is not private. */
pid_t belt_pool_agent(const belt_pool *pool);
/** True when a child has ended by itself: says which and why. */
bool client_private_ended(struct client_private *children, char *text, size_t size);
/** Stops both, within bounded time, and removes what they left. *Takes*. Accepts NULL. */
void client_private_stop(struct client_private **children);

#endif
