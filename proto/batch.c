/* SPDX-License-Identifier: Apache-2.0
 *
 * When a batch is full (codec.h). Pure.
 */
#include "proto/codec.h"

bool belt_batch_add(struct belt_batch *batch, size_t len, size_t overhead)
{
    bool attached = len > BELT_INLINE_PAYLOAD;
    size_t bytes = batch->bytes + overhead + (attached ? 0 : len);
    size_t attached_bytes = batch->attached_bytes + (attached ? len : 0);
    if (batch->count > 0) {
        if (batch->count == BELT_MAX_BATCH || bytes > BELT_BATCH_BYTES)
            return false;
        if (attached && (batch->attached == BELT_MAX_FRAMES - 1 || attached_bytes > BELT_BATCH_ATTACHED))
            return false;
    }
    batch->count++;
    batch->attached += attached;
    batch->bytes = bytes;
    batch->attached_bytes = attached_bytes;
    return true;
}
