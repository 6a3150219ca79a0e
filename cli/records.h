/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts a stream of bytes into inputs: lines, NUL-separated, or length-prefixed
 * records. Pure: works on buffers that somebody else fills.
 */
#ifndef BELT_CLI_RECORDS_H
#define BELT_CLI_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum records_mode { RECORDS_LINES, RECORDS_NUL, RECORDS_FRAMED };

/** What records_next() found. */
enum records_found {
    RECORDS_MORE,     /* feed more bytes */
    RECORDS_ONE,      /* an input */
    RECORDS_TOO_LONG, /* in its place an input over the limit, whose bytes are skipped */
    RECORDS_CUT,      /* the end came inside of a record */
    RECORDS_END
};

struct records {
    enum records_mode mode;
    size_t limit; /* of one input */
    char *data;
    size_t start, end, room; /* data[start .. end) is not consumed */
    size_t scanned;          /* of it, already searched for the separator */
    uint64_t skip;           /* bytes of an oversized frame that are still to come */
    bool skipping;           /* an oversized line or text: skip up to the separator */
    bool ended;
};

void records_init(struct records *records, enum records_mode mode, size_t limit);
void records_free(struct records *records);

/** Room to read into: at least 1 byte, usually 64 KiB. NULL when out of memory. */
char *records_room(struct records *records, size_t *len);
/** `len` bytes were put there; 0 is the end of the stream. */
void records_fed(struct records *records, size_t len);
/** The next input, borrowed until the next call on `records`. */
enum records_found records_next(struct records *records, const char **data, size_t *len);

#endif
