/* SPDX-License-Identifier: Apache-2.0
 *
 * The format of belt.sqlite: its schema, its version, how an older one is
 * brought up to date, and the tally that says what it should hold.
 *
 *   meta    key, value: 'format' is the version of all this
 *   tally   one row: transactions, records, their digest, the highest number
 *   record  the records; record_job finds those of a job
 */
#include "broker/store/sqlite_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* Format 2 has the tables of format 1; what is in the records differs. */
static const char *const all_tables =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE tally(id INTEGER PRIMARY KEY CHECK (id = 1), commits INTEGER NOT NULL, records INTEGER NOT NULL,"
    "  digest INTEGER NOT NULL, last INTEGER NOT NULL, sum INTEGER NOT NULL);"
    "CREATE TABLE record(" SQLITE_RECORD_COLUMNS ");"
    "CREATE INDEX record_job ON record(job);";

static int refuse(struct sqlite_store *store, const char *why)
{
    store_say(store->base.error, sizeof(store->base.error), "%s %s", store->path, why);
    return SQLITE_ERROR;
}

int format_read(struct sqlite_store *store)
{
    int64_t tables = 0, application = 0, meta = 0, version = -1;
    int rc = sqlite_store_number(store, "SELECT count(*) FROM sqlite_master", &tables);

    store->format = 0;
    if (rc != SQLITE_OK || tables == 0)
        return rc;
    rc = sqlite_store_number(store, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK && application != SQLITE_STORE_APPLICATION)
        return refuse(store, "is not a store of Belt but another program's database; name another directory");
    if (rc == SQLITE_OK)
        rc = sqlite_store_number(store, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'", &meta);
    if (rc == SQLITE_OK && meta == 1)
        rc = sqlite_store_number(store, "SELECT value FROM meta WHERE key = 'format'", &version);
    if (rc != SQLITE_OK)
        return rc;
    if (version < 0)
        return refuse(store, "is damaged: it does not say what format it has; restore the directory from a copy");
    if (version > STORE_FORMAT) {
        char why[160];
        snprintf(why, sizeof(why), "has format %" PRId64 ", this program knows formats up to %d; run a newer Belt",
                 version, STORE_FORMAT);
        return refuse(store, why);
    }
    store->format = (int)version;
    return SQLITE_OK;
}

static int upgrade_steps(struct sqlite_store *store)
{
    char sql[128];
    int rc = sqlite_store_exec(store, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK && store->format == 0)
        rc = sqlite_store_exec(store, all_tables);
    if (rc == SQLITE_OK && store->format == 0)
        rc = tally_write(store, &(struct tally){0});
    if (rc == SQLITE_OK && store->format == 1)
        rc = upgrade_records(store);
    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; REPLACE INTO meta VALUES('format', %d)",
             SQLITE_STORE_APPLICATION, STORE_FORMAT);
    if (rc == SQLITE_OK)
        rc = sqlite_store_exec(store, sql);
    if (rc == SQLITE_OK)
        rc = sqlite_store_exec(store, "COMMIT");
    return rc;
}

int format_upgrade(struct sqlite_store *store)
{
    int format = store->format;

    if (format == STORE_FORMAT)
        return SQLITE_OK;
    if (format == 1 && !store->upgrade)
        return refuse(store, "has format 1, which Belt 0.1 wrote; start a broker there, which brings it forward");
    int rc = upgrade_steps(store);
    store->format = rc == SQLITE_OK ? STORE_FORMAT : format;
    if (rc == SQLITE_OK)
        return rc;
    char why[256];
    snprintf(why, sizeof(why), "cannot be brought from format %d to %d, and was left as it was: %s", format,
             STORE_FORMAT, sqlite3_errmsg(store->db));
    if (!sqlite3_get_autocommit(store->db))
        (void)sqlite_store_exec(store, "ROLLBACK");
    if (rc == SQLITE_ERROR && store->base.error[0])
        return rc;
    /* An I/O error keeps its own sentence; anything else is a file that is not what it says. */
    return (rc & 0xff) == SQLITE_ERROR || (rc & 0xff) == SQLITE_CONSTRAINT ? refuse(store, why) : rc;
}

static int64_t tally_sum(const struct tally *tally)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, tally->commits,
                       tally->records, tally->digest, tally->last_number);

    return (int64_t)crc32_z(0, (const uint8_t *)text, (size_t)len);
}

int tally_write(struct sqlite_store *store, const struct tally *tally)
{
    sqlite3_stmt *own = NULL, *statement = store->statements[ST_TALLY];
    int rc = SQLITE_OK;

    if (!statement)
        rc = sqlite3_prepare_v2(store->db, "REPLACE INTO tally VALUES(1, ?1, ?2, ?3, ?4, ?5)", -1, &own, NULL);
    if (rc != SQLITE_OK)
        return rc;
    statement = own ? own : statement;
    sqlite3_bind_int64(statement, 1, (int64_t)tally->commits);
    sqlite3_bind_int64(statement, 2, (int64_t)tally->records);
    sqlite3_bind_int64(statement, 3, (int64_t)tally->digest);
    sqlite3_bind_int64(statement, 4, (int64_t)tally->last_number);
    sqlite3_bind_int64(statement, 5, tally_sum(tally));
    rc = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_finalize(own);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int tally_read(struct sqlite_store *store)
{
    sqlite3_stmt *statement = NULL;
    struct tally tally = {0};
    int64_t sum = -1;
    int rc = sqlite3_prepare_v2(store->db, "SELECT commits, records, digest, last, sum FROM tally WHERE id = 1", -1,
                                &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        tally = (struct tally){.commits = (uint64_t)sqlite3_column_int64(statement, 0),
                               .records = (uint64_t)sqlite3_column_int64(statement, 1),
                               .digest = (uint64_t)sqlite3_column_int64(statement, 2),
                               .last_number = (uint64_t)sqlite3_column_int64(statement, 3)};
        sum = sqlite3_column_int64(statement, 4);
    }
    sqlite3_finalize(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return rc;
    if (rc == SQLITE_DONE || sum != tally_sum(&tally))
        return refuse(store,
                      "is damaged: the row that says what it should hold is not right; restore the directory from a "
                      "copy");
    store->tally = tally;
    return SQLITE_OK;
}
