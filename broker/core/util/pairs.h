/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap of plain numbers, each with a key, the lowest key first. For members that are no things with nodes: indexes of
 * tasks, of which there may be millions. Nothing is moved or taken out of the middle: an entry that has become stale is
 * skipped when it comes first. Private to broker/core.
 */
#ifndef BELT_CORE_PAIRS_H
#define BELT_CORE_PAIRS_H

#include <stdint.h>

struct pair {
    uint64_t key, value;
};
struct pairs {
    struct pair *heap; /* owned; the lowest key first */
    uint32_t count, room;
};

void pairs_add(struct pairs *pairs, uint64_t key, uint64_t value);
struct pair pairs_pop(struct pairs *pairs); /* one with the lowest key; it is not empty */
void pairs_free(struct pairs *pairs);
uint64_t pairs_bytes(const struct pairs *pairs); /* of memory */

#endif
