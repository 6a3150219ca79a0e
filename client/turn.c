/* SPDX-License-Identifier: Apache-2.0
 *
 * One call at a time in a stream that is fed. See turn.h.
 */
#include "client/turn.h"

#include "client/closing.h"
#include "client/inside.h"

void client_turn_lock(struct belt_stream *stream)
{
    if (!stream->source)
        pthread_mutex_lock(&stream->calls);
}

void client_turn_unlock(struct belt_stream *stream)
{
    if (!stream->source)
        pthread_mutex_unlock(&stream->calls);
}

int client_turn_enter(struct belt_stream *stream)
{
    int rc = client_stream_enter(stream);

    if (rc == BELT_OK)
        client_turn_lock(stream);
    return rc;
}

void client_turn_leave(struct belt_stream *stream)
{
    client_turn_unlock(stream);
    client_stream_leave(stream);
}
