/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are not as they were left: flipped bits, zeroed or exchanged
 * blocks, a log that was cut. Damage is reported or has no effect; what loads
 * is never anything but what was stored.
 */
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY = 30000, COMMITS = 30, FLIPS = 500, BLOCK = 4096 };

/* The files of a store, in memory. */
struct image {
    uint8_t *database, *log, *mark;
    size_t database_len, log_len, mark_len;
};

static void take_image(const char *directory, struct image *image)
{
    *image = (struct image){0};
    image->database = place_read(directory, "belt.sqlite", &image->database_len);
    image->log = place_read(directory, "belt.sqlite-wal", &image->log_len);
    image->mark = place_read(directory, "belt.mark", &image->mark_len);
}

static void put_image(const char *directory, const struct image *image)
{
    place_write(directory, "belt.sqlite", image->database, image->database_len);
    place_write(directory, "belt.sqlite-wal", image->log, image->log_len);
    place_write(directory, "belt.mark", image->mark, image->mark_len);
}

static void free_image(struct image *image)
{
    free(image->database);
    free(image->log);
    free(image->mark);
}

static void commit_model(struct store *store, struct model *model)
{
    struct store_change changes[MODEL_CHANGES];
    uint32_t count = model_step(model, changes, BODY);

    cr_assert_eq(store->ops->commit(store, changes, count), BELT_OK, "%s", store->error);
}

/* A store of COMMITS transactions, the last half of them still in the log. */
static void make_image(struct model *model, struct image *image)
{
    char directory[256];

    place_make(directory, sizeof(directory));
    model_init(model, 3);
    struct store *store = place_open(directory);
    for (int i = 0; i < COMMITS / 2; i++)
        commit_model(store, model);
    store_close(store);
    store = place_open(directory);
    for (int i = 0; i < COMMITS / 2; i++)
        commit_model(store, model);
    take_image(directory, image);
    store_close(store);
    place_remove(directory);
    cr_assert(image->log && image->log_len > 16384);
}

/* Opened and read: true when it was refused with a sentence about a file there, false when all is as it was. */
static bool reported(const char *directory, const struct model *model, const char *what)
{
    char error[512];
    struct store *store = store_sqlite_open(directory, error, sizeof(error));

    if (!store) {
        cr_assert(strstr(error, directory), "%s: %s", what, error);
        return true;
    }
    const char *difference = model_compare(model, store);
    bool refused = difference && model_load_code() != BELT_OK;
    if (refused) {
        cr_assert_eq(model_load_code(), BELT_SYSTEM, "%s: %s", what, difference);
        cr_assert(strstr(difference, directory), "%s: %s", what, difference);
    }
    store_close(store);
    cr_assert(refused || !difference, "%s: silently wrong: %s", what, difference);
    return refused;
}

static void damage_one(const struct image *image, const struct model *model, uint64_t *random, int round, int *found)
{
    char directory[256], what[128];
    struct image damaged = *image;
    bool in_log = round % 2;
    size_t len = in_log ? image->log_len : image->database_len;
    uint8_t *bytes = malloc(len);

    cr_assert(bytes);
    memcpy(bytes, in_log ? image->log : image->database, len);
    size_t at = model_random(random) % len, block = at / BLOCK * BLOCK;
    size_t size = len - block < BLOCK ? len - block : BLOCK;
    switch (round % 10) {
    case 8:
        memset(bytes + block, 0, size);
        break;
    case 9:
        memmove(bytes + block, bytes + model_random(random) % (len - size), size);
        break;
    default:
        bytes[at] ^= (uint8_t)(1u << model_random(random) % 8);
    }
    *(in_log ? &damaged.log : &damaged.database) = bytes;
    snprintf(what, sizeof(what), "round %d, byte %zu of the %s", round, at, in_log ? "log" : "database");
    place_make(directory, sizeof(directory));
    put_image(directory, &damaged);
    *found += reported(directory, model, what);
    place_remove(directory);
    free(bytes);
}

Test(damage, is_reported_or_has_no_effect)
{
    static struct model model;
    struct image image;
    uint64_t random = 11;
    int found = 0;

    make_image(&model, &image);
    for (int round = 0; round < FLIPS; round++)
        damage_one(&image, &model, &random, round, &found);
    cr_log_info("%d of %d damages had to be reported", found, FLIPS);
    cr_assert_gt(found, FLIPS / 3);
    free_image(&image);
}

Test(damage, in_a_closed_store_is_reported_or_has_no_effect)
{
    static struct model model;
    struct image image;
    char directory[256];
    uint64_t random = 12;
    int found = 0;

    make_image(&model, &image);
    place_make(directory, sizeof(directory));
    put_image(directory, &image);
    free_image(&image);
    store_close(place_open(directory));
    take_image(directory, &image);
    place_remove(directory);
    cr_assert_null(image.log, "closing leaves no log");
    image.log = calloc(1, 1);
    for (int round = 0; round < FLIPS; round++)
        damage_one(&image, &model, &random, round - round % 2, &found);
    cr_assert_gt(found, FLIPS / 3);
    free_image(&image);
}

Test(damage, of_a_record_names_it_and_its_job)
{
    static const char text[] = "these words are in one record only";
    char directory[256], error[512];
    size_t len;

    place_make(directory, sizeof(directory));
    struct store *store = place_open(directory);
    struct store_change change = {STORE_PUT,
                                  {.number = 41, .job = 0xabcdef, .body = {(const uint8_t *)text, sizeof(text)}}};
    cr_assert_eq(store->ops->commit(store, &change, 1), BELT_OK);
    store_close(store);
    uint8_t *bytes = place_read(directory, "belt.sqlite", &len);
    uint8_t *found = memmem(bytes, len, text, sizeof(text));
    cr_assert(found);
    *found ^= 1;
    place_write(directory, "belt.sqlite", bytes, len);
    store = store_sqlite_open(directory, error, sizeof(error));
    cr_assert(store, "%s", error);
    for (int i = 0; i < 2; i++) {
        int rc = i ? store->ops->check(store) : store->ops->load(store, NULL, NULL);
        cr_assert_eq(rc, BELT_SYSTEM);
        cr_assert(strstr(store->error, "record 41 of job 0000000000abcdef"), "%s", store->error);
        cr_assert(strstr(store->error, directory) && strstr(store->error, "belt.sqlite"), "%s", store->error);
    }
    store_close(store);
    place_remove(directory);
    free(bytes);
}

static void sql(const char *directory, const char *text)
{
    char path[512];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/belt.sqlite", directory);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* What a transaction that SQLite believes in takes away, the store misses all the same. */
Test(damage, a_record_that_is_missing_or_back_is_missed)
{
    static const char *const deeds[] = {
        "DELETE FROM record WHERE number = (SELECT max(number) FROM record)",
        "UPDATE record SET job = job + 1 WHERE number = (SELECT min(number) FROM record)",
        "INSERT INTO record SELECT 4000, job, kind, first, count, sum, body FROM record LIMIT 1",
        "UPDATE tally SET records = records + 1",
        "UPDATE tally SET last = 1",
        "DELETE FROM tally"};

    for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
        static struct model model;
        struct image image;
        char directory[256];
        make_image(&model, &image);
        place_make(directory, sizeof(directory));
        put_image(directory, &image);
        sql(directory, deeds[i]);
        cr_assert(reported(directory, &model, deeds[i]), "%s", deeds[i]);
        place_remove(directory);
        free_image(&image);
    }
}

static int64_t ask(const char *directory, const char *text)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *statement;

    snprintf(path, sizeof(path), "%s/belt.sqlite", directory);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* A record that its job does not know any more would outlive the job. */
Test(damage, of_the_index_of_jobs_is_reported)
{
    char directory[256];
    size_t len;

    place_make(directory, sizeof(directory));
    struct store *store = place_open(directory);
    struct store_change change = {STORE_PUT, {.number = 41, .job = 7}};
    cr_assert_eq(store->ops->commit(store, &change, 1), BELT_OK);
    store_close(store);
    size_t root = (size_t)ask(directory, "SELECT rootpage FROM sqlite_master WHERE name = 'record_job'");
    size_t end = root * (size_t)ask(directory, "PRAGMA page_size");
    uint8_t *bytes = place_read(directory, "belt.sqlite", &len);
    cr_assert_leq(end, len);
    /* The first entry ends the page, the number of its record ends the entry. */
    cr_assert_eq(bytes[end - 1], 41);
    bytes[end - 1] = 42;
    place_write(directory, "belt.sqlite", bytes, len);
    store = place_open(directory);
    cr_assert_eq(store->ops->load(store, NULL, NULL), BELT_SYSTEM);
    cr_assert(strstr(store->error, "index of jobs"), "%s", store->error);
    store_close(store);
    place_remove(directory);
    free(bytes);
}

/* A page that the disk forgot to write holds a record as it was once: whole, and yet not what was committed last. */
Test(damage, an_earlier_version_of_a_record_is_missed)
{
    char directories[2][256], text[600];

    for (int i = 0; i < 2; i++) {
        struct store_change change = {STORE_PUT, {.number = 1, .job = 7, .body = model_body(1, 100 + (size_t)i)}};
        place_make(directories[i], sizeof(directories[i]));
        struct store *store = place_open(directories[i]);
        cr_assert_eq(store->ops->commit(store, &change, 1), BELT_OK);
        store_close(store);
    }
    snprintf(text, sizeof(text),
             "ATTACH '%s/belt.sqlite' AS other; DELETE FROM record; INSERT INTO record SELECT * FROM other.record",
             directories[1]);
    sql(directories[0], text);
    struct store *store = place_open(directories[0]);
    cr_assert_eq(store->ops->load(store, NULL, NULL), BELT_SYSTEM);
    cr_assert(strstr(store->error, "others than those"), "%s", store->error);
    store_close(store);
    place_remove(directories[0]);
    place_remove(directories[1]);
}

/* The log cut anywhere: with the mark of before (power was lost) the store is at some transaction, whole; with the mark
 * of after it says that something is missing. */
Test(damage, a_cut_log_leaves_whole_transactions)
{
    static struct model model, earlier;
    struct store_change changes[MODEL_CHANGES];
    struct image image;
    char directory[256];
    uint64_t random = 5, shorter = 0;
    uint8_t no_mark[1] = {0};

    make_image(&model, &image);
    for (int round = 0; round < 60; round++) {
        struct image cut = image;
        cut.log_len = model_random(&random) % image.log_len;
        place_make(directory, sizeof(directory));
        put_image(directory, &cut);
        cr_assert(reported(directory, &model, "a cut log"), "the log cut to %zu went unnoticed", cut.log_len);
        cut.mark = no_mark;
        cut.mark_len = 1;
        put_image(directory, &cut);
        struct store *store = place_open(directory);
        model_init(&earlier, 3);
        const char *difference = "none";
        for (int i = 0; i <= COMMITS && difference; i++) {
            if (i)
                model_step(&earlier, changes, BODY);
            difference = i >= COMMITS / 2 ? model_compare(&earlier, store) : "too early";
        }
        cr_assert_null(difference, "cut to %zu: %s", cut.log_len, difference);
        shorter += earlier.commits < COMMITS;
        store_close(store);
        place_remove(directory);
    }
    cr_assert_gt(shorter, 30);
    free_image(&image);
}

Test(damage, a_store_that_vanished_is_missed)
{
    static struct model model;
    struct image image;
    char directory[256];

    make_image(&model, &image);
    image.database_len = image.log_len = 0;
    place_make(directory, sizeof(directory));
    put_image(directory, &image);
    const char *refusal = place_refusal(directory);
    cr_assert(strstr(refusal, "lacks the last 30 of 30") && strstr(refusal, "belt.mark"), "%s", refusal);
    place_remove(directory);
    free_image(&image);
}
