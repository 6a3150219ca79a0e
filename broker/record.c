/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record.h"

#include <string.h>

#define LENGTH 4u /* of a frame, little endian */

static void put_length(uint8_t *at, size_t len)
{
    for (unsigned i = 0; i < LENGTH; i++)
        at[i] = (uint8_t)(len >> (8 * i));
}

static size_t get_length(const uint8_t *at)
{
    size_t len = 0;
    for (unsigned i = 0; i < LENGTH; i++)
        len |= (size_t)at[i] << (8 * i);
    return len;
}

struct belt_buf *record_pack(const struct core_record *record)
{
    struct belt_frames frames = {0};
    struct belt_buf *body = NULL;
    size_t size = 0;
    if (belt_encode(&record->msg, &frames) != BELT_OK)
        goto out;
    for (uint32_t i = 0; i < frames.count; i++)
        size += LENGTH + frames.frame[i]->len;
    body = belt_buf_new(size);
    if (!body)
        goto out;
    uint8_t *at = body->data;
    for (uint32_t i = 0; i < frames.count; i++) {
        put_length(at, frames.frame[i]->len);
        memcpy(at + LENGTH, frames.frame[i]->data, frames.frame[i]->len);
        at += LENGTH + frames.frame[i]->len;
    }
out:
    belt_frames_clear(&frames);
    return body;
}

int record_unpack(struct belt_bytes body, struct belt_frames *frames)
{
    int rc = BELT_BAD_MESSAGE;
    *frames = (struct belt_frames){0};
    while (body.len) {
        size_t len = body.len < LENGTH ? 0 : get_length(body.data);
        if (body.len < LENGTH || len > body.len - LENGTH || frames->count == BELT_MAX_FRAMES)
            goto failed;
        struct belt_buf *frame = belt_buf_copy(body.data + LENGTH, len);
        if (!frame) {
            rc = BELT_NO_MEMORY;
            goto failed;
        }
        frames->frame[frames->count++] = frame;
        body.data += LENGTH + len;
        body.len -= LENGTH + len;
    }
    return frames->count ? BELT_OK : rc;
failed:
    belt_frames_clear(frames);
    return rc;
}
