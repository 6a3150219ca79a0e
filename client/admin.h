/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the broker that belong to no stream: status, cancel of a job.
 * These functions run on the I/O thread; those that ask are in belt.h.
 */
#ifndef BELT_CLIENT_ADMIN_H
#define BELT_CLIENT_ADMIN_H

#include "client/pool.h"

/** Sends what was not sent. True when there was something. */
bool client_admin_work(belt_pool *pool);
/** Asks everything again. */
void client_admin_welcome(belt_pool *pool);
/** An answer (REPORT, CANCELLED, FAILURES, ERROR) to the question with this ref. */
void client_admin_message(belt_pool *pool, uint64_t ref, const struct belt_msg *msg);
void client_admin_fail(belt_pool *pool, unsigned code, const char *text);

/** Hands the question to the I/O thread and waits for its answer. On the asking thread. BELT_OK, or a code with
 * belt_error_set(). */
int client_admin_ask(belt_pool *pool, struct client_request *request, int64_t timeout_ms);

/** The same with many at a time, which are answered in any order. Each has its own code and text, AGAIN when it was not
 * answered in time. BELT_OK, or a code when they could not be asked. */
int client_admin_ask_all(belt_pool *pool, struct client_request *requests, size_t count, int64_t timeout_ms);

/** One job that shall be cancelled, and what came of it. */
struct client_cancel {
    uint64_t job;
    unsigned code;
    char text[256]; /* of the error */
};
/** Many of them: several are on their way at a time. `forget`: what is complete is forgotten, too. BELT_OK, or a code
 * with belt_error_set() when the broker cannot be asked; then those that were not asked have the code AGAIN. */
int client_cancel_all(belt_pool *pool, struct client_cancel *cancels, size_t count, bool forget, int64_t timeout_ms);

/** Without rows. NULL when out of memory. */
struct belt_status *client_status_new(void);
/** Copies the rows of a page to those that are there. False when out of memory, or when they are of another kind. */
bool client_status_add(struct belt_status *status, const struct belt_msg_report *report);

#endif
