/* SPDX-License-Identifier: Apache-2.0
 *
 * Counted bytes, and references to parts of them. A message that arrives stays
 * one buffer; tasks and results point into it; it goes when the last of them
 * goes. Does not know where the bytes come from: the owner brings its own
 * release function (malloc here, a ZeroMQ message in link.c).
 *
 * Threads: the count is atomic, so a buffer may be released on any thread;
 * the bytes are written before the buffer is shared and never after.
 */
#ifndef BELT_BUF_H
#define BELT_BUF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct belt_buf {
    atomic_uint refs;
    size_t len;
    uint8_t *data;
    bool share;                             /* sent without a copy however small: its owner counts what has left */
    void (*release)(struct belt_buf *self); /* frees data and self */
};

/** A new buffer of `len` bytes, uninitialised, one reference. NULL when out of memory. */
struct belt_buf *belt_buf_new(size_t len);
/** The same, with a copy of `len` bytes at `data`. */
struct belt_buf *belt_buf_copy(const void *data, size_t len);
/** Another length, the bytes below it kept. Only for a buffer of belt_buf_new() with one reference, which may move.
 * NULL when out of memory: `buf` is then as it was. */
struct belt_buf *belt_buf_resize(struct belt_buf *buf, size_t len);
/** A buffer of its own that shows `len` bytes at `data` within `whole`, which it keeps. NULL when out of memory. */
struct belt_buf *belt_buf_slice(struct belt_buf *whole, const uint8_t *data, size_t len);
/** Takes one more reference; returns `buf`. */
struct belt_buf *belt_buf_ref(struct belt_buf *buf);
/** Gives one reference back. Accepts NULL. */
void belt_buf_unref(struct belt_buf *buf);

/** Borrowed bytes: valid as long as what they were taken from. Not NUL-terminated. */
struct belt_bytes {
    const uint8_t *data;
    size_t len;
};

/** Part of a buffer, with a reference of its own (buf may be NULL when len is 0). */
struct belt_payload {
    struct belt_buf *buf;
    const uint8_t *data;
    uint32_t len;
};

/** A payload that holds its own copy of `len` bytes; .buf is NULL when out of memory (and len > 0). */
struct belt_payload belt_payload_copy(const void *data, uint32_t len);
/** A second reference to the same bytes. */
struct belt_payload belt_payload_ref(struct belt_payload payload);
/** Gives the reference back and empties `*payload`. */
void belt_payload_clear(struct belt_payload *payload);

#endif
