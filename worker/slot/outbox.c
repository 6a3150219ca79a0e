/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes and payloads in the order in which they are to be written. Pure. See slot/outbox.h.
 */
#include "worker/slot/outbox.h"

#include <stdlib.h>

struct slot_apart {
    struct slot_apart *next;
    struct belt_payload payload;
    size_t written;
    size_t before; /* bytes of the queue that go before it, behind the one before */
};

static size_t waiting(const struct slot_outbox *outbox)
{
    return outbox->bytes.len - outbox->bytes.pos;
}

int slot_outbox_add(struct slot_outbox *outbox, const void *data, size_t len)
{
    if (slot_queue_add(&outbox->bytes, data, len) != 0)
        return -1;
    outbox->behind += len;
    return 0;
}

int slot_outbox_payload(struct slot_outbox *outbox, struct belt_payload payload)
{
    if (payload.len < SLOT_LARGE_BYTES)
        return slot_outbox_add(outbox, payload.data, payload.len);
    struct slot_apart *apart = malloc(sizeof(*apart));
    if (!apart)
        return -1;
    *apart = (struct slot_apart){.payload = belt_payload_ref(payload), .before = outbox->behind};
    outbox->behind = 0;
    if (outbox->last)
        outbox->last->next = apart;
    else
        outbox->first = apart;
    outbox->last = apart;
    return 0;
}

int slot_outbox_task(struct slot_outbox *outbox, const struct slot_task *task, struct belt_payload payload)
{
    struct slot_task whole = *task;
    size_t before = waiting(outbox);
    bool apart = payload.len >= SLOT_LARGE_BYTES;

    whole.payload = (struct belt_bytes){payload.data, payload.len};
    int rc = apart ? slot_write_task_line(&outbox->bytes, &whole) : slot_write_task(&outbox->bytes, &whole);
    outbox->behind += waiting(outbox) - before;
    return rc == 0 && apart ? slot_outbox_payload(outbox, payload) : rc;
}

int slot_outbox_task_at(struct slot_outbox *outbox, const struct slot_task *task, uint32_t payload_len, size_t at)
{
    struct slot_task whole = *task;
    size_t before = waiting(outbox);

    whole.payload = (struct belt_bytes){NULL, payload_len};
    int rc = slot_write_task_at(&outbox->bytes, &whole, at);
    outbox->behind += waiting(outbox) - before;
    return rc;
}

unsigned slot_outbox_parts(const struct slot_outbox *outbox, struct belt_bytes *parts, unsigned most)
{
    const uint8_t *at = outbox->bytes.data + outbox->bytes.pos;
    unsigned count = 0;

    for (const struct slot_apart *apart = outbox->first; apart && count < most; apart = apart->next) {
        if (apart->before > 0)
            parts[count++] = (struct belt_bytes){at, apart->before};
        at += apart->before;
        if (count < most)
            parts[count++] =
                (struct belt_bytes){apart->payload.data + apart->written, apart->payload.len - apart->written};
    }
    if (outbox->behind > 0 && count < most)
        parts[count++] = (struct belt_bytes){at, outbox->behind};
    return count;
}

static void apart_drop(struct slot_outbox *outbox)
{
    struct slot_apart *apart = outbox->first;

    outbox->first = apart->next;
    if (!outbox->first)
        outbox->last = NULL;
    belt_payload_clear(&apart->payload);
    free(apart);
}

void slot_outbox_sent(struct slot_outbox *outbox, size_t len)
{
    while (outbox->first) {
        struct slot_apart *apart = outbox->first;
        size_t bytes = len < apart->before ? len : apart->before;
        slot_queue_consume(&outbox->bytes, bytes);
        apart->before -= bytes;
        len -= bytes;
        size_t rest = apart->payload.len - apart->written;
        if (apart->before > 0 || len < rest) {
            apart->written += len;
            return;
        }
        len -= rest;
        apart_drop(outbox);
    }
    slot_queue_consume(&outbox->bytes, len);
    outbox->behind -= len;
}

bool slot_outbox_empty(const struct slot_outbox *outbox)
{
    return !outbox->first && waiting(outbox) == 0;
}

void slot_outbox_clear(struct slot_outbox *outbox)
{
    while (outbox->first)
        apart_drop(outbox);
    slot_queue_consume(&outbox->bytes, waiting(outbox));
    outbox->behind = 0;
}

void slot_outbox_free(struct slot_outbox *outbox)
{
    slot_outbox_clear(outbox);
    slot_queue_free(&outbox->bytes);
}
