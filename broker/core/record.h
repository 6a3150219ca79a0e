/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core writes to disk and is built anew from: one struct for each kind of record. proto/STORE.md says the same
 * of the bytes; broker/record/record.h turns the one into the other.
 *
 * Every pointer in a record *borrows*: when it is written, from the core and its update; when it is read, from the
 * decoder and the row that it came from.
 *
 * A number that is counted is exact; a time that ends in `_at` is in ms since 1970, 0 when it is not known; a time that
 * ends in `_ms` is a length in ms; bytes are bytes of payload.
 */
#ifndef BELT_CORE_RECORD_H
#define BELT_CORE_RECORD_H

#include "proto/message.h"

/* X(NAME, number): the kinds. Numbers never change meaning. Kinds from RECORD_OUTLIVES on stay when the other records
 * of their job are deleted together. */
#define RECORD_KINDS(X)                                                                                                \
    X(JOB, 1)                                                                                                          \
    X(TASKS, 2)                                                                                                        \
    X(RESULTS, 3)                                                                                                      \
    X(TAKEN, 4)                                                                                                        \
    X(END, 5)                                                                                                          \
    X(READER, 6)                                                                                                       \
    X(MARK, 7)                                                                                                         \
    X(TRIES, 8)                                                                                                        \
    X(FAILED_JOB, 64)                                                                                                  \
    X(FAILED_TASK, 65)                                                                                                 \
    X(LET_GO, 66)                                                                                                      \
    X(HISTORY, 67)
#define RECORD_OUTLIVES 64

/* Ids of jobs, indexes of tasks, places of the log and sums of bytes stay below it, so that they can be added up. */
#define RECORD_NUMBER_MAX ((uint64_t)1 << 62)

enum record_kind {
#define RECORD_ENUM(name, number) RECORD_##name = (number),
    RECORD_KINDS(RECORD_ENUM)
#undef RECORD_ENUM
};

/** A job that was accepted. Of `options` only what its opener asked for is on disk: times are points in time
 *  (`after_at`, `deadline_at`), `owner`, `opened_at` and `over_at` stand beside it, and `durable` is always true. */
struct record_job {
    struct belt_bytes key, function;
    struct belt_bytes owner;   /* name of the client that owns the job; empty: nobody does */
    struct belt_bytes account; /* owner of the key that opened it; empty: the broker had no keys */
    uint64_t opened_at;        /* when the broker accepted it */
    uint64_t over_at;          /* when it ended; 0: it has not ended yet */
    struct belt_open_options options;
};

/** Inputs of `count` tasks in a row, the first of which has the index `first`. */
struct record_tasks {
    uint64_t first;
    uint32_t count;
    const struct belt_payload *inputs;
};

/** Results at `count` places in a row of the job's log of completions, the first of which is `first`. */
struct record_results {
    uint64_t first;
    uint32_t count;
    const struct belt_result_item *items;
};

/** Tasks at `count` places in a row of the log, whose results every reader has taken: only their indexes are kept. */
struct record_taken {
    uint64_t first;
    uint32_t count;
    const uint64_t *indexes;
};

/** The input has ended. */
struct record_end {
    uint64_t tasks; /* of the job in all */
};

/** A reader's cursor. */
struct record_reader {
    struct belt_bytes name;
    struct belt_bytes account; /* owner of the key that reads; empty: the owner of the job */
    uint8_t mode;              /* enum belt_mode */
    uint64_t taken;            /* ordered: indexes below it were taken; unordered: places of the log below it were */
};

/** What was recorded of a job up to this record, that other records do not say any more since they were deleted. */
struct record_mark {
    uint64_t next;   /* tasks that were accepted */
    uint64_t bytes;  /* of the inputs of these */
    uint64_t place;  /* places of the log that were recorded */
    uint64_t failed; /* tasks among these whose result is an error */
    bool digested;   /* `digest` is known: of the inputs of the tasks below `next` */
    struct belt_digest digest;
};

/** Runs of a task that has no result yet. */
struct record_tries {
    uint64_t index;
    uint32_t attempt; /* number of the last run that ended, at least 1 */
    uint16_t failures, losses;
};

/** What the failed tasks of a job share. */
struct record_failed_job {
    struct belt_bytes function;
    struct belt_bytes account; /* as of the job */
    struct belt_open_options options;
};

/** A failed task that is kept with its input. */
struct record_failed_task {
    uint64_t index;
    uint32_t attempt, code;
    uint64_t failed_at;
    struct belt_payload input;
    const struct belt_result_extras *extras; /* NULL: none */
};

/** Failed tasks of a job that were not kept, or not for long. */
struct record_let_go {
    uint64_t count;
};

/** The line of a job that is over and forgotten. */
struct record_history {
    struct belt_bytes key, function, owner, why;
    struct belt_bytes account; /* as of the job */
    uint8_t state;             /* enum belt_job_state */
    int32_t priority;
    uint64_t total, done, failed, retried;
    uint64_t unread;  /* results that were dropped before every reader had taken them */
    uint32_t readers; /* that it had in the end */
    uint64_t opened_at, over_at;
};

enum core_record_op { CORE_PUT, CORE_DELETE, CORE_DELETE_JOB };

/**
 * One change of what is on disk. PUT writes a record, or writes the one with this number anew; DELETE removes the
 * record with this number; DELETE_JOB removes all records of the job but those whose kind outlives it.
 */
struct core_record {
    enum core_record_op op;
    uint64_t number; /* PUT of a new record, DELETE_JOB: higher than any before */
    uint64_t job;
    uint8_t kind; /* of PUT: enum record_kind */
    union {
        struct record_job job;
        struct record_tasks tasks;
        struct record_results results;
        struct record_taken taken;
        struct record_end end;
        struct record_reader reader;
        struct record_mark mark;
        struct record_tries tries;
        struct record_failed_job failed_job;
        struct record_failed_task failed_task;
        struct record_let_go let_go;
        struct record_history history;
    } u;
};

#endif
