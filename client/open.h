/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools that are opened otherwise than by the public header: with functions of other runners, or in another role.
 */
#ifndef BELT_CLIENT_OPEN_H
#define BELT_CLIENT_OPEN_H

#include "local/cluster.h"
#include "proto/message.h"

#include <belt/belt.h>
#include <sys/types.h>

struct local_work; /* local/cluster.h */

/** As belt_pool_open(NULL, …), with this work. Borrows them during the call. */
int belt_pool_open_private(const struct local_work *work, const belt_pool_options *options, belt_pool **pool);
/** As belt_pool_open() of a broker, in another role (BELT_ROLE_ADMIN: status and cancel of any job). */
int belt_pool_open_as(const char *broker, enum belt_role role, const belt_pool_options *options, belt_pool **pool);
/** The agent's process of a private pool (local/cluster.h, local_cluster_agent()); 0: it is not private, or has ended.
 */
pid_t belt_pool_agent(const belt_pool *pool);

#endif
