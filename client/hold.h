/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that the reader was given and has not acknowledged yet, when it
 * acknowledges by itself: how many they are and how many bytes, so that the
 * credit follows the acknowledgements. Pure; belongs to the user's thread.
 */
#ifndef BELT_CLIENT_HOLD_H
#define BELT_CLIENT_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_hold {
    uint32_t *sizes;   /* ring: of the results acked … taken-1 */
    uint64_t capacity; /* a power of 2, or 0 */
    uint64_t taken;    /* given to the caller */
    uint64_t acked;
    uint64_t acked_bytes; /* payload bytes of the results below `acked` */
};

void client_hold_fini(struct client_hold *hold);
/** Room for `count` results more. False when out of memory. */
bool client_hold_reserve(struct client_hold *hold, size_t count);
/** A result of `len` bytes was given; there is room for it. */
void client_hold_take(struct client_hold *hold, uint32_t len);
/** The results below `upto` are acknowledged; less than before changes nothing. False: they were not given yet. */
bool client_hold_ack(struct client_hold *hold, uint64_t upto);

#endif
