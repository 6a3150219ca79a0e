/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQLite store over a disk that fails (faulty_vfs.h): power cut at every
 * single operation, with unsynced writes lost or torn; and operations that
 * fail for a while. What was answered stays, what failed had no effect.
 */
#include "faulty_vfs.h"
#include "model.h"
#include "place.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <sqlite3.h>
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
                continue;
            }
            cr_assert_eq(rc, BELT_STORE_FAILED, "at %" PRIu64 ": %d %s", at, rc, store->error);
            cr_assert(strstr(store->error, directory), "%s", store->error);
            cr_assert_lt(++refused, 500, "it does not recover: %s", store->error);
        }
        hit = faulty_struck();
        faulty_arm((struct faults){0});
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
