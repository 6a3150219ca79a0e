/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens and closes the SQLite store: guard, connection, settings, statements.
 * What the settings mean for durability stands here and nowhere else.
 */
#include "broker/store/sqlite_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_TEXT_OF(value) #value
#define STORE_TEXT(value)    STORE_TEXT_OF(value)

static const char *const statement_sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_PUT] = "INSERT INTO record VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [ST_DELETE] = "DELETE FROM record WHERE number = ?1 RETURNING number, sum",
    [ST_DELETE_JOB] =
        "DELETE FROM record WHERE job = ?1 AND kind < " STORE_TEXT(STORE_OUTLIVES_JOB) " RETURNING number, sum",
    [ST_TALLY] = "REPLACE INTO tally VALUES(1, ?1, ?2, ?3, ?4, ?5)",
    [ST_FREE] = "PRAGMA freelist_count",
    [ST_PAGES] = "PRAGMA page_count",
};

/* A deleted page is not overwritten (some builds do so by default): deleting must need no room in the log.
 * Exclusive locking keeps the index of the log in our own memory: no shared memory file, which a full disk turns into
 * SIGBUS. Checked cell sizes find some damage where it would otherwise be read as something else. */
static const char *const settings_before = "PRAGMA locking_mode = EXCLUSIVE;"
                                           "PRAGMA secure_delete = OFF;"
                                           "PRAGMA cell_size_check = ON;"
                                           "PRAGMA trusted_schema = OFF;"
                                           "PRAGMA temp_store = MEMORY;"
                                           "PRAGMA cache_size = -16000;";
/* Only for a new file: on another the second one writes, be it full or of a newer format. */
static const char *const settings_new =
    "PRAGMA page_size = " STORE_TEXT(SQLITE_STORE_PAGE) ";"
                                                        "PRAGMA auto_vacuum = INCREMENTAL;";

static int switch_to_wal(struct sqlite_store *store)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    bool wal = rc == SQLITE_ROW && !strcmp((const char *)sqlite3_column_text(statement, 0), "wal");
    sqlite3_finalize(statement);
    if (rc == SQLITE_ROW && !wal) {
        store_say(store->base.error, sizeof(store->base.error), "%s cannot have a write-ahead log on this file system",
                  store->path);
        return SQLITE_ERROR;
    }
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int prepare_all(struct sqlite_store *store)
{
    int rc = SQLITE_OK;

    for (int i = 0; rc == SQLITE_OK && i < ST_COUNT; i++)
        rc =
            sqlite3_prepare_v3(store->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
    return rc;
}

static int compare_with_mark(struct sqlite_store *store)
{
    uint64_t mark = guard_mark(&store->guard);

    if (store->tally.commits >= mark)
        return SQLITE_OK;
    store_say(store->base.error, sizeof(store->base.error),
              "%s lacks the last %" PRIu64 " of %" PRIu64
              " transactions that were acknowledged: it or its -wal file was "
              "cut, damaged, removed or replaced; restore the directory from a copy, or remove %s/belt.mark to go on "
              "without them",
              store->path, mark - store->tally.commits, mark, store->guard.path);
    return SQLITE_ERROR;
}

/* Before anything is changed: what was acknowledged is there. */
static int check_whole(struct sqlite_store *store)
{
    int rc = SQLITE_OK;

    if (store->format)
        rc = tally_read(store);
    else
        store->tally = (struct tally){0};
    return rc == SQLITE_OK ? compare_with_mark(store) : rc;
}

static int note_log(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_store *store = ctx;

    (void)db, (void)name;
    store->log_pages = pages;
    return SQLITE_OK;
}

static int set_log(struct sqlite_store *store)
{
    char sql[160];
    int rc = sqlite_store_number(store, "PRAGMA page_size", &store->page);

    if (rc != SQLITE_OK)
        return rc;
    store->log_most = sqlite_store_pages(store, SQLITE_STORE_LOG_BYTES, SQLITE_STORE_LOG_SHARE);
    snprintf(sql, sizeof(sql), "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = %" PRId64,
             store->log_most * store->page);
    rc = sqlite_store_exec(store, sql);
    /* Instead of SQLite's own hook, which says nothing when the log cannot go into the database. */
    (void)sqlite3_wal_hook(store->db, note_log, store);
    return rc;
}

static int set_up(struct sqlite_store *store)
{
    int rc = sqlite_store_exec(store, settings_before);

    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    if (rc == SQLITE_OK)
        rc = format_read(store);
    if (rc == SQLITE_OK && store->format == 0)
        rc = sqlite_store_exec(store, settings_new);
    if (rc == SQLITE_OK)
        rc = switch_to_wal(store);
    if (rc == SQLITE_OK)
        rc = set_log(store);
    if (rc == SQLITE_OK)
        rc = check_whole(store);
    if (rc == SQLITE_OK)
        rc = format_upgrade(store);
    if (rc == SQLITE_OK)
        rc = tally_read(store);
    if (rc == SQLITE_OK)
        rc = prepare_all(store);
    return rc;
}

int connection_open(struct sqlite_store *store)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    store->base.error[0] = 0;
    int rc = sqlite3_open_v2(store->path, &store->db, flags, gather_name());
    if (rc == SQLITE_OK)
        rc = set_up(store);
    if (rc == SQLITE_OK)
        return BELT_OK;
    int code = sqlite_store_fail(store, rc, "open");
    connection_close(store);
    return code;
}

static int look(struct sqlite_store *store)
{
    int rc = sqlite_store_exec(store, settings_before);

    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    if (rc == SQLITE_OK)
        rc = format_read(store);
    if (rc == SQLITE_OK && store->format == 0) {
        store_say(
            store->base.error, sizeof(store->base.error),
            "%s holds no store: %s; a broker that has never run there leaves such a file, and so does a copy that "
            "was cut: restore the directory from a copy if there were jobs in it",
            store->path, "it is empty, without the tables that a broker makes");
        return SQLITE_ERROR;
    }
    if (rc == SQLITE_OK)
        rc = sqlite_store_number(store, "PRAGMA page_size", &store->page);
    if (rc == SQLITE_OK)
        rc = tally_read(store);
    if (rc == SQLITE_OK)
        rc = compare_with_mark(store);
    return rc == SQLITE_OK ? prepare_all(store) : rc;
}

int connection_look(struct sqlite_store *store)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(store->path, &store->db, flags, look_name());

    store->base.error[0] = 0;
    if (rc == SQLITE_OK)
        rc = look(store);
    if (rc == SQLITE_OK)
        return BELT_OK;
    int code = sqlite_store_fail(store, rc, "read");
    connection_close(store);
    return code;
}

int connection_wreck(struct sqlite_store *store)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(store->path, &store->db, flags, look_name());

    store->base.error[0] = 0;
    if (rc == SQLITE_OK)
        rc = sqlite_store_exec(store, settings_before);
    if (rc == SQLITE_OK)
        rc = format_read(store);
    if (rc == SQLITE_OK && tally_read(store) != SQLITE_OK) {
        store->tally = (struct tally){0};
        store->base.error[0] = 0;
    }
    if (rc == SQLITE_OK && store->format > 0)
        return BELT_OK;
    if (rc == SQLITE_OK)
        store_say(store->base.error, sizeof(store->base.error), "%s is empty: there is nothing to bring to safety",
                  store->path);
    int code = rc == SQLITE_OK ? BELT_SYSTEM : sqlite_store_fail(store, rc, "read");
    connection_close(store);
    return code;
}

void connection_close(struct sqlite_store *store)
{
    /* The log goes into the database when it is closed, but not under somebody who copies it. */
    bool changes = store->guard.backup >= 0 && store->db && guard_change_begin(&store->guard);
    if (store->db && !changes)
        (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    for (int i = 0; i < ST_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    sqlite3_close_v2(store->db);
    store->db = NULL;
    if (changes)
        guard_change_end(&store->guard);
}
