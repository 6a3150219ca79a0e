/* SPDX-License-Identifier: Apache-2.0
 *
 * The owner's side of a single call (belt_pool_apply_async): what belt.h says of a stream, for one that has one result.
 * Everything here runs in the user's own thread.
 */
#ifndef BELT_CLIENT_CALL_H
#define BELT_CLIENT_CALL_H

#include "client/shared.h"

/** The call that this is, or NULL: it is a stream of its own. Accepts NULL. */
struct client_call *client_call_of(const belt_stream *stream);
/** Whether a call with these options may share its job with others. */
bool client_call_shares(const belt_job_options *options);

/** *Copies* `data`. BELT_OK gives `*call`. Within client_pool_enter(). */
int client_call_new(belt_pool *pool, const char *function, const void *data, size_t len,
                    const belt_job_options *options, belt_stream **call);
int client_call_next(struct client_call *call, int64_t timeout_ms, belt_result **result, size_t *count);
int client_call_flush(struct client_call *call, int64_t timeout_ms);
int client_call_fd(struct client_call *call);
/** False: it belongs to another process. */
bool client_call_progress(struct client_call *call, belt_progress *progress);
uint64_t client_call_job(struct client_call *call);
int client_call_halt(struct client_call *call);
/** belt_stream_cancel_task(): a call has one task. */
int client_call_cancel_task(struct client_call *call, uint64_t index);
int client_call_cancel(struct client_call *call, int64_t timeout_ms);
void client_call_interrupt(struct client_call *call);
/** `stop`: the task is cancelled if it has no result. */
void client_call_close(struct client_call *call, bool stop);

#endif
