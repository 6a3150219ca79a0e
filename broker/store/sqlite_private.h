/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the SQLite store: guard (sqlite_guard.c: lock and mark), format
 * (sqlite_format.c and sqlite_upgrade.c: schema and upgrades), connection (sqlite_open.c), files
 * (sqlite_gather.c: fewer writes) and the operations (sqlite.c,
 * sqlite_scan.c). Nobody else includes this.
 */
#ifndef BELT_STORE_SQLITE_PRIVATE_H
#define BELT_STORE_SQLITE_PRIVATE_H

#include "broker/store/store_private.h"

#include <limits.h>
#include <sqlite3.h>

#define SQLITE_STORE_APPLICATION 0x42454c54 /* "BELT" */
#define SQLITE_RECORD_COLUMNS                                                                                          \
    "number INTEGER PRIMARY KEY, job INTEGER NOT NULL, kind INTEGER NOT NULL, first INTEGER NOT NULL,"                 \
    " count INTEGER NOT NULL, sum INTEGER NOT NULL, body BLOB NOT NULL"

/* Bytes of a page in a new file; other files keep theirs. Each transaction writes five pages beside what it holds. */
#define SQLITE_STORE_PAGE 8192
/* What one transaction gives back: a few ms. */
#define SQLITE_STORE_VACUUM_BYTES (4u << 20)
/* What the log may have before it goes into the database, and may keep afterwards. */
#define SQLITE_STORE_LOG_BYTES (32u << 20)
/* Parts of the reserve that the log and one step of giving room back may take, on a small disk. */
#define SQLITE_STORE_LOG_SHARE    4
#define SQLITE_STORE_VACUUM_SHARE 16
/* What is free and no reason to give any back. */
#define SQLITE_STORE_FREE_KEPT (1u << 20)

enum statement { ST_BEGIN, ST_COMMIT, ST_PUT, ST_DELETE, ST_DELETE_JOB, ST_TALLY, ST_FREE, ST_PAGES, ST_COUNT };

/** What the store should hold: one row, changed in each transaction. */
struct tally {
    uint64_t commits, records, digest, last_number;
};

/** The directory and what keeps others out of it; descriptors are -1 when closed. */
struct guard {
    int directory, lock, mark, backup;
    char path[PATH_MAX]; /* of the directory */
};

struct sqlite_store {
    struct store base;
    struct guard guard;
    char path[PATH_MAX + 16]; /* of belt.sqlite */
    sqlite3 *db;
    sqlite3_stmt *statements[ST_COUNT];
    struct tally tally;
    int format;                    /* of the records that are there */
    struct store_upgrade *upgrade; /* while it is opened: brings older records forward; NULL: they are refused */
    int64_t page;                  /* bytes of one of this file */
    int64_t log_pages, log_most;   /* how long the log is, and may be */
    bool settled;                  /* nothing was committed since the last tidy step that had nothing left to do */
};

/* ---- sqlite_guard.c ---- */

/** Makes and locks the directory. False with the reason in `error`; guard_close() in both cases. */
bool guard_open(struct guard *guard, const char *directory, char *error, uint32_t size);
/** The same for looking: makes nothing, and locks only against a process that may write. */
bool guard_look(struct guard *guard, const char *directory, char *error, uint32_t size);
void guard_close(struct guard *guard);
/** False while somebody copies the files: the database must not change then, the log may only grow. */
bool guard_change_begin(const struct guard *guard);
void guard_change_end(const struct guard *guard);
/** Holds off such changes until guard_close(); for the copying process, with a guard of its own. */
bool guard_backup(struct guard *guard, const char *directory, char *error, uint32_t size);
/** How many transactions were acknowledged, as far as is known. */
uint64_t guard_mark(const struct guard *guard);
void guard_set_mark(const struct guard *guard, uint64_t commits);

/* ---- sqlite_gather.c ---- */

/** SQLite's name for files whose writes are gathered; they lie over what is its default at the first call. */
const char *gather_name(void);
/** Drops what waits to be written, and failures that nobody has been told of. To be called when a transaction was
 *  rolled back or a checkpoint has failed: what is left of those is written anew or never, and a failure that stayed
 *  would fail every later checkpoint, on a disk that has long had room again. */
void gather_forget(sqlite3 *db);

/* ---- sqlite_look.c ---- */

/** SQLite's name for files that are only ever read. */
const char *look_name(void);

/* ---- sqlite_reserve.c ---- */

/** How large it is to be on this disk. */
uint64_t reserve_size(const struct guard *guard);
/** Takes it, if it is not taken yet and there is room for it and some more. */
bool reserve_take(const struct guard *guard, uint64_t bytes);
/** False when there was none. */
bool reserve_give_up(const struct guard *guard);
/** What it has on the disk. */
uint64_t reserve_found(const struct guard *guard);

/* ---- sqlite_format.c: return an SQLite code; the sentence is in base.error when it is SQLITE_ERROR ---- */

/** Reads store->format, 0 for an empty file. Refuses what is not ours or too new. */
int format_read(struct sqlite_store *store);
/** Brings the file from store->format to STORE_FORMAT, in one transaction. */
int format_upgrade(struct sqlite_store *store);
int tally_read(struct sqlite_store *store);
/** Within a transaction. */
int tally_write(struct sqlite_store *store, const struct tally *tally);

/* ---- sqlite_upgrade.c ---- */

/** Within a transaction: writes the records of format 1 anew as those of format 2. The records are read through on the
 * way, as when they are loaded. An SQLite code, as those above. */
int upgrade_records(struct sqlite_store *store);

/* ---- sqlite_open.c ---- */

/** Opens the database of a guarded directory. BELT_OK, or a code with the sentence in base.error. */
int connection_open(struct sqlite_store *store);
/** The same for looking only. */
int connection_look(struct sqlite_store *store);
void connection_close(struct sqlite_store *store);

/** The same without a word on what is missing or damaged. */
int connection_wreck(struct sqlite_store *store);

/* ---- sqlite.c ---- */

/** First in each operation: forgets the last error; opens the database anew when a recovery could not. */
int sqlite_store_ready(struct sqlite_store *store);
/** The code of store.h for an SQLite code; writes the sentence. `doing`: "commit to", "read". */
int sqlite_store_fail(struct sqlite_store *store, int rc, const char *doing);
int sqlite_store_exec(struct sqlite_store *store, const char *sql);
/** The first column of the first row. */
int sqlite_store_number(struct sqlite_store *store, const char *sql, int64_t *value);
/** So many of this file's pages are `bytes`, or `1/share` of the reserve if that is less. */
int64_t sqlite_store_pages(const struct sqlite_store *store, uint64_t bytes, uint64_t share);

/* ---- sqlite_scan.c ---- */

/** The row under a SELECT of number, job, kind, first, count, sum, body. False when a number does not fit where it
 * belongs. */
bool sqlite_store_row(sqlite3_stmt *statement, struct store_record *record, int64_t *sum);
int sqlite_store_load(struct store *base, store_visit visit, void *ctx);
int sqlite_store_check(struct store *base);

#endif
