/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream that is fed may be read by one thread and fed by another: each call has a lock, and lets go of it while it
 * sleeps. (A stream with a source is one thread's. Its source, which runs within a call, may call back.) The lock is
 * taken before the mail's.
 */
#ifndef BELT_CLIENT_TURN_H
#define BELT_CLIENT_TURN_H

#include "client/pool.h"

void client_turn_lock(struct belt_stream *stream);
void client_turn_unlock(struct belt_stream *stream);
/** client_stream_enter() and the lock. */
int client_turn_enter(struct belt_stream *stream);
/** The lock goes, and client_stream_leave(). */
void client_turn_leave(struct belt_stream *stream);

#endif
