/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the whole SQLite store and believes nothing: each record against its
 * checksum, the table against the tally, the index of jobs against the table.
 * So a record that is changed, lost or back from the dead is found, whatever
 * part of the file was damaged.
 */
#include "broker/store/sqlite_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What was seen on the way through the table. */
struct census {
    uint64_t records, digest, owners, last;
};

static int damaged_record(struct sqlite_store *store, const struct store_record *record, const char *why)
{
    store_say(store->base.error, sizeof(store->base.error),
              "record %" PRIu64 " of job %016" PRIx64 " in %s is damaged: %s; restore the directory from a copy",
              record->number, record->job, store->path, why);
    return BELT_SYSTEM;
}

static int damaged_file(struct sqlite_store *store, const char *why, uint64_t after)
{
    store_say(store->base.error, sizeof(store->base.error),
              "%s is damaged after record %" PRIu64 ": %s; restore the directory from a copy", store->path, after, why);
    return BELT_SYSTEM;
}

bool sqlite_store_row(sqlite3_stmt *statement, struct store_record *record, int64_t *sum)
{
    int64_t kind = sqlite3_column_int64(statement, 2), count = sqlite3_column_int64(statement, 4);

    *record = (struct store_record){.number = (uint64_t)sqlite3_column_int64(statement, 0),
                                    .job = (uint64_t)sqlite3_column_int64(statement, 1),
                                    .kind = (uint8_t)kind,
                                    .first = (uint64_t)sqlite3_column_int64(statement, 3),
                                    .count = (uint32_t)count};
    *sum = sqlite3_column_int64(statement, 5);
    record->body.data = sqlite3_column_blob(statement, 6);
    record->body.len = (size_t)sqlite3_column_bytes(statement, 6);
    return kind >= 0 && kind <= UINT8_MAX && count >= 0 && count <= UINT32_MAX && record->number > 0 &&
           record->number <= INT64_MAX;
}

/* One row: BELT_OK, damage, or what the visitor answered. */
static int take_row(struct sqlite_store *store, sqlite3_stmt *statement, struct census *census, store_visit visit,
                    void *ctx)
{
    struct store_record record;
    int64_t sum;

    if (!sqlite_store_row(statement, &record, &sum))
        return damaged_record(store, &record, "a number is out of its range");
    if (record.number <= census->last)
        return damaged_record(store, &record, "it stands in the wrong order");
    if (record.body.len && !record.body.data) {
        store_say(store->base.error, sizeof(store->base.error), "cannot read record %" PRIu64 " in %s: out of memory",
                  record.number, store->path);
        return BELT_STORE_FAILED;
    }
    if (sum != store_record_sum(&record))
        return damaged_record(store, &record, "its checksum does not match");
    census->last = record.number;
    census->records++;
    census->digest += store_digest(record.number, (uint32_t)sum);
    census->owners += store_digest(record.number ^ record.job << 1, (uint32_t)(record.job >> 32));
    return visit ? visit(ctx, &record) : BELT_OK;
}

static int scan_table(struct sqlite_store *store, struct census *census, store_visit visit, void *ctx)
{
    static const char sql[] =
        "SELECT number, job, kind, first, count, sum, body FROM record NOT INDEXED ORDER BY number";
    sqlite3_stmt *statement = NULL;
    int code = BELT_OK;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        code = take_row(store, statement, census, visit, ctx);
        if (code != BELT_OK)
            break;
    }
    if (code == BELT_OK && rc != SQLITE_DONE) {
        code = sqlite_store_fail(store, rc, "read");
        if (code == BELT_SYSTEM)
            code = damaged_file(store, sqlite3_errmsg(store->db), census->last);
    }
    sqlite3_finalize(statement);
    return code;
}

static int scan_index(struct sqlite_store *store, const struct census *census)
{
    static const char sql[] = "SELECT job, number FROM record INDEXED BY record_job ORDER BY job, number";
    sqlite3_stmt *statement = NULL;
    uint64_t rows = 0, owners = 0;
    int64_t last_job = INT64_MIN, last_number = INT64_MIN;
    bool ordered = true;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        int64_t job = sqlite3_column_int64(statement, 0), number = sqlite3_column_int64(statement, 1);
        ordered = ordered && (job > last_job || (job == last_job && number > last_number) || rows == 0);
        owners += store_digest((uint64_t)number ^ (uint64_t)job << 1, (uint32_t)((uint64_t)job >> 32));
        last_job = job;
        last_number = number;
        rows++;
    }
    sqlite3_finalize(statement);
    if (rc != SQLITE_DONE)
        return sqlite_store_fail(store, rc, "read");
    if (!ordered || rows != census->records || owners != census->owners)
        return damaged_file(store, "the index of jobs does not match the records", census->last);
    return BELT_OK;
}

static int scan(struct sqlite_store *store, store_visit visit, void *ctx)
{
    struct census census = {0};
    int code = sqlite_store_ready(store);

    if (code == BELT_OK)
        code = scan_table(store, &census, visit, ctx);
    if (code != BELT_OK)
        return code;
    if (census.records != store->tally.records || census.digest != store->tally.digest ||
        census.last > store->tally.last_number) {
        char why[160];
        snprintf(why, sizeof(why), "it has %" PRIu64 " records where %" PRIu64 " were stored, or others than those",
                 census.records, store->tally.records);
        return damaged_file(store, why, census.last);
    }
    return scan_index(store, &census);
}

int sqlite_store_load(struct store *base, store_visit visit, void *ctx)
{
    return scan((struct sqlite_store *)base, visit, ctx);
}

/* SQLite's own check: pages that belong to nobody, keys out of order, counts that differ. */
static int check_structure(struct sqlite_store *store)
{
    sqlite3_stmt *statement = NULL;
    int code = BELT_OK;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(1)", -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        if (!text || strcmp(text, "ok") != 0)
            code = damaged_file(store, text ? text : "out of memory", store->tally.last_number);
    } else {
        code = sqlite_store_fail(store, rc, "check");
    }
    sqlite3_finalize(statement);
    return code;
}

int sqlite_store_check(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    int code = scan(store, NULL, NULL);

    return code == BELT_OK ? check_structure(store) : code;
}
