/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what a client wrote down and says which invariant broke (design: I2 once, I3 order, I1 nothing lost).
 */
#ifndef BELT_CHAOS_CHECKER_H
#define BELT_CHAOS_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

struct checker_counts {
    uint64_t results;  /* that clients saw */
    uint64_t lost;     /* indexes that a stream which ended never showed */
    uint64_t twice;    /* shown again */
    uint64_t disorder; /* of an ordered stream, not the next index */
    uint64_t wrong;    /* not the result of their task, or an error */
    uint64_t ended;    /* streams that reached their end */
    uint64_t failed;   /* streams that ended with an error */
};

/** Reads `path` of a job of `count` tasks and adds to `counts`; each thing that is wrong is a line on standard error.
 *  `code` gets what the stream ended with, -1: it did not end. A log that is not there is one of a client that saw
 *  nothing. Returns false when something is wrong. */
bool checker_read(const char *path, bool ordered, uint64_t seed, uint64_t count, struct checker_counts *counts,
                  int *code);

#endif
