/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap whose members know their places, from 1; 0: not in it. Who goes before whom is its user's.
 */
#include "broker/core/util/heap.h"

#include <stdlib.h>

static void put(struct heap *heap, const struct heap_order *order, uint32_t at, void *member)
{
    heap->members[at] = member;
    *order->place(member) = at + 1;
}

static void rise(struct heap *heap, const struct heap_order *order, uint32_t at)
{
    void *one = heap->members[at];
    for (; at && order->before(one, heap->members[(at - 1) / 2]); at = (at - 1) / 2)
        put(heap, order, at, heap->members[(at - 1) / 2]);
    put(heap, order, at, one);
}

static void sink(struct heap *heap, const struct heap_order *order, uint32_t at)
{
    void *one = heap->members[at];
    for (uint32_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && order->before(heap->members[child + 1], heap->members[child]))
            child++;
        if (!order->before(heap->members[child], one))
            break;
        put(heap, order, at, heap->members[child]);
    }
    put(heap, order, at, one);
}

void heap_move(struct heap *heap, const struct heap_order *order, void *member)
{
    uint32_t at = *order->place(member) - 1;
    sink(heap, order, at);
    rise(heap, order, *order->place(member) - 1);
}

void heap_add(struct heap *heap, const struct heap_order *order, void *member)
{
    if (heap->count == heap->room) {
        heap->room = heap->room ? heap->room * 2 : 4;
        heap->members = realloc(heap->members, heap->room * sizeof(*heap->members));
        if (!heap->members)
            abort();
    }
    heap->members[heap->count] = member;
    rise(heap, order, heap->count++);
}

void heap_remove(struct heap *heap, const struct heap_order *order, void *member)
{
    uint32_t at = *order->place(member) - 1;
    void *last = heap->members[--heap->count];
    *order->place(member) = 0;
    if (last == member)
        return;
    put(heap, order, at, last);
    heap_move(heap, order, last);
}
