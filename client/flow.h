/* SPDX-License-Identifier: Apache-2.0
 *
 * The streams and questions of a pool on its I/O thread: mail in and out,
 * incoming messages to whom they belong, outgoing ones from whom they come.
 */
#ifndef BELT_CLIENT_FLOW_H
#define BELT_CLIENT_FLOW_H

#include "client/pool.h"

/** Connected (again): everybody re-synchronises. */
void client_flow_welcome(belt_pool *pool);
/** A message from the broker. */
void client_flow_message(belt_pool *pool, const struct belt_msg *msg);
/** Whatever the user's threads handed over. True when there was something. */
bool client_flow_work(belt_pool *pool);
/** Sends for every stream; `idle`: acknowledgements too. */
void client_flow_pump(belt_pool *pool, bool idle);
/** Every stream and question fails with this. */
void client_flow_fail(belt_pool *pool, unsigned code, const char *text);
/** The thread has ended: waits for who is inside of a stream, frees the streams that were closed, and lets go of the
 * others, which stay until they are. */
void client_flow_free(belt_pool *pool);

#endif
