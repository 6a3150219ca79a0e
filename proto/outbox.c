/* SPDX-License-Identifier: Apache-2.0
 *
 * A queue of messages (outbox.h).
 */
#include "proto/outbox.h"

#include <stdlib.h>

struct outbox_item {
    struct outbox_item *next;
    size_t bytes;
    bool granted;
    struct belt_frames frames;
};

bool outbox_push(struct outbox *outbox, struct belt_frames *frames, bool granted)
{
    struct outbox_item *item = malloc(sizeof(*item));
    if (!item)
        return false;
    item->next = NULL;
    item->granted = granted;
    item->bytes = sizeof(*item) + belt_frames_bytes(frames);
    item->frames = *frames;
    frames->count = 0;
    if (outbox->last)
        outbox->last->next = item;
    else
        outbox->first = item;
    outbox->last = item;
    outbox->bytes += item->bytes;
    outbox->granted += granted ? item->bytes : 0;
    return true;
}

struct belt_frames *outbox_front(struct outbox *outbox)
{
    return outbox->first ? &outbox->first->frames : NULL;
}

bool outbox_front_granted(const struct outbox *outbox)
{
    return outbox->first->granted;
}

void outbox_pop(struct outbox *outbox)
{
    struct outbox_item *item = outbox->first;
    outbox->first = item->next;
    if (!outbox->first)
        outbox->last = NULL;
    outbox->bytes -= item->bytes;
    outbox->granted -= item->granted ? item->bytes : 0;
    belt_frames_clear(&item->frames);
    free(item);
}

void outbox_clear(struct outbox *outbox)
{
    while (outbox->first)
        outbox_pop(outbox);
}
