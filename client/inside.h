/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is inside the library: every public call enters its pool or stream and leaves it, so that a pool which is being
 * closed waits for those that are inside, and refuses who comes later. A call in a forked process is refused, too.
 *
 * A source of the user's runs inside of a call. What it closes there (its pool, its own stream) is refused from then on
 * and closed when that call leaves.
 */
#ifndef BELT_CLIENT_INSIDE_H
#define BELT_CLIENT_INSIDE_H

#include "client/pool.h"

/** What a stream's own source asked for. */
enum client_fate { CLIENT_FATE_NONE, CLIENT_FATE_CLOSE, CLIENT_FATE_DETACH };

/** Makes it known: from here on it can be entered. */
void client_pool_publish(belt_pool *pool);
/**
 * BELT_OK; CLOSED: no such pool is open (the pointer is not followed then); INVALID: it belongs to another process;
 * or what the pool was lost with. `call` names the function, for the text.
 */
int client_pool_enter(belt_pool *pool, const char *call);
void client_pool_leave(belt_pool *pool);
/** Nobody enters it any more. False: it was closed before, or belongs to another process. */
bool client_pool_withdraw(belt_pool *pool);
/** Somebody has left a stream of it. */
void client_pool_told(belt_pool *pool);
/** Waits until nobody is inside of it. */
void client_pool_await(belt_pool *pool);

/** BELT_OK, CLOSED or INVALID. */
int client_stream_enter(struct belt_stream *stream);
/** The stream may be gone afterwards. Public calls leave it with client_stream_leave() (closing.h). */
void client_stream_out(struct belt_stream *stream);
/** Waits until nobody is inside of it. Its pool is withdrawn. */
void client_stream_await(struct belt_stream *stream);

/** Calls the source. */
int client_source_call(struct belt_stream *stream, belt_input *input);
/** Whether this thread is inside of this stream's source. */
bool client_source_runs(const struct belt_stream *stream);
/** Whether this thread is inside of a source of this pool: then the call that it is in closes the pool when it leaves.
 */
bool client_source_shuts(belt_pool *pool);

#endif
