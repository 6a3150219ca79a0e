/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream that one thread feeds while another reads it, as a plain program: Criterion does not run under
 * ThreadSanitizer, this does (-DBELT_SANITIZE=thread). Ends with 0 when each input gave its result once, and nobody
 * slept while the other had something for him.
 */
#include <belt/belt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ITEMS   20000u
#define WAIT_MS 60000

static atomic_uint failures;

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    atomic_fetch_add(&failures, 1);
    fprintf(stderr, "drive_feed: %s: %s\n", what, belt_error_text());
}

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

static int endless(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)data, (void)len, (void)ctx;
    while (!belt_task_cancelled(task))
        usleep(1000);
    return 0;
}

struct feeder {
    belt_stream *stream;
    pthread_t thread;
    unsigned items;
};

static bool fails(uint64_t n)
{
    return n % 97 == 96;
}

/* Waits for room as long as it takes. */
static void *feed(void *ctx)
{
    struct feeder *feeder = ctx;
    belt_progress progress = BELT_PROGRESS_INIT;
    int rc = BELT_OK;

    for (uint64_t n = 0; n < feeder->items && rc == BELT_OK; n++) {
        rc = fails(n) ? belt_stream_feed_error(feeder->stream, "no input", WAIT_MS)
                      : belt_stream_feed(feeder->stream, &n, sizeof(n), WAIT_MS);
        if (n % 1024 == 0)
            check(belt_stream_progress(feeder->stream, &progress) == BELT_OK && progress.drawn == n + 1, "progress");
    }
    check(rc == BELT_OK, "feeding");
    check(belt_stream_end(feeder->stream) == BELT_OK, "the end");
    return NULL;
}

static void start(struct feeder *feeder, void *(*run)(void *))
{
    check(pthread_create(&feeder->thread, NULL, run, feeder) == 0, "a thread");
}

static void read_all(belt_stream *stream, bool ordered, unsigned items)
{
    static unsigned char seen[ITEMS];
    belt_result *result;
    unsigned count = 0;
    int rc;

    memset(seen, 0, sizeof(seen));
    while ((rc = belt_stream_next(stream, WAIT_MS, &result)) == BELT_OK) {
        uint64_t n = result->index;

        if (n >= items || seen[n]++ != 0 || (ordered && n != count))
            check(false, "a result that is not due");
        else if (fails(n) ? result->code != BELT_SOURCE_FAILED
                          : result->code != BELT_OK || memcmp(result->data, &n, sizeof(n)) != 0)
            check(false, "a wrong result");
        count++;
        belt_result_free(&result);
    }
    check(rc == BELT_END, "the end of the stream");
    check(count == items, "as many results as inputs");
}

static void feed_beside(belt_pool *pool, bool ordered, uint64_t buffersize, unsigned items)
{
    belt_job_options options = BELT_JOB_OPTIONS_INIT;
    struct feeder feeder = {.items = items};

    options.buffersize = buffersize;
    check((ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, "echo", NULL, NULL, &options, &feeder.stream) ==
              BELT_OK,
          "a stream");
    start(&feeder, feed);
    read_all(feeder.stream, ordered, items);
    pthread_join(feeder.thread, NULL);
    belt_stream_close(&feeder.stream);
}

/* ---- what wakes a reader that sleeps ---- */

/* Lets the reader fall asleep first, as a rule; the test is right, too, when it does not. */
static void *end_late(void *ctx)
{
    struct feeder *feeder = ctx;

    usleep(20000);
    check(belt_stream_end(feeder->stream) == BELT_OK, "the end");
    return NULL;
}

static void *cancel_late(void *ctx)
{
    struct feeder *feeder = ctx;

    usleep(20000);
    check(belt_stream_cancel(feeder->stream, WAIT_MS) == BELT_OK, "a cancel");
    return NULL;
}

static void *fail_late(void *ctx)
{
    struct feeder *feeder = ctx;

    usleep(20000);
    check(belt_stream_feed_error(feeder->stream, "no input", WAIT_MS) == BELT_OK, "an error");
    return NULL;
}

static void wake_reader(belt_pool *pool, void *(*run)(void *), int expected, unsigned code)
{
    struct feeder feeder = {0};
    belt_result *result = NULL;

    check(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &feeder.stream) == BELT_OK, "a stream");
    start(&feeder, run);
    check(belt_stream_next(feeder.stream, WAIT_MS, &result) == expected, "what a sleeping reader is woken by");
    check(!result || result->code == code, "its code");
    belt_result_free(&result);
    pthread_join(feeder.thread, NULL);
    belt_stream_close(&feeder.stream);
}

/* A feeder that waits for room that never comes is woken by the cancel of the thread that reads. */
static void *feed_in_vain(void *ctx)
{
    struct feeder *feeder = ctx;
    int rc;

    while ((rc = belt_stream_feed(feeder->stream, "x", 1, WAIT_MS)) == BELT_OK)
        ;
    check(rc == BELT_JOB_CANCELLED, "feeding a job that is cancelled");
    return NULL;
}

static void cancel_beside(belt_pool *pool)
{
    belt_job_options options = BELT_JOB_OPTIONS_INIT;
    struct feeder feeder = {0};
    belt_result *result = NULL;

    options.buffersize = 2;
    check(belt_pool_imap(pool, "endless", NULL, NULL, &options, &feeder.stream) == BELT_OK, "a stream");
    start(&feeder, feed_in_vain);
    check(belt_stream_next(feeder.stream, 20, &result) == BELT_AGAIN, "nothing is done");
    check(belt_stream_cancel(feeder.stream, WAIT_MS) == BELT_OK, "a cancel");
    pthread_join(feeder.thread, NULL);
    belt_stream_close(&feeder.stream);
}

int main(void)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_pool *pool = NULL;

    belt_function_register("echo", echo, NULL);
    belt_function_register("endless", endless, NULL);
    options.slots = 2;
    options.kill_after_ms = 100;
    check(belt_pool_open(NULL, &options, &pool) == BELT_OK, "a pool");
    for (int ordered = 0; pool && ordered < 2; ordered++) {
        feed_beside(pool, ordered != 0, 1, 500); /* each waits for the other all the time */
        feed_beside(pool, ordered != 0, 16, ITEMS);
        feed_beside(pool, ordered != 0, 0, ITEMS);
    }
    if (pool) {
        wake_reader(pool, end_late, BELT_END, BELT_OK);
        wake_reader(pool, cancel_late, BELT_JOB_CANCELLED, BELT_OK);
        wake_reader(pool, fail_late, BELT_OK, BELT_SOURCE_FAILED);
        cancel_beside(pool);
    }
    belt_pool_close(&pool);
    return atomic_load(&failures) == 0 ? 0 : 1;
}
