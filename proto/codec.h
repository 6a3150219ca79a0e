/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames <-> struct belt_msg. Pure: no sockets, no clock. The only file that
 * knows msgpack. Implements PROTOCOL.md §4 and §5.
 *
 * Nothing that a peer sends can make the decoder allocate more than its fixed
 * scratch (BELT_MAX_BATCH items), recurse deeper than BELT_MAX_DEPTH, or read
 * outside the frames: it walks the msgpack bytes itself and checks every
 * declared count against the bytes that are there (it does not use
 * msgpack_unpack, which trusts those counts).
 */
#ifndef BELT_CODEC_H
#define BELT_CODEC_H

#include "proto/message.h"

/** The frames of one message: [0] is the header, the others are attachments in order. */
struct belt_frames {
    struct belt_buf *frame[BELT_MAX_FRAMES];
    uint32_t count;
    bool cut; /* received with more frames than a message may have: only the header was kept */
};

/** Gives back every reference; leaves an empty struct. */
void belt_frames_clear(struct belt_frames *frames);
/** The bytes of all frames together. */
size_t belt_frames_bytes(const struct belt_frames *frames);

/** Reads messages; owns the scratch that the decoded arrays live in. */
struct belt_decoder;

/** `max_payload` in bytes: longer payloads are refused. NULL when out of memory. */
struct belt_decoder *belt_decoder_new(uint32_t max_payload);
void belt_decoder_free(struct belt_decoder *decoder);
void belt_decoder_limit(struct belt_decoder *decoder, uint32_t max_payload);

/**
 * Decodes one message. `*msg` borrows from `frames` and `decoder` until the next
 * call on this decoder. Returns BELT_OK, BELT_BAD_MESSAGE, BELT_TOO_LARGE, BELT_BAD_OPTION (the map of
 * options of a request, or of a DISPATCH) or BELT_NO_MEMORY; on an error belt_decoder_error() says in one line what is
 * wrong and where
 * ("PUSH: tasks[3]: payload: expected bin, found array"), and msg->type is set if it
 * could be read (else 0). A task or result with payload as attachment has
 * payload.buf = that frame; an inline one has payload.buf = the header frame.
 */
int belt_decode(struct belt_decoder *decoder, const struct belt_frames *frames, struct belt_msg *msg);
const char *belt_decoder_error(const struct belt_decoder *decoder);
/** After belt_decode() has refused `frames`: what they name, so that the answer can name it too. */
void belt_decoder_named(const struct belt_decoder *decoder, const struct belt_frames *frames, struct belt_named *named);

/**
 * Encodes `msg` into `*out` (which the caller clears). Payloads over
 * BELT_INLINE_PAYLOAD become attachments that share the payload's buffer;
 * a payload without a buffer is copied. Returns BELT_OK, BELT_INVALID (over a
 * limit of limits.h: a programming error of ours) or BELT_NO_MEMORY.
 */
int belt_encode(const struct belt_msg *msg, struct belt_frames *out);

/** Writes another sequence number into a message that belt_encode() made and nobody has sent yet. */
void belt_frames_stamp(struct belt_frames *frames, uint64_t seq);

/**
 * How a batch fills: whether an item with a payload of `len` bytes still fits a batch of
 * `count` items, `bytes` inline bytes and `attached` attachments with `attached_bytes`.
 */
struct belt_batch {
    uint32_t count;
    uint32_t attached;
    size_t bytes;
    size_t attached_bytes;
};
/** True when the item fits; adds it. The first item of a batch always fits. `overhead` is what the item takes beside
 * its payload (texts, logs). */
bool belt_batch_add(struct belt_batch *batch, size_t len, size_t overhead);

#endif
