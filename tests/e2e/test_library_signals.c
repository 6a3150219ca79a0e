/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals of the program while its threads wait inside of libbelt.
 */
#include "tests/e2e/library_stock.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

/* Restarting: calls of the system that can be restarted are, ours is not. */
static void catch_signal(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

    cr_assert_eq(sigaction(SIGUSR2, &action, NULL), 0);
}

static belt_pool *open_pool(bool signals_interrupt)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_pool *pool = NULL;

    stock_functions();
    options.slots = 1;
    options.signals_interrupt = signals_interrupt;
    options.kill_after_ms = 100;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

/* Sends the signal to a thread again and again: one that comes before the wait ends nothing. */
struct sender {
    pthread_t to, thread;
    atomic_bool stop;
};

static void *send(void *ctx)
{
    struct sender *sender = ctx;

    while (!atomic_load(&sender->stop)) {
        usleep(2000);
        pthread_kill(sender->to, SIGUSR2);
    }
    return NULL;
}

static void sender_start(struct sender *sender)
{
    *sender = (struct sender){.to = pthread_self()};
    cr_assert_eq(pthread_create(&sender->thread, NULL, send, sender), 0);
}

static void sender_stop(struct sender *sender)
{
    atomic_store(&sender->stop, true);
    pthread_join(sender->thread, NULL);
}

Test(library_signals, a_signal_ends_each_wait_when_the_pool_says_so)
{
    belt_pool *pool = open_pool(true);
    belt_job_options options = stock_options(0, 1);
    belt_stream *stream = NULL, *submitted = NULL;
    belt_result *result = NULL;
    struct sender sender;

    catch_signal();
    cr_assert_eq(belt_pool_imap(pool, "endless", NULL, NULL, &options, &stream), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, -1), BELT_OK);
    sender_start(&sender);
    for (int i = 0; i < 5; i++) /* now as one who has just come, now as one who keeps coming back */
        cr_assert_eq(belt_stream_next(stream, -1, &result), BELT_INTERRUPTED, "%s", belt_error_text());
    cr_assert_not_null(strstr(belt_error_text(), "signal"), "%s", belt_error_text());
    cr_assert_eq(belt_stream_feed(stream, "x", 1, -1), BELT_INTERRUPTED, "the window is full");
    sender_stop(&sender);
    cr_assert_gt(handled, 5);
    cr_assert_eq(belt_stream_next(stream, 0, &result), BELT_AGAIN, "an interruption ends one call");
    belt_stream_close(&stream);

    /* what is to be accepted is held up by nobody: only that it ends is sure */
    cr_assert_eq(belt_pool_submit_open(pool, "echo", NULL, NULL, NULL, &submitted), BELT_OK);
    sender_start(&sender);
    int rc = belt_stream_flush(submitted, -1);
    cr_assert(rc == BELT_OK || rc == BELT_INTERRUPTED, "%s", belt_error_text());
    sender_stop(&sender);
    belt_stream_close(&submitted);
    belt_pool_close(&pool);
}

Test(library_signals, a_signal_ends_the_wait_for_a_broker_that_is_silent)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_pool *pool = NULL;
    struct sender sender;

    catch_signal();
    options.signals_interrupt = true;
    options.connect_timeout_ms = -1;
    sender_start(&sender);
    cr_assert_eq(belt_pool_open("ipc:///tmp/belt_test_nobody", &options, &pool), BELT_INTERRUPTED, "%s",
                 belt_error_text());
    sender_stop(&sender);
    cr_assert_null(pool);
}

Test(library_signals, without_the_option_a_signal_ends_nothing)
{
    belt_pool *pool = open_pool(false);
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    struct sender sender;

    catch_signal();
    sender_start(&sender);
    cr_assert_eq(belt_pool_apply_async(pool, "endless", "x", 1, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, 100, &result), BELT_AGAIN);
    sender_stop(&sender);
    cr_assert_gt(handled, 0);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library_signals, an_interrupt_ends_a_wait_for_room_in_the_window)
{
    belt_pool *pool = open_pool(false);
    belt_job_options options = stock_options(0, 1);
    belt_stream *stream = NULL;

    cr_assert_eq(belt_pool_imap(pool, "endless", NULL, NULL, &options, &stream), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, -1), BELT_OK);
    belt_stream_interrupt(stream);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, -1), BELT_INTERRUPTED);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, 0), BELT_WINDOW_FULL);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}
