/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection of a pool: the socket, the session and the wire's half of every stream. One thread at a time is
 * at the *helm* and drives them: the pool's I/O thread, on which no code of the user runs; or, while there is but one
 * stream, its reader, who waits for a result anyway and so gets it without two threads waking each other. Between
 * his calls the reader leaves the helm; when he is not back within a millisecond the I/O thread takes it.
 */
#ifndef BELT_CLIENT_IO_H
#define BELT_CLIENT_IO_H

#include "client/pool.h"

/** Starts the thread. BELT_OK or a code with belt_error_set(). */
int client_io_start(belt_pool *pool);
/** Makes everybody who is inside of a pool that closes leave: every wait ends with CLOSED. */
void client_io_leave_soon(belt_pool *pool);
/** The same; says BYE and ends the thread. Accepts a pool that was not started. */
void client_io_stop(belt_pool *pool);
/** Ends the connection, when nobody is inside any more. */
void client_io_close(belt_pool *pool);

/* ---- for a reader who is about to wait ---- */

/** Takes the helm, if it is to be had. `later`: otherwise wakes the reader when it is. */
bool client_io_take(struct belt_stream *stream, bool later);
/** At the helm: does what there is to do and sleeps until there is more, or until `deadline` (client_now_ms). */
void client_io_turn(belt_pool *pool, uint64_t deadline);
void client_io_leave(struct belt_stream *stream);
/** He does not want the helm any more. */
void client_io_forgo(struct belt_stream *stream);

#endif
