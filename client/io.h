/* SPDX-License-Identifier: Apache-2.0
 *
 * The one I/O thread of a pool: owns the socket, the session and the wire's
 * half of every stream. No code of the user runs on it.
 */
#ifndef BELT_CLIENT_IO_H
#define BELT_CLIENT_IO_H

#include "pool.h"

/** Starts the thread. BELT_OK or a code with client_error(). */
int client_io_start(belt_pool *pool);
/** Says BYE, ends the thread, frees what belongs to it. Accepts a pool that was not started. */
void client_io_stop(belt_pool *pool);

/** There is work. `urgent`: at once; else the thread may finish its nap of a millisecond. Async-signal-safe. */
void client_io_kick(belt_pool *pool, bool urgent);
/** This stream wants attention. Async-signal-safe; kick afterwards. */
void client_io_touch(struct belt_stream *stream);

/* ---- for flow.c, on the I/O thread ---- */

/** True when a message can be handed to the socket now. */
bool client_io_ready(const belt_pool *pool);
/** Numbers, encodes and sends; what does not fit is kept and goes first later. */
void client_io_send(belt_pool *pool, struct belt_msg *msg);
/** Nothing goes on from here: every call fails with this. */
void client_io_lost(belt_pool *pool, unsigned code, const char *text);

#endif
