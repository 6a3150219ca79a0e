/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the decoder share. Private to proto/codec_read*.c.
 */
#ifndef BELT_CODEC_READ_H
#define BELT_CODEC_READ_H

#include "codec.h"
#include "codec_scan.h"

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
    struct scratch items;  /* the one list of the message: tasks, results, refs, rows, functions */
    struct scratch extras; /* of results, as many as there are results */
    uint32_t extra_count;  /* used in this message */
};

/** Room for `count` elements of `size` bytes; NULL after noting NO_MEMORY. `count` was checked against the bytes. */
void *reader_room(struct belt_decoder *d, struct scratch *scratch, uint32_t count, size_t size);

bool reader_report(struct belt_decoder *d, struct belt_msg *msg);

#endif
