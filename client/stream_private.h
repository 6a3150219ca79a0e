/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of a stream share: what comes in (stream.c) and what goes out (stream_send.c).
 */
#ifndef BELT_CLIENT_STREAM_PRIVATE_H
#define BELT_CLIENT_STREAM_PRIVATE_H

#include "client/stream.h"

#define HASH_NONFATAL_OOM 1 /* calls that add say when there is no memory */
#include <uthash.h>

struct client_unwanted {
    uint64_t task;
    UT_hash_handle hh;
};

/** The task of this index, which the stream holds because the broker may not have it yet. */
static inline struct belt_task_item *client_stream_task(struct client_stream *stream, uint64_t index)
{
    return &stream->ring[index & (stream->capacity - 1)];
}

#endif
