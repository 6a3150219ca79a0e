/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCP proxy that does to its connections what networks do: delay, silence in one direction, a cut at byte N,
 * corruption. A process of its own, ordered about through a socket.
 */
#ifndef BELT_CHAOS_PROXY_H
#define BELT_CHAOS_PROXY_H

#include <stdint.h>

enum proxy_fault {
    PROXY_CUT,     /* after `bytes` more in one direction: closed on both sides */
    PROXY_RESET,   /* the same at once for every connection, with RST */
    PROXY_SILENCE, /* one direction stands still for `ms`; the other goes on */
    PROXY_DELAY,   /* each piece in both directions waits 30 ms, for `ms` */
    PROXY_CORRUPT, /* a byte is changed, `bytes` from here */
    PROXY_HEAL     /* all at once */
};

/** Which connection and direction: the proxy takes `random` for it. */
struct proxy_order {
    enum proxy_fault fault;
    uint64_t random, bytes, ms;
};

/** Serves `listener` (a listening socket) until `control` (SOCK_SEQPACKET) reads end of file. */
void proxy_run(int listener, uint16_t target_port, int control);

#endif
