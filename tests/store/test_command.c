/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt store`, as an operator calls it.
 */
#include "tests/e2e/process.h"
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, EXIT_USAGE = 2, EXIT_IO = 6 };

static char directory[256];
static const char text[] = "these words are in one record only";

static void begin(void)
{
    place_make(directory, sizeof(directory));
}

static void end(void)
{
    place_remove(directory);
}

TestSuite(command, .init = begin, .fini = end);

static struct store *filled_store(void)
{
    struct store *store = place_open(directory);
    struct store_change changes[] = {
        {STORE_PUT, {.number = 1, .job = 3, .body = {(const uint8_t *)text, sizeof(text)}}},
        {STORE_PUT, {.number = 2, .job = 4, .body = model_body(2, 4u << 20)}},
        {STORE_PUT, {.number = 3, .job = 4, .body = model_body(3, 1000)}}};

    cr_assert_eq(store->ops->commit(store, changes, 3), BELT_OK, "%s", store->error);
    return store;
}

static struct process *run(const char *action, const char *flag)
{
    struct process *process =
        process_spawn("", (const char *[]){process_belt(), "store", action, "--state", directory, flag, NULL});

    cr_assert(process_wait(process, PATIENCE_MS));
    return process;
}

Test(command, stats_and_check_tell_what_is_there)
{
    store_close(filled_store());
    struct process *process = run("stats", NULL);
    cr_assert_eq(process_status(process), 0, "%s", process_err(process));
    cr_assert(strstr(process_out(process), "3 records of 2 jobs"), "%s", process_out(process));
    process_free(process);
    process = run("check", NULL);
    cr_assert_eq(process_status(process), 0, "%s", process_err(process));
    cr_assert(strstr(process_out(process), "every record is as it was written"), "%s", process_out(process));
    process_free(process);
}

Test(command, compact_gives_room_back_and_tells_it_in_json)
{
    struct store *store = filled_store();
    struct store_change deleted = {STORE_DELETE, {.number = 2}};

    cr_assert_eq(store->ops->commit(store, &deleted, 1), BELT_OK);
    store_close(store);
    struct process *process = run("compact", "--json");
    cr_assert_eq(process_status(process), 0, "%s", process_err(process));
    json_t *answer = json_loads(process_out(process), 0, NULL);
    cr_assert(answer, "%s", process_out(process));
    cr_assert_str_eq(json_string_value(json_object_get(answer, "schema")), "belt.store/1");
    cr_assert(json_is_true(json_object_get(answer, "ok")));
    cr_assert_eq(json_integer_value(json_object_get(answer, "records")), 2);
    cr_assert_eq(json_integer_value(json_object_get(answer, "free_bytes")), 0);
    cr_assert_lt(json_integer_value(json_object_get(answer, "file_bytes")), 1 << 20);
    json_decref(answer);
    process_free(process);
}

Test(command, check_names_the_damaged_record)
{
    size_t len;

    store_close(filled_store());
    uint8_t *bytes = place_read(directory, "belt.sqlite", &len);
    uint8_t *found = memmem(bytes, len, text, sizeof(text));
    cr_assert(found);
    *found ^= 1;
    place_write(directory, "belt.sqlite", bytes, len);
    free(bytes);
    struct process *process = run("check", "--json");
    cr_assert_eq(process_status(process), EXIT_IO);
    cr_assert(strstr(process_err(process), "record 1 of job 0000000000000003"), "%s", process_err(process));
    cr_assert(strstr(process_out(process), "\"ok\":false"), "%s", process_out(process));
    process_free(process);
}

Test(command, a_store_in_use_names_its_user)
{
    char holder[64];
    struct store *store = filled_store();
    struct process *process = run("stats", NULL);

    snprintf(holder, sizeof(holder), "pid %ld on ", (long)getpid());
    cr_assert_eq(process_status(process), EXIT_IO);
    cr_assert(strstr(process_err(process), holder), "%s", process_err(process));
    process_free(process);
    store_close(store);
}

Test(command, a_mistyped_directory_is_not_made)
{
    char path[300];
    struct process *process;

    snprintf(path, sizeof(path), "%s/typo", directory);
    process = process_spawn("", (const char *[]){process_belt(), "store", "check", "--state", path, NULL});
    cr_assert(process_wait(process, PATIENCE_MS));
    cr_assert_eq(process_status(process), EXIT_IO);
    cr_assert(strstr(process_err(process), "there is no store in"), "%s", process_err(process));
    cr_assert_neq(access(path, F_OK), 0);
    process_free(process);
}

Test(command, a_wrong_line_is_explained)
{
    struct process *process = run("mend", NULL);

    cr_assert_eq(process_status(process), EXIT_USAGE);
    cr_assert(strstr(process_err(process), "check, stats, compact, backup"), "%s", process_err(process));
    process_free(process);
}

static struct process *run_in(const char *action, const char *state, const char *target)
{
    struct process *process =
        process_spawn("", (const char *[]){process_belt(), "store", action, "--state", state, target, NULL});

    cr_assert(process_wait(process, PATIENCE_MS));
    return process;
}

static void copy_files(const char *to, const char *const *names)
{
    for (; *names; names++) {
        size_t len;
        uint8_t *bytes = place_read(directory, *names, &len);
        cr_assert(bytes, "%s", *names);
        place_write(to, *names, bytes, len);
        free(bytes);
    }
}

static bool is_there(const char *in, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", in, name);
    return access(path, F_OK) == 0;
}

/* What is still in the log of a copy is read, and the copy has the files that it had. */
Test(command, check_changes_nothing)
{
    static const char *const names[] = {"belt.sqlite", "belt.sqlite-wal", "belt.mark", NULL};
    char copy[256];
    size_t len[2];
    struct store *store = filled_store();

    place_make(copy, sizeof(copy));
    copy_files(copy, names);
    store_close(store);
    uint8_t *log = place_read(copy, "belt.sqlite-wal", &len[0]);
    cr_assert_gt(len[0], 4u << 20);
    cr_assert_eq(chmod(copy, 0500), 0);
    for (int i = 0; i < 2; i++) {
        struct process *process = run_in(i ? "stats" : "check", copy, NULL);
        cr_assert_eq(process_status(process), 0, "%s", process_err(process));
        cr_assert(strstr(process_out(process), "3 records of 2 jobs"), "%s", process_out(process));
        process_free(process);
    }
    cr_assert_eq(chmod(copy, 0700), 0);
    uint8_t *after = place_read(copy, "belt.sqlite-wal", &len[1]);
    cr_assert(after && len[0] == len[1] && !memcmp(log, after, len[0]));
    cr_assert(!is_there(copy, "belt.lock") && !is_there(copy, "belt.reserve") && !is_there(copy, "belt.sqlite-shm"));
    place_remove(copy);
    free(log);
    free(after);
}

Test(command, check_says_what_it_did_not_find)
{
    char copy[256];
    struct process *process;

    place_make(copy, sizeof(copy));
    place_write(copy, "belt.sqlite", (const uint8_t *)"", 0);
    process = run_in("check", copy, NULL);
    cr_assert_eq(process_status(process), EXIT_IO);
    cr_assert(strstr(process_err(process), "holds no store: it is empty"), "%s", process_err(process));
    cr_assert_str_empty(process_out(process));
    process_free(process);
    store_close(filled_store());
    copy_files(copy, (const char *const[]){"belt.mark", NULL});
    process = run_in("check", copy, NULL);
    cr_assert_eq(process_status(process), EXIT_IO);
    process_free(process);
    place_remove(copy);
    place_make(copy, sizeof(copy));
    copy_files(copy, (const char *const[]){"belt.mark", NULL});
    process = run_in("check", copy, NULL);
    cr_assert_eq(process_status(process), EXIT_IO);
    cr_assert(strstr(process_err(process), "belt.sqlite is missing"), "%s", process_err(process));
    process_free(process);
    place_remove(copy);
}

/* Of a store that is written all the time: each copy has at least what was there before, and is whole. */
Test(command, backup_of_a_store_in_use_is_whole)
{
    struct store *store = filled_store();

    for (uint64_t round = 0, number = 4; round < 6; round++) {
        char copy[300];
        struct store_stats stats;
        snprintf(copy, sizeof(copy), "%s-copy%llu", directory, (unsigned long long)round);
        struct process *process =
            process_spawn("", (const char *[]){process_belt(), "store", "backup", "--state", directory, copy, NULL});
        uint64_t least = number - 1;
        for (bool more = false; !process_wait(process, 1); number += 2) {
            struct store_change changes[] = {
                {STORE_PUT, {.number = number, .job = 5, .body = model_body(number, 1u << 20)}},
                {STORE_PUT, {.number = number + 1, .job = 5, .body = model_body(number + 1, 100)}}};
            cr_assert_eq(store->ops->commit(store, changes, 2), BELT_OK, "%s", store->error);
            cr_assert_eq(store->ops->tidy(store, &more), BELT_OK, "%s", store->error);
        }
        cr_assert_eq(process_status(process), 0, "%s", process_err(process));
        process_free(process);
        struct store *restored = place_open(copy);
        cr_assert_eq(restored->ops->check(restored), BELT_OK, "%s", restored->error);
        cr_assert_eq(restored->ops->stats(restored, &stats), BELT_OK);
        cr_assert_geq(stats.records, least);
        cr_assert_eq(stats.records % 2, 1, "half of a transaction is there");
        store_close(restored);
        place_remove(copy);
    }
    store_close(store);
}

Test(command, backup_wants_a_new_directory)
{
    store_close(filled_store());
    struct process *process = run_in("backup", directory, directory);
    cr_assert_eq(process_status(process), EXIT_IO);
    cr_assert(strstr(process_err(process), "name one that is not there"), "%s", process_err(process));
    process_free(process);
    process = run_in("backup", directory, NULL);
    cr_assert_eq(process_status(process), EXIT_USAGE);
    process_free(process);
}
