/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a file that is continued after a run that was killed: it may hold
 * half a line or record.
 */
#ifndef BELT_CLI_TORN_TAIL_H
#define BELT_CLI_TORN_TAIL_H

#include "cli/records.h"

#include <sys/types.h>

struct torn_tail {
    enum records_mode mode;
    bool ours;        /* the run that is continued wrote the end of the file: what is cut off goes */
    const char *next; /* what is about to be written: a fragment that it begins with goes, too */
    size_t next_len;
};

/** How much of the file is whole lines or records, by its first `size` bytes; -1 with errno. */
off_t torn_tail_whole(int fd, off_t size, enum records_mode mode);
/**
 * Makes `fd` fit to go on with: when it writes at the end of a regular file, and that ends within a line or record,
 * the fragment is taken off; one that may be somebody else's becomes a line of its own instead. `*cut`: bytes that
 * were taken off. 0, or errno.
 */
int torn_tail_mend(int fd, const struct torn_tail *tail, off_t *cut);

#endif
