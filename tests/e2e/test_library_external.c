/* SPDX-License-Identifier: Apache-2.0
 *
 * A private pool whose work other processes do: they are given its address and its lifeline.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static belt_pool *open_external(void)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_pool *pool = NULL;

    options.external_workers = true;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

static int fails(void *ctx)
{
    (void)ctx;
    return belt_slot_fail("no model");
}

/* A process that works for the pool. */
static pid_t start_worker(const belt_pool *pool, int (*slot_init)(void *))
{
    char address[256];
    int lifeline = belt_pool_lifeline(pool);
    belt_worker_options options = BELT_WORKER_OPTIONS_INIT;
    pid_t pid;

    cr_assert_not_null(belt_pool_workers(pool));
    strcpy(address, belt_pool_workers(pool));
    cr_assert_geq(lifeline, 0);
    pid = fork();
    if (pid != 0)
        return pid;
    stock_functions();
    options.slots = 2;
    options.lifeline_fd = lifeline;
    options.only_worker = true;
    options.quiet = true;
    options.slot_init = slot_init;
    options.kill_after_ms = 100;
    _exit(belt_worker_run(address, &options) == BELT_OK ? 0 : 1);
}

static belt_result *apply(belt_pool *pool, const char *function)
{
    belt_result *result = NULL;

    cr_assert_eq(belt_pool_apply(pool, function, "x", 1, NULL, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    return result;
}

/* The process ends by itself. */
static void ends(pid_t pid)
{
    int status = 0;
    pid_t ended = 0;

    for (int i = 0; i < WAIT_MS / 10 && (ended = waitpid(pid, &status, WNOHANG)) == 0; i++)
        usleep(10000);
    cr_assert_eq(ended, pid, "it is still there");
}

Test(library_external, other_processes_do_the_work_and_end_with_the_pool)
{
    belt_pool *pool = open_external();
    belt_stream *waits = NULL, *runs = NULL;
    belt_result *result = NULL;

    cr_assert_eq(belt_pool_apply_async(pool, "echo", "x", 1, NULL, &waits), BELT_OK, "a worker may come at any time");
    cr_assert_eq(belt_stream_next(waits, 50, &result), BELT_AGAIN);
    pid_t pid = start_worker(pool, NULL);
    cr_assert_eq(belt_stream_next(waits, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert(result->code == BELT_OK && result->len == 1);
    belt_result_free(&result);
    belt_stream_close(&waits);
    cr_assert_eq(belt_pool_apply_async(pool, "endless", "x", 1, NULL, &runs), BELT_OK);
    cr_assert_eq(belt_stream_next(runs, 50, &result), BELT_AGAIN);
    belt_pool_close(&pool);
    belt_stream_close(&runs);
    ends(pid);
}

Test(library_external, a_worker_that_is_killed_is_followed_by_another)
{
    belt_pool *pool = open_external();
    pid_t first = start_worker(pool, NULL), second;
    belt_result *result = apply(pool, "echo");

    belt_result_free(&result);
    kill(first, SIGKILL);
    ends(first);
    second = start_worker(pool, NULL);
    result = apply(pool, "echo");
    cr_assert_eq(result->code, BELT_OK);
    belt_result_free(&result);
    belt_pool_close(&pool);
    ends(second);
}

Test(library_external, the_only_worker_says_why_its_slots_cannot_start)
{
    belt_pool *pool = open_external();
    pid_t pid = start_worker(pool, fails);
    belt_result *result = apply(pool, "echo");

    cr_assert_eq(result->code, BELT_SLOT_FAILED);
    cr_assert_str_eq(result->text, "no model");
    belt_result_free(&result);
    belt_pool_close(&pool);
    ends(pid);
}

/* The owner of a pool is killed: its workers see that, though nobody closes anything. */
Test(library_external, workers_end_with_a_process_that_is_killed)
{
    int held[2];
    char byte;
    pid_t owner;

    cr_assert_eq(pipe(held), 0);
    owner = fork();
    if (owner == 0) { /* the worker, and its slots, inherit the writing end */
        belt_pool *pool = open_external();
        belt_result *result;

        start_worker(pool, NULL);
        result = apply(pool, "echo");
        belt_result_free(&result);
        if (write(held[1], "!", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(held[1]);
    cr_assert_eq(read(held[0], &byte, 1), 1, "the worker works");
    kill(owner, SIGKILL);
    ends(owner);
    struct pollfd item = {.fd = held[0], .events = POLLIN};
    cr_assert_eq(poll(&item, 1, WAIT_MS), 1, "somebody is still there");
    cr_assert_eq(read(held[0], &byte, 1), 0, "all have ended");
    close(held[0]);
}

Test(library_external, other_pools_have_neither)
{
    belt_pool *pool = stock_pool(1);
    belt_worker_options options = BELT_WORKER_OPTIONS_INIT;

    cr_assert_null(belt_pool_workers(pool));
    cr_assert_eq(belt_pool_lifeline(pool), -1);
    cr_assert_null(belt_pool_workers(NULL));
    belt_pool_close(&pool);
    options.lifeline_fd = 9999;
    cr_assert_eq(belt_worker_run("ipc:///tmp/belt_test_nobody", &options), BELT_INVALID);
}
