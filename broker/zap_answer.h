/* SPDX-License-Identifier: Apache-2.0
 *
 * A question of ZeroMQ about a connection (RFC 27), and whether it asks what a broker answers. Pure.
 */
#ifndef BELT_BROKER_ZAP_ANSWER_H
#define BELT_BROKER_ZAP_ANSWER_H

#include "proto/access.h"

/* Version, id, domain, address, identity, mechanism, and one frame of credentials with CURVE. */
#define ZAP_FRAMES 7u

struct zap_frame {
    const void *data;
    size_t len;
};

/**
 * Whether the frames are a question about a key, which they are only with the version 1.0, our domain and the mechanism
 * CURVE. `key` gets it. Everything else is answered by no.
 */
bool zap_question(const struct zap_frame *frames, size_t count, uint8_t key[BELT_KEY_BYTES]);

#endif
