/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that touches ZeroMQ framing: frames <-> zmq messages, and the
 * socket options that every socket of Belt must have (traps: MAXMSGSIZE,
 * LINGER, HANDOVER, IMMEDIATE, heartbeats). Decides nothing.
 *
 * Threads: a socket belongs to one thread at a time.
 */
#ifndef BELT_LINK_H
#define BELT_LINK_H

#include "codec.h"

#define BELT_MAX_ROUTE 255u

/** A peer's address on a ROUTER. Never shown, never trusted (PROTOCOL.md §3). */
struct belt_route {
    uint8_t len;
    uint8_t bytes[BELT_MAX_ROUTE];
};

/** Once per process before its first socket: seeds rand() from getrandom(), since libzmq takes routing ids from it. */
void belt_link_seed(void);

/** A context with one I/O thread whose signals are all blocked. NULL on failure. */
void *belt_link_context(void);

/**
 * A ROUTER bound to `endpoint`, or a DEALER that connects to it, with Belt's
 * options. `max_frame` bounds a frame in bytes. NULL on failure with errno set.
 * `bound` (BELT_MAX_TEXT bytes, may be NULL) gets the address really bound (port 0, `tcp://…:*`).
 */
void *belt_link_router(void *context, const char *endpoint, size_t max_frame, char *bound);
void *belt_link_dealer(void *context, const char *endpoint, size_t max_frame);

/**
 * Receives one message without waiting. 1: got one; 0: none is there; -1: errno.
 * A message of too many frames is read to its end and dropped: 1 with
 * frames->count = 0, so that the caller can answer BAD_MESSAGE.
 * `route` is filled for a ROUTER, NULL for a DEALER.
 */
int belt_link_recv(void *socket, struct belt_route *route, struct belt_frames *frames);

/**
 * Sends without waiting; takes the frames' references on success and leaves
 * them to the caller otherwise. 0, or -1 with errno: EAGAIN (no room: try
 * later), EHOSTUNREACH (the peer is gone).
 */
int belt_link_send(void *socket, const struct belt_route *route, struct belt_frames *frames);

/**
 * What can be done now: ZMQ_POLLIN, ZMQ_POLLOUT, both or 0. What comes after belt_link_recv() found nothing makes the
 * descriptor readable; but ZeroMQ may tell it to a send, and then the descriptor does not tell it again. So ask after
 * the last send and before sleeping, and only then: each question costs two system calls, as does a look at an empty
 * socket.
 */
int belt_link_events(void *socket);
/** The descriptor that becomes readable when belt_link_events() may have changed; -1 with errno. For sleeping only. */
int belt_link_fd(void *socket);

#endif
