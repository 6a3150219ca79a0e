/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing msgpack into one growing buffer. Knows no message.
 *
 * What a message says once goes through msgpack-c (codec_pack.c). What it says for each task goes
 * through the _unchecked forms here: a writer asks for the room of a whole item (pack_room) and then writes
 * it inline, so that an item costs one comparison and no call.
 *
 * Once a packer failed it stays failed and writes nothing more.
 */
#ifndef BELT_CODEC_PACK_H
#define BELT_CODEC_PACK_H

#include "proto/buf.h"

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

/* ---- by msgpack-c, each asks for its own room ---- */

void pack_uint(struct packer *p, uint64_t value);
void pack_int(struct packer *p, int32_t value);
void pack_bool(struct packer *p, bool value);
void pack_nil(struct packer *p);
void pack_array(struct packer *p, uint32_t count);
void pack_map(struct packer *p, uint32_t count);
void pack_bin(struct packer *p, const uint8_t *data, uint32_t len);
void pack_str(struct packer *p, const uint8_t *data, uint32_t len);

#endif
