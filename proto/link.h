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

#include "proto/codec.h"

#define BELT_MAX_ROUTE 255u

/** A peer's address on a ROUTER. Never shown, never trusted (PROTOCOL.md §3). */
struct belt_route {
    uint8_t len;
    uint8_t bytes[BELT_MAX_ROUTE];
};

/** Once per process before its first socket: seeds rand() from getrandom(), since libzmq takes routing ids from it. */
void belt_link_seed(void);

/**
 * A context with one I/O thread whose signals are all blocked. NULL with an errno on failure: EAGAIN and EMFILE mean
 * that a limit of threads or of open files leaves no room for it (belt_shortage_advice()).
 */
void *belt_link_context(void);

/* The domain in which a broker's ROUTER asks about keys: without somebody who answers for it no connection begins. */
#define BELT_LINK_DOMAIN "belt"
/* The same for its ipc:// addresses, where the operating system knows the peer: a domain that was set cannot be taken
 * back. */
#define BELT_LINK_DOMAIN_LOCAL "belt-local"

/** Keys of BELT_KEY_BYTES for addresses of tcp:// (PROTOCOL.md §17.1). *Copied* into the socket. */
struct belt_link_keys {
    const uint8_t *secret_key; /* our own */
    const uint8_t *public_key; /* our own; of a DEALER only */
    const uint8_t *server_key; /* the broker's; of a DEALER only */
};

/**
 * A ROUTER bound to `endpoint`, or a DEALER that connects to it, with Belt's
 * options. `max_frame` bounds a frame in bytes. NULL on failure with errno set.
 * `bound` (BELT_MAX_TEXT bytes, may be NULL) gets the address really bound (port 0, `tcp://…:*`).
 */
void *belt_link_router(void *context, const char *endpoint, size_t max_frame, char *bound);
/** Makes a ROUTER that is bound already listen at a further address; `bound` as above. 0, or -1 with errno. `keys` as
 * below. */
int belt_link_bind(void *router, const char *endpoint, const struct belt_link_keys *keys, char *bound);
void *belt_link_dealer(void *context, const char *endpoint, size_t max_frame);
/** The same with keys, when `endpoint` is tcp:// and `keys` is not NULL. */
void *belt_link_dealer_keyed(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys);

/**
 * Receives one message without waiting. 1: got one; 0: none is there; -1: errno.
 * A message of too many frames is read to its end: 1 with its header alone and
 * frames->cut, so that the caller can answer BAD_MESSAGE.
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
 * What can be done now: ZMQ_POLLIN, ZMQ_POLLOUT, both or 0. Ask after the last send or receive and before
 * sleeping: what ZeroMQ has told the socket meanwhile its descriptor does not tell again. A signal does not interrupt
 * it.
 */
int belt_link_events(void *socket);
/** The descriptor that becomes readable when belt_link_events() may have changed; -1 with errno. For sleeping only. */
int belt_link_fd(void *socket);

/** Who sent a message, as far as the transport has proven it. */
struct belt_link_sender {
    enum { BELT_SENDER_NOBODY, BELT_SENDER_KEY, BELT_SENDER_USER } kind;
    uint8_t key[BELT_KEY_BYTES]; /* of SENDER_KEY */
    char text[48];               /* of the last SENDER_KEY, as text, and whether it is a key */
    bool known;
    uint32_t user; /* of SENDER_USER: the number of the user whose process it is */
    int fd;        /* the descriptor that it came over; only while the message is in hand: -1 unknown */
};

/**
 * What is known of a socket without asking it, which costs two system calls, as does a look at an empty socket. What
 * comes after nothing was there makes the descriptor readable; but ZeroMQ may tell it to a send, and then only
 * belt_link_events() does.
 */
struct belt_link_watch {
    bool look;  /* something may be there: to be set for a new socket, and when the descriptor is readable */
    bool sent;  /* since it was asked last, something was sent or the descriptor was not looked at */
    int source; /* of a ROUTER: the descriptor that the last message came over, if that is a HELLO; else -1 */
    struct belt_link_sender *sender; /* of a ROUTER: filled with who sent the last message; NULL: it is not asked */
};
/** As belt_link_recv(), but 0 at once where `look` is false; sets it to false when nothing is left. */
int belt_link_recv_watched(void *socket, struct belt_link_watch *watch, struct belt_route *route,
                           struct belt_frames *frames);
/** As belt_link_send(). */
int belt_link_send_watched(void *socket, struct belt_link_watch *watch, const struct belt_route *route,
                           struct belt_frames *frames);
/** A connection of a listening socket came, or went. */
struct belt_link_news {
    bool came;
    int fd;
};
/**
 * A ROUTER bound to `endpoint` as belt_link_router() makes it, and, when `monitor` is not NULL, a socket that tells of
 * its connections from the first one on. With `keys` an address of tcp:// is served to those that the handler of the
 * domain BELT_LINK_DOMAIN lets in, and to nobody else. False on failure with errno set.
 */
bool belt_link_router_keyed(void *context, const char *endpoint, size_t max_frame, const struct belt_link_keys *keys,
                            char *bound, void **router, void **monitor);
/** Before either of the two is closed otherwise: ZeroMQ would wait for whoever takes what it tells. */
void belt_link_unmonitor(void *router, void *monitor);
/** 1: got something, 0: nothing is there. What is not about a connection is passed over. */
int belt_link_monitor_recv(void *monitor, struct belt_link_watch *watch, struct belt_link_news *news);
/** Before sleeping: `look`, after asking the socket if need be. */
bool belt_link_look(void *socket, struct belt_link_watch *watch);

/* A shorter sleep that its time has ended is not looked into: it has kept nobody waiting for long. */
#define BELT_OVERSLEPT_MS 100

/**
 * A sleep was ended by its time, and not by the descriptor. True when a message is there all the same: its wake-up was
 * lost, which is a fault of whoever slept. Sets `look` then. A message that came since is none of these: the descriptor
 * tells of it.
 */
bool belt_link_overslept(void *socket, struct belt_link_watch *watch);

#endif
