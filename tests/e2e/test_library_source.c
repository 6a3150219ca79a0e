/* SPDX-License-Identifier: Apache-2.0
 *
 * When the source of a stream is asked: never while there is a result to give, for a source may block. Asks are
 * counted, not timed.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Says what the letters say: i an input, f one that failed, l nothing yet; then the end. */
struct script {
    const char *at;
    unsigned asked;
    unsigned pause_us; /* it blocks for so long */
};

static int play(void *ctx, belt_input *input)
{
    struct script *script = ctx;

    script->asked++;
    if (script->pause_us > 0)
        usleep(script->pause_us);
    if (*script->at == '\0')
        return BELT_INPUT_END;
    input->data = script->at;
    input->len = 1;
    switch (*script->at++) {
    case 'i':
        return BELT_INPUT_READY;
    case 'f':
        return BELT_INPUT_FAILED;
    default:
        return BELT_INPUT_LATER;
    }
}

/* So many results are there, and nobody has taken them. */
static void await_results(const belt_stream *stream, uint64_t count)
{
    belt_progress progress = BELT_PROGRESS_INIT;

    for (int i = 0; i < WAIT_MS && progress.done + progress.failed < count; i++) {
        cr_assert_eq(belt_stream_progress(stream, &progress), BELT_OK);
        usleep(1000);
    }
    cr_assert_eq(progress.done + progress.failed, count);
}

static void expect_result(belt_stream *stream, struct script *script, unsigned code, unsigned asked)
{
    belt_result *result = NULL;

    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->code, code);
    cr_assert_eq(script->asked, asked, "the source was asked %u times, with a result there", script->asked);
    belt_result_free(&result);
}

static bool is_readable(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};

    return poll(&item, 1, 0) == 1;
}

static void results_go_before_the_source(bool ordered, bool with_fd)
{
    struct script script = {.at = "iili"};
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    int fd = -1;

    cr_assert_eq((ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, "echo", play, &script, NULL, &stream),
                 BELT_OK, "%s", belt_error_text());
    if (with_fd)
        fd = belt_stream_fd(stream);
    else
        cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_AGAIN, "it draws, and waits for nothing");
    cr_assert_eq(script.asked, 3);
    await_results(stream, 2);
    expect_result(stream, &script, BELT_OK, 3);
    expect_result(stream, &script, BELT_OK, with_fd ? 5 : 3);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(script.asked, 5, "it is asked when there is nothing to give");
    belt_result_free(&result);
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_END);
    cr_assert(!with_fd || is_readable(fd));
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(source, is_not_asked_while_there_is_a_result)
{
    results_go_before_the_source(true, false);
    results_go_before_the_source(false, false);
}

Test(source, is_not_asked_while_there_is_a_result_in_an_event_loop)
{
    results_go_before_the_source(true, true);
    results_go_before_the_source(false, true);
}

/* It has taken longer than any that does not block: then it is not even asked for the descriptor's sake. */
Test(source, that_blocks_is_asked_by_the_call_that_finds_nothing)
{
    struct script script = {.at = "ilii", .pause_us = 10000};
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    int fd;

    cr_assert_eq(belt_pool_imap(pool, "echo", play, &script, NULL, &stream), BELT_OK, "%s", belt_error_text());
    fd = belt_stream_fd(stream);
    cr_assert_eq(script.asked, 2);
    await_results(stream, 1);
    expect_result(stream, &script, BELT_OK, 2);
    cr_assert_not(is_readable(fd), "it had nothing when it was asked last");
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    cr_assert(is_readable(fd), "the next call gives a result or asks it");
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(source, is_not_asked_while_there_is_a_failed_input_to_give)
{
    struct script script = {.at = "ffi"};
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    cr_assert_eq(belt_pool_imap(pool, "echo", play, &script, NULL, &stream), BELT_OK, "%s", belt_error_text());
    expect_result(stream, &script, BELT_SOURCE_FAILED, 1);
    expect_result(stream, &script, BELT_SOURCE_FAILED, 2);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* A loop that takes one result for each event goes on until the end, and its source is drawn meanwhile. */
Test(source, is_drawn_by_an_event_loop)
{
    struct numbers numbers = stock_numbers(500);
    belt_job_options options = stock_options(0, 4);
    belt_pool *pool = stock_pool(2);
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    unsigned got = 0;
    int rc, fd;

    cr_assert_eq(stock_start(pool, true, "echo", &numbers, &options, &stream), BELT_OK, "%s", belt_error_text());
    fd = belt_stream_fd(stream);
    do {
        struct pollfd item = {.fd = fd, .events = POLLIN};

        cr_assert_eq(poll(&item, 1, WAIT_MS), 1, "nothing after %u results", got);
        rc = belt_stream_next(stream, 0, &result);
        got += rc == BELT_OK;
        if (rc == BELT_OK)
            belt_result_free(&result);
    } while (rc == BELT_OK || rc == BELT_AGAIN);
    cr_assert_eq(rc, BELT_END, "%s", belt_error_text());
    cr_assert_eq(got, 500);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}
