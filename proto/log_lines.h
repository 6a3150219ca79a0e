/* SPDX-License-Identifier: Apache-2.0
 *
 * What local tasks write to standard error, on its way from a private pool's agent to the owner's terminal while they
 * run: records in a pipe, each of whole lines of one task. Both ends are the same program on the same machine. Pure.
 */
#ifndef BELT_PROTO_LOG_LINES_H
#define BELT_PROTO_LOG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A pipe takes so many bytes as a whole or not at all (PIPE_BUF on Linux). */
#define LOG_RECORD_MAX 4096u
/* `index` of a record whose process has no task: a coprocess that starts. */
#define LOG_NO_TASK UINT64_MAX

struct log_record {
    uint64_t index; /* of the task in its job */
    size_t len;
    const uint8_t *data;
};

/* Bytes of lines in one record. */
#define LOG_PART_MAX (LOG_RECORD_MAX - sizeof(struct log_record))
/* A longer line is shown in pieces: without a bound one that never ends would fill the memory. */
#define LOG_LINE_MAX (LOG_PART_MAX - 1)

/** How many of these bytes make the next record: as many whole lines as fit, or a piece of a line that is longer than
 * LOG_LINE_MAX, cut at a character. 0: the line is not complete. `end`: nothing follows, so that what is there is a
 * line. */
size_t log_lines_part(const uint8_t *data, size_t len, bool end);

/** Writes a record of a part to `to`, which has room for LOG_RECORD_MAX bytes; returns its length. */
size_t log_lines_write(uint8_t *to, uint64_t index, const uint8_t *part, size_t len);

/** The record at the beginning of `len` bytes, borrowed from them; returns its length, 0 when not all of it is there.
 */
size_t log_lines_read(const uint8_t *from, size_t len, struct log_record *record);

#endif
