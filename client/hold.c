/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that are not acknowledged yet. See hold.h.
 */
#include "client/hold.h"

#include <assert.h>
#include <stdlib.h>

void client_hold_fini(struct client_hold *hold)
{
    free(hold->sizes);
    hold->sizes = NULL;
    hold->capacity = 0;
}

static uint32_t *size_at(const struct client_hold *hold, uint64_t number)
{
    return &hold->sizes[number & (hold->capacity - 1)];
}

bool client_hold_reserve(struct client_hold *hold, size_t count)
{
    struct client_hold grown = *hold;
    uint64_t needed = hold->taken - hold->acked + count;

    if (needed <= hold->capacity)
        return true;
    for (grown.capacity = hold->capacity == 0 ? 64 : hold->capacity; grown.capacity < needed;)
        grown.capacity *= 2;
    grown.sizes = malloc(grown.capacity * sizeof(*grown.sizes));
    if (!grown.sizes)
        return false;
    for (uint64_t i = hold->acked; i < hold->taken; i++)
        *size_at(&grown, i) = *size_at(hold, i);
    free(hold->sizes);
    *hold = grown;
    return true;
}

void client_hold_take(struct client_hold *hold, uint32_t len)
{
    assert(hold->taken - hold->acked < hold->capacity);
    *size_at(hold, hold->taken) = len;
    hold->taken++;
}

bool client_hold_ack(struct client_hold *hold, uint64_t upto)
{
    if (upto > hold->taken)
        return false;
    for (; hold->acked < upto; hold->acked++)
        hold->acked_bytes += *size_at(hold, hold->acked);
    return true;
}
