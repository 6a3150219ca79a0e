/* SPDX-License-Identifier: Apache-2.0
 *
 * The checker of a chaos run finds what it is there for.
 */
#include "tests/chaos/checker.h"
#include "tests/chaos/work.h"

#include <belt/codes.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEED 42u

static char path[32];

static void open_log(void)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/belt-seen-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void close_log(void)
{
    unlink(path);
}

TestSuite(chaos_checker, .init = open_log, .fini = close_log);

/* Writes a log of these indexes, each with the result of `of` it, and the end; then reads it. */
static struct checker_counts check(bool ordered, uint64_t count, const uint64_t *indexes, const uint64_t *of,
                                   size_t shown, bool well)
{
    static uint8_t bytes[WORK_MAX];
    struct checker_counts counts = {0};
    struct work_seen over = {.index = WORK_OVER, .code = BELT_END};
    FILE *file = fopen(path, "we");
    int code;

    cr_assert_not_null(file);
    for (size_t i = 0; i < shown; i++) {
        size_t len = work_result(SEED, of[i], bytes);
        struct work_seen seen = {.index = indexes[i], .len = (uint32_t)len, .hash = work_hash(bytes, len)};
        fwrite(&seen, sizeof(seen), 1, file);
    }
    fwrite(&over, sizeof(over), 1, file);
    fclose(file);
    cr_assert_eq(checker_read(path, ordered, SEED, count, &counts, &code), well);
    cr_assert_eq(code, BELT_END);
    return counts;
}

#define CHECK(ordered, count, well, ...)                                                                               \
    check(ordered, count, (const uint64_t[]){__VA_ARGS__}, (const uint64_t[]){__VA_ARGS__},                            \
          sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), well)

Test(chaos_checker, what_is_right_passes)
{
    cr_assert_eq(CHECK(true, 4, true, 0, 1, 2, 3).results, 4);
    cr_assert_eq(CHECK(false, 4, true, 2, 0, 3, 1).ended, 1);
}

Test(chaos_checker, lost_twice_and_out_of_order)
{
    cr_assert_eq(CHECK(true, 4, false, 0, 1, 3).lost, 1);
    cr_assert_eq(CHECK(false, 4, false, 2, 0, 3).lost, 1);
    cr_assert_eq(CHECK(false, 3, false, 2, 0, 2, 1).twice, 1);
    cr_assert_eq(CHECK(true, 3, false, 0, 2, 1).disorder, 2);
    cr_assert_eq(CHECK(false, 2, false, 0, 1, 2).wrong, 1, "there are two tasks only");
}

Test(chaos_checker, the_result_of_another_task)
{
    cr_assert_eq(check(true, 2, (const uint64_t[]){0, 1}, (const uint64_t[]){1, 1}, 2, false).wrong, 1);
}

Test(chaos_checker, a_payload_is_what_seed_and_index_make_it)
{
    static uint8_t input[WORK_MAX], result[WORK_MAX], wanted[WORK_MAX];
    uint64_t large = 0;

    for (uint64_t i = 0; i < 2000; i++) {
        size_t len = work_input(SEED, i, input);
        cr_assert_leq(len, WORK_MAX);
        large += len > 16384;
        cr_assert_leq(work_result(SEED, i, wanted), WORK_MAX);
    }
    cr_assert_gt(large, 0, "some travel as attachments");
    cr_assert_eq(work_run(input, 7, result), 0, "too short");
    input[17] ^= 1;
    cr_assert_eq(work_run(input, work_input(SEED, 1, wanted), result), 0, "changed on the way");
}
