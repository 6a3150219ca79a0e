/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the records of an older format anew. What they become is not the store's to know (struct store_upgrade): here
 * the old ones are read through and checked as ever, the new ones go into a table of their own, and in the end it takes
 * the place of the old one. All of it is one transaction, so that a file is of the one format or of the other.
 */
#include "broker/store/sqlite_private.h"

#include <inttypes.h>
#include <stdio.h>

struct upgrading {
    struct sqlite_store *store;
    sqlite3_stmt *put;
    struct tally tally; /* of the new records */
    int rc;             /* of SQLite, when a record could not be written */
};

static int put_new(void *to, const struct store_record *record)
{
    struct upgrading *up = to;
    uint32_t sum = store_record_sum(record);
    const void *body = record->body.len ? record->body.data : (const void *)"";

    sqlite3_bind_int64(up->put, 1, (int64_t)record->number);
    sqlite3_bind_int64(up->put, 2, (int64_t)record->job);
    sqlite3_bind_int64(up->put, 3, record->kind);
    sqlite3_bind_int64(up->put, 4, (int64_t)record->first);
    sqlite3_bind_int64(up->put, 5, record->count);
    sqlite3_bind_int64(up->put, 6, sum);
    sqlite3_bind_blob64(up->put, 7, body, record->body.len, SQLITE_STATIC);
    up->rc = sqlite3_step(up->put);
    sqlite3_reset(up->put);
    if (up->rc != SQLITE_DONE)
        return BELT_STORE_FAILED;
    up->rc = SQLITE_OK;
    up->tally.records++;
    up->tally.digest += store_digest(record->number, sum);
    if (record->number > up->tally.last_number)
        up->tally.last_number = record->number;
    return BELT_OK;
}

static int bring_forward(void *ctx, const struct store_record *old)
{
    struct upgrading *up = ctx;
    struct sqlite_store *store = up->store;
    int code = store->upgrade->record(store->upgrade, old, put_new, up);

    if (code == BELT_OK || up->rc != SQLITE_OK)
        return code;
    char which[64] = "its end";
    if (old)
        snprintf(which, sizeof(which), "record %" PRIu64, old->number);
    store_say(store->base.error, sizeof(store->base.error),
              "%s cannot be brought from format %d to %d, and was left as it was: %s: %s; 'belt store salvage' makes a "
              "new store of what can be read",
              store->path, store->format, STORE_FORMAT, which, store->upgrade->error);
    return code;
}

/* The SQLite code for what stopped the records: the sentence is in base.error when it is SQLITE_ERROR. */
static int code_of(const struct upgrading *up, int code)
{
    if (up->rc != SQLITE_OK)
        return up->rc;
    return code == BELT_OK ? SQLITE_OK : SQLITE_ERROR;
}

int upgrade_records(struct sqlite_store *store)
{
    struct upgrading up = {.store = store, .tally = store->tally};
    int rc = sqlite_store_exec(store, "CREATE TABLE record_new(" SQLITE_RECORD_COLUMNS ")");

    up.tally.records = up.tally.digest = 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(store->db, "INSERT INTO record_new VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", -1, &up.put,
                                NULL);
    if (rc == SQLITE_OK)
        rc = code_of(&up, sqlite_store_load(&store->base, bring_forward, &up));
    if (rc == SQLITE_OK)
        rc = code_of(&up, bring_forward(&up, NULL));
    sqlite3_finalize(up.put);
    if (rc == SQLITE_OK)
        rc = sqlite_store_exec(store, "DROP TABLE record; ALTER TABLE record_new RENAME TO record;"
                                      "CREATE INDEX record_job ON record(job)");
    up.tally.commits++;
    return rc == SQLITE_OK ? tally_write(store, &up.tally) : rc;
}
