/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection to the broker, for whoever is at the helm: what leaves, and that it is lost.
 */
#ifndef BELT_CLIENT_CONNECTION_H
#define BELT_CLIENT_CONNECTION_H

#include "client/pool.h"

/** True when a message can be handed to the socket now. */
bool client_connection_ready(const belt_pool *pool);
/** Numbers, encodes and sends; what does not fit is kept and goes first later. */
void client_connection_send(belt_pool *pool, struct belt_msg *msg);
/** Sends what was kept. True when it has left, so that others may send again. */
bool client_connection_flush(belt_pool *pool);
/** Nothing goes on from here: every call fails with this. Streams and questions learn it from the driver (io.c). */
void client_connection_lost(belt_pool *pool, unsigned code, const char *text);

#endif
