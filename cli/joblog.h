/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of finished tasks in GNU parallel's format, and what it says of the
 * inputs to skip. Pure: texts in, texts out.
 */
#ifndef BELT_CLI_JOBLOG_H
#define BELT_CLI_JOBLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBLOG_HEADER "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

struct joblog_line {
    uint64_t index;   /* of the input, from 0; Seq is one more */
    const char *host; /* "" is written ":" as for the local host */
    uint64_t started_ms;
    uint64_t service_us;
    uint64_t sent, received; /* bytes */
    int exit_status;
    int signal;
    const char *command; /* newlines and tabs in it are written \n and \t */
    size_t command_len;
};

/** One line with its newline into a new string of `*len` bytes; NULL when out of memory. The caller frees. */
char *joblog_format(const struct joblog_line *line, size_t *len);

/** The indexes to skip, ascending. */
struct joblog_skip {
    uint64_t *indexes;
    size_t count;
    size_t at;    /* how far joblog_skips() got */
    bool resumed; /* there was a log before this run */
};

/**
 * The length of the whole lines of a log; behind it lies what a run that was killed has cut off. A text without a
 * whole line counts as the beginning of a log only when it is the beginning of the header.
 */
size_t joblog_whole(const char *data, size_t len);

/**
 * Reads a log. `failed_again`: only tasks whose last line shows success are skipped. A torn last line is
 * ignored (joblog_whole). 0, or -1 with `error` ("line N: …").
 */
int joblog_read(const char *data, size_t len, bool failed_again, struct joblog_skip *skip, char *error, size_t size);
/** True when this input is to be skipped; ask in ascending order. */
bool joblog_skips(struct joblog_skip *skip, uint64_t index);
/** The place in the input of the task `task` of a run that skips these. */
uint64_t joblog_input(const struct joblog_skip *skip, uint64_t task);
void joblog_skip_free(struct joblog_skip *skip);

#endif
