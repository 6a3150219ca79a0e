/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap of numbers with keys.
 */
#include "broker/core/util/pairs.h"

#include <assert.h>
#include <stdlib.h>

void pairs_add(struct pairs *pairs, uint64_t key, uint64_t value)
{
    if (pairs->count == pairs->room) {
        pairs->room = pairs->room ? pairs->room * 2 : 8;
        pairs->heap = realloc(pairs->heap, pairs->room * sizeof(*pairs->heap));
        if (!pairs->heap)
            abort();
    }
    uint32_t at = pairs->count++;
    for (; at && pairs->heap[(at - 1) / 2].key > key; at = (at - 1) / 2)
        pairs->heap[at] = pairs->heap[(at - 1) / 2];
    pairs->heap[at] = (struct pair){key, value};
}

struct pair pairs_pop(struct pairs *pairs)
{
    assert(pairs->count > 0);
    struct pair first = pairs->heap[0], last = pairs->heap[--pairs->count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < pairs->count; at = child) {
        if (child + 1 < pairs->count && pairs->heap[child + 1].key < pairs->heap[child].key)
            child++;
        if (pairs->heap[child].key >= last.key)
            break;
        pairs->heap[at] = pairs->heap[child];
    }
    pairs->heap[at] = last;
    return first;
}

void pairs_free(struct pairs *pairs)
{
    free(pairs->heap);
    *pairs = (struct pairs){0};
}

uint64_t pairs_bytes(const struct pairs *pairs)
{
    return pairs->room * sizeof(*pairs->heap);
}
