/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the decoder share. Private to proto/codec_read*.c.
 */
#ifndef BELT_CODEC_READ_H
#define BELT_CODEC_READ_H

#include "proto/codec.h"
#include "proto/codec_scan.h"

/* Memory that is allocated once, grows to the largest message seen and is used again. */
struct scratch {
    void *data;
    size_t bytes;
};

struct belt_decoder {
    struct scanner s;
    const struct belt_frames *frames;
    uint32_t attachment; /* next frame that a payload may name */
    uint32_t max_payload;
    bool optional;         /* the message has its optional fields */
    struct scratch items;  /* the one list of the message: tasks, results, refs, rows, functions */
    struct scratch extras; /* of results, as many as there are results */
    uint32_t extra_count;  /* used in this message */
};

/** Room for `count` elements of `size` bytes; NULL after noting NO_MEMORY. `count` was checked against the bytes. */
void *reader_room(struct belt_decoder *d, struct scratch *scratch, uint32_t count, size_t size);

/** Notes BAD_MESSAGE with a fixed text. Returns false. */
bool reader_bad(struct belt_decoder *d, const char *field, const char *why);

typedef bool (*reader_key_fn)(struct belt_decoder *d, struct belt_bytes key, void *into);
/** Calls `read` for each pair of a map, with the value next to be scanned. */
bool reader_map(struct belt_decoder *d, const char *field, reader_key_fn read, void *into);
/** The map of options of a request: whatever is wrong in it is BAD_OPTION. */
bool reader_options(struct belt_decoder *d, reader_key_fn read, void *into);
/** Position of `key` in `names`, or `count`; -1 after noting that it is there twice. `*mask` remembers the keys. */
int reader_find_key(struct belt_decoder *d, struct belt_bytes key, const char *const *names, int count, uint32_t *mask);
/** Notes BAD_OPTION with the key. Returns false. */
bool reader_unknown_option(struct belt_decoder *d, struct belt_bytes key);
/** The option `argument`: within the header, or an attachment. */
bool reader_argument(struct belt_decoder *d, struct belt_bytes *argument);
/** job, index, attempt. */
bool reader_ref(struct scanner *s, struct belt_task_ref *ref);

/** A public key of BELT_KEY_BYTES. */
bool reader_public_key(struct belt_decoder *d, const char *field, struct belt_bytes *key);

bool reader_join(struct belt_decoder *d, struct belt_msg *msg);
bool reader_joined(struct belt_decoder *d, struct belt_msg *msg);
bool reader_open(struct belt_decoder *d, struct belt_msg *msg);
bool reader_opened(struct belt_decoder *d, struct belt_msg *msg);
bool reader_accepted(struct belt_decoder *d, struct belt_msg *msg);
bool reader_end(struct belt_decoder *d, struct belt_msg *msg);
bool reader_subscribe(struct belt_decoder *d, struct belt_msg *msg);
bool reader_subscribed(struct belt_decoder *d, struct belt_msg *msg);
bool reader_ack(struct belt_decoder *d, struct belt_msg *msg);
bool reader_done(struct belt_decoder *d, struct belt_msg *msg);
bool reader_detach(struct belt_decoder *d, struct belt_msg *msg);
bool reader_cancelled(struct belt_decoder *d, struct belt_msg *msg);
bool reader_cancel(struct belt_decoder *d, struct belt_msg *msg);
bool reader_push(struct belt_decoder *d, struct belt_msg *msg);
bool reader_deliver(struct belt_decoder *d, struct belt_msg *msg);
bool reader_sync(struct belt_decoder *d, struct belt_msg *msg);
bool reader_refs(struct belt_decoder *d, struct belt_msg *msg);
bool reader_dispatch(struct belt_decoder *d, struct belt_msg *msg);
bool reader_results(struct belt_decoder *d, struct belt_msg *msg);
bool reader_failed(struct belt_decoder *d, struct belt_msg *msg);
bool reader_failures(struct belt_decoder *d, struct belt_msg *msg);
bool reader_status(struct belt_decoder *d, struct belt_msg *msg);
bool reader_report(struct belt_decoder *d, struct belt_msg *msg);

#endif
