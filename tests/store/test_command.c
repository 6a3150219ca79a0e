/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt store`, as an operator calls it.
 */
#include "e2e/process.h"
#include "model.h"
#include "place.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    cr_assert(strstr(process_err(process), "check, stats, compact"), "%s", process_err(process));
    process_free(process);
}
