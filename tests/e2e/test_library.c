/* SPDX-License-Identifier: Apache-2.0
 *
 * libbelt with a private pool: what a C program sees, with real slots. What is
 * left when something ends is in test_library_ends.c.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- tests, from simple to complex ---- */

Test(library, maps_in_order)
{
    belt_pool *pool = stock_pool(2);
    belt_span inputs[50];
    char texts[50][8];
    belt_result **results = NULL;

    for (int i = 0; i < 50; i++)
        inputs[i] = (belt_span){texts[i], (size_t)snprintf(texts[i], sizeof(texts[i]), "%d", i)};
    cr_assert_eq(belt_pool_map(pool, "echo", inputs, 50, NULL, -1, &results), BELT_OK, "%s", belt_error_text());
    for (uint64_t i = 0; i < 50; i++) {
        cr_assert_eq(results[i]->index, i);
        cr_assert_eq(results[i]->code, BELT_OK);
        cr_assert_eq(results[i]->attempt, 1);
        cr_assert(stock_says_number(results[i]));
    }
    belt_results_free(&results, 50);
    cr_assert_null(results);
    cr_assert_eq(belt_pool_map(pool, "echo", NULL, 0, NULL, -1, &results), BELT_OK);
    belt_results_free(&results, 0);
    belt_pool_close(&pool);
    cr_assert_null(pool);
}

static void all_numbers(bool ordered, uint64_t count, const belt_job_options *options)
{
    belt_pool *pool = stock_pool(2);
    struct numbers numbers = stock_numbers(count);
    belt_stream *stream = NULL;
    belt_result *result;
    bool *seen = calloc(count, sizeof(bool));
    uint64_t got = 0;
    int rc;

    cr_assert_eq(stock_start(pool, ordered, "echo", &numbers, options, &stream), BELT_OK);
    while ((rc = belt_stream_next(stream, WAIT_MS, &result)) == BELT_OK) {
        cr_assert_lt(result->index, count);
        cr_assert_not(seen[result->index]);
        seen[result->index] = true;
        cr_assert(stock_says_number(result));
        if (ordered)
            cr_assert_eq(result->index, got);
        got++;
        belt_result_free(&result);
    }
    cr_assert_eq(rc, BELT_END, "%s", belt_error_text());
    cr_assert_eq(got, count);
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_END, "the end stays the end");
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
    belt_job_options options = stock_options(1, 1);

    all_numbers(true, 50, &options);
}

Test(library, one_failure_in_a_chunk_is_its_own)
{
    belt_pool *pool = stock_pool(2);
    belt_job_options options = stock_options(10, 0);
    struct numbers numbers = stock_numbers(20);
    belt_stream *stream = NULL;
    belt_result *result;
    belt_progress progress = BELT_PROGRESS_INIT;

    cr_assert_eq(stock_start(pool, true, "picky", &numbers, &options, &stream), BELT_OK);
    for (uint64_t i = 0; i < 20; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 5 ? BELT_TASK_FAILED : BELT_OK);
        if (i == 5)
            cr_assert_str_eq(result->text, "five is right out");
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
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
    belt_pool *pool = stock_pool(2);

    for (int ordered = 0; ordered < 2; ordered++) {
        struct numbers numbers = stock_numbers(10);
        belt_stream *stream = NULL;
        belt_result *result;
        unsigned seen = 0;

        numbers.fail_at = 4;
        cr_assert_eq(stock_start(pool, ordered != 0, "echo", &numbers, NULL, &stream), BELT_OK);
        for (uint64_t i = 0; i < 10; i++) {
            cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
            seen |= 1u << result->index;
            if (ordered)
                cr_assert_eq(result->index, i);
            cr_assert_eq(result->code, result->index == 4 ? BELT_SOURCE_FAILED : BELT_OK);
            if (result->index == 4)
                cr_assert_str_eq(result->text, "no such line");
            else
                cr_assert(stock_says_number(result));
            belt_result_free(&result);
        }
        cr_assert_eq(seen, (1u << 10) - 1);
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
        belt_stream_close(&stream);
    }
    belt_pool_close(&pool);
}

Test(library, input_is_drawn_only_as_far_as_the_window)
{
    belt_pool *pool = stock_pool(2);

    for (int ordered = 0; ordered < 2; ordered++) {
        struct numbers numbers = stock_numbers(1000000);
        belt_job_options options = stock_options(0, 32);
        belt_stream *stream = NULL;
        belt_result *result;

        cr_assert_eq(stock_start(pool, ordered != 0, "echo", &numbers, &options, &stream), BELT_OK);
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        belt_result_free(&result);
        usleep(100000); /* long enough to draw much more, if anybody did */
        cr_assert_leq(numbers.next, 32);
        for (int i = 0; i < 100; i++) {
            cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK);
            belt_result_free(&result);
            cr_assert_leq(numbers.next, 32 + (uint64_t)i + 1);
        }
        belt_stream_close(&stream);
    }
    belt_pool_close(&pool);
}

Test(library, unordered_results_overtake)
{
    belt_pool *pool = stock_pool(2);
    struct numbers numbers = stock_numbers(10);
    belt_job_options options = stock_options(1, 0);
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t last = 0;

    cr_assert_eq(stock_start(pool, false, "late", &numbers, &options, &stream), BELT_OK);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        last = result->index;
        belt_result_free(&result);
        if (i == 8)
            stock_end_late();
    }
    cr_assert_eq(last, 0);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, a_source_may_have_nothing_yet)
{
    belt_pool *pool = stock_pool(1);
    struct numbers numbers = stock_numbers(4);
    belt_stream *stream = NULL;
    belt_result *result;

    numbers.pause_at = 2;
    cr_assert_eq(stock_start(pool, true, "echo", &numbers, NULL, &stream), BELT_OK);
    for (uint64_t i = 0; i < 4; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, applies_one_task)
{
    belt_pool *pool = stock_pool(1);
    belt_result *result = NULL;
    belt_stream *call = NULL;

    cr_assert_eq(belt_pool_apply(pool, "echo", "hello", 5, NULL, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->len, 5);
    cr_assert_eq(memcmp(result->data, "hello", 5), 0);
    belt_result_free(&result);
    cr_assert_eq(belt_pool_apply(pool, "endless", "", 0, NULL, 50, &result), BELT_AGAIN);
    cr_assert_null(result);
    cr_assert_eq(belt_pool_apply_async(pool, "echo", "later", 5, NULL, &call), BELT_OK);
    cr_assert_eq(belt_stream_next(call, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
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
    belt_pool *pool = stock_pool(1);
    struct numbers numbers = stock_numbers(5);
    belt_job_options options = stock_options(0, 1);
    belt_stream *stream = NULL;
    belt_result *result;
    int fd;

    cr_assert_eq(stock_start(pool, true, "echo", &numbers, &options, &stream), BELT_OK);
    fd = belt_stream_fd(stream);
    cr_assert_geq(fd, 0);
    cr_assert_eq(belt_stream_fd(stream), fd);
    for (int i = 0; i < 5; i++) { /* one result per event, though the window is one */
        cr_assert(readable(fd, WAIT_MS));
        cr_assert(readable(fd, 0), "it stays readable until the result is taken");
        cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_OK, "%s", belt_error_text());
        belt_result_free(&result);
    }
    cr_assert(readable(fd, WAIT_MS));
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_END);
    belt_stream_close(&stream);
    cr_assert_eq(belt_pool_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    fd = belt_stream_fd(stream);
    cr_assert_not(readable(fd, 50));
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_AGAIN);
    belt_stream_interrupt(stream);
    cr_assert(readable(fd, WAIT_MS));
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_INTERRUPTED);
    cr_assert_not(readable(fd, 50));
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

static int draw_large(void *ctx, belt_input *input)
{
    static const char bytes[700];
    unsigned *left = ctx;

    if (*left == 0)
        return BELT_INPUT_END;
    --*left;
    input->data = bytes;
    input->len = sizeof(bytes);
    return BELT_INPUT_READY;
}

/* All results are taken when the broker grants more bytes: nothing else is on its way that could make it readable. */
Test(library, the_descriptor_tells_that_more_can_be_drawn)
{
    belt_pool *pool = stock_pool(1);
    belt_job_options options = stock_options(0, 10);
    belt_stream *stream = NULL;
    belt_result *result;
    unsigned left = 30, got = 0;
    int rc = BELT_OK;

    options.buffer_bytes = 100; /* less than one input */
    cr_assert_eq(belt_pool_imap(pool, "echo", draw_large, &left, &options, &stream), BELT_OK);
    while (rc != BELT_END) {
        cr_assert(readable(belt_stream_fd(stream), WAIT_MS), "%u results came, %u inputs are not drawn", got, left);
        rc = belt_stream_next(stream, 0, &result);
        cr_assert(rc == BELT_OK || rc == BELT_AGAIN || rc == BELT_END, "%s", belt_error_text());
        got += rc == BELT_OK;
        belt_result_free(&result);
    }
    cr_assert_eq(got, 30);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, feeding_says_when_the_window_is_full)
{
    belt_pool *pool = stock_pool(1);
    belt_job_options options = stock_options(0, 3);
    belt_stream *stream = NULL;
    belt_result *result;

    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, &options, &stream), BELT_OK);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(belt_stream_feed(stream, "x", 1, 0), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_stream_feed_error(stream, "unreadable", 0), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, 0), BELT_WINDOW_FULL);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, 20), BELT_WINDOW_FULL);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    cr_assert_eq(belt_stream_feed(stream, "y", 1, 0), BELT_OK);
    cr_assert_eq(belt_stream_end(stream), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "z", 1, 0), BELT_JOB_ENDED);
    for (uint64_t i = 1; i < 4; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 2 ? BELT_SOURCE_FAILED : BELT_OK);
        belt_result_free(&result);
    }
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_END);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, cancels)
{
    belt_pool *pool = stock_pool(2);
    struct numbers numbers = stock_numbers(100);
    belt_stream *stream = NULL;
    belt_result *result;

    cr_assert_eq(stock_start(pool, true, "endless", &numbers, NULL, &stream), BELT_OK);
    do /* until the broker has opened the job: its id says so */
        cr_assert_eq(belt_stream_next(stream, 50, &result), BELT_AGAIN);
    while (belt_stream_job(stream) == 0);
    cr_assert_eq(belt_stream_cancel(stream, WAIT_MS), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_JOB_CANCELLED);
    belt_stream_close(&stream);
    cr_assert_eq(belt_pool_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result), BELT_OK, "the slots are free again");
    belt_result_free(&result);
    belt_pool_close(&pool);
}

static void *interrupter(void *stream)
{
    usleep(50000);
    belt_stream_interrupt(stream);
    return NULL;
}

Test(library, interrupts_a_wait)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result;
    pthread_t thread;

    cr_assert_eq(belt_pool_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    cr_assert_eq(pthread_create(&thread, NULL, interrupter, stream), 0);
    cr_assert_eq(belt_stream_next(stream, -1, &result), BELT_INTERRUPTED);
    pthread_join(thread, NULL);
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_AGAIN, "one interrupt, one answer");
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, carries_large_payloads)
{
    belt_pool *pool = stock_pool(2);
    size_t len = 1 << 20;
    char *data = malloc(len);
    belt_stream *stream = NULL;
    belt_result *result;

    memset(data, 'x', len);
    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &stream), BELT_OK);
    for (int i = 0; i < 8; i++) {
        data[0] = (char)('a' + i);
        cr_assert_eq(belt_stream_feed(stream, data, len, 0), BELT_OK, "%s", belt_error_text());
    }
    cr_assert_eq(belt_stream_end(stream), BELT_OK);
    for (int i = 0; i < 8; i++) {
        data[0] = (char)('a' + i);
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
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
        return BELT_INPUT_END;
    input->data = calls; /* never read: the length alone is too much */
    input->len = (*calls)++ == 1 ? (size_t)1025 << 20 : 1;
    return BELT_INPUT_READY;
}

Test(library, refuses_payloads_over_the_limit)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result;
    char byte = 0;
    int calls = 0;

    cr_assert_eq(belt_pool_apply(pool, "echo", &byte, (size_t)1025 << 20, NULL, WAIT_MS, &result), BELT_TOO_LARGE);
    cr_assert(strstr(belt_error_text(), "limit") != NULL);
    cr_assert_eq(belt_pool_imap(pool, "echo", one_huge, &calls, NULL, &stream), BELT_OK);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
        cr_assert_eq(result->index, i);
        cr_assert_eq(result->code, i == 1 ? BELT_TOO_LARGE : BELT_OK);
        belt_result_free(&result);
    }
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library, gives_many_at_once)
{
    belt_pool *pool = stock_pool(2);
    struct numbers numbers = stock_numbers(1000);
    belt_stream *stream = NULL;
    belt_result *results[64];
    size_t count;
    uint64_t next = 0;
    int rc;

    cr_assert_eq(stock_start(pool, true, "echo", &numbers, NULL, &stream), BELT_OK);
    while ((rc = belt_stream_next_many(stream, WAIT_MS, results, 64, &count)) == BELT_OK)
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
    belt_pool *pool = stock_pool(3);
    belt_status *status = NULL;
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t us = 0;

    cr_assert_eq(belt_pool_ping(pool, WAIT_MS, &us), BELT_OK, "%s", belt_error_text());
    cr_assert_gt(us, 0);
    cr_assert_eq(belt_pool_apply(pool, "echo", "x", 1, NULL, WAIT_MS, &result), BELT_OK); /* the agent is there */
    belt_result_free(&result);
    cr_assert_eq(belt_status_get(pool, BELT_STATUS_WORKERS, NULL, NULL, WAIT_MS, &status), BELT_OK, "%s",
                 belt_error_text());
    cr_assert_eq(status->count, 1);
    cr_assert_eq(status->workers[0]->slots, 3);
    belt_status_free(&status);
    cr_assert_eq(belt_pool_apply_async(pool, "endless", "", 0, NULL, &stream), BELT_OK);
    while (belt_stream_job(stream) == 0)
        cr_assert_eq(belt_stream_next(stream, 10, &result), BELT_AGAIN);
    cr_assert_eq(belt_status_get(pool, BELT_STATUS_JOBS, NULL, NULL, WAIT_MS, &status), BELT_OK, "%s",
                 belt_error_text());
    cr_assert_geq(status->count, 1);
    cr_assert_str_eq(status->jobs[0]->function, status->count == 1 ? "endless" : status->jobs[0]->function);
    belt_status_free(&status);
    cr_assert_eq(belt_job_cancel(pool, belt_stream_job(stream), WAIT_MS), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_JOB_CANCELLED);
    cr_assert_eq(belt_job_cancel(pool, 999999, WAIT_MS), BELT_UNKNOWN_JOB);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

static void *one_user(void *pool)
{
    for (int i = 0; i < 50; i++) {
        belt_result *result = NULL;

        if (belt_pool_apply(pool, "echo", &i, sizeof(i), NULL, WAIT_MS, &result) != BELT_OK)
            return pool;
        belt_result_free(&result);
    }
    return NULL;
}

Test(library, serves_many_threads)
{
    belt_pool *pool = stock_pool(2);
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
    belt_job_options job = stock_options(0, 0);
    belt_stream *stream = NULL;

    cr_assert_eq(belt_pool_open("nonsense", NULL, &pool), BELT_INVALID);
    cr_assert(strstr(belt_error_text(), "nonsense") != NULL);
    belt_pool_options_init(&options);
    options.connect_timeout_ms = 100;
    cr_assert_eq(belt_pool_open("tcp://127.0.0.1:1", &options, &pool), BELT_NO_BROKER);
    cr_assert(strstr(belt_error_text(), "tcp://127.0.0.1:1") != NULL);
    cr_assert(strstr(belt_error_text(), "100 ms") != NULL);
    cr_assert_null(pool);
    pool = stock_pool(1);
    cr_assert_eq(belt_pool_imap(pool, "-bad", stock_next, NULL, NULL, &stream), BELT_INVALID);
    job.priority = 101;
    cr_assert_eq(belt_pool_imap(pool, "echo", stock_next, NULL, &job, &stream), BELT_INVALID);
    cr_assert_null(stream);
    cr_assert_eq(belt_stream_next(NULL, 0, NULL), BELT_INVALID);
    belt_stream_close(&stream);
    belt_result_free(NULL);
    belt_pool_close(&pool);
    belt_pool_close(&pool);
}
