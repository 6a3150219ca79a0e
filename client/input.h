/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream's user puts in. In the user's own thread.
 */
#ifndef BELT_CLIENT_INPUT_H
#define BELT_CLIENT_INPUT_H

#include "client/pool.h"

/** Draws from the source as far as the window allows, while there is no result to give. */
int client_draw(struct belt_stream *stream);
/** A call of the source would draw an input now. */
bool client_would_draw(const struct belt_stream *stream);
/** Bytes in parts, and how many they are in all. */
struct client_parts {
    const belt_span *spans;
    size_t count, len;
};
/** Sets the length. False when a part has a length and no address. */
bool client_parts_measure(struct client_parts *parts);
/** A task on its way. `*results`: there are some to take meanwhile. */
int client_add_task(struct belt_stream *stream, const struct client_parts *parts, bool *results);
/** An input that has no task: its place in the stream gets this. */
int client_add_failed(struct belt_stream *stream, unsigned code, const char *text, size_t len);

#endif
