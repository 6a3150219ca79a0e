/* SPDX-License-Identifier: Apache-2.0
 *
 * Counted bytes and payloads (buf.h). Knows nothing of what the bytes mean.
 */
#include "proto/buf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Header and bytes are one allocation: most buffers are small messages. */
static void release_whole(struct belt_buf *self)
{
    free(self);
}

struct belt_buf *belt_buf_new(size_t len)
{
    if (len > SIZE_MAX - sizeof(struct belt_buf))
        return NULL;
    struct belt_buf *buf = malloc(sizeof(*buf) + len);
    if (!buf)
        return NULL;
    atomic_init(&buf->refs, 1);
    buf->len = len;
    buf->data = (uint8_t *)(buf + 1);
    buf->share = false;
    buf->release = release_whole;
    return buf;
}

struct belt_buf *belt_buf_copy(const void *data, size_t len)
{
    struct belt_buf *buf = belt_buf_new(len);
    if (buf && len)
        memcpy(buf->data, data, len);
    return buf;
}

struct belt_buf *belt_buf_resize(struct belt_buf *buf, size_t len)
{
    assert(buf->release == release_whole && atomic_load(&buf->refs) == 1);
    if (len > SIZE_MAX - sizeof(*buf))
        return NULL;
    struct belt_buf *moved = realloc(buf, sizeof(*buf) + len);
    if (!moved)
        return NULL;
    moved->len = len;
    moved->data = (uint8_t *)(moved + 1);
    return moved;
}

struct slice {
    struct belt_buf buf;
    struct belt_buf *whole;
};

static void release_slice(struct belt_buf *self)
{
    struct slice *slice = (struct slice *)(void *)self;
    belt_buf_unref(slice->whole);
    free(slice);
}

struct belt_buf *belt_buf_slice(struct belt_buf *whole, const uint8_t *data, size_t len)
{
    assert(data >= whole->data && len <= whole->len && (size_t)(data - whole->data) <= whole->len - len);
    if (len == whole->len)
        return belt_buf_ref(whole);
    struct slice *slice = malloc(sizeof(*slice));
    if (!slice)
        return NULL;
    atomic_init(&slice->buf.refs, 1);
    slice->buf.len = len;
    slice->buf.data = whole->data + (data - whole->data);
    slice->buf.share = false;
    slice->buf.release = release_slice;
    slice->whole = belt_buf_ref(whole);
    return &slice->buf;
}

struct belt_buf *belt_buf_ref(struct belt_buf *buf)
{
    atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void belt_buf_unref(struct belt_buf *buf)
{
    if (!buf)
        return;
    unsigned before = atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        buf->release(buf);
}

struct belt_payload belt_payload_copy(const void *data, uint32_t len)
{
    struct belt_payload payload = {.buf = NULL, .data = NULL, .len = 0};
    if (len == 0)
        return payload;
    payload.buf = belt_buf_copy(data, len);
    if (payload.buf) {
        payload.data = payload.buf->data;
        payload.len = len;
    }
    return payload;
}

struct belt_payload belt_payload_ref(struct belt_payload payload)
{
    if (payload.buf)
        belt_buf_ref(payload.buf);
    return payload;
}

void belt_payload_clear(struct belt_payload *payload)
{
    belt_buf_unref(payload->buf);
    *payload = (struct belt_payload){.buf = NULL, .data = NULL, .len = 0};
}
