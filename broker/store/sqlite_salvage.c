/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what a damaged SQLite store still holds.
 *
 * A scan of the table ends at the first page that is damaged. Behind it the scan goes on at the lowest number that can
 * be reached again, which is looked for by doubling steps and then by halving them: what lies between cannot be read.
 */
#include "broker/store/sqlite_private.h"

#include <stdio.h>
#include <stdlib.h>

struct store_wreck {
    struct sqlite_store store;
    sqlite3_stmt *behind, *one;
    uint64_t last;
};

static const char sql_behind[] = "SELECT number, job, kind, first, count, sum, body FROM record NOT INDEXED "
                                 "WHERE number > ?1 ORDER BY number";
static const char sql_one[] =
    "SELECT number, job, kind, first, count, sum, body FROM record NOT INDEXED WHERE number = ?1";

struct store_wreck *store_wreck_open(const char *directory, char *error, uint32_t size)
{
    struct store_wreck *wreck = calloc(1, sizeof(*wreck));
    struct sqlite_store *store = wreck ? &wreck->store : NULL;

    if (!wreck) {
        store_say(error, size, "cannot open the store in %s: out of memory", directory);
        return NULL;
    }
    if (!guard_look(&store->guard, directory, error, size)) {
        store_wreck_close(wreck);
        return NULL;
    }
    snprintf(store->path, sizeof(store->path), "%s/belt.sqlite", store->guard.path);
    int code = connection_wreck(store);
    if (code == BELT_OK && (sqlite3_prepare_v2(store->db, sql_behind, -1, &wreck->behind, NULL) != SQLITE_OK ||
                            sqlite3_prepare_v2(store->db, sql_one, -1, &wreck->one, NULL) != SQLITE_OK))
        code = sqlite_store_fail(store, sqlite3_extended_errcode(store->db), "read");
    if (code != BELT_OK) {
        store_say(error, size, "%s", store->base.error);
        store_wreck_close(wreck);
        return NULL;
    }
    wreck->last = store->tally.last_number;
    return wreck;
}

void store_wreck_close(struct store_wreck *wreck)
{
    if (!wreck)
        return;
    sqlite3_finalize(wreck->behind);
    sqlite3_finalize(wreck->one);
    connection_close(&wreck->store);
    guard_close(&wreck->store.guard);
    free(wreck);
}

uint32_t store_wreck_format(const struct store_wreck *wreck)
{
    return (uint32_t)wreck->store.format;
}

uint64_t store_wreck_last(const struct store_wreck *wreck)
{
    return wreck->last;
}

static bool is_intact(sqlite3_stmt *statement, struct store_record *record)
{
    int64_t sum;

    return sqlite_store_row(statement, record, &sum) && !(record->body.len && !record->body.data) &&
           sum == store_record_sum(record);
}

bool store_wreck_read(struct store_wreck *wreck, uint64_t number, struct store_record *record)
{
    sqlite3_reset(wreck->one);
    sqlite3_bind_int64(wreck->one, 1, (sqlite3_int64)number);
    return sqlite3_step(wreck->one) == SQLITE_ROW && is_intact(wreck->one, record);
}

/* From the number behind `*after` on, until the end (SQLITE_DONE) or damage; `*after` is the last that was read. */
static int scan_from(struct store_wreck *wreck, uint64_t *after, store_visit visit, void *ctx, uint64_t *damaged,
                     int *code)
{
    struct store_record record;
    int rc;

    sqlite3_reset(wreck->behind);
    sqlite3_bind_int64(wreck->behind, 1, (sqlite3_int64)*after);
    while ((rc = sqlite3_step(wreck->behind)) == SQLITE_ROW) {
        uint64_t number = (uint64_t)sqlite3_column_int64(wreck->behind, 0);
        if (number <= *after || number > INT64_MAX)
            return SQLITE_CORRUPT;
        *after = number;
        if (number > wreck->last)
            wreck->last = number;
        if (!is_intact(wreck->behind, &record))
            ++*damaged;
        else if ((*code = visit(ctx, &record)) != BELT_OK)
            return SQLITE_DONE;
    }
    return rc;
}

/* Whether something behind `number` can be read. */
static bool reaches(struct store_wreck *wreck, uint64_t number)
{
    sqlite3_reset(wreck->behind);
    sqlite3_bind_int64(wreck->behind, 1, (sqlite3_int64)number);
    return sqlite3_step(wreck->behind) == SQLITE_ROW;
}

/* Moves `*after` to the lowest number behind which the scan can go on; false: there is none. */
static bool pass_damage(struct store_wreck *wreck, uint64_t *after)
{
    uint64_t bad = *after, good, step = 1;

    while (bad + step < wreck->last && !reaches(wreck, bad + step)) {
        bad += step;
        step *= 2;
    }
    if (bad + step >= wreck->last)
        return false;
    for (good = bad + step; good - bad > 1;) {
        uint64_t middle = bad + (good - bad) / 2;
        if (reaches(wreck, middle))
            good = middle;
        else
            bad = middle;
    }
    *after = good;
    return true;
}

int store_wreck_scan(struct store_wreck *wreck, store_visit visit, void *ctx, uint64_t *damaged)
{
    uint64_t after = 0;
    int code = BELT_OK, rc;
    int64_t highest;

    *damaged = 0;
    if (sqlite_store_number(&wreck->store, "SELECT max(number) FROM record", &highest) == SQLITE_OK &&
        (uint64_t)highest > wreck->last)
        wreck->last = (uint64_t)highest;
    while ((rc = scan_from(wreck, &after, visit, ctx, damaged, &code)) != SQLITE_DONE) {
        ++*damaged;
        if ((rc & 0xff) == SQLITE_NOMEM)
            return BELT_NO_MEMORY;
        if (!pass_damage(wreck, &after))
            break;
    }
    return code;
}
