/* SPDX-License-Identifier: Apache-2.0
 *
 * Where durable jobs live: a set of numbered records, changed in transactions.
 * One interface, several implementations, one contract suite (tests/store).
 *
 * The store knows nothing of jobs but their ids: what a record means is the
 * core's (broker/core/record.h, proto/STORE.md). A record is a batch (of tasks, of results),
 * not a row per task; it is deleted when all in it has been read, so the
 * store's size follows the unread.
 *
 * Threads: one at a time (the committer's); errors and stats may be read
 * between calls only.
 */
#ifndef BELT_STORE_H
#define BELT_STORE_H

#include "broker/store_stats.h"
#include "proto/buf.h"

#include <belt/codes.h>
#include <stdbool.h>

/* Of the records that are written today. */
#define STORE_FORMAT 2

/* Records of kinds from here on stay when those of their job are deleted together (proto/STORE.md). */
#define STORE_OUTLIVES_JOB 64

/* The most that one record may carry: SQLite ends at 10^9 bytes for the whole row. */
#define STORE_MAX_BODY (900u << 20)

/** One record. `number` is the core's: from 1 to INT64_MAX, it grows over the life of the store and is never used
 * twice. */
struct store_record {
    uint64_t number;
    uint64_t job;
    uint8_t kind;
    uint64_t first; /* of the tasks or deliveries in it */
    uint32_t count;
    struct belt_bytes body;
};

enum store_op { STORE_PUT, STORE_DELETE, STORE_DELETE_JOB };

/** One change: PUT a record (one with the same number is replaced), DELETE the record with `record.number`, or DELETE
 *  all of `record.job` but those whose kind outlives it. To delete what is not there is no error. */
struct store_change {
    enum store_op op;
    struct store_record record; /* borrowed during commit */
};

struct store;

/** Called for each record in order of number; nonzero stops the load, which answers it. */
typedef int (*store_visit)(void *ctx, const struct store_record *record);

/**
 * What an implementation brings. Functions return BELT_OK, STORE_FAILED (full disk, I/O: try again later; the
 * transaction had no effect), BELT_SYSTEM (damaged, wrong format: final) and leave a sentence in `error`.
 *
 * A commit that failed had no effect for this process. When the process dies before the next commit, the disk may still
 * turn out to hold all of it (never a part): nobody was told that it is durable, so nobody may care.
 */
struct store_ops {
    const char *name;
    /* Every record in order of number, each checked against its checksum, all of them against the store's own count:
     * damage ends the load with BELT_SYSTEM naming the record. What is missing is known only after the last visit. */
    int (*load)(struct store *store, store_visit visit, void *ctx);
    /* One transaction; when it returns BELT_OK everything is on disk. BELT_TOO_LARGE, without effect: a body is over
     * STORE_MAX_BODY. */
    int (*commit)(struct store *store, const struct store_change *changes, uint32_t count);
    int (*stats)(struct store *store, struct store_stats *stats);
    int (*check)(struct store *store);   /* reads everything: BELT_OK or the first damage */
    int (*compact)(struct store *store); /* gives free room back to the file system */
    /* A short step of the same for idle moments; *more: call again. */
    int (*tidy)(struct store *store, bool *more);
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
    char error[512]; /* of the last call that failed: what, where, what to do; and of `full` */
    /* The disk has no room but the store's own reserve, from which transactions live now: hand over only those that
     * make room, and call tidy() until it is false again. */
    bool full;
    uint64_t reserve; /* its bytes: so much may be on its way when the disk turns out to be full; 0: no such bound */
};

/** In memory; `crash` of the tests drops what was not committed. NULL when out of memory. */
struct store *store_memory_open(void);

/**
 * SQLite in `directory`, which is made if it is not there (0700; its parent must exist):
 *
 *   belt.sqlite  the records, in WAL mode with synchronous=FULL
 *   belt.lock    held by the one process that may use the directory; names it
 *   belt.mark    how many transactions were acknowledged, written without waiting for the disk: when more of them are
 *                missing than a crash can explain, open says so
 *   belt.backup  held by whoever copies the files of a running broker (store_sqlite_backup)
 *   belt.reserve takes room that is given up when the disk is full, and taken again when there is some
 *
 * NULL with the reason in `error`: not a directory, no permission, locked by another broker, of another format,
 * damaged.
 */
struct store *store_sqlite_open(const char *directory, char *error, uint32_t size);

/** Takes one record; answers BELT_OK or the code to end with. */
typedef int (*store_put)(void *to, const struct store_record *record);

/** How the records of an older format are brought forward. */
struct store_upgrade {
    /** Called for each record of the old format in order of number, and with NULL behind the last. Hands what takes its
     * place to `put`, in order of number. BELT_OK, what `put` answered, or a code with the reason in `error`. */
    int (*record)(struct store_upgrade *upgrade, const struct store_record *old, store_put put, void *to);
    char error[256];
};

/** The same for a store that may be of format 1 as well: it is brought forward in one transaction before it is opened,
 * or left as it was when that fails. */
struct store *store_sqlite_open_older(const char *directory, struct store_upgrade *upgrade, char *error, uint32_t size);

/** The same to look at it, whatever its format is: load, check and stats work, nothing on the disk is changed or made.
 * `*format` of the stats says what its records are. */
struct store *store_sqlite_look(const char *directory, char *error, uint32_t size);

/**
 * A copy of the store in `from` in the new directory `to`, also while a broker runs there: it holds all that was
 * acknowledged before the call, and transactions as a whole. The running broker goes on; it lets its log grow
 * meanwhile, and leaves the database as it is. BELT_OK when the copy is on disk and was read through, else the reason
 * in `error`.
 */
int store_sqlite_backup(const char *from, const char *to, char *error, uint32_t size);

/** A damaged store that is only read, whatever of it can be. */
struct store_wreck;
/** *Gives* it; NULL with the reason in `error` when not even a list of its tables can be read. */
struct store_wreck *store_wreck_open(const char *directory, char *error, uint32_t size);
/** Visits every record that is as it was written, in order of number, behind damage as well. `*damaged` is how many
 * places could not be read, or held something else. The visitor's answer other than BELT_OK ends it. */
int store_wreck_scan(struct store_wreck *wreck, store_visit visit, void *ctx, uint64_t *damaged);
/** One of these records; its body is valid until the next call. False when it cannot be read any more. */
bool store_wreck_read(struct store_wreck *wreck, uint64_t number, struct store_record *record);
/** Of its records: what the stats of a store say. */
uint32_t store_wreck_format(const struct store_wreck *wreck);
/** The highest number that was ever used, as far as is known. */
uint64_t store_wreck_last(const struct store_wreck *wreck);
/** Accepts NULL. */
void store_wreck_close(struct store_wreck *wreck);

/** Accepts NULL. */
void store_close(struct store *store);

#endif
