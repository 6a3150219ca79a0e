/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions of an administrator about the failed tasks that a broker keeps
 * (PROTOCOL.md §9.3). Needs a pool of belt_pool_open_as(BELT_ROLE_ADMIN).
 */
#ifndef BELT_CLIENT_FAILED_H
#define BELT_CLIENT_FAILED_H

#include "proto/message.h"

#include <belt/belt.h>

/** Asks (borrows `query`, whose ref is set here) and *gives* the answer, in one block: client_failures_free(). Errors:
 *  UNKNOWN_TASK, NOT_ALLOWED, AGAIN, and those of opening a job. */
int client_failed_ask(belt_pool *pool, const struct belt_msg_failed *query, int64_t timeout_ms,
                      struct belt_msg_failures **failures);
/** *Takes*. Accepts NULL. */
void client_failures_free(struct belt_msg_failures **failures);

/** A copy of the answer. NULL when out of memory. */
struct belt_msg_failures *client_failures_new(const struct belt_msg_failures *answer);
/** A copy of the question. NULL when out of memory; free(). */
struct belt_msg_failed *client_failed_copy(const struct belt_msg_failed *query);

#endif
