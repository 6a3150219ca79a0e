/* SPDX-License-Identifier: Apache-2.0
 *
 * A question of ZeroMQ about a connection (RFC 27), and whether it asks what a broker answers. Pure.
 */
#ifndef BELT_BROKER_ZAP_ANSWER_H
#define BELT_BROKER_ZAP_ANSWER_H

#include "proto/access.h"

/* Version, id, domain, address, identity, mechanism, and one frame of credentials with CURVE, none with NULL. */
#define ZAP_FRAMES 7u

struct zap_frame {
    const void *data;
    size_t len;
};

enum zap_question {
    ZAP_NO,   /* is answered by no */
    ZAP_KEY,  /* may the peer with this key come in? */
    ZAP_LOCAL /* a process of this machine, at a Unix socket whose mode has let it in: yes */
};

/**
 * What the frames ask: about a key only with the version 1.0, the domain for keys and the mechanism CURVE (`key` gets
 * it); about a local process only with the domain for those, the mechanism NULL and the address of a process.
 */
enum zap_question zap_question(const struct zap_frame *frames, size_t count, uint8_t key[BELT_KEY_BYTES]);

#endif
