/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQLite store over a disk that fails (faulty_vfs.h): power cut at every
 * single operation, with unsynced writes lost or torn; and operations that
 * fail for a while. What was answered stays, what failed had no effect.
 */
#include "tests/store/faulty_vfs.h"
#include "tests/store/model.h"
#include "tests/store/place.h"

#include "broker/store/sqlite_private.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY = 60000 };

/* Commits until one fails or `most` are done; the model is at the last that was answered. How many were. */
static int commit_some(struct store *store, struct model *model, int most)
{
    struct store_change changes[MODEL_CHANGES];
    static struct model before;

    for (int i = 0; i < most; i++) {
        before = *model;
        uint32_t count = model_step(model, changes, BODY);
        if (store->ops->commit(store, changes, count) != BELT_OK) {
            *model = before;
            return i;
        }
        bool more;
        if (i % 5 == 4 && store->ops->tidy(store, &more) != BELT_OK)
            return i + 1;
    }
    return most;
}

/* Equal to the model, or to the model with the commit that was under way. */
static void expect_last_or_next(struct store *store, struct model *model, uint64_t round)
{
    struct store_change changes[MODEL_CHANGES];
    const char *difference = model_compare(model, store);

    if (difference && model_load_code() == BELT_OK) {
        model_step(model, changes, BODY);
        difference = model_compare(model, store);
    }
    cr_assert_null(difference, "round %" PRIu64 ", commit %" PRIu64 ": %s", round, model->commits, difference);
    cr_assert_eq(store->ops->check(store), BELT_OK, "round %" PRIu64 ": %s", round, store->error);
}

static void start_anew(char *directory, size_t size, struct model *model, uint64_t seed)
{
    place_remove(directory);
    place_make(directory, size);
    model_init(model, seed);
}

Test(faults, power_is_cut_at_any_operation)
{
    static struct model model;
    char directory[256] = "", error[512];
    uint64_t random = 7, cuts = 0;

    faulty_install();
    start_anew(directory, sizeof(directory), &model, 1);
    for (uint64_t round = 1; round <= 600; round++) {
        /* Cuts fall into the opening, the commits, the checkpoints and the closing. */
        uint64_t at = 1 + model_random(&random) % (round % 3 ? 60 : 400);
        faulty_arm((struct faults){.fail_at = at, .cut = true});
        struct store *store = store_sqlite_open(directory, error, sizeof(error));
        if (store)
            commit_some(store, &model, 25);
        store_close(store);
        cuts += faulty_struck();
        faulty_restart(round);
        store = place_open(directory);
        expect_last_or_next(store, &model, round);
        store_close(store);
        faulty_restart(0);
        if (model.next > MODEL_RECORDS - 1000)
            start_anew(directory, sizeof(directory), &model, round);
    }
    place_remove(directory);
    cr_assert_gt(cuts, 300, "only %" PRIu64 " cuts", cuts);
}

Test(faults, power_is_cut_while_the_store_is_made)
{
    char directory[256], error[512];
    bool cut = true;

    faulty_install();
    for (uint64_t at = 1; cut; at++) {
        place_make(directory, sizeof(directory));
        faulty_arm((struct faults){.fail_at = at, .cut = true});
        store_close(store_sqlite_open(directory, error, sizeof(error)));
        cut = faulty_struck();
        faulty_restart(at);
        struct store *store = place_open(directory);
        cr_assert_eq(store->ops->check(store), BELT_OK, "%s", store->error);
        store_close(store);
        faulty_restart(0);
        place_remove(directory);
        cr_assert_lt(at, 1000);
    }
}

/* The disk works again: the next checkpoint goes through, whatever the failed ones have left. */
static void expect_empty_log(struct store *store, uint64_t at)
{
    bool more = true;

    while (more)
        cr_assert_eq(store->ops->tidy(store, &more), BELT_OK, "at %" PRIu64 ": %s", at, store->error);
}

/* Each operation of a run of commits fails once, or for a while, with `code`. */
static void fail_everywhere(int code, uint64_t fail_for, uint64_t step)
{
    static struct model model;
    char directory[256] = "", error[512];
    bool hit = true;

    for (uint64_t at = 1; hit; at += step) {
        start_anew(directory, sizeof(directory), &model, at);
        struct store *store = store_sqlite_open(directory, error, sizeof(error));
        cr_assert(store, "%s", error);
        faulty_arm((struct faults){.fail_at = at, .fail_for = fail_for, .code = code});
        int done = 0, refused = 0;
        while (done < 12) {
            struct store_change changes[MODEL_CHANGES];
            struct model next = model;
            uint32_t count = model_step(&next, changes, BODY);
            int rc = store->ops->commit(store, changes, count);
            if (rc == BELT_OK) {
                model = next;
                done++;
                /* What was committed goes from the log into the database, and the log begins anew. */
                bool more;
                rc = done % 4 == 0 ? store->ops->tidy(store, &more) : BELT_OK;
                cr_assert(rc == BELT_OK || rc == BELT_STORE_FAILED, "at %" PRIu64 ": %d %s", at, rc, store->error);
                continue;
            }
            cr_assert_eq(rc, BELT_STORE_FAILED, "at %" PRIu64 ": %d %s", at, rc, store->error);
            cr_assert(strstr(store->error, directory), "%s", store->error);
            cr_assert_lt(++refused, 500, "it does not recover: %s", store->error);
        }
        hit = faulty_struck();
        faulty_arm((struct faults){0});
        expect_empty_log(store, at);
        const char *difference = model_compare(&model, store);
        cr_assert_null(difference, "at %" PRIu64 ": %s", at, difference);
        cr_assert_eq(store->ops->check(store), BELT_OK, "%s", store->error);
        store_close(store);
        faulty_restart(0);
        store = place_open(directory);
        difference = model_compare(&model, store);
        cr_assert_null(difference, "after opening again, at %" PRIu64 ": %s", at, difference);
        store_close(store);
        faulty_restart(0);
        cr_assert_lt(at, 5000);
    }
    place_remove(directory);
}

Test(faults, an_operation_that_fails_once_fails_one_commit)
{
    faulty_install();
    fail_everywhere(SQLITE_IOERR, 0, 1);
}

Test(faults, a_disk_that_fails_for_a_while_is_survived)
{
    faulty_install();
    fail_everywhere(SQLITE_IOERR, 40, 3);
}

Test(faults, a_disk_that_is_full_for_a_while_is_survived)
{
    faulty_install();
    fail_everywhere(SQLITE_FULL, 40, 3);
}

static sqlite3_file *open_gathered(const char *path)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(gather_name());
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB;

    cr_assert_eq(vfs->xOpen(vfs, path, file, flags, &flags), SQLITE_OK);
    return file;
}

Test(faults, neighbours_are_written_together_and_read_as_if_they_had_not_waited)
{
    static const char first[] = "one", second[] = "two", far[] = "far";
    char directory[256], path[512], got[4] = "";
    sqlite3_int64 size = 0;

    faulty_install();
    place_make(directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/file", directory);
    sqlite3_file *file = open_gathered(path);
    faulty_arm((struct faults){0});
    cr_assert_eq(file->pMethods->xWrite(file, first, 3, 0), SQLITE_OK);
    cr_assert_eq(file->pMethods->xWrite(file, second, 3, 3), SQLITE_OK);
    cr_assert_eq(faulty_operations(), 0);
    cr_assert_eq(file->pMethods->xRead(file, got, 3, 3), SQLITE_OK);
    cr_assert_str_eq(got, second);
    cr_assert_eq(faulty_operations(), 1);
    cr_assert_eq(file->pMethods->xWrite(file, far, 3, 100), SQLITE_OK);
    cr_assert_eq(file->pMethods->xWrite(file, second, 3, 0), SQLITE_OK); /* the one before goes out */
    cr_assert_eq(faulty_operations(), 2);
    cr_assert_eq(file->pMethods->xFileSize(file, &size), SQLITE_OK);
    cr_assert_eq(size, 103);
    cr_assert_eq(file->pMethods->xTruncate(file, 6), SQLITE_OK);
    cr_assert_eq(file->pMethods->xRead(file, got, 3, 0), SQLITE_OK);
    cr_assert_str_eq(got, second);
    cr_assert_eq(file->pMethods->xClose(file), SQLITE_OK);
    free(file);
    faulty_restart(0);
    place_remove(directory);
}

/* SQLite does not heed what xFileControl() and sometimes xTruncate() return: the sync after them must fail. */
Test(faults, a_gathered_write_that_fails_is_told_by_a_write_or_the_sync)
{
    char directory[256], path[512];
    sqlite3_int64 size;

    faulty_install();
    place_make(directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/file", directory);
    sqlite3_file *file = open_gathered(path);
    cr_assert_eq(file->pMethods->xWrite(file, "x", 1, 0), SQLITE_OK);
    faulty_arm((struct faults){.fail_at = 1, .code = SQLITE_FULL});
    (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_CKPT_DONE, NULL);
    cr_assert_eq(file->pMethods->xFileSize(file, &size), SQLITE_FULL);
    (void)file->pMethods->xTruncate(file, 8192);
    cr_assert_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_FULL);
    cr_assert_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK); /* told once */
    cr_assert_eq(file->pMethods->xWrite(file, "x", 1, 0), SQLITE_OK);
    faulty_arm((struct faults){.fail_at = 1, .code = SQLITE_FULL});
    (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_CKPT_DONE, NULL);
    cr_assert_eq(file->pMethods->xWrite(file, "x", 1, 1000), SQLITE_FULL);
    cr_assert_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    cr_assert_eq(file->pMethods->xClose(file), SQLITE_OK);
    free(file);
    faulty_restart(0);
    place_remove(directory);
}
