/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing msgpack into one growing buffer: the few forms that Belt uses, inline
 * because they are called several times per task. Knows no message.
 *
 * A writer first asks for room (pack_room) and then writes without checks, so
 * that an item costs one comparison. Once it failed it stays failed and writes
 * nothing more.
 */
#ifndef BELT_CODEC_PACK_H
#define BELT_CODEC_PACK_H

#include "buf.h"

#include <stdbool.h>
#include <string.h>

/* The longest integer or length prefix. */
#define PACK_WORD 9u

struct packer {
    struct belt_buf *buf;
    size_t len;
    size_t cap;
    int code; /* BELT_OK until something fails */
};

/** Makes room for `more` bytes. False when it failed, now or before. Defined in codec_write.c. */
bool pack_grow(struct packer *p, size_t more);

static inline bool pack_room(struct packer *p, size_t more)
{
    return p->len + more <= p->cap || pack_grow(p, more);
}

static inline void pack_byte(struct packer *p, unsigned byte)
{
    p->buf->data[p->len++] = (uint8_t)byte;
}

static inline void pack_be(struct packer *p, uint64_t value, unsigned bytes)
{
    uint8_t *at = p->buf->data + p->len;
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    p->len += bytes;
}

static inline void pack_uint_unchecked(struct packer *p, uint64_t value)
{
    if (value < 0x80) {
        pack_byte(p, (unsigned)value);
    } else if (value <= UINT8_MAX) {
        pack_byte(p, 0xcc);
        pack_byte(p, (unsigned)value);
    } else if (value <= UINT16_MAX) {
        pack_byte(p, 0xcd);
        pack_be(p, value, 2);
    } else if (value <= UINT32_MAX) {
        pack_byte(p, 0xce);
        pack_be(p, value, 4);
    } else {
        pack_byte(p, 0xcf);
        pack_be(p, value, 8);
    }
}

static inline void pack_uint(struct packer *p, uint64_t value)
{
    if (pack_room(p, PACK_WORD))
        pack_uint_unchecked(p, value);
}

static inline void pack_int(struct packer *p, int32_t value)
{
    if (value >= 0) {
        pack_uint(p, (uint64_t)value);
    } else if (pack_room(p, PACK_WORD)) {
        pack_byte(p, 0xd2);
        pack_be(p, (uint32_t)value, 4);
    }
}

static inline void pack_bool(struct packer *p, bool value)
{
    if (pack_room(p, 1))
        pack_byte(p, value ? 0xc3 : 0xc2);
}

static inline void pack_nil(struct packer *p)
{
    if (pack_room(p, 1))
        pack_byte(p, 0xc0);
}

static inline void pack_array_unchecked(struct packer *p, uint32_t count)
{
    if (count < 16) {
        pack_byte(p, 0x90 | count);
    } else if (count <= UINT16_MAX) {
        pack_byte(p, 0xdc);
        pack_be(p, count, 2);
    } else {
        pack_byte(p, 0xdd);
        pack_be(p, count, 4);
    }
}

static inline void pack_array(struct packer *p, uint32_t count)
{
    if (pack_room(p, PACK_WORD))
        pack_array_unchecked(p, count);
}

/** Up to 15 keys, which is all that Belt's maps have. */
static inline void pack_map(struct packer *p, uint32_t count)
{
    if (!pack_room(p, PACK_WORD))
        return;
    if (count < 16) {
        pack_byte(p, (uint8_t)(0x80 | count));
        return;
    }
    pack_byte(p, 0xde);
    pack_be(p, count, 2);
}

static inline void pack_raw(struct packer *p, const uint8_t *data, size_t len)
{
    if (len)
        memcpy(p->buf->data + p->len, data, len);
    p->len += len;
}

static inline void pack_bin_unchecked(struct packer *p, const uint8_t *data, uint32_t len)
{
    if (len <= UINT8_MAX) {
        pack_byte(p, 0xc4);
        pack_byte(p, len);
    } else if (len <= UINT16_MAX) {
        pack_byte(p, 0xc5);
        pack_be(p, len, 2);
    } else {
        pack_byte(p, 0xc6);
        pack_be(p, len, 4);
    }
    pack_raw(p, data, len);
}

static inline void pack_bin(struct packer *p, const uint8_t *data, uint32_t len)
{
    if (pack_room(p, PACK_WORD + (size_t)len))
        pack_bin_unchecked(p, data, len);
}

static inline void pack_str(struct packer *p, const uint8_t *data, uint32_t len)
{
    if (!pack_room(p, PACK_WORD + (size_t)len))
        return;
    if (len < 32) {
        pack_byte(p, 0xa0 | len);
    } else if (len <= UINT8_MAX) {
        pack_byte(p, 0xd9);
        pack_byte(p, len);
    } else {
        pack_byte(p, 0xda);
        pack_be(p, len, 2);
    }
    pack_raw(p, data, len);
}

#endif
