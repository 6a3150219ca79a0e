/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the broker that belong to no stream: status, cancel of a job.
 * These functions run on the I/O thread; those that ask are in belt.h.
 */
#ifndef BELT_CLIENT_ADMIN_H
#define BELT_CLIENT_ADMIN_H

#include "pool.h"

/** Sends what was not sent. True when there was something. */
bool client_admin_work(belt_pool *pool);
/** Asks everything again. */
void client_admin_welcome(belt_pool *pool);
/** An answer (REPORT, CANCELLED, FAILURES, ERROR) to the question with this ref. */
void client_admin_message(belt_pool *pool, uint64_t ref, const struct belt_msg *msg);
void client_admin_fail(belt_pool *pool, unsigned code, const char *text);

/** Hands the question to the I/O thread and waits for its answer. On the asking thread. BELT_OK, or a code with
 * client_error(). */
int client_admin_ask(belt_pool *pool, struct client_request *request, int64_t timeout_ms);

/** A copy of the rows. NULL when out of memory. */
struct belt_status *client_status_new(const struct belt_msg_report *report);

#endif
