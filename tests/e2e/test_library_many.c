/* SPDX-License-Identifier: Apache-2.0
 *
 * Many single calls at once (belt_pool_apply_async): what each costs is counted, not timed; each has its own result,
 * and is stopped alone although it shares its job with others.
 */
#include "client/call.h"
#include "tests/e2e/library_stock.h"
#include "tests/e2e/stage.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static belt_stream *call_of(belt_pool *pool, const char *function, uint64_t number, const belt_job_options *options)
{
    belt_stream *call = NULL;
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

    cr_assert_eq(belt_pool_apply_async(pool, function, text, (size_t)n, options, &call), BELT_OK, "%s",
                 belt_error_text());
    return call;
}

/* The call gives its own input, once, and is closed. */
static void expect_number(belt_stream *call, uint64_t number)
{
    belt_result *result = NULL;
    char text[32];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

    cr_assert_eq(belt_stream_next(call, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->code, BELT_OK);
    cr_assert(result->len == (size_t)n && memcmp(result->data, text, (size_t)n) == 0, "the result of another call");
    cr_assert(result->index == 0 && result->number == 0);
    belt_result_free(&result);
    cr_assert_eq(belt_stream_next(call, 0, &result), BELT_END);
    belt_stream_close(&call);
}

static void open_and_read(belt_pool *pool, uint64_t count)
{
    belt_stream **calls = calloc(count, sizeof(belt_stream *));

    cr_assert_not_null(calls);
    for (uint64_t i = 0; i < count; i++)
        calls[i] = call_of(pool, "echo", i, NULL);
    for (uint64_t i = 0; i < count; i++)
        expect_number(calls[i], i);
    free(calls);
}

Test(many, a_hundred_thousand_calls_are_open_at_once)
{
    char home[64], endpoint[160];
    belt_pool *private_pool, *pool = NULL;

    stock_home(home);
    private_pool = stock_pool(2);
    open_and_read(private_pool, 100000);
    stock_endpoint(home, endpoint);
    cr_assert_eq(belt_pool_open(endpoint, NULL, &pool), BELT_OK, "%s", belt_error_text());
    open_and_read(pool, 100000);
    belt_pool_close(&pool);
    belt_pool_close(&private_pool);
    rmdir(home);
}

/* ---- what it costs ---- */

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2(); /* of a sanitizer's allocator: nothing */

    return info.uordblks + info.hblkhd;
}

/* Bytes that each of `count` calls takes: the first goes on for as long as the others are open. */
static size_t bytes_of_each(belt_pool *pool, uint64_t count)
{
    belt_stream **calls = calloc(count, sizeof(belt_stream *)), *first = call_of(pool, "endless", 0, NULL);
    size_t before = in_use(), after;

    for (uint64_t i = 0; i < count; i++)
        calls[i] = call_of(pool, "endless", i, NULL);
    cr_assert_eq(belt_stream_flush(calls[count - 1], WAIT_MS), BELT_OK, "%s", belt_error_text());
    after = in_use();
    for (uint64_t i = 0; i < count; i++)
        belt_stream_close(&calls[i]);
    belt_stream_close(&first);
    free(calls);
    return after > before ? (after - before) / count : 0;
}

Test(many, an_open_call_takes_less_than_a_kilobyte)
{
    belt_pool *pool = stock_pool(1);
    size_t few = bytes_of_each(pool, 1000), many = bytes_of_each(pool, 20000);

    cr_assert(few < 1024 && many < 1024, "%zu bytes with a thousand calls, %zu with twenty thousand", few, many);
    belt_pool_close(&pool);
}

/* How often streams were looked at for something to send while `count` calls came and went. */
static unsigned long steps_of(belt_pool *pool, uint64_t count)
{
    unsigned long before = atomic_load(&pool->pumped);

    for (uint64_t i = 0; i < count; i++)
        expect_number(call_of(pool, "echo", i, NULL), i);
    return atomic_load(&pool->pumped) - before;
}

Test(many, open_streams_and_calls_cost_others_nothing)
{
    enum { OPEN = 2000, CALLS = 500 };
    belt_pool *pool = stock_pool(2);
    belt_stream *streams[OPEN], *calls[OPEN];
    unsigned long alone, beside;

    alone = steps_of(pool, CALLS);
    for (int i = 0; i < OPEN; i++) {
        cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &streams[i]), BELT_OK, "%s", belt_error_text());
        calls[i] = call_of(pool, i == 0 ? "endless" : "echo", (uint64_t)i, NULL);
    }
    for (int i = 0; i < OPEN; i++)
        cr_assert_eq(belt_stream_flush(streams[i], WAIT_MS), BELT_OK, "the broker has answered: nothing is under way");
    for (int i = 1; i < OPEN; i++)
        expect_number(calls[i], (uint64_t)i);
    (void)steps_of(pool, CALLS); /* what was left of it is done */
    beside = steps_of(pool, CALLS);
    /* A call takes its own hand-over, PUSH, ACCEPTED, DELIVER and ACK, with or without company. */
    cr_assert(alone <= 20 * CALLS && beside <= 20 * CALLS, "%lu steps alone, %lu beside %d streams", alone, beside,
              (int)OPEN);
    for (int i = 0; i < OPEN; i++)
        belt_stream_close(&streams[i]);
    belt_stream_close(&calls[0]);
    belt_pool_close(&pool);
}

/* ---- each alone ---- */

Test(many, one_is_cancelled_and_the_others_are_not)
{
    belt_pool *pool = stock_pool(1);
    belt_job_options options;
    belt_stream *endless, *next, *unwanted;
    belt_result *result = NULL;

    belt_job_options_init(&options);
    endless = call_of(pool, "endless_late", 1500, &options);
    next = call_of(pool, "endless_late", 1, &options);
    unwanted = call_of(pool, "endless_late", 2, &options);
    cr_assert_eq(belt_stream_cancel(unwanted, WAIT_MS), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_stream_next(unwanted, WAIT_MS, &result), BELT_JOB_CANCELLED);
    cr_assert_eq(belt_stream_next(next, 50, &result), BELT_AGAIN, "the one before it has not ended");
    cr_assert_eq(belt_stream_cancel(endless, WAIT_MS), BELT_OK, "%s", belt_error_text());
    expect_number(next, 1);
    cr_assert_eq(belt_stream_next(endless, 0, &result), BELT_JOB_CANCELLED);
    belt_stream_close(&endless);
    belt_stream_close(&unwanted);
    belt_pool_close(&pool);
}

Test(many, one_that_is_closed_gives_its_slot_back)
{
    belt_pool *pool = stock_pool(1);

    for (int i = 0; i < 3; i++) {
        belt_stream *endless = call_of(pool, "endless_late", 1500, NULL),
                    *waits = call_of(pool, "endless_late", 7, NULL);
        belt_result *result;

        cr_assert_eq(belt_stream_next(endless, 20, &result), BELT_AGAIN);
        belt_stream_close(&waits);
        belt_stream_close(&endless);
        expect_number(call_of(pool, "endless_late", (uint64_t)i, NULL), (uint64_t)i);
    }
    belt_pool_close(&pool);
}

Test(many, one_that_is_halted_before_it_began_says_so)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *endless = call_of(pool, "endless_late", 1500, NULL), *waits = call_of(pool, "endless_late", 1, NULL);
    belt_result *result = NULL;

    cr_assert_eq(belt_stream_flush(waits, WAIT_MS), BELT_OK);
    cr_assert_eq(belt_stream_halt(waits), BELT_OK);
    cr_assert_eq(belt_stream_next(waits, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->code, BELT_TASK_CANCELLED);
    belt_result_free(&result);
    cr_assert_eq(belt_stream_next(endless, 0, &result), BELT_AGAIN);
    belt_stream_close(&waits);
    belt_stream_close(&endless);
    belt_pool_close(&pool);
}

Test(many, the_task_of_one_is_cancelled_and_its_result_says_so)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *endless = call_of(pool, "endless_late", 1500, NULL);
    belt_result *result = NULL;

    cr_assert_eq(belt_stream_next(endless, 20, &result), BELT_AGAIN);
    cr_assert_eq(belt_stream_cancel_task(endless, 1), BELT_INVALID);
    cr_assert_eq(belt_stream_cancel_task(endless, 0), BELT_OK);
    cr_assert_eq(belt_stream_next(endless, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(result->code, BELT_TASK_CANCELLED);
    belt_result_free(&result);
    belt_stream_close(&endless);
    belt_pool_close(&pool);
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};

    return poll(&item, 1, timeout_ms) == 1;
}

Test(many, one_has_a_descriptor_and_can_be_interrupted)
{
    belt_pool *pool = stock_pool(2);
    belt_stream *endless = call_of(pool, "endless", 0, NULL), *quick = call_of(pool, "echo", 3, NULL);
    belt_progress progress = BELT_PROGRESS_INIT;
    belt_result *result;
    int fd = belt_stream_fd(endless);

    cr_assert(is_readable(belt_stream_fd(quick), WAIT_MS));
    cr_assert_not(is_readable(fd, 0));
    belt_stream_interrupt(endless);
    cr_assert(is_readable(fd, WAIT_MS));
    cr_assert_eq(belt_stream_next(endless, WAIT_MS, &result), BELT_INTERRUPTED);
    cr_assert_not(is_readable(fd, 0));
    cr_assert_eq(belt_stream_feed(quick, "x", 1, 0), BELT_JOB_ENDED);
    cr_assert_eq(belt_stream_feed_error(quick, "x", 0), BELT_JOB_ENDED);
    cr_assert_eq(belt_stream_end(quick), BELT_OK);
    cr_assert_eq(belt_stream_ack(quick, 0), BELT_INVALID);
    cr_assert_eq(belt_stream_ack_flush(quick, 0), BELT_INVALID);
    cr_assert_eq(belt_stream_flush(quick, WAIT_MS), BELT_OK);
    belt_stream_progress(quick, &progress);
    cr_assert(progress.drawn == 1 && progress.done == 1 && progress.taken == 0 && progress.ended);
    expect_number(quick, 3);
    belt_stream_progress(endless, &progress);
    cr_assert(progress.done == 0 && progress.failed == 0);
    belt_stream_detach(&endless);
    belt_pool_close(&pool);
}

Test(many, calls_outlive_their_pool)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *done = call_of(pool, "echo", 1, NULL), *waits;
    belt_result *result;
    int fd;

    cr_assert_eq(belt_stream_flush(done, WAIT_MS), BELT_OK);
    waits = call_of(pool, "endless", 0, NULL);
    fd = belt_stream_fd(waits);
    belt_pool_close(&pool);
    cr_assert(is_readable(fd, 0));
    cr_assert_eq(belt_stream_next(waits, -1, &result), BELT_CLOSED);
    cr_assert_eq(belt_stream_next(done, -1, &result), BELT_CLOSED);
    cr_assert_eq(belt_stream_cancel(waits, -1), BELT_CLOSED);
    belt_stream_close(&waits);
    belt_stream_close(&done);
}

/* ---- which share a job ---- */

static uint64_t job_of(belt_pool *pool, const belt_job_options *options)
{
    belt_stream *call = call_of(pool, "echo", 1, options);
    belt_result *result = NULL;
    uint64_t job;

    cr_assert_eq(belt_stream_next(call, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    job = belt_stream_job(call);
    belt_stream_close(&call);
    return job;
}

Test(many, calls_of_other_options_have_another_job)
{
    belt_pool *pool = stock_pool(1);
    belt_job_options plain, other;
    uint64_t job;

    belt_job_options_init(&plain);
    job = job_of(pool, NULL);
    cr_assert_eq(job_of(pool, &plain), job);
    plain.chunksize = 7;
    plain.buffersize = 3;
    cr_assert_eq(job_of(pool, &plain), job, "these say nothing for one task");
    belt_job_options_init(&other);
    other.retries = 1;
    cr_assert_neq(job_of(pool, &other), job);
    belt_job_options_init(&other);
    other.argument = "a";
    other.argument_len = 1;
    cr_assert_neq(job_of(pool, &other), job);
    belt_job_options_init(&other);
    other.final_statuses = "2";
    cr_assert_neq(job_of(pool, &other), job);
    belt_job_options_init(&other);
    other.deadline_ms = 60000;
    cr_assert_neq(job_of(pool, &other), job_of(pool, &other), "it counts from the opening of its job");
    belt_job_options_init(&other);
    other.key = "mine";
    cr_assert_neq(job_of(pool, &other), job);
    belt_pool_close(&pool);
}

Test(many, the_job_ends_when_it_has_no_call)
{
    belt_pool *pool = stock_pool(1);
    uint64_t job = job_of(pool, NULL);
    bool living = true;
    char name[32];

    snprintf(name, sizeof(name), "%llu", (unsigned long long)job);
    for (int i = 0; i < 400 && living; i++) { /* its own time, which nobody is promised */
        belt_status *status = NULL;

        cr_assert_eq(belt_status_get(pool, BELT_STATUS_JOBS, name, NULL, WAIT_MS, &status), BELT_OK, "%s",
                     belt_error_text());
        living = status->count > 0 && strcmp(status->jobs[0]->state, "open") == 0;
        belt_status_free(&status);
        usleep(50000);
    }
    cr_assert_not(living);
    cr_assert_neq(job_of(pool, NULL), job, "and the next one has a new one");
    belt_pool_close(&pool);
}

/* ---- a broker that comes back with nothing ---- */

Test(many, what_a_broker_had_not_accepted_goes_to_its_successor)
{
    struct stage stage = {0};
    struct process *worker;
    belt_stream *accepted, *late;
    belt_result *result = NULL;
    belt_pool *pool = NULL;

    stage_open(&stage, STAGE_IPC, false, NULL);
    cr_assert_eq(belt_pool_open(stage.clients, NULL, &pool), BELT_OK, "%s", belt_error_text());
    accepted = call_of(pool, "f", 1, NULL);
    cr_assert_eq(belt_stream_flush(accepted, WAIT_MS), BELT_OK, "%s", belt_error_text());
    process_signal(stage.broker, SIGKILL);
    cr_assert(process_wait(stage.broker, WAIT_MS));
    late = call_of(pool, "f", 2, NULL);
    stage_start_broker(&stage);
    worker = stage_worker(&stage, STAGE_COMMAND, "1");
    cr_assert_eq(belt_stream_next(accepted, WAIT_MS, &result), BELT_LOST_BROKER, "%s", belt_error_text());
    cr_assert_eq(belt_stream_next(late, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    belt_result_free(&result);
    belt_stream_close(&accepted);
    belt_stream_close(&late);
    belt_pool_close(&pool);
    stage_stop_worker(worker);
    stage_close(&stage);
}
