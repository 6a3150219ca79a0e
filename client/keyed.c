/* SPDX-License-Identifier: Apache-2.0
 *
 * Which keys the open streams of a pool have (keyed.h): a list under the pool's lock, since such streams are few.
 */
#include "client/keyed.h"

#include "proto/error.h"
#include "proto/text_cut.h"

#include <string.h>

static bool same_key(const struct belt_stream *a, const struct belt_stream *b)
{
    const struct belt_bytes *x = &a->wire.config.key, *y = &b->wire.config.key;

    return x->len == y->len && memcmp(x->data, y->data, x->len) == 0;
}

int client_keyed_enter(struct belt_stream *stream)
{
    belt_pool *pool = stream->pool;
    const struct belt_bytes *key = &stream->wire.config.key;
    const struct belt_stream *other;

    if (!stream->wire.config.named)
        return BELT_OK;
    pthread_mutex_lock(&pool->lock);
    for (other = pool->keyed; other && !same_key(other, stream);)
        other = other->keyed_next;
    if (!other) {
        stream->keyed_next = pool->keyed;
        pool->keyed = stream;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!other)
        return BELT_OK;
    return belt_error_set(BELT_INVALID,
                          "another open stream of this pool has the key \"%.*s\": close it first, or use another key",
                          (int)key->len, (const char *)key->data);
}

void client_keyed_leave(struct belt_stream *stream)
{
    belt_pool *pool = stream->pool;

    if (!stream->wire.config.named)
        return;
    pthread_mutex_lock(&pool->lock);
    for (struct belt_stream **at = &pool->keyed; *at; at = &(*at)->keyed_next)
        if (*at == stream) {
            *at = stream->keyed_next;
            break;
        }
    pthread_mutex_unlock(&pool->lock);
}
