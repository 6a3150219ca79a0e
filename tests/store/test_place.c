/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the SQLite store lives: who may use the directory, which formats are
 * taken, what a full disk does, and that the files shrink again.
 */
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store_change put(uint64_t number, uint64_t job, size_t len)
{
    return (struct store_change){STORE_PUT, {.number = number, .job = job, .body = model_body(number, len)}};
}

static void commit_one(struct store *store, struct store_change change)
{
    cr_assert_eq(store->ops->commit(store, &change, 1), BELT_OK, "%s", store->error);
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

static struct store_stats stats(struct store *store)
{
    struct store_stats result;

    cr_assert_eq(store->ops->stats(store, &result), BELT_OK, "%s", store->error);
    return result;
}

Test(place, a_directory_is_made_for_its_owner_alone)
{
    char parent[256], directory[300], file[400];
    struct stat status;

    umask(0);
    place_make(parent, sizeof(parent));
    snprintf(directory, sizeof(directory), "%s/state", parent);
    struct store *store = place_open(directory);
    commit_one(store, put(1, 1, 10));
    cr_assert(stat(directory, &status) == 0 && (status.st_mode & 0777) == 0700);
    static const char *const files[] = {"belt.sqlite", "belt.sqlite-wal", "belt.lock", "belt.mark", "belt.reserve"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(file, sizeof(file), "%s/%s", directory, files[i]);
        cr_assert(stat(file, &status) == 0 && (status.st_mode & 0777) == 0600, "%s", file);
    }
    store_close(store);
    place_remove(directory);
    place_remove(parent);
}

Test(place, settings_are_as_promised)
{
    static const struct {
        const char *pragma, *value;
    } wanted[] = {{"page_size", "8192"}, {"auto_vacuum", "2"}, {"application_id", "1111837780"}};
    char directory[256], path[512];

    place_make(directory, sizeof(directory));
    store_close(place_open(directory));
    snprintf(path, sizeof(path), "%s/belt.sqlite", directory);
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        char text[64];
        sqlite3_stmt *statement;
        snprintf(text, sizeof(text), "PRAGMA %s", wanted[i].pragma);
        cr_assert_eq(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
        cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
        cr_assert_str_eq((const char *)sqlite3_column_text(statement, 0), wanted[i].value, "%s", text);
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
    place_remove(directory);
}

Test(place, a_second_opener_is_refused_and_told_who_has_it)
{
    char directory[256], holder[64];

    place_make(directory, sizeof(directory));
    struct store *store = place_open(directory);
    snprintf(holder, sizeof(holder), "pid %ld on ", (long)getpid());
    const char *refusal = place_refusal(directory);
    cr_assert(strstr(refusal, holder) && strstr(refusal, directory), "%s", refusal);
    commit_one(store, put(1, 1, 10));
    store_close(store);
    store_close(place_open(directory));
    place_remove(directory);
}

Test(place, the_lock_of_a_dead_process_does_not_hold)
{
    char directory[256], error[512];
    int status;

    place_make(directory, sizeof(directory));
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(store_sqlite_open(directory, error, sizeof(error)) ? 0 : 1);
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    store_close(place_open(directory));
    place_remove(directory);
}

Test(place, a_file_is_no_directory)
{
    char directory[256], path[300];

    place_make(directory, sizeof(directory));
    place_write(directory, "file", (const uint8_t *)"x", 1);
    snprintf(path, sizeof(path), "%s/file", directory);
    const char *refusal = place_refusal(path);
    cr_assert(strstr(refusal, path) && strstr(refusal, strerror(ENOTDIR)), "%s", refusal);
    snprintf(path, sizeof(path), "%s/no/such", directory);
    refusal = place_refusal(path);
    cr_assert(strstr(refusal, path) && strstr(refusal, "parent"), "%s", refusal);
    place_remove(directory);
}

/* Run without root's rights: they know no permissions. */
static int open_as_nobody(const char *directory, char *error, uint32_t size)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
    struct store *store = store_sqlite_open(directory, error, size);
    return store ? 1 : strstr(error, directory) && strstr(error, strerror(EACCES)) ? 0 : 3;
}

Test(place, a_directory_that_is_not_writable_is_refused)
{
    char directory[256], error[512] = "";
    int status;

    for (mode_t mode = 0; mode <= 0555; mode += 0555) {
        place_make(directory, sizeof(directory));
        cr_assert_eq(chmod(directory, mode), 0);
        pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0)
            _exit(open_as_nobody(directory, error, sizeof(error)));
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "mode %o: status %x", mode, (unsigned)status);
        chmod(directory, 0700);
        place_remove(directory);
    }
}

Test(place, a_newer_format_is_refused_and_left_alone)
{
    char directory[256];
    size_t before_len, after_len;

    place_make(directory, sizeof(directory));
    store_close(place_open(directory));
    sql(directory, "UPDATE meta SET value = 3 WHERE key = 'format'");
    uint8_t *before = place_read(directory, "belt.sqlite", &before_len);
    const char *refusal = place_refusal(directory);
    cr_assert(strstr(refusal, "format 3") && strstr(refusal, "newer Belt"), "%s", refusal);
    uint8_t *after = place_read(directory, "belt.sqlite", &after_len);
    cr_assert_eq(before_len, after_len);
    cr_assert_arr_eq(before, after, after_len);
    free(before);
    free(after);
    place_remove(directory);
}

static const char *const format_0 = "PRAGMA application_id = 1111837780;"
                                    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
                                    "INSERT INTO meta VALUES('format', 0);";

Test(place, an_older_format_is_brought_up_to_date)
{
    char directory[256];

    place_make(directory, sizeof(directory));
    sql(directory, format_0);
    struct store *store = place_open(directory);
    commit_one(store, put(1, 1, 10));
    cr_assert_eq(stats(store).format, STORE_FORMAT);
    store_close(store);
    store = place_open(directory);
    cr_assert_eq(stats(store).records, 1);
    store_close(store);
    place_remove(directory);
}

Test(place, an_upgrade_that_fails_leaves_the_file_as_it_was)
{
    char directory[256];

    place_make(directory, sizeof(directory));
    sql(directory, format_0);
    sql(directory, "CREATE TABLE record(x)");
    const char *refusal = place_refusal(directory);
    cr_assert(strstr(refusal, "from format 0 to 2") && strstr(refusal, "as it was"), "%s", refusal);
    sql(directory, "DROP TABLE record");
    store_close(place_open(directory));
    place_remove(directory);
}

Test(place, a_database_of_another_program_is_refused)
{
    char directory[256];

    place_make(directory, sizeof(directory));
    sql(directory, "CREATE TABLE letters(x)");
    const char *refusal = place_refusal(directory);
    cr_assert(strstr(refusal, "not a store of Belt"), "%s", refusal);
    place_write(directory, "belt.sqlite", model_body(1, 100000).data, 100000);
    refusal = place_refusal(directory);
    cr_assert(strstr(refusal, "not a database"), "%s", refusal);
    place_remove(directory);
}

/* Such pages had the stores of earlier versions. */
Test(place, a_file_with_larger_pages_keeps_them_and_a_log_of_the_same_length)
{
    char directory[256], path[512];
    struct stat status;

    place_make(directory, sizeof(directory));
    struct store *store = place_open(directory);
    commit_one(store, put(1, 1, 10));
    store_close(store);
    sql(directory, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 65536; VACUUM; PRAGMA journal_mode = WAL");
    store = place_open(directory);
    for (uint64_t number = 2; number <= 120; number++)
        commit_one(store, put(number, 1, 1u << 20));
    cr_assert_eq(stats(store).records, 120);
    snprintf(path, sizeof(path), "%s/belt.sqlite-wal", directory);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert(status.st_size > 30 << 20 && status.st_size < 36 << 20, "%jd", (intmax_t)status.st_size);
    store_close(store);
    place_remove(directory);
}

Test(place, the_files_are_small_again_when_all_is_read)
{
    char directory[256];
    uint64_t number = 1, read = 1, most = 0;

    place_make(directory, sizeof(directory));
    struct store *store = place_open(directory);
    for (; number <= 200; number++)
        commit_one(store, put(number, 1, 1u << 20));
    for (; read < number; read++) {
        commit_one(store, (struct store_change){STORE_DELETE, {.number = read}});
        struct store_stats s = stats(store);
        most = s.file_bytes > most ? s.file_bytes : most;
    }
    cr_assert_gt(most, 200u << 20);
    /* The commits alone gave it back, but it is in the log (32 MB) until that is full, or the store idle. */
    cr_assert_lt(stats(store).file_bytes, 150u << 20, "%" PRIu64, stats(store).file_bytes);
    cr_assert_lt(stats(store).free_bytes, 8u << 20);
    bool more = true;
    while (more)
        cr_assert_eq(store->ops->tidy(store, &more), BELT_OK, "%s", store->error);
    cr_assert_lt(stats(store).file_bytes, 2u << 20);
    store_close(store);
    place_remove(directory);
}

/* In a mount namespace of its own, over a small tmpfs: 0 when all is well, else the line that failed. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s; %s\n", #condition, store ? store->error : error);                                     \
            return __LINE__ % 256;                                                                                     \
        }                                                                                                              \
    } while (0)
#define NOT_PERMITTED 77

static int fill_up(const char *directory)
{
    static struct model model;
    char error[512] = "", ballast[300];
    struct store *store = NULL;
    uint64_t number = 1;
    int code = BELT_OK;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", directory, "tmpfs", 0, "size=24m") != 0)
        return NOT_PERMITTED;
    snprintf(ballast, sizeof(ballast), "%s/ballast", directory);
    store = store_sqlite_open(directory, error, sizeof(error));
    REQUIRE(store);
    place_write(directory, "ballast", model_body(1, 8u << 20).data, 8u << 20);
    for (; code == BELT_OK && number < 100; number++) {
        struct store_change change = put(number, number % 2, 500000);
        code = store->ops->commit(store, &change, 1);
    }
    number -= 2; /* the last that was answered */
    REQUIRE(code == BELT_STORE_FAILED && number > 5);
    REQUIRE(strstr(store->error, "full") && strstr(store->error, directory));
    struct store_change again = put(number + 1, 1, 500000);
    for (int i = 0; i < 3; i++)
        REQUIRE(store->ops->commit(store, &again, 1) == BELT_STORE_FAILED);
    for (uint64_t i = 1; i <= number; i++)
        model.records[i] = (struct model_record){.there = true, .job = i % 2, .len = 500000};
    REQUIRE(!model_compare(&model, store));
    REQUIRE(unlink(ballast) == 0);
    REQUIRE(store->ops->commit(store, &again, 1) == BELT_OK);
    model.records[number + 1] = (struct model_record){.there = true, .job = 1, .len = 500000};
    REQUIRE(!model_compare(&model, store));
    REQUIRE(store->ops->check(store) == BELT_OK);
    store_close(store);
    store = store_sqlite_open(directory, error, sizeof(error));
    REQUIRE(store && !model_compare(&model, store));
    store_close(store);
    return 0;
}

/* Nobody helps: what was committed is deleted piece by piece, and that makes the room. */
static int fill_and_delete(const char *directory)
{
    char error[512] = "", reserve[300];
    struct store *store = NULL;
    uint64_t number = 1, last;
    bool more;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", directory, "tmpfs", 0, "size=24m") != 0)
        return NOT_PERMITTED;
    snprintf(reserve, sizeof(reserve), "%s/belt.reserve", directory);
    store = store_sqlite_open(directory, error, sizeof(error));
    REQUIRE(store && !store->full && store->reserve == 3u << 20 && access(reserve, F_OK) == 0);
    /* As much as may be on its way: the commit that finds no room succeeds. */
    while (!store->full) {
        struct store_change change = put(number++, 1, 500000);
        REQUIRE(number < 100 && store->ops->commit(store, &change, 1) == BELT_OK);
    }
    REQUIRE(access(reserve, F_OK) != 0 && strstr(store->error, "full") && strstr(store->error, directory));
    REQUIRE(store->ops->tidy(store, &more) == BELT_OK && store->full);
    store_close(store);
    store = store_sqlite_open(directory, error, sizeof(error));
    REQUIRE(store && store->full && strstr(store->error, "full"));
    last = number;
    for (uint64_t i = 1; i < last; i++) {
        /* What a reader's place needs, and the deletion of what it has read. */
        struct store_change both[] = {put(number++, 1, 60), {STORE_DELETE, {.number = i}}};
        REQUIRE(store->ops->commit(store, both, 2) == BELT_OK);
    }
    for (more = true; more;)
        REQUIRE(store->ops->tidy(store, &more) == BELT_OK);
    REQUIRE(!store->full && !store->error[0] && access(reserve, F_OK) == 0);
    REQUIRE(store->ops->check(store) == BELT_OK);
    store_close(store);
    return 0;
}

/* Exits with 77 where the system does not permit a mount: nothing was tested then. */
static void on_a_small_disk(int (*story)(const char *directory))
{
    char directory[256];
    int status;

    place_make(directory, sizeof(directory));
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(story(directory));
    cr_assert_eq(waitpid(child, &status, 0), child);
    place_remove(directory);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED)
        cr_skip_test("a mount namespace is not permitted here: full disks were not tested");
    cr_assert_eq(status, 0, "line %d", WEXITSTATUS(status));
}

Test(place, a_full_disk_refuses_commits_until_there_is_room)
{
    on_a_small_disk(fill_up);
}

Test(place, a_disk_that_the_store_itself_has_filled_gets_room_by_deleting)
{
    on_a_small_disk(fill_and_delete);
}
