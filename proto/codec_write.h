/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the encoder share. Private to proto/codec_write*.c.
 */
#ifndef BELT_CODEC_WRITE_H
#define BELT_CODEC_WRITE_H

#include "proto/codec.h"
#include "proto/codec_pack.h"

struct writer {
    struct packer p;
    struct belt_frames *out; /* attachments are added here, [0] stays free for the header */
};

/** The message is over a limit: nothing more is written, belt_encode() answers INVALID. */
void writer_refuse(struct writer *w);
/** Array header, type and seq of a message with `fields` fields. */
void writer_head(struct writer *w, const struct belt_msg *msg, uint32_t fields);
/** PROTOCOL.md §4 text. */
void writer_text(struct writer *w, struct belt_bytes bytes);
/** A str of at most `max` bytes (name, key). */
void writer_str(struct writer *w, struct belt_bytes bytes, size_t max);

/** PROTOCOL.md §4 payload. */
void writer_payload(struct writer *w, const struct belt_payload *payload);
void writer_extras(struct writer *w, const struct belt_result_extras *e);

/** A key of a map; its value follows. */
void writer_key(struct writer *w, const char *key);
/** Key and value, unless it is 0 or empty. */
void writer_map_uint(struct writer *w, const char *key, uint64_t value);
void writer_map_text(struct writer *w, const char *key, struct belt_bytes text);

/** A function's name. */
void writer_name(struct writer *w, struct belt_bytes bytes);
void writer_map_true(struct writer *w, const char *key, bool value);
void writer_map_bin(struct writer *w, const char *key, struct belt_bytes bytes, size_t max);
/** The option `argument`: within the header, or an attachment. */
void writer_argument(struct writer *w, struct belt_bytes bytes, struct belt_buf *buf);
/** A credit: items, then bytes. */
void writer_grant(struct writer *w, struct belt_grant grant);

/** A public key of BELT_KEY_BYTES. */
void writer_public_key(struct writer *w, struct belt_bytes key);

void writer_open(struct writer *w, const struct belt_msg *msg);
void writer_opened(struct writer *w, const struct belt_msg *msg);
void writer_accepted(struct writer *w, const struct belt_msg *msg);
void writer_end(struct writer *w, const struct belt_msg *msg);
void writer_subscribe(struct writer *w, const struct belt_msg *msg);
void writer_subscribed(struct writer *w, const struct belt_msg *msg);
void writer_ack(struct writer *w, const struct belt_msg *msg);
void writer_done(struct writer *w, const struct belt_msg *msg);
void writer_detach(struct writer *w, const struct belt_msg *msg);
void writer_cancel(struct writer *w, const struct belt_msg *msg);
void writer_join(struct writer *w, const struct belt_msg *msg);
void writer_joined(struct writer *w, const struct belt_msg *msg);
void writer_status(struct writer *w, const struct belt_msg *msg);
void writer_report(struct writer *w, const struct belt_msg *msg);
void writer_failed(struct writer *w, const struct belt_msg *msg);
void writer_failures(struct writer *w, const struct belt_msg *msg);

#endif
