/* SPDX-License-Identifier: Apache-2.0
 *
 * What functions in slots say beside a result: failures with a payload, output, and why a slot cannot
 * serve; tasks that are not wanted any more; and payloads in parts, and inputs that are drawn ahead.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE (1u << 20)

/* Fails with the input as its payload; an input of 4 bytes says how large the payload is to be instead. */
static int fails_with(belt_task *task, const void *data, size_t len, void *ctx)
{
    uint32_t size;
    char *large;
    int rc;

    (void)ctx;
    if (len != sizeof(size))
        return belt_task_fail_data(task, "a failure that a program can read", data, len);
    memcpy(&size, data, sizeof(size));
    large = calloc(1, size);
    if (!large)
        return -1;
    large[size - 1] = 'z';
    rc = belt_task_fail_data(task, "large", large, size);
    free(large);
    return rc;
}

/* Fails until its last attempt, each time with the number of the attempt. */
static int fails_twice(belt_task *task, const void *data, size_t len, void *ctx)
{
    unsigned attempt = belt_task_attempt(task);

    (void)ctx;
    if (attempt < 3)
        return belt_task_fail_data(task, "not yet", &attempt, sizeof(attempt));
    return belt_task_reply(task, data, len);
}

/* With the payload limit of a broker. */
static belt_pool *limited_pool(int slots)
{
    belt_pool_options options;
    belt_pool *pool = NULL;

    stock_functions();
    belt_pool_options_init(&options);
    options.slots = slots;
    options.max_payload = 16 * LARGE;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

static belt_pool *open_pool(void)
{
    belt_function_register("fails_with", fails_with, NULL);
    belt_function_register("fails_twice", fails_twice, NULL);
    return limited_pool(1);
}

static belt_result *apply(belt_pool *pool, const char *function, const void *data, size_t len,
                          const belt_job_options *options)
{
    belt_result *result = NULL;

    cr_assert_eq(belt_pool_apply(pool, function, data, len, options, WAIT_MS, &result), BELT_OK, "%s",
                 belt_error_text());
    return result;
}

Test(library_tasks, a_failure_has_its_payload_beside_its_text)
{
    belt_pool *pool = open_pool();
    belt_result *result = apply(pool, "fails_with", "ValueError", 10, NULL);

    cr_assert_eq(result->code, BELT_TASK_FAILED);
    cr_assert_str_eq(result->text, "a failure that a program can read");
    cr_assert(result->len == 10 && memcmp(result->data, "ValueError", 10) == 0);
    belt_result_free(&result);
    result = apply(pool, "fails_with", "", 0, NULL);
    cr_assert(result->code == BELT_TASK_FAILED && result->len == 0);
    cr_assert_str_eq(result->text, "a failure that a program can read");
    belt_result_free(&result);
    belt_pool_close(&pool);
}

Test(library_tasks, the_payload_of_a_failure_may_be_large_and_is_left_out_when_it_is_too_large)
{
    belt_pool *pool = open_pool();
    uint32_t size = LARGE;
    belt_result *result = apply(pool, "fails_with", &size, sizeof(size), NULL);

    cr_assert(result->code == BELT_TASK_FAILED && result->len == LARGE &&
              ((const char *)result->data)[LARGE - 1] == 'z');
    belt_result_free(&result);
    size = 64 * LARGE;
    result = apply(pool, "fails_with", &size, sizeof(size), NULL);
    cr_assert(result->code == BELT_TASK_FAILED && result->len == 0);
    cr_assert_str_eq(result->text, "large");
    belt_result_free(&result);
    result = apply(pool, "echo", "x", 1, NULL);
    cr_assert(result->code == BELT_OK && result->len == 1, "the slot goes on");
    belt_result_free(&result);
    belt_pool_close(&pool);
}

Test(library_tasks, a_failure_with_a_payload_is_tried_again_and_counted)
{
    belt_pool *pool = open_pool();
    belt_job_options options = BELT_JOB_OPTIONS_INIT;
    belt_status *status = NULL;
    belt_result *result;

    options.backoff_ms = -1;
    options.retries = 1;
    result = apply(pool, "fails_twice", "x", 1, &options);
    cr_assert(result->code == BELT_TASK_FAILED && result->attempt == 2 && result->len == sizeof(unsigned));
    cr_assert_eq(*(const unsigned *)result->data, 2, "the payload of the last attempt");
    belt_result_free(&result);
    options.retries = 2;
    result = apply(pool, "fails_twice", "x", 1, &options);
    cr_assert(result->code == BELT_OK && result->attempt == 3);
    belt_result_free(&result);
    cr_assert_eq(belt_status_get(pool, BELT_STATUS_QUEUES, "fails_twice", NULL, WAIT_MS, &status), BELT_OK);
    cr_assert_eq(status->count, 1);
    cr_assert(status->queues[0]->failed == 1 && status->queues[0]->retried == 3 && status->queues[0]->done == 1);
    belt_status_free(&status);
    belt_pool_close(&pool);
}

/* ---- output ---- */

static int says(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    printf("out %.*s\n", (int)len, (const char *)data);
    fprintf(stderr, "err %.*s\n", (int)len, (const char *)data);
    return belt_task_reply(task, data, len);
}

/* A pool of a program whose standard output and error are the pipe `ends`. */
static belt_pool *open_within(const int ends[2], bool inherit_output)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    belt_pool *pool = NULL;

    options.slots = 1;
    options.inherit_output = inherit_output;
    belt_function_register("says", says, NULL);
    cr_assert(dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    int rc = belt_pool_open(NULL, &options, &pool);
    cr_assert(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    cr_assert_eq(rc, BELT_OK, "%s", belt_error_text());
    close(out);
    close(err);
    return pool;
}

static size_t written(int ends[2], char text[256])
{
    size_t used = 0;
    ssize_t n;

    close(ends[1]);
    while ((n = read(ends[0], text + used, 255 - used)) > 0)
        used += (size_t)n;
    close(ends[0]);
    text[used] = '\0';
    return used;
}

Test(library_tasks, output_of_slots_goes_to_the_program_when_the_pool_says_so)
{
    char text[256];
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    belt_pool *pool = open_within(ends, true);
    belt_result *result = apply(pool, "says", "hi", 2, NULL);
    cr_assert(result->code == BELT_OK && result->log_len == 0, "it is no log");
    belt_result_free(&result);
    belt_pool_close(&pool); /* nobody has the pipe any more: its end can be read */
    written(ends, text);
    cr_assert_not_null(strstr(text, "out hi\n"), "%s", text);
    cr_assert_not_null(strstr(text, "err hi\n"), "%s", text);

    cr_assert_eq(pipe(ends), 0);
    pool = open_within(ends, false);
    result = apply(pool, "says", "hi", 2, NULL);
    cr_assert(result->code == BELT_OK && result->log_len > 0);
    belt_result_free(&result);
    belt_pool_close(&pool);
    cr_assert_eq(written(ends, text), 0, "%s", text);
}

/* ---- slots that cannot serve ---- */

#define REASON "Traceback (most recent call last):\n  File \"model.py\", line 3\nFileNotFoundError: weights"

static int no_model(void *ctx)
{
    (void)ctx;
    return belt_slot_fail(REASON);
}

static int no_model_twice(void *ctx)
{
    int *seen = ctx;

    seen[0] = belt_slot_fail(REASON);
    seen[1] = belt_slot_fail("another reason");
    return seen[1] == BELT_INVALID ? BELT_OK : -1;
}

static int late_reason(belt_task *task, const void *data, size_t len, void *ctx)
{
    int code = belt_slot_fail("too late");

    (void)data, (void)len, (void)ctx;
    return belt_task_reply(task, &code, sizeof(code));
}

static belt_pool *open_with(int slots, int (*slot_init)(void *), void *ctx)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_pool *pool = NULL;

    stock_functions();
    belt_function_register("late_reason", late_reason, NULL);
    options.slots = slots;
    options.slot_init = slot_init;
    options.slot_ctx = ctx;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

Test(library_tasks, an_initialiser_says_why_its_slot_cannot_serve)
{
    int seen[2];
    belt_pool *pool = open_with(3, no_model, NULL);
    belt_result *result = apply(pool, "echo", "x", 1, NULL);

    cr_assert_eq(result->code, BELT_SLOT_FAILED);
    cr_assert_str_eq(belt_code_name(result->code), "SLOT_FAILED");
    cr_assert_str_eq(result->text, REASON);
    belt_result_free(&result);
    belt_pool_close(&pool);

    pool = open_with(1, no_model_twice, seen);
    result = apply(pool, "echo", "x", 1, NULL);
    cr_assert_eq(result->code, BELT_SLOT_FAILED, "whatever the initialiser returns");
    cr_assert_str_eq(result->text, REASON, "the first reason counts");
    belt_result_free(&result);
    belt_pool_close(&pool);
}

static int says_nothing(void *ctx)
{
    (void)ctx;
    return 7;
}

Test(library_tasks, an_initialiser_that_only_fails_is_told_apart_from_a_failed_task)
{
    belt_pool *pool = open_with(1, says_nothing, NULL);
    belt_job_options options = BELT_JOB_OPTIONS_INIT;
    options.retries = 1;
    options.backoff_ms = -1;
    belt_result *result = apply(pool, "echo", "x", 1, &options);

    cr_assert_eq(result->code, BELT_SLOT_FAILED);
    cr_assert_eq(result->attempt, 2, "it is tried again as often as a failed task");
    cr_assert_not_null(strstr(result->text, "returned 7"), "%s", result->text);
    belt_result_free(&result);
    belt_pool_close(&pool);
}

Test(library_tasks, a_task_cannot_say_that_its_slot_cannot_serve)
{
    belt_pool *pool = open_with(1, NULL, NULL);
    belt_result *result = apply(pool, "late_reason", "x", 1, NULL);

    cr_assert(result->code == BELT_OK && *(const int *)result->data == BELT_INVALID);
    belt_result_free(&result);
    cr_assert_eq(belt_slot_fail("not in a slot"), BELT_INVALID);
    belt_pool_close(&pool);
}

/* ---- cancelling one task ---- */

/* Runs until it is not wanted for the input "0", else echoes. */
static int endless_first(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    while (len == 1 && *(const char *)data == '0' && !belt_task_cancelled(task))
        usleep(1000);
    return belt_task_reply(task, data, len);
}

static void cancels_one(bool ordered)
{
    belt_pool *pool;
    belt_stream *stream = NULL;
    belt_result *result;
    belt_job_options options = stock_options(0, 8);
    unsigned seen = 0;

    belt_function_register("endless_first", endless_first, NULL);
    pool = stock_pool(1);
    cr_assert_eq(
        (ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, "endless_first", NULL, NULL, &options, &stream),
        BELT_OK);
    cr_assert_eq(belt_stream_feed_error(stream, "no input", -1), BELT_OK);
    for (char digit = '0'; digit < '5'; digit++)
        cr_assert_eq(belt_stream_feed(stream, &digit, 1, -1), BELT_OK);
    cr_assert_eq(belt_stream_cancel_task(stream, 6), BELT_INVALID, "there is no such input yet");
    cr_assert_eq(belt_stream_cancel_task(stream, 0), BELT_OK, "it has failed already");
    cr_assert_eq(belt_stream_cancel_task(stream, 4), BELT_OK, "it waits behind one that never ends");
    cr_assert_eq(belt_stream_cancel_task(stream, 4), BELT_OK);
    cr_assert_eq(belt_stream_cancel_task(stream, 1), BELT_OK, "it may run by now");
    cr_assert_eq(belt_stream_end(stream), BELT_OK);
    while (belt_stream_next(stream, WAIT_MS, &result) == BELT_OK) {
        unsigned expected = result->index == 0 ? BELT_SOURCE_FAILED : BELT_OK;

        if (result->index == 1 || result->index == 4)
            expected = BELT_TASK_CANCELLED;
        cr_assert_eq(result->code, expected, "input %u: %s", (unsigned)result->index, result->text);
        seen |= 1u << result->index;
        belt_result_free(&result);
    }
    cr_assert_eq(seen, 63, "%s", belt_error_text());
    cr_assert_eq(belt_stream_cancel_task(stream, 2), BELT_OK, "it is done");
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library_tasks, one_task_of_a_stream_is_cancelled_and_the_others_go_on)
{
    cancels_one(true);
    cancels_one(false);
}

/* ---- parts ---- */

/* Answers with the input in three parts, of which the middle one is empty. */
static int in_parts(belt_task *task, const void *data, size_t len, void *ctx)
{
    const char *bytes = data;
    const belt_span parts[] = {{bytes, len / 3}, {NULL, 0}, {bytes + len / 3, len - len / 3}}, bad = {NULL, 1};

    (void)ctx;
    if (len == 1) {
        int code = belt_task_reply_parts(task, &bad, 1);
        return belt_task_reply(task, &code, sizeof(code));
    }
    return belt_task_reply_parts(task, parts, len > 0 ? 3 : 0);
}

struct part_source {
    const char *bytes;
    const size_t *sizes; /* ends with SIZE_MAX */
    belt_span parts[2];
};

static int next_parts(void *ctx, belt_input *input)
{
    struct part_source *source = ctx;

    if (*source->sizes == SIZE_MAX)
        return BELT_INPUT_END;
    source->parts[0] = (belt_span){source->bytes, *source->sizes / 2};
    source->parts[1] = (belt_span){source->bytes + *source->sizes / 2, *source->sizes - *source->sizes / 2};
    source->sizes++;
    input->parts = source->parts;
    input->part_count = 2;
    return BELT_INPUT_READY;
}

static void expect_bytes(belt_stream *stream, const char *bytes, size_t len)
{
    belt_result *result = NULL;

    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->code, BELT_OK, "%s", result->text);
    cr_assert_eq(result->len, len);
    cr_assert_eq(memcmp(result->data, bytes, len), 0, "%zu bytes", len);
    belt_result_free(&result);
}

Test(library_tasks, inputs_and_results_may_lie_in_parts)
{
    static const size_t sizes[] = {0, 2, 4096, 40000, LARGE, 8 * LARGE, SIZE_MAX};
    char *bytes = malloc(8 * LARGE);
    struct part_source source = {.bytes = bytes, .sizes = sizes};
    belt_span parts[3];
    belt_stream *stream = NULL;

    for (size_t i = 0; i < 8 * LARGE; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    belt_function_register("in_parts", in_parts, NULL);
    belt_pool *pool = limited_pool(1);
    cr_assert_eq(belt_pool_imap(pool, "in_parts", next_parts, &source, NULL, &stream), BELT_OK);
    for (size_t i = 0; sizes[i] != SIZE_MAX; i++)
        expect_bytes(stream, bytes, sizes[i]);
    belt_stream_close(&stream);

    cr_assert_eq(belt_pool_imap(pool, "in_parts", NULL, NULL, NULL, &stream), BELT_OK);
    for (size_t i = 0; sizes[i] != SIZE_MAX; i++) {
        parts[0] = (belt_span){bytes, 1};
        parts[1] = (belt_span){NULL, 0};
        parts[2] = (belt_span){bytes + 1, sizes[i] > 0 ? sizes[i] - 1 : 0};
        cr_assert_eq(belt_stream_feed_parts(stream, parts, sizes[i] > 0 ? 3 : 0, WAIT_MS), BELT_OK);
        expect_bytes(stream, bytes, sizes[i]);
    }
    parts[0] = (belt_span){NULL, 1};
    cr_assert_eq(belt_stream_feed_parts(stream, parts, 1, 0), BELT_INVALID);
    cr_assert_eq(belt_stream_feed_parts(stream, NULL, 1, 0), BELT_INVALID);
    parts[0] = parts[1] = parts[2] = (belt_span){bytes, 8 * LARGE};
    cr_assert_eq(belt_stream_feed_parts(stream, parts, 3, 0), BELT_TOO_LARGE);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, WAIT_MS), BELT_OK);
    int code = BELT_INVALID;
    expect_bytes(stream, (const char *)&code, sizeof(code));
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    free(bytes);
}

/* ---- drawing ahead ---- */

Test(library_tasks, inputs_are_drawn_before_somebody_asks_for_a_result)
{
    belt_pool *pool = stock_pool(1);
    belt_job_options options = stock_options(0, 7);
    struct numbers numbers = stock_numbers(100);
    belt_progress progress = BELT_PROGRESS_INIT;
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    cr_assert_eq(belt_pool_imap(pool, "echo", stock_next, &numbers, &options, &stream), BELT_OK);
    cr_assert_eq(numbers.next, 0);
    cr_assert_eq(belt_stream_draw(stream), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(numbers.next, 7, "as many as the window holds");
    cr_assert_eq(belt_stream_draw(stream), BELT_OK);
    cr_assert_eq(numbers.next, 7, "and no more, since nothing was taken");
    for (int i = 0; i < WAIT_MS && progress.done < 7; i++) {
        usleep(1000);
        cr_assert_eq(belt_stream_progress(stream, &progress), BELT_OK);
    }
    cr_assert(progress.done == 7 && progress.taken == 0, "they run without us");
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK);
    cr_assert(stock_says_number(result));
    belt_result_free(&result);
    cr_assert_eq(belt_stream_cancel(stream, WAIT_MS), BELT_OK);
    cr_assert_eq(belt_stream_draw(stream), BELT_JOB_CANCELLED);
    belt_stream_close(&stream);
    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_draw(stream), BELT_INVALID, "it has no source");
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* ---- arguments ---- */

/* Whether the argument is as many bytes as the input says, each with its place in it. */
static int weighs(belt_task *task, const void *data, size_t len, void *ctx)
{
    size_t have, want;
    const unsigned char *argument = belt_task_argument(task, &have);

    (void)ctx;
    if (len != sizeof(want))
        return -1;
    memcpy(&want, data, sizeof(want));
    if (have != want)
        return belt_task_fail(task, "the argument has another length");
    for (size_t i = 0; i < have; i += 997)
        if (argument[i] != (unsigned char)(i * 7 + i / 251))
            return belt_task_fail(task, "the argument has other bytes");
    return belt_task_reply(task, NULL, 0);
}

Test(library_tasks, an_argument_is_as_large_as_a_payload_may_be)
{
    static const size_t sizes[] = {64 << 10, (64 << 10) + 1, LARGE, 16 * LARGE};
    unsigned char *argument = malloc(16 * LARGE + 1);
    belt_job_options options = BELT_JOB_OPTIONS_INIT;
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    for (size_t i = 0; i < 16 * LARGE; i++)
        argument[i] = (unsigned char)(i * 7 + i / 251);
    belt_function_register("weighs", weighs, NULL);
    belt_pool *pool = limited_pool(2);
    options.argument = argument;
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        options.argument_len = sizes[n];
        cr_assert_eq(belt_pool_imap(pool, "weighs", NULL, NULL, &options, &stream), BELT_OK, "%s", belt_error_text());
        for (int i = 0; i < 12; i++)
            cr_assert_eq(belt_stream_feed(stream, &sizes[n], sizeof(sizes[n]), WAIT_MS), BELT_OK);
        cr_assert_eq(belt_stream_end(stream), BELT_OK);
        for (int i = 0; i < 12; i++) {
            cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
            cr_assert_eq(result->code, BELT_OK, "%zu: %s", sizes[n], result->text);
            belt_result_free(&result);
        }
        belt_stream_close(&stream);
    }
    options.argument_len = 16 * LARGE + 1;
    cr_assert_eq(belt_pool_imap(pool, "weighs", NULL, NULL, &options, &stream), BELT_TOO_LARGE);
    options.argument = NULL;
    cr_assert_eq(belt_pool_imap(pool, "weighs", NULL, NULL, &options, &stream), BELT_INVALID);
    belt_pool_close(&pool);
    free(argument);
}
