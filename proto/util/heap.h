/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap whose nodes know their places, so that a thing whose key has changed moves, and one that goes leaves, without
 * being looked for. A thing has a node for each heap that it may be in; a zeroed node is in none. The heap owns its
 * array and borrows the nodes. Which node goes before which is a function of its user.
 */
#ifndef BELT_PROTO_UTIL_HEAP_H
#define BELT_PROTO_UTIL_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint32_t place; /* in the array, from 1; 0: in no heap */
};
struct heap {
    struct heap_node **nodes;
    uint32_t count, room;
};
typedef bool heap_before(const struct heap_node *a, const struct heap_node *b);

static inline bool heap_holds(const struct heap_node *node)
{
    return node->place > 0;
}

void heap_add(struct heap *heap, heap_before *before, struct heap_node *node);
void heap_move(struct heap *heap, heap_before *before, struct heap_node *node); /* its key has changed */
void heap_remove(struct heap *heap, heap_before *before, struct heap_node *node);
void heap_free(struct heap *heap);

/* The thing of this type whose member is `node`, which is not NULL. */
#define HEAP_OWNER(node, type, member) ((type *)((char *)(node) - offsetof(type, member)))
/* The thing that goes before all others; the heap is not empty. */
#define HEAP_FIRST(heap, type, member) HEAP_OWNER((heap)->nodes[0], type, member)

#endif
