/* SPDX-License-Identifier: Apache-2.0
 *
 * libbelt with a private pool that ends: closed, its program or its children
 * killed, none may be left behind. And tasks that end their slot.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- cleaning up ---- */

/* Processes of this program's descendants by name, as /proc shows them; `pids` gets up to 8. */
static int children_of(pid_t parent, pid_t pids[8])
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    cr_assert_not_null(proc);
    while ((entry = readdir(proc)) && count < 8) {
        char path[300], state;
        int pid = atoi(entry->d_name), of;
        FILE *stat;

        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        if (pid <= 0 || !(stat = fopen(path, "re")))
            continue;
        if (fscanf(stat, "%*d (%*[^)]) %c %d", &state, &of) == 2 && of == parent && state != 'Z')
            pids[count++] = pid;
        fclose(stat);
    }
    closedir(proc);
    return count;
}

static bool gone(pid_t pid)
{
    for (int i = 0; i < 1000; i++) {
        char path[64], state = 'Z';
        FILE *stat;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        stat = fopen(path, "re");
        if (!stat)
            return true;
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
            state = 'Z';
        fclose(stat);
        if (state == 'Z')
            return true;
        usleep(10000);
    }
    return false;
}

static int directories(const char *parent)
{
    DIR *dir = opendir(parent);
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(dir)))
        count += strncmp(entry->d_name, "belt-", 5) == 0;
    closedir(dir);
    return count;
}

Test(library_ends, close_leaves_nothing_behind)
{
    belt_pool *pool;
    belt_stream *stream = NULL;
    belt_result *result;
    char home[64];
    pid_t children[8], slots[8];
    int count, slot_count = 0;

    stock_home(home);
    pool = stock_pool(2);
    cr_assert_eq(directories(home), 1);
    cr_assert_eq(belt_pool_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, 200, &result), BELT_AGAIN);
    count = children_of(getpid(), children);
    cr_assert_geq(count, 2);
    for (int i = 0; i < count && slot_count == 0; i++)
        slot_count = children_of(children[i], slots);
    cr_assert_geq(slot_count, 1);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    for (int i = 0; i < count; i++)
        cr_assert(gone(children[i]));
    for (int i = 0; i < slot_count; i++)
        cr_assert(gone(slots[i]));
    cr_assert_eq(directories(home), 0);
    cr_assert_eq(rmdir(home), 0);
}

Test(library_ends, a_killed_program_leaves_nothing_behind)
{
    char home[64];
    pid_t program, children[8], slots[8];
    int count, slot_count = 0, ready[2];
    char byte;

    stock_home(home);
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    program = fork();
    if (program == 0) {
        belt_pool *pool = stock_pool(2);
        belt_result *result = NULL;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (belt_pool_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result) != BELT_OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    count = children_of(program, children);
    cr_assert_geq(count, 2);
    for (int i = 0; i < count && slot_count == 0; i++)
        slot_count = children_of(children[i], slots);
    kill(program, SIGKILL);
    waitpid(program, NULL, 0);
    for (int i = 0; i < count; i++)
        cr_assert(gone(children[i]));
    for (int i = 0; i < slot_count; i++)
        cr_assert(gone(slots[i]));
    cr_assert_eq(directories(home), 0);
    cr_assert_eq(rmdir(home), 0);
}

Test(library_ends, a_killed_child_fails_the_calls_that_wait)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result;
    pid_t children[8];
    int count;

    cr_assert_eq(belt_pool_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, 100, &result), BELT_AGAIN);
    count = children_of(getpid(), children);
    for (int i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_LOST_BROKER);
    cr_assert(strstr(belt_error_text(), "private") != NULL, "%s", belt_error_text());
    belt_stream_close(&stream);
    cr_assert_eq(belt_pool_imap(pool, "echo", stock_next, NULL, NULL, &stream), BELT_LOST_BROKER);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* ---- tasks that end their slot ---- */

Test(library_ends, a_task_that_kills_its_slot_becomes_an_error)
{
    belt_pool *pool = stock_pool(2);
    belt_job_options options = stock_options(4, 0);
    struct numbers numbers = stock_numbers(10);
    belt_stream *stream = NULL;
    belt_result *result;

    options.max_attempts = 2;
    cr_assert_eq(stock_start(pool, true, "deadly", &numbers, &options, &stream), BELT_OK);
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 3 ? BELT_TASK_LOST : BELT_OK, "%llu: %u %s", (unsigned long long)i,
                     result->code, result->text);
        if (i == 3)
            cr_assert_eq(result->attempt, 2);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* Short tasks by the hundred are in the hands of a slot, with answers held back, when one of them ends it. */
static void one_of_many_is_guilty(const char *function, unsigned timeout_ms, int code)
{
    belt_pool *pool = stock_pool(1);
    belt_job_options options = stock_options(0, 0);
    struct numbers numbers = stock_numbers(3000);
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t got = 0;

    options.timeout_ms = timeout_ms;
    cr_assert_eq(stock_start(pool, true, function, &numbers, &options, &stream), BELT_OK);
    while (belt_stream_next(stream, WAIT_MS, &result) == BELT_OK) {
        bool guilty = result->index == 1500;
        cr_expect_eq(result->code, guilty ? (unsigned)code : (unsigned)BELT_OK, "task %llu: %d %s",
                     (unsigned long long)result->index, result->code, result->text);
        if (!guilty)
            cr_expect_eq(result->attempt, 1, "task %llu took blame", (unsigned long long)result->index);
        got++;
        belt_result_free(&result);
    }
    cr_assert_eq(got, 3000, "%s", belt_error_text());
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library_ends, blame_hits_the_task_that_killed_the_slot)
{
    one_of_many_is_guilty("deadly_late", 0, BELT_TASK_LOST);
}

Test(library_ends, a_time_out_hits_the_task_that_ran)
{
    one_of_many_is_guilty("endless_late", 300, BELT_TASK_TIMEOUT);
}
