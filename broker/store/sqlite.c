/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQLite store's operations (store.h): one transaction per commit, the
 * tally kept in it, free pages given back little by little. Opening is
 * sqlite_open.c, reading sqlite_scan.c.
 */
#include "broker/store/sqlite_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct sqlite_store *store_of(struct store *base)
{
    return (struct sqlite_store *)base;
}

/* What time, room or an operator can heal; the rest is final. */
static bool is_passing(int rc)
{
    if (rc == SQLITE_IOERR_CORRUPTFS)
        return false;
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
        return true;
    default:
        return false;
    }
}

static const char *advice(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return "make room there";
    case SQLITE_NOMEM:
        return "free memory on this machine";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program has it open: close that";
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "check its owner and permissions, and the limit of open files";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "restore the directory from a copy";
    default:
        return "check the disk and the system's log";
    }
}

int sqlite_store_fail(struct sqlite_store *store, int rc, const char *doing)
{
    int number = store->db ? sqlite3_system_errno(store->db) : 0;

    /* SQLITE_ERROR during open: the sentence is there already. */
    if (rc == SQLITE_ERROR && store->base.error[0])
        return BELT_SYSTEM;
    bool system = number != 0 && ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN);
    store_say(store->base.error, sizeof(store->base.error), "cannot %s %s: %s%s%s; %s", doing, store->path,
              sqlite3_errstr(rc), system ? ": " : "", system ? strerror(number) : "", advice(rc));
    return is_passing(rc) ? BELT_STORE_FAILED : BELT_SYSTEM;
}

/* The sentence for what succeeds from the reserve. */
static void say_full(struct sqlite_store *store)
{
    if (store->base.full)
        store_say(store->base.error, sizeof(store->base.error),
                  "the disk of %s is full; read results that wait there, or make room", store->guard.path);
}

int sqlite_store_ready(struct sqlite_store *store)
{
    store->base.error[0] = 0;
    if (!store->db)
        return connection_open(store);
    say_full(store);
    return BELT_OK;
}

int sqlite_store_exec(struct sqlite_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

int sqlite_store_number(struct sqlite_store *store, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- commit ---- */

static int run(struct sqlite_store *store, enum statement which)
{
    int rc = sqlite3_step(store->statements[which]);

    sqlite3_reset(store->statements[which]);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int ask(struct sqlite_store *store, enum statement which, int64_t *value)
{
    sqlite3_stmt *statement = store->statements[which];
    int rc = sqlite3_step(statement);

    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int remove_records(struct sqlite_store *store, enum statement which, uint64_t key, struct tally *tally)
{
    sqlite3_stmt *statement = store->statements[which];
    int rc;

    sqlite3_bind_int64(statement, 1, (int64_t)key);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        tally->records--;
        tally->digest -=
            store_digest((uint64_t)sqlite3_column_int64(statement, 0), (uint32_t)sqlite3_column_int64(statement, 1));
    }
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int insert(struct sqlite_store *store, const struct store_record *record, uint32_t sum)
{
    sqlite3_stmt *put = store->statements[ST_PUT];
    const void *body = record->body.len ? record->body.data : (const void *)"";

    sqlite3_bind_int64(put, 1, (int64_t)record->number);
    sqlite3_bind_int64(put, 2, (int64_t)record->job);
    sqlite3_bind_int64(put, 3, record->kind);
    sqlite3_bind_int64(put, 4, (int64_t)record->first);
    sqlite3_bind_int64(put, 5, record->count);
    sqlite3_bind_int64(put, 6, sum);
    sqlite3_bind_blob64(put, 7, body, record->body.len, SQLITE_STATIC);
    int rc = run(store, ST_PUT);
    sqlite3_bind_null(put, 7);
    return rc;
}

static int put_record(struct sqlite_store *store, const struct store_record *record, struct tally *tally)
{
    uint32_t sum = store_record_sum(record);
    int rc = insert(store, record, sum);

    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID) {
        rc = remove_records(store, ST_DELETE, record->number, tally);
        if (rc == SQLITE_OK)
            rc = insert(store, record, sum);
    }
    if (rc != SQLITE_OK)
        return rc;
    tally->records++;
    tally->digest += store_digest(record->number, sum);
    if (record->number > tally->last_number)
        tally->last_number = record->number;
    return rc;
}

static int apply(struct sqlite_store *store, const struct store_change *change, struct tally *tally)
{
    switch (change->op) {
    case STORE_PUT:
        return put_record(store, &change->record, tally);
    case STORE_DELETE:
        return remove_records(store, ST_DELETE, change->record.number, tally);
    case STORE_DELETE_JOB:
        return remove_records(store, ST_DELETE_JOB, change->record.job, tally);
    }
    return SQLITE_MISUSE;
}

int64_t sqlite_store_pages(const struct sqlite_store *store, uint64_t bytes, uint64_t share)
{
    uint64_t part = store->base.reserve / share;

    return (int64_t)(part < bytes ? part : bytes) / store->page;
}

static int64_t vacuum_step(const struct sqlite_store *store)
{
    return sqlite_store_pages(store, SQLITE_STORE_VACUUM_BYTES, SQLITE_STORE_VACUUM_SHARE);
}

static int vacuum(struct sqlite_store *store)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%" PRId64 ")", vacuum_step(store));
    return sqlite_store_exec(store, sql);
}

/* A quarter of the file may stay free, for what comes next; of more, a bounded number of pages goes with each commit.
 */
static int vacuum_some(struct sqlite_store *store)
{
    int64_t unused = 0, pages = 0;
    int rc = ask(store, ST_FREE, &unused);

    if (rc != SQLITE_OK || unused <= SQLITE_STORE_VACUUM_BYTES / store->page)
        return rc;
    rc = ask(store, ST_PAGES, &pages);
    if (rc != SQLITE_OK || unused <= pages / 4)
        return rc;
    return vacuum(store);
}

static int transaction(struct sqlite_store *store, const struct store_change *changes, uint32_t count,
                       struct tally *tally)
{
    int rc = run(store, ST_BEGIN);

    for (uint32_t i = 0; rc == SQLITE_OK && i < count; i++)
        rc = apply(store, &changes[i], tally);
    tally->commits++;
    if (rc == SQLITE_OK)
        rc = tally_write(store, tally);
    if (rc == SQLITE_OK)
        rc = vacuum_some(store);
    if (rc == SQLITE_OK)
        rc = run(store, ST_COMMIT);
    return rc;
}

static bool is_full(int rc)
{
    return (rc & 0xff) == SQLITE_FULL;
}

/* The log goes into the database, unless somebody copies the files: then it grows until the copy is made. */
static int checkpoint_as(struct sqlite_store *store, int mode)
{
    if (!guard_change_begin(&store->guard))
        return SQLITE_OK;
    int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, mode, NULL, NULL);
    if (rc != SQLITE_OK)
        gather_forget(store->db);
    guard_change_end(&store->guard);
    return rc;
}

static int checkpoint(struct sqlite_store *store)
{
    return checkpoint_as(store, SQLITE_CHECKPOINT_TRUNCATE);
}

static void use_reserve(struct sqlite_store *store)
{
    (void)reserve_give_up(&store->guard);
    store->base.full = true;
}

/* A log that is long goes into the database. When that has no room the log must not grow on at its cost. */
static void limit_log(struct sqlite_store *store)
{
    if (store->log_pages <= store->log_most)
        return;
    if (is_full(checkpoint_as(store, SQLITE_CHECKPOINT_PASSIVE))) {
        use_reserve(store);
        (void)checkpoint(store);
    }
}

/* Back to a connection that can be used; the sentence of the failure stays. */
static void recover(struct sqlite_store *store, int rc)
{
    char reason[sizeof(store->base.error)];

    memcpy(reason, store->base.error, sizeof(reason));
    if (!sqlite3_get_autocommit(store->db))
        (void)sqlite_store_exec(store, "ROLLBACK");
    gather_forget(store->db);
    /* The log may be what fills the disk: what is in it already may fit into the database. */
    if (is_full(rc)) {
        use_reserve(store);
        (void)checkpoint(store);
    }
    if (!sqlite3_get_autocommit(store->db)) {
        connection_close(store);
        (void)connection_open(store);
    }
    memcpy(store->base.error, reason, sizeof(reason));
}

static int check_changes(struct store *base, const struct store_change *changes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct store_record *record = &changes[i].record;
        if (changes[i].op != STORE_PUT)
            continue;
        assert(record->number > 0 && record->number <= INT64_MAX);
        if (record->body.len > STORE_MAX_BODY) {
            store_say(base->error, sizeof(base->error), "record %" PRIu64 " has %zu bytes: the store takes %u at most",
                      record->number, record->body.len, STORE_MAX_BODY);
            return BELT_TOO_LARGE;
        }
    }
    return BELT_OK;
}

static int attempt(struct sqlite_store *store, const struct store_change *changes, uint32_t count, int *rc)
{
    struct tally tally = store->tally;
    int code = BELT_OK;

    store->base.error[0] = 0;
    *rc = transaction(store, changes, count, &tally);
    if (*rc != SQLITE_OK) {
        if (sqlite3_system_errno(store->db) == EDQUOT) /* SQLite takes a quota for a broken disk */
            *rc = SQLITE_FULL;
        code = sqlite_store_fail(store, *rc, "commit to");
        recover(store, *rc);
        return code;
    }
    store->tally = tally;
    store->settled = false;
    guard_set_mark(&store->guard, tally.commits);
    limit_log(store);
    return BELT_OK;
}

static int sqlite_store_commit(struct store *base, const struct store_change *changes, uint32_t count)
{
    struct sqlite_store *store = store_of(base);
    int code = check_changes(base, changes, count);

    if (code == BELT_OK)
        code = sqlite_store_ready(store);
    if (code != BELT_OK || count == 0)
        return code;
    int rc = SQLITE_OK;
    code = attempt(store, changes, count, &rc);
    /* Once more, with the room of the reserve and of the log. */
    if (is_full(rc) && store->db)
        code = attempt(store, changes, count, &rc);
    if (code == BELT_OK)
        say_full(store);
    return code;
}

/* ---- size ---- */

static int give_back(struct sqlite_store *store, int64_t keep, bool *more)
{
    int64_t unused = 0;
    int rc = ask(store, ST_FREE, &unused);

    *more = false;
    if (rc != SQLITE_OK || unused <= keep)
        return rc;
    /* The pragma is a transaction by itself. */
    rc = vacuum(store);
    *more = rc == SQLITE_OK && unused - vacuum_step(store) > keep;
    return rc;
}

static int failed_step(struct sqlite_store *store, int rc)
{
    int code = sqlite_store_fail(store, rc, "compact");

    recover(store, rc);
    return code;
}

static int sqlite_store_tidy(struct store *base, bool *more)
{
    struct sqlite_store *store = store_of(base);
    int code = sqlite_store_ready(store);

    *more = false;
    if (code != BELT_OK || (store->settled && !store->base.full))
        return code;
    int rc = give_back(store, SQLITE_STORE_FREE_KEPT / store->page, more);
    if (rc == SQLITE_OK && !*more) {
        rc = checkpoint(store);
        store->settled = rc == SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        return failed_step(store, rc);
    if (store->base.full && !*more)
        store->base.full = !reserve_take(&store->guard, store->base.reserve);
    store->base.error[0] = 0;
    say_full(store);
    return BELT_OK;
}

static int sqlite_store_compact(struct store *base)
{
    struct sqlite_store *store = store_of(base);
    int code = sqlite_store_ready(store);
    int rc = SQLITE_OK;
    bool more = code == BELT_OK;

    if (code != BELT_OK)
        return code;
    /* In steps with the log emptied between them, so that it needs next to no room itself. */
    for (unsigned step = 1; rc == SQLITE_OK && more; step++) {
        rc = give_back(store, 0, &more);
        if (rc == SQLITE_OK && step % 16 == 0)
            rc = checkpoint(store);
    }
    if (rc == SQLITE_OK)
        rc = checkpoint(store);
    return rc == SQLITE_OK ? BELT_OK : failed_step(store, rc);
}

static uint64_t file_bytes(const struct sqlite_store *store)
{
    static const char *const names[] = {"belt.sqlite", "belt.sqlite-wal"};
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct stat status;
        if (fstatat(store->guard.directory, names[i], &status, 0) == 0)
            bytes += (uint64_t)status.st_size;
    }
    return bytes;
}

static int sqlite_store_stats(struct store *base, struct store_stats *stats)
{
    struct sqlite_store *store = store_of(base);
    int64_t jobs = 0, bytes = 0, unused = 0;
    int code = sqlite_store_ready(store);

    if (code != BELT_OK)
        return code;
    int rc = sqlite_store_number(store, "SELECT count(DISTINCT job) FROM record INDEXED BY record_job", &jobs);
    if (rc == SQLITE_OK)
        rc = sqlite_store_number(store, "SELECT total(length(body)) FROM record", &bytes);
    if (rc == SQLITE_OK)
        rc = ask(store, ST_FREE, &unused);
    if (rc != SQLITE_OK)
        return sqlite_store_fail(store, rc, "read");
    *stats = (struct store_stats){.records = store->tally.records,
                                  .jobs = (uint64_t)jobs,
                                  .body_bytes = (uint64_t)bytes,
                                  .file_bytes = file_bytes(store),
                                  .free_bytes = (uint64_t)(unused * store->page),
                                  .reserve_bytes = store->base.full ? 0 : store->base.reserve,
                                  .last_number = store->tally.last_number,
                                  .format = (uint32_t)store->format};
    return BELT_OK;
}

static void sqlite_store_close(struct store *base)
{
    struct sqlite_store *store = store_of(base);

    connection_close(store);
    guard_close(&store->guard);
    free(store);
}

static const struct store_ops sqlite_store_ops = {
    .name = "sqlite",
    .load = sqlite_store_load,
    .commit = sqlite_store_commit,
    .stats = sqlite_store_stats,
    .check = sqlite_store_check,
    .compact = sqlite_store_compact,
    .tidy = sqlite_store_tidy,
    .close = sqlite_store_close,
};

struct store *store_sqlite_open(const char *directory, char *error, uint32_t size)
{
    return store_sqlite_open_older(directory, NULL, error, size);
}

struct store *store_sqlite_open_older(const char *directory, struct store_upgrade *upgrade, char *error, uint32_t size)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));

    if (!store) {
        store_say(error, size, "cannot open the store in %s: out of memory", directory);
        return NULL;
    }
    store->base.ops = &sqlite_store_ops;
    if (!guard_open(&store->guard, directory, error, size)) {
        sqlite_store_close(&store->base);
        return NULL;
    }
    snprintf(store->path, sizeof(store->path), "%s/belt.sqlite", store->guard.path);
    store->base.reserve = reserve_size(&store->guard);
    store->upgrade = upgrade;
    if (connection_open(store) != BELT_OK) {
        store_say(error, size, "%s", store->base.error);
        sqlite_store_close(&store->base);
        return NULL;
    }
    store->upgrade = NULL;
    store->base.full = !reserve_take(&store->guard, store->base.reserve);
    say_full(store);
    return &store->base;
}

static int refuse_change(struct store *base)
{
    store_say(base->error, sizeof(base->error), "the store was opened for reading only");
    return BELT_SYSTEM;
}

static int look_commit(struct store *base, const struct store_change *changes, uint32_t count)
{
    (void)changes, (void)count;
    return refuse_change(base);
}

static int look_tidy(struct store *base, bool *more)
{
    *more = false;
    return refuse_change(base);
}

static const struct store_ops sqlite_look_ops = {
    .name = "sqlite, read-only",
    .load = sqlite_store_load,
    .commit = look_commit,
    .stats = sqlite_store_stats,
    .check = sqlite_store_check,
    .compact = refuse_change,
    .tidy = look_tidy,
    .close = sqlite_store_close,
};

struct store *store_sqlite_look(const char *directory, char *error, uint32_t size)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));

    if (!store) {
        store_say(error, size, "cannot open the store in %s: out of memory", directory);
        return NULL;
    }
    store->base.ops = &sqlite_look_ops;
    if (!guard_look(&store->guard, directory, error, size)) {
        sqlite_store_close(&store->base);
        return NULL;
    }
    snprintf(store->path, sizeof(store->path), "%s/belt.sqlite", store->guard.path);
    if (connection_look(store) != BELT_OK) {
        store_say(error, size, "%s", store->base.error);
        sqlite_store_close(&store->base);
        return NULL;
    }
    store->base.reserve = reserve_found(&store->guard);
    return &store->base;
}
