/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings what a damaged store still holds into a new one that a broker takes.
 */
#ifndef BELT_SALVAGE_H
#define BELT_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

enum salvage_outcome {
    SALVAGE_WHOLE,  /* all of its records are there and add up */
    SALVAGE_MENDED, /* tasks whose inputs or results were lost have the error TASK_LOST as their result */
    SALVAGE_LOST    /* nothing of it could be brought over */
};

/** A run of indexes: `first` to `last`. */
struct salvage_range {
    uint64_t first, last;
};

/** What became of one job. Everything is borrowed during the call. */
struct salvage_job {
    uint64_t job;
    const char *key, *function; /* "" when the record that says so was lost */
    bool failed_tasks;          /* not a job, but the failed tasks of one that are kept with their inputs */
    enum salvage_outcome outcome;
    uint64_t records;                   /* that are intact */
    uint64_t lost;                      /* tasks */
    const struct salvage_range *ranges; /* of these */
    uint32_t range_count;
};

struct salvage_report {
    void (*job)(void *ctx, const struct salvage_job *job);
    void *ctx;
    uint64_t damaged;             /* filled: places in the store that could not be read, or held something else */
    uint64_t whole, mended, lost; /* filled: jobs */
};

/**
 * Reads the store in `from`, which stays as it is, and makes a new one in the directory `to`, which must not be there
 * yet. BELT_OK, or a code with the reason in `error`.
 */
int salvage_run(const char *from, const char *to, struct salvage_report *report, char *error, uint32_t size);

#endif
