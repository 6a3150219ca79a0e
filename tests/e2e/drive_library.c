/* SPDX-License-Identifier: Apache-2.0
 *
 * Many threads on one private pool, as a plain program: Criterion does not run under ThreadSanitizer, this does
 * (-DBELT_SANITIZE=thread). Ends with 0 when every stream gave each result once.
 */
#include <belt/belt.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USERS   4
#define ITEMS   5000u
#define WAIT_MS 60000

static atomic_uint failures;

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    atomic_fetch_add(&failures, 1);
    fprintf(stderr, "drive_library: %s: %s\n", what, belt_error_text());
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

struct numbers {
    uint64_t next;
    uint64_t value;
};

static int number(void *ctx, belt_input *input)
{
    struct numbers *numbers = ctx;

    if (numbers->next == ITEMS)
        return BELT_INPUT_END;
    numbers->value = numbers->next++;
    input->data = &numbers->value;
    input->len = sizeof(numbers->value);
    return numbers->next % 97 == 0 ? BELT_INPUT_FAILED : BELT_INPUT_READY;
}

static void read_stream(belt_pool *pool, bool ordered)
{
    struct numbers numbers = {0, 0};
    static const uint64_t sum = (uint64_t)ITEMS * (ITEMS - 1) / 2;
    belt_stream *stream = NULL;
    belt_result *result;
    uint64_t got = 0;

    check((ordered ? belt_pool_imap : belt_pool_imap_unordered)(pool, "echo", number, &numbers, NULL, &stream) ==
              BELT_OK,
          "imap");
    while (belt_stream_next(stream, WAIT_MS, &result) == BELT_OK) {
        got += result->index;
        belt_result_free(&result);
    }
    check(got == sum, "each index once");
    belt_stream_close(&stream);
}

static void call(belt_pool *pool)
{
    belt_result *result = NULL;
    uint64_t us;

    for (int i = 0; i < 50; i++) {
        check(belt_pool_apply(pool, "echo", &i, sizeof(i), NULL, WAIT_MS, &result) == BELT_OK, "apply");
        belt_result_free(&result);
    }
    check(belt_pool_apply(pool, "endless", "", 0, NULL, 20, &result) == BELT_AGAIN, "apply with a time-out");
    check(belt_pool_ping(pool, WAIT_MS, &us) == BELT_OK, "ping");
}

static void stop_streams(belt_pool *pool)
{
    belt_stream *stream = NULL;
    belt_result *result = NULL;

    check(belt_pool_apply_async(pool, "endless", "", 0, NULL, &stream) == BELT_OK, "apply_async");
    belt_stream_interrupt(stream);
    check(belt_stream_next(stream, WAIT_MS, &result) == BELT_INTERRUPTED, "interrupt");
    check(belt_stream_cancel(stream, WAIT_MS) == BELT_OK, "cancel");
    belt_stream_close(&stream);
}

static void loop(belt_pool *pool)
{
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    struct pollfd event = {.events = POLLIN};

    check(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &stream) == BELT_OK, "imap to feed");
    event.fd = belt_stream_fd(stream);
    for (int i = 0; i < 200; i++) {
        check(belt_stream_feed(stream, "x", 1, 0) == BELT_OK, "feed");
        check(poll(&event, 1, WAIT_MS) == 1, "poll");
        check(belt_stream_next(stream, 0, &result) == BELT_OK, "next after poll");
        belt_result_free(&result);
    }
    belt_stream_close(&stream); /* not ended: it is cancelled */
}

static void *use(void *pool)
{
    read_stream(pool, true);
    read_stream(pool, false);
    call(pool);
    stop_streams(pool);
    loop(pool);
    return NULL;
}

int main(void)
{
    belt_pool_options options;
    belt_pool *pool = NULL;
    pthread_t users[USERS];

    belt_function_register("echo", echo, NULL);
    belt_function_register("endless", endless, NULL);
    belt_pool_options_init(&options);
    options.slots = 4;
    check(belt_pool_open(NULL, &options, &pool) == BELT_OK, "open");
    for (int i = 0; i < USERS && pool; i++)
        pthread_create(&users[i], NULL, use, pool);
    for (int i = 0; i < USERS && pool; i++)
        pthread_join(users[i], NULL);
    belt_pool_close(&pool);
    return atomic_load(&failures) == 0 ? 0 : 1;
}
