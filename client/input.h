/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream's user puts in. In the user's own thread.
 */
#ifndef BELT_CLIENT_INPUT_H
#define BELT_CLIENT_INPUT_H

#include "pool.h"

/** Draws from the source as far as the window allows. */
int client_draw(struct belt_stream *stream);
/** A task on its way. `*results`: there are some to take meanwhile. */
int client_add_task(struct belt_stream *stream, const void *data, size_t len, bool *results);
/** An input that has no task: its place in the stream gets this. */
int client_add_failed(struct belt_stream *stream, unsigned code, const char *text, size_t len);

#endif
