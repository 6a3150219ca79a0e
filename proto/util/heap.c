/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap of nodes that know their places.
 */
#include "proto/util/heap.h"

#include <assert.h>
#include <stdlib.h>

static void put(struct heap *heap, uint32_t at, struct heap_node *node)
{
    heap->nodes[at] = node;
    node->place = at + 1;
}

static void rise(struct heap *heap, heap_before *before, uint32_t at)
{
    struct heap_node *node = heap->nodes[at];
    for (; at && before(node, heap->nodes[(at - 1) / 2]); at = (at - 1) / 2)
        put(heap, at, heap->nodes[(at - 1) / 2]);
    put(heap, at, node);
}

static void sink(struct heap *heap, heap_before *before, uint32_t at)
{
    struct heap_node *node = heap->nodes[at];
    for (uint32_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!before(heap->nodes[child], node))
            break;
        put(heap, at, heap->nodes[child]);
    }
    put(heap, at, node);
}

void heap_move(struct heap *heap, heap_before *before, struct heap_node *node)
{
    assert(heap_holds(node) && heap->nodes[node->place - 1] == node);
    sink(heap, before, node->place - 1);
    rise(heap, before, node->place - 1);
}

void heap_add(struct heap *heap, heap_before *before, struct heap_node *node)
{
    assert(!heap_holds(node));
    if (heap->count == heap->room) {
        heap->room = heap->room ? heap->room * 2 : 4;
        heap->nodes = realloc(heap->nodes, heap->room * sizeof(*heap->nodes));
        if (!heap->nodes)
            abort();
    }
    heap->nodes[heap->count] = node;
    rise(heap, before, heap->count++);
}

void heap_remove(struct heap *heap, heap_before *before, struct heap_node *node)
{
    assert(heap_holds(node) && heap->nodes[node->place - 1] == node);
    uint32_t at = node->place - 1;
    struct heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node)
        return;
    put(heap, at, last);
    heap_move(heap, before, last);
}

void heap_free(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){0};
}
