/* SPDX-License-Identifier: Apache-2.0
 *
 * A record of the core as bytes for the store: the message's frames, one after
 * the other, each behind its length. So the store holds what the wire
 * carries, read back by the same checked decoder. Pure.
 */
#ifndef BELT_RECORD_H
#define BELT_RECORD_H

#include "broker/core/core.h"
#include "proto/codec.h"

/** One body for `record`; NULL when out of memory or over a limit. */
struct belt_buf *record_pack(const struct core_record *record);

/** The frames in `body` (copies; the caller clears them). BELT_OK, BELT_BAD_MESSAGE or BELT_NO_MEMORY. */
int record_unpack(struct belt_bytes body, struct belt_frames *frames);

#endif
