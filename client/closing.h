/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of streams and pools, also of those that their own source closes: these end when the call that they are
 * closed in leaves.
 */
#ifndef BELT_CLIENT_CLOSING_H
#define BELT_CLIENT_CLOSING_H

#include "client/pool.h"

/** A public call leaves the stream, which it has entered (inside.h) and which may be gone afterwards, as may its pool.
 */
void client_stream_leave(struct belt_stream *stream);
/** Ends what a withdrawn pool is made of, once nobody is inside. */
void client_pool_shut(belt_pool *pool);

#endif
