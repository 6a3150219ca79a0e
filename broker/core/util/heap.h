/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap whose members know their places, from 1; 0: not in it. Who goes before whom is its user's. Private to
 * broker/core.
 */
#ifndef BELT_CORE_HEAP_H
#define BELT_CORE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap {
    void **members;
    uint32_t count, room;
};
typedef bool heap_before(const void *a, const void *b);
typedef uint32_t *heap_place(void *member);
struct heap_order {
    heap_before *before;
    heap_place *place;
};
/* Its key has changed. */
void heap_move(struct heap *heap, const struct heap_order *order, void *member);
void heap_add(struct heap *heap, const struct heap_order *order, void *member);
void heap_remove(struct heap *heap, const struct heap_order *order, void *member);

#endif
