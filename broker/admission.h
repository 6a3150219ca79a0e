/* SPDX-License-Identifier: Apache-2.0
 *
 * What the broker wants of the handler that ZeroMQ asks about each connection (RFC 27). It is handed in by the program:
 * the one there is (zap.h) stands on czmq, whose process-wide habits have no place in libbelt.
 */
#ifndef BELT_BROKER_ADMISSION_H
#define BELT_BROKER_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_admission {
    /** Answers for all sockets of this ZeroMQ context (*borrows*) by the list of keys in `directory`, from before the
     * first is bound. NULL with errno. */
    void *(*start)(void *zmq_context, const char *directory);
    /** A descriptor that is readable when ended() may have become true. */
    int (*fd)(void *handler);
    /** It answers no more, though nobody stopped it: from now on nobody gets in. */
    bool (*ended)(void *handler);
    /** How many connections were refused so far; `address` gets that of the last one. */
    uint64_t (*refused)(void *handler, char *address, size_t size);
    /** Takes `*handler`. Accepts NULL in it. */
    void (*stop)(void **handler);
};

#endif
