/* SPDX-License-Identifier: Apache-2.0
 *
 * libbelt: jobs that are handed in, left, and read by name, in a private pool.
 */
#include <belt/belt.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

static belt_pool *pool;

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

static void set_up(void)
{
    belt_pool_options options;

    belt_function_register("echo", echo, NULL);
    belt_pool_options_init(&options);
    options.slots = 2;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
}

static void tear_down(void)
{
    belt_pool_close(&pool);
}

TestSuite(jobs, .init = set_up, .fini = tear_down, .timeout = 60);

/* Counts from 0 to `limit`; `fails` says which input fails. */
struct counter {
    unsigned next, limit, fails;
    char text[16];
};

static int count(void *ctx, belt_input *input)
{
    struct counter *counter = ctx;

    if (counter->next == counter->limit)
        return BELT_INPUT_END;
    input->data = counter->text;
    input->len = (size_t)snprintf(counter->text, sizeof(counter->text), "%u", counter->next);
    return counter->next++ == counter->fails ? BELT_INPUT_FAILED : BELT_INPUT_READY;
}

static uint64_t submit(const char *key, unsigned limit)
{
    struct counter counter = {.limit = limit, .fails = UINT32_MAX};
    belt_job_options options;
    uint64_t job;

    belt_job_options_init(&options);
    options.key = key;
    cr_assert_eq(belt_pool_submit(pool, "echo", count, &counter, &options, &job), BELT_OK, "%s", belt_error_text());
    cr_assert_neq(job, 0);
    return job;
}

static belt_stream *subscribe(uint64_t job, const char *reader, uint64_t cursor, bool unordered, bool acknowledge)
{
    belt_reader_options options;
    belt_stream *stream;

    belt_reader_options_init(&options);
    options.unordered = unordered;
    options.acknowledge = acknowledge;
    options.buffersize = 8;
    cr_assert_eq(belt_pool_subscribe(pool, job, reader, cursor, &options, &stream), BELT_OK, "%s", belt_error_text());
    return stream;
}

/* The next result must have this number; its index. */
static uint64_t expect(belt_stream *stream, uint64_t number)
{
    belt_result *result;
    uint64_t index;
    char text[24];

    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    snprintf(text, sizeof(text), "%.*s", (int)result->len, (const char *)result->data);
    cr_assert_eq(result->number, number, "number %llu", (unsigned long long)result->number);
    cr_assert_eq(strtoull(text, NULL, 10), result->index);
    index = result->index;
    belt_result_free(&result);
    return index;
}

static void fails_with(belt_stream *stream, int code)
{
    belt_result *result;

    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), code, "%s", belt_error_text());
}

Test(jobs, two_readers_in_different_modes_see_everything)
{
    uint64_t job = submit(NULL, 500);
    belt_stream *ordered = subscribe(job, "o", BELT_FROM_ACKNOWLEDGED, false, false);
    belt_stream *unordered = subscribe(job, "u", BELT_FROM_ACKNOWLEDGED, true, false);
    bool seen[500] = {false};

    cr_assert_eq(expect(ordered, 0), 0);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t index = expect(unordered, i);
        cr_assert_not(seen[index]);
        seen[index] = true;
    }
    fails_with(unordered, BELT_END);
    for (unsigned i = 1; i < 500; i++)
        cr_assert_eq(expect(ordered, i), i);
    fails_with(ordered, BELT_END);
    belt_stream_close(&ordered);
    belt_stream_close(&unordered);
}

Test(jobs, a_reader_goes_on_behind_what_it_acknowledged)
{
    uint64_t job = submit(NULL, 20);
    belt_stream *stream = subscribe(job, "r", BELT_FROM_ACKNOWLEDGED, false, true);

    for (unsigned i = 0; i < 5; i++)
        expect(stream, i);
    cr_assert_eq(belt_stream_ack(stream, 5), BELT_INVALID, "it was not given");
    cr_assert_eq(belt_stream_ack(stream, 2), BELT_OK);
    belt_stream_close(&stream);
    stream = subscribe(job, "r", BELT_FROM_ACKNOWLEDGED, false, true);
    for (unsigned i = 3; i < 20; i++) {
        expect(stream, i);
        cr_assert_eq(belt_stream_ack(stream, i), BELT_OK);
    }
    fails_with(stream, BELT_END);
    belt_stream_close(&stream);
}

Test(jobs, a_reader_that_does_not_acknowledge_gets_no_more_than_its_window)
{
    uint64_t job = submit(NULL, 100);
    belt_stream *stream = subscribe(job, "r", BELT_FROM_ACKNOWLEDGED, false, true);
    belt_result *result;

    for (unsigned i = 0; i < 8; i++)
        expect(stream, i);
    cr_assert_eq(belt_stream_next(stream, 100, &result), BELT_AGAIN);
    cr_assert_eq(belt_stream_ack(stream, 3), BELT_OK);
    for (unsigned i = 8; i < 12; i++)
        expect(stream, i);
    cr_assert_eq(belt_stream_next(stream, 100, &result), BELT_AGAIN);
    belt_stream_close(&stream);
}

Test(jobs, taking_is_acknowledging_without_the_option)
{
    uint64_t job = submit(NULL, 4);
    belt_stream *stream = subscribe(job, "r", BELT_FROM_ACKNOWLEDGED, false, false);

    cr_assert_eq(belt_stream_ack(stream, 0), BELT_INVALID);
    expect(stream, 0);
    expect(stream, 1);
    belt_stream_detach(&stream);
    cr_assert_null(stream);
    stream = subscribe(job, "r", BELT_FROM_ACKNOWLEDGED, false, false);
    expect(stream, 2);
    belt_stream_close(&stream);
}

Test(jobs, what_is_not_there_is_said)
{
    uint64_t job = submit(NULL, 4);
    belt_stream *stream = subscribe(job + 1, "r", BELT_FROM_ACKNOWLEDGED, false, false);

    fails_with(stream, BELT_UNKNOWN_JOB);
    cr_assert_not_null(strstr(belt_error_text(), "there is no job"), "%s", belt_error_text());
    belt_stream_close(&stream);
    stream = subscribe(job, "r", 3, false, false);
    expect(stream, 3);
    fails_with(stream, BELT_END);
    belt_stream_close(&stream);
    stream = subscribe(job, "r", 1, false, false);
    fails_with(stream, BELT_GONE);
    cr_assert_not_null(strstr(belt_error_text(), "are kept"), "%s", belt_error_text());
    belt_stream_close(&stream);
    cr_assert_eq(belt_pool_subscribe(pool, job, "", 0, NULL, &stream), BELT_INVALID);
}

Test(jobs, the_same_key_is_the_same_job)
{
    uint64_t job = submit("key", 50);
    belt_stream *stream;

    cr_assert_eq(submit("key", 50), job);
    stream = subscribe(job, "r", BELT_FROM_ACKNOWLEDGED, false, false);
    for (unsigned i = 0; i < 50; i++)
        cr_assert_eq(expect(stream, i), i);
    fails_with(stream, BELT_END);
    belt_stream_close(&stream);
}

Test(jobs, two_open_streams_of_a_pool_have_two_keys)
{
    belt_job_options options;
    belt_stream *stream, *second;
    belt_result *result;

    belt_job_options_init(&options);
    options.key = "k";
    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, &options, &stream), BELT_OK);
    options.take_over = true;
    cr_assert_eq(belt_pool_imap_unordered(pool, "echo", NULL, NULL, &options, &second), BELT_INVALID);
    cr_assert_null(second);
    cr_assert_not_null(strstr(belt_error_text(), "has the key \"k\": close it first"), "%s", belt_error_text());
    cr_assert_eq(belt_pool_submit_open(pool, "echo", NULL, NULL, &options, &second), BELT_INVALID);
    cr_assert_eq(belt_pool_apply_async(pool, "echo", "x", 1, &options, &second), BELT_INVALID);
    options.key = "l";
    cr_assert_eq(belt_pool_apply(pool, "echo", "x", 1, &options, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    /* The first is none the worse for it, and its end frees the key. */
    cr_assert_eq(belt_stream_feed(stream, "0", 1, WAIT_MS), BELT_OK);
    cr_assert_eq(belt_stream_end(stream), BELT_OK);
    expect(stream, 0);
    fails_with(stream, BELT_END);
    belt_stream_close(&stream);
    options.key = "k";
    cr_assert_eq(belt_pool_submit_open(pool, "echo", NULL, NULL, &options, &stream), BELT_OK, "%s", belt_error_text());
    belt_stream_close(&stream);
    cr_assert_eq(belt_pool_submit_open(pool, "echo", NULL, NULL, &options, &stream), BELT_OK, "%s", belt_error_text());
    belt_stream_close(&stream);
}

Test(jobs, fed_by_hand_flushed_and_left)
{
    belt_stream *stream;
    belt_result *result;
    uint64_t job;

    cr_assert_eq(belt_pool_submit_open(pool, "echo", NULL, NULL, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_flush(stream, WAIT_MS), BELT_OK, "nothing was handed in, and the job is open");
    cr_assert_eq(belt_stream_feed(stream, "0", 1, WAIT_MS), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "1", 1, WAIT_MS), BELT_OK);
    cr_assert_eq(belt_stream_feed_error(stream, "no", 0), BELT_INVALID);
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_INVALID);
    cr_assert_eq(belt_stream_flush(stream, WAIT_MS), BELT_OK);
    cr_assert_eq(belt_stream_end(stream), BELT_OK);
    cr_assert_eq(belt_stream_flush(stream, WAIT_MS), BELT_OK);
    job = belt_stream_job(stream);
    belt_stream_detach(&stream);
    stream = subscribe(job, "r", 0, false, false);
    cr_assert_eq(belt_stream_feed(stream, "2", 1, 0), BELT_INVALID);
    cr_assert_eq(belt_stream_flush(stream, 0), BELT_INVALID);
    expect(stream, 0);
    expect(stream, 1);
    fails_with(stream, BELT_END);
    belt_stream_close(&stream);
}

Test(jobs, a_source_that_fails_ends_a_submit_and_its_job)
{
    struct counter counter = {.limit = 10, .fails = 4};
    belt_status *status;
    uint64_t job;

    cr_assert_eq(belt_pool_submit(pool, "echo", count, &counter, NULL, &job), BELT_SOURCE_FAILED);
    cr_assert_not_null(strstr(belt_error_text(), "input 4"), "%s", belt_error_text());
    for (bool cancelled = false; !cancelled;) { /* or the test's time is over */
        cr_assert_eq(belt_status_get(pool, BELT_STATUS_JOBS, NULL, NULL, WAIT_MS, &status), BELT_OK, "%s",
                     belt_error_text());
        cancelled = status->count == 0 || strcmp(status->jobs[0]->state, "cancelled") == 0;
        belt_status_free(&status);
    }
}

Test(jobs, a_map_that_is_left_is_gone_on_with)
{
    struct counter counter = {.limit = 40, .fails = UINT32_MAX};
    belt_job_options options;
    belt_stream *stream;

    belt_job_options_init(&options);
    options.key = "m";
    options.detached = options.acknowledge = true;
    options.buffersize = 8;
    cr_assert_eq(belt_pool_imap(pool, "echo", count, &counter, &options, &stream), BELT_OK);
    for (unsigned i = 0; i < 6; i++)
        expect(stream, i);
    cr_assert_eq(belt_stream_ack(stream, 3), BELT_OK);
    belt_stream_detach(&stream);
    counter.next = 0;
    cr_assert_eq(belt_pool_imap(pool, "echo", count, &counter, &options, &stream), BELT_OK);
    for (unsigned i = 4; i < 40; i++) {
        cr_assert_eq(expect(stream, i), i);
        cr_assert_eq(belt_stream_ack(stream, i), BELT_OK);
    }
    fails_with(stream, BELT_END);
    belt_stream_close(&stream);
}
