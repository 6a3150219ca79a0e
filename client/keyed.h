/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of a pool's open streams. To the broker a pool is one client, which may feed and read a job at any time: two
 * streams with one key would mix their inputs and take each other's results. So the second is refused here.
 */
#ifndef BELT_CLIENT_KEYED_H
#define BELT_CLIENT_KEYED_H

#include "client/pool.h"

/* Takes the stream's key for it: BELT_OK, or BELT_INVALID with a text when another open stream has it. */
int client_keyed_enter(struct belt_stream *stream);
/* Its owner closes it: the key is free. Nothing happens to a stream without one. */
void client_keyed_leave(struct belt_stream *stream);

#endif
