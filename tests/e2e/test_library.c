/* SPDX-License-Identifier: Apache-2.0
 *
 * libbelt with a private pool: what a C program sees, with real slots. Each
 * test forks its broker and agent and must leave none behind.
 */
#include <belt/belt.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

/* ---- functions ---- */

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

/** Fails for the input "5". */
static int picky(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 1 && memcmp(data, "5", 1) == 0)
        return belt_task_fail(task, "five is right out");
    return belt_task_reply(task, data, len);
}

static int deadly(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 1 && memcmp(data, "3", 1) == 0)
        kill(getpid(), SIGKILL);
    return belt_task_reply(task, data, len);
}

/** The input "1500" kills its slot, each time it runs. */
static int deadly_late(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 4 && memcmp(data, "1500", 4) == 0)
        kill(getpid(), SIGKILL);
    return belt_task_reply(task, data, len);
}

/** The input "1500" goes on until it is stopped. */
static int endless_late(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    while (len == 4 && memcmp(data, "1500", 4) == 0 && !belt_task_cancelled(task))
        usleep(1000);
    return belt_task_reply(task, data, len);
}

static int endless(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)data, (void)len, (void)ctx;
    while (!belt_task_cancelled(task))
        usleep(1000);
    return belt_task_reply(task, "stopped", 7);
}

static int late(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    if (len == 1 && memcmp(data, "0", 1) == 0)
        usleep(300000);
    return belt_task_reply(task, data, len);
}

/* ---- helpers ---- */

static belt_pool *pool_with(int slots)
{
    belt_pool_options options;
    belt_pool *pool = NULL;

    belt_function_register("echo", echo, NULL);
    belt_function_register("picky", picky, NULL);
    belt_function_register("deadly", deadly, NULL);
    belt_function_register("deadly_late", deadly_late, NULL);
    belt_function_register("endless_late", endless_late, NULL);
    belt_function_register("endless", endless, NULL);
    belt_function_register("late", late, NULL);
    belt_pool_options_init(&options);
    options.slots = slots;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

/** Numbers as text, with what a source can do wrong on the way. */
struct numbers {
    uint64_t next, count;
    uint64_t fail_at;  /* UINT64_MAX: never */
    uint64_t pause_at; /* answers "nothing yet" once */
    char text[32];
};

static int numbers_next(void *ctx, belt_input *input)
{
    struct numbers *numbers = ctx;
    uint64_t n = numbers->next;

    if (n == numbers->count)
        return 0;
    if (n == numbers->pause_at) {
        numbers->pause_at = UINT64_MAX;
        return -2;
    }
    numbers->next++;
    if (n == numbers->fail_at) {
        *input = (belt_input){"no such line", 12};
        return -1;
    }
    input->len = (size_t)snprintf(numbers->text, sizeof(numbers->text), "%llu", (unsigned long long)n);
    input->data = numbers->text;
    return 1;
}

static struct numbers numbers_to(uint64_t count)
{
    return (struct numbers){.count = count, .fail_at = UINT64_MAX, .pause_at = UINT64_MAX};
}

static bool says_number(const belt_result *result)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)result->index);

    return result->len == (size_t)n && memcmp(result->data, text, result->len) == 0;
}

static belt_job_options job_options(uint32_t chunksize, uint64_t buffersize)
{
    belt_job_options options;

    belt_job_options_init(&options);
    options.chunksize = chunksize;
    options.buffersize = buffersize;
    return options;
}

static int start(belt_pool *pool, bool ordered, const char *function, struct numbers *numbers,
                 const belt_job_options *options, belt_stream **stream)
{
    return ordered ? belt_imap(pool, function, numbers_next, numbers, options, stream)
                   : belt_imap_unordered(pool, function, numbers_next, numbers, options, stream);
}

/* ---- tests, from simple to complex ---- */

Test(library, maps_in_order)
{
    belt_pool *pool = pool_with(2);
    belt_input inputs[50];
    char texts[50][8];
    belt_result **results = NULL;

    for (int i = 0; i < 50; i++)
        inputs[i] = (belt_input){texts[i], (size_t)snprintf(texts[i], sizeof(texts[i]), "%d", i)};
    cr_assert_eq(belt_map(pool, "echo", inputs, 50, NULL, &results), BELT_OK, "%s", belt_error_text());
    for (uint64_t i = 0; i < 50; i++) {
        cr_assert_eq(results[i]->index, i);
        cr_assert_eq(results[i]->code, BELT_OK);
        cr_assert_eq(results[i]->attempt, 1);
        cr_assert(says_number(results[i]));
    }
    belt_results_free(&results, 50);
    cr_assert_null(results);
    cr_assert_eq(belt_map(pool, "echo", NULL, 0, NULL, &results), BELT_OK);
    belt_results_free(&results, 0);
    belt_pool_close(&pool);
    cr_assert_null(pool);
}

static void all_numbers(bool ordered, uint64_t count, const belt_job_options *options)
{
    belt_pool *pool = pool_with(2);
    struct numbers numbers = numbers_to(count);
    belt_stream *stream = NULL;
    belt_result *result;
    bool *seen = calloc(count, sizeof(bool));
    uint64_t got = 0;
    int rc;

    cr_assert_eq(start(pool, ordered, "echo", &numbers, options, &stream), BELT_OK);
    while ((rc = belt_next(stream, WAIT_MS, &result)) == BELT_OK) {
        cr_assert_lt(result->index, count);
        cr_assert_not(seen[result->index]);
        seen[result->index] = true;
        cr_assert(says_number(result));
        if (ordered)
            cr_assert_eq(result->index, got);
        got++;
        belt_result_free(&result);
    }
    cr_assert_eq(rc, BELT_END, "%s", belt_error_text());
    cr_assert_eq(got, count);
    cr_assert_eq(belt_next(stream, 0, &result), BELT_END, "the end stays the end");
    free(seen);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, streams_ordered)
{
    all_numbers(true, 20000, NULL);
}

Test(library, streams_unordered)
{
    all_numbers(false, 20000, NULL);
}

Test(library, streams_with_a_window_of_one)
{
    belt_job_options options = job_options(1, 1);

    all_numbers(true, 50, &options);
}

Test(library, one_failure_in_a_chunk_is_its_own)
{
    belt_pool *pool = pool_with(2);
    belt_job_options options = job_options(10, 0);
    struct numbers numbers = numbers_to(20);
    belt_stream *stream = NULL;
    belt_result *result;
    belt_progress progress;

    cr_assert_eq(start(pool, true, "picky", &numbers, &options, &stream), BELT_OK);
    for (uint64_t i = 0; i < 20; i++) {
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 5 ? BELT_TASK_FAILED : BELT_OK);
        if (i == 5)
            cr_assert_str_eq(result->text, "five is right out");
        belt_result_free(&result);
    }
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_progress(stream, &progress);
    cr_assert_eq(progress.done, 19);
    cr_assert_eq(progress.failed, 1);
    cr_assert_eq(progress.drawn, 20);
    cr_assert_eq(progress.taken, 20);
    cr_assert(progress.ended);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, a_failing_source_fails_its_place_only)
{
    belt_pool *pool = pool_with(2);

    for (int ordered = 0; ordered < 2; ordered++) {
        struct numbers numbers = numbers_to(10);
        belt_stream *stream = NULL;
        belt_result *result;
        unsigned seen = 0;

        numbers.fail_at = 4;
        cr_assert_eq(start(pool, ordered != 0, "echo", &numbers, NULL, &stream), BELT_OK);
        for (uint64_t i = 0; i < 10; i++) {
            cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
            seen |= 1u << result->index;
            if (ordered)
                cr_assert_eq(result->index, i);
            cr_assert_eq(result->code, result->index == 4 ? BELT_SOURCE_FAILED : BELT_OK);
            if (result->index == 4)
                cr_assert_str_eq(result->text, "no such line");
            else
                cr_assert(says_number(result));
            belt_result_free(&result);
        }
        cr_assert_eq(seen, (1u << 10) - 1);
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_END);
        belt_stream_close(&stream);
    }
    belt_pool_close(&pool);
}

Test(library, a_task_that_kills_its_slot_becomes_an_error)
{
    belt_pool *pool = pool_with(2);
    belt_job_options options = job_options(4, 0);
    struct numbers numbers = numbers_to(10);
    belt_stream *stream = NULL;
    belt_result *result;

    options.max_attempts = 2;
    cr_assert_eq(start(pool, true, "deadly", &numbers, &options, &stream), BELT_OK);
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 3 ? BELT_TASK_LOST : BELT_OK, "%llu: %u %s", (unsigned long long)i,
                     result->code, result->text);
        if (i == 3)
            cr_assert_eq(result->attempt, 2);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, input_is_drawn_only_as_far_as_the_window)
{
    belt_pool *pool = pool_with(2);

    for (int ordered = 0; ordered < 2; ordered++) {
        struct numbers numbers = numbers_to(1000000);
        belt_job_options options = job_options(0, 32);
        belt_stream *stream = NULL;
        belt_result *result;

        cr_assert_eq(start(pool, ordered != 0, "echo", &numbers, &options, &stream), BELT_OK);
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        belt_result_free(&result);
        usleep(100000); /* long enough to draw much more, if anybody did */
        cr_assert_leq(numbers.next, 32);
        for (int i = 0; i < 100; i++) {
            cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK);
            belt_result_free(&result);
            cr_assert_leq(numbers.next, 32 + (uint64_t)i + 1);
        }
        belt_stream_close(&stream);
    }
    belt_pool_close(&pool);
}

Test(library, unordered_results_overtake)
{
    belt_pool *pool = pool_with(2);
    struct numbers numbers = numbers_to(10);
    belt_job_options options = job_options(1, 0);
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t last = 0;

    cr_assert_eq(start(pool, false, "late", &numbers, &options, &stream), BELT_OK);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        last = result->index;
        belt_result_free(&result);
    }
    cr_assert_eq(last, 0);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, a_source_may_have_nothing_yet)
{
    belt_pool *pool = pool_with(1);
    struct numbers numbers = numbers_to(4);
    belt_stream *stream = NULL;
    belt_result *result;

    numbers.pause_at = 2;
    cr_assert_eq(start(pool, true, "echo", &numbers, NULL, &stream), BELT_OK);
    for (uint64_t i = 0; i < 4; i++) {
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, applies_one_task)
{
    belt_pool *pool = pool_with(1);
    belt_result *result = NULL;
    belt_stream *call = NULL;

    cr_assert_eq(belt_apply(pool, "echo", "hello", 5, NULL, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->len, 5);
    cr_assert_eq(memcmp(result->data, "hello", 5), 0);
    belt_result_free(&result);
    cr_assert_eq(belt_apply(pool, "endless", "", 0, NULL, 50, &result), BELT_AGAIN);
    cr_assert_null(result);
    cr_assert_eq(belt_apply_async(pool, "echo", "later", 5, NULL, &call), BELT_OK);
    cr_assert_eq(belt_next(call, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->index, 0);
    belt_stream_close(&call);
    cr_assert_eq(memcmp(result->data, "later", 5), 0, "a result outlives its stream");
    belt_pool_close(&pool);
    cr_assert_eq(memcmp(result->data, "later", 5), 0, "and its pool");
    belt_result_free(&result);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

Test(library, the_descriptor_is_level_triggered)
{
    belt_pool *pool = pool_with(1);
    struct numbers numbers = numbers_to(5);
    belt_job_options options = job_options(0, 1);
    belt_stream *stream = NULL;
    belt_result *result;
    int fd;

    cr_assert_eq(start(pool, true, "echo", &numbers, &options, &stream), BELT_OK);
    fd = belt_stream_fd(stream);
    cr_assert_geq(fd, 0);
    cr_assert_eq(belt_stream_fd(stream), fd);
    for (int i = 0; i < 5; i++) { /* one result per event, though the window is one */
        cr_assert(readable(fd, WAIT_MS));
        cr_assert(readable(fd, 0), "it stays readable until the result is taken");
        cr_assert_eq(belt_next(stream, 0, &result), BELT_OK, "%s", belt_error_text());
        belt_result_free(&result);
    }
    cr_assert(readable(fd, WAIT_MS));
    cr_assert_eq(belt_next(stream, 0, &result), BELT_END);
    belt_stream_close(&stream);
    cr_assert_eq(belt_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    fd = belt_stream_fd(stream);
    cr_assert_not(readable(fd, 50));
    cr_assert_eq(belt_next(stream, 0, &result), BELT_AGAIN);
    belt_interrupt(stream);
    cr_assert(readable(fd, WAIT_MS));
    cr_assert_eq(belt_next(stream, 0, &result), BELT_INTERRUPTED);
    cr_assert_not(readable(fd, 50));
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, feeding_says_when_the_window_is_full)
{
    belt_pool *pool = pool_with(1);
    belt_job_options options = job_options(0, 3);
    belt_stream *stream = NULL;
    belt_result *result;

    cr_assert_eq(belt_imap(pool, "echo", NULL, NULL, &options, &stream), BELT_OK);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(belt_feed(stream, "x", 1, 0), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_feed_error(stream, "unreadable", 0), BELT_OK);
    cr_assert_eq(belt_feed(stream, "x", 1, 0), BELT_WINDOW_FULL);
    cr_assert_eq(belt_feed(stream, "x", 1, 20), BELT_WINDOW_FULL);
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    cr_assert_eq(belt_feed(stream, "y", 1, 0), BELT_OK);
    cr_assert_eq(belt_end(stream), BELT_OK);
    cr_assert_eq(belt_feed(stream, "z", 1, 0), BELT_JOB_ENDED);
    for (uint64_t i = 1; i < 4; i++) {
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 2 ? BELT_SOURCE_FAILED : BELT_OK);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, cancels)
{
    belt_pool *pool = pool_with(2);
    struct numbers numbers = numbers_to(100);
    belt_stream *stream = NULL;
    belt_result *result;

    cr_assert_eq(start(pool, true, "endless", &numbers, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_next(stream, 50, &result), BELT_AGAIN);
    cr_assert_neq(belt_stream_job(stream), 0);
    cr_assert_eq(belt_cancel(stream, WAIT_MS), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_JOB_CANCELLED);
    belt_stream_close(&stream);
    cr_assert_eq(belt_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result), BELT_OK, "the slots are free again");
    belt_result_free(&result);
    belt_pool_close(&pool);
}

static void *interrupter(void *stream)
{
    usleep(50000);
    belt_interrupt(stream);
    return NULL;
}

Test(library, interrupts_a_wait)
{
    belt_pool *pool = pool_with(1);
    belt_stream *stream = NULL;
    belt_result *result;
    pthread_t thread;

    cr_assert_eq(belt_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    cr_assert_eq(pthread_create(&thread, NULL, interrupter, stream), 0);
    cr_assert_eq(belt_next(stream, -1, &result), BELT_INTERRUPTED);
    pthread_join(thread, NULL);
    cr_assert_eq(belt_next(stream, 0, &result), BELT_AGAIN, "one interrupt, one answer");
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, carries_large_payloads)
{
    belt_pool *pool = pool_with(2);
    size_t len = 1 << 20;
    char *data = malloc(len);
    belt_stream *stream = NULL;
    belt_result *result;

    memset(data, 'x', len);
    cr_assert_eq(belt_imap(pool, "echo", NULL, NULL, NULL, &stream), BELT_OK);
    for (int i = 0; i < 8; i++) {
        data[0] = (char)('a' + i);
        cr_assert_eq(belt_feed(stream, data, len, 0), BELT_OK, "%s", belt_error_text());
    }
    cr_assert_eq(belt_end(stream), BELT_OK);
    for (int i = 0; i < 8; i++) {
        data[0] = (char)('a' + i);
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->len, len);
        cr_assert_eq(memcmp(result->data, data, len), 0);
        belt_result_free(&result);
    }
    belt_stream_close(&stream);
    free(data);
    belt_pool_close(&pool);
}

static int one_huge(void *ctx, belt_input *input)
{
    int *calls = ctx;

    if (*calls == 3)
        return 0;
    input->data = calls; /* never read: the length alone is too much */
    input->len = (*calls)++ == 1 ? (size_t)17 << 20 : 1;
    return 1;
}

Test(library, refuses_payloads_over_the_limit)
{
    belt_pool *pool = pool_with(1);
    belt_stream *stream = NULL;
    belt_result *result;
    char byte = 0;
    int calls = 0;

    cr_assert_eq(belt_apply(pool, "echo", &byte, (size_t)17 << 20, NULL, WAIT_MS, &result), BELT_TOO_LARGE);
    cr_assert(strstr(belt_error_text(), "limit") != NULL);
    cr_assert_eq(belt_imap(pool, "echo", one_huge, &calls, NULL, &stream), BELT_OK);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 1 ? BELT_TOO_LARGE : BELT_OK);
        belt_result_free(&result);
    }
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, tells_that_nobody_serves_the_function)
{
    belt_pool *pool = pool_with(1);
    belt_stream *stream = NULL;
    belt_result *result;
    belt_progress progress = {0};

    cr_assert_eq(belt_apply_async(pool, "nobodys", "x", 1, NULL, &stream), BELT_OK);
    for (int i = 0; i < 200 && progress.notice != BELT_NO_WORKER; i++) {
        cr_assert_eq(belt_next(stream, 50, &result), BELT_AGAIN);
        belt_stream_progress(stream, &progress);
    }
    cr_assert_eq(progress.notice, BELT_NO_WORKER);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, gives_many_at_once)
{
    belt_pool *pool = pool_with(2);
    struct numbers numbers = numbers_to(1000);
    belt_stream *stream = NULL;
    belt_result *results[64];
    size_t count;
    uint64_t next = 0;
    int rc;

    cr_assert_eq(start(pool, true, "echo", &numbers, NULL, &stream), BELT_OK);
    while ((rc = belt_next_many(stream, WAIT_MS, results, 64, &count)) == BELT_OK)
        for (size_t i = 0; i < count; i++) {
            cr_assert_eq(results[i]->index, next++);
            belt_result_free(&results[i]);
        }
    cr_assert_eq(rc, BELT_END, "%s", belt_error_text());
    cr_assert_eq(next, 1000);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, shows_status_and_pings)
{
    belt_pool *pool = pool_with(3);
    belt_status *status = NULL;
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t us = 0;

    cr_assert_eq(belt_ping(pool, WAIT_MS, &us), BELT_OK, "%s", belt_error_text());
    cr_assert_gt(us, 0);
    cr_assert_eq(belt_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result), BELT_OK); /* the agent is there */
    belt_result_free(&result);
    cr_assert_eq(belt_status_get(pool, BELT_WORKERS, NULL, WAIT_MS, &status), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(status->count, 1);
    cr_assert_eq(status->workers[0].slots, 3);
    belt_status_free(&status);
    cr_assert_eq(belt_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    while (belt_stream_job(stream) == 0)
        cr_assert_eq(belt_next(stream, 10, &result), BELT_AGAIN);
    cr_assert_eq(belt_status_get(pool, BELT_JOBS, NULL, WAIT_MS, &status), BELT_OK, "%s", belt_error_text());
    cr_assert_geq(status->count, 1);
    cr_assert_str_eq(status->jobs[0].function, status->count == 1 ? "endless" : status->jobs[0].function);
    belt_status_free(&status);
    cr_assert_eq(belt_job_cancel(pool, belt_stream_job(stream), WAIT_MS), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_JOB_CANCELLED);
    cr_assert_eq(belt_job_cancel(pool, 999999, WAIT_MS), BELT_UNKNOWN_JOB);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

static void *one_user(void *pool)
{
    for (int i = 0; i < 50; i++) {
        belt_result *result = NULL;

        if (belt_apply(pool, "echo", &i, sizeof(i), NULL, WAIT_MS, &result) != BELT_OK)
            return pool;
        belt_result_free(&result);
    }
    return NULL;
}

Test(library, serves_many_threads)
{
    belt_pool *pool = pool_with(2);
    pthread_t threads[8];
    void *failed;

    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, one_user, pool), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &failed);
        cr_assert_null(failed);
    }
    belt_pool_close(&pool);
}

/* ---- what is wrong with a call ---- */

Test(library, explains_bad_calls)
{
    belt_pool_options options;
    belt_pool *pool = NULL;
    belt_job_options job = job_options(0, 0);
    belt_stream *stream = NULL;

    cr_assert_eq(belt_pool_open("nonsense", NULL, &pool), BELT_INVALID);
    cr_assert(strstr(belt_error_text(), "nonsense") != NULL);
    belt_pool_options_init(&options);
    options.connect_timeout_ms = 100;
    cr_assert_eq(belt_pool_open("tcp://127.0.0.1:1", &options, &pool), BELT_NO_BROKER);
    cr_assert(strstr(belt_error_text(), "tcp://127.0.0.1:1") != NULL);
    cr_assert(strstr(belt_error_text(), "100 ms") != NULL);
    cr_assert_null(pool);
    pool = pool_with(1);
    cr_assert_eq(belt_imap(pool, "-bad", numbers_next, NULL, NULL, &stream), BELT_INVALID);
    job.priority = 101;
    cr_assert_eq(belt_imap(pool, "echo", numbers_next, NULL, &job, &stream), BELT_INVALID);
    cr_assert_null(stream);
    cr_assert_eq(belt_next(NULL, 0, NULL), BELT_INVALID);
    belt_stream_close(&stream);
    belt_result_free(NULL);
    belt_pool_close(&pool);
    belt_pool_close(&pool);
}

/* ---- cleaning up ---- */

/** Processes of this program's descendants by name, as /proc shows them; `pids` gets up to 8. */
static int children_of(pid_t parent, pid_t pids[8])
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    cr_assert_not_null(proc);
    while ((entry = readdir(proc)) != NULL && count < 8) {
        char path[300], state;
        int pid = atoi(entry->d_name), of;
        FILE *stat;

        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        if (pid <= 0 || (stat = fopen(path, "re")) == NULL)
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
        if (stat == NULL)
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

    while ((entry = readdir(dir)) != NULL)
        count += strncmp(entry->d_name, "belt-", 5) == 0;
    closedir(dir);
    return count;
}

static void private_home(char path[64])
{
    strcpy(path, "/tmp/belt_test_XXXXXX");
    cr_assert_not_null(mkdtemp(path));
    setenv("XDG_RUNTIME_DIR", path, 1);
}

Test(library, close_leaves_nothing_behind)
{
    belt_pool *pool;
    belt_stream *stream = NULL;
    belt_result *result;
    char home[64];
    pid_t children[8], slots[8];
    int count, slot_count = 0;

    private_home(home);
    pool = pool_with(2);
    cr_assert_eq(directories(home), 1);
    cr_assert_eq(belt_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_next(stream, 200, &result), BELT_AGAIN);
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

Test(library, a_killed_program_leaves_nothing_behind)
{
    char home[64];
    pid_t program, children[8], slots[8];
    int count, slot_count = 0, ready[2];
    char byte;

    private_home(home);
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    program = fork();
    if (program == 0) {
        belt_pool *pool = pool_with(2);
        belt_result *result = NULL;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (belt_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result) != BELT_OK || write(ready[1], "x", 1) != 1)
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

Test(library, a_killed_child_fails_the_calls_that_wait)
{
    belt_pool *pool = pool_with(1);
    belt_stream *stream = NULL;
    belt_result *result;
    pid_t children[8];
    int count;

    cr_assert_eq(belt_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_next(stream, 100, &result), BELT_AGAIN);
    count = children_of(getpid(), children);
    for (int i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    cr_assert_eq(belt_next(stream, WAIT_MS, &result), BELT_LOST_BROKER);
    cr_assert(strstr(belt_error_text(), "private") != NULL, "%s", belt_error_text());
    cr_assert_eq(belt_imap(pool, "echo", numbers_next, NULL, NULL, &stream), BELT_LOST_BROKER);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* Short tasks by the hundred are in the hands of a slot, with answers held back, when one of them ends it. */
static void one_of_many_is_guilty(const char *function, unsigned timeout_ms, int code)
{
    belt_pool *pool = pool_with(1);
    belt_job_options options = job_options(0, 0);
    struct numbers numbers = numbers_to(3000);
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t got = 0;

    options.timeout_ms = timeout_ms;
    cr_assert_eq(start(pool, true, function, &numbers, &options, &stream), BELT_OK);
    while (belt_next(stream, WAIT_MS, &result) == BELT_OK) {
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

Test(library, blame_hits_the_task_that_killed_the_slot)
{
    one_of_many_is_guilty("deadly_late", 0, BELT_TASK_LOST);
}

Test(library, a_time_out_hits_the_task_that_ran)
{
    one_of_many_is_guilty("endless_late", 300, BELT_TASK_TIMEOUT);
}
