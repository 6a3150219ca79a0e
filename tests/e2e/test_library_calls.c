/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of libbelt that cannot succeed, and say so at once: options of other versions of the header, functions that
 * nobody serves, time-outs.
 */
#include "tests/e2e/library_stock.h"
#include "proto/limits.h"
#include "worker/agent.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ---- */

/* A struct of a newer header: `room` holds the one of today and a field behind it. */
struct newer {
    _Alignas(16) unsigned char room[1024];
    size_t known;
};

static void *grown(struct newer *newer, size_t known, bool set)
{
    size_t size = known + 24;

    memcpy(newer->room, &size, sizeof(size));
    memset(newer->room + known, 0, 24);
    newer->room[known + 23] = set;
    return newer->room;
}

static int open_with(const belt_pool_options *options)
{
    belt_pool *pool = NULL;
    int rc = belt_pool_open("ipc:///tmp/belt_test_nobody", options, &pool);

    belt_pool_close(&pool);
    return rc;
}

Test(library_calls, a_newer_field_that_is_set_is_refused_and_one_that_is_not_is_no_matter)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    struct newer newer;

    belt_pool_options_init((belt_pool_options *)(void *)newer.room);
    ((belt_pool_options *)(void *)newer.room)->connect_timeout_ms = 1;
    cr_assert_eq(open_with(grown(&newer, sizeof(belt_pool_options), true)), BELT_BAD_OPTION);
    cr_assert_not_null(strstr(belt_error_text(), "does not know"), "%s", belt_error_text());
    cr_assert_eq(open_with(grown(&newer, sizeof(belt_pool_options), false)), BELT_NO_BROKER);

    belt_job_options_init((belt_job_options *)(void *)newer.room);
    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, grown(&newer, sizeof(belt_job_options), true), &stream),
                 BELT_BAD_OPTION);
    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, grown(&newer, sizeof(belt_job_options), false), &stream),
                 BELT_OK);
    belt_stream_close(&stream);

    belt_reader_options_init((belt_reader_options *)(void *)newer.room);
    cr_assert_eq(belt_pool_subscribe(pool, 1, "r", 0, grown(&newer, sizeof(belt_reader_options), true), &stream),
                 BELT_BAD_OPTION);
    cr_assert_eq(belt_pool_subscribe(pool, 1, "r", 0, grown(&newer, sizeof(belt_reader_options), false), &stream),
                 BELT_OK);
    belt_stream_close(&stream);
    belt_pool_close(&pool);

    belt_worker_options_init((belt_worker_options *)(void *)newer.room);
    cr_assert_eq(belt_worker_run("bad", grown(&newer, sizeof(belt_worker_options), true)), BELT_BAD_OPTION);
    cr_assert_eq(belt_worker_run("bad", grown(&newer, sizeof(belt_worker_options), false)), BELT_INVALID);
}

Test(library_calls, options_that_were_not_filled_are_refused)
{
    belt_pool_options pool = {.slots = 1};
    belt_worker_options worker = {.slots = 1};
    belt_reader_options reader = {.unordered = true};
    belt_job_options job = {.chunksize = 1};
    belt_pool *stock = stock_pool(1);
    belt_stream *stream;

    cr_assert_eq(open_with(&pool), BELT_INVALID);
    cr_assert_not_null(strstr(belt_error_text(), "BELT_POOL_OPTIONS_INIT"), "%s", belt_error_text());
    memset(&pool, 0xa5, sizeof(pool));
    cr_assert_eq(open_with(&pool), BELT_INVALID);
    cr_assert_eq(belt_worker_run("tcp://127.0.0.1:1", &worker), BELT_INVALID);
    cr_assert_not_null(strstr(belt_error_text(), "BELT_WORKER_OPTIONS_INIT"), "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap(stock, "echo", NULL, NULL, &job, &stream), BELT_INVALID);
    cr_assert_eq(belt_pool_subscribe(stock, 1, "r", 0, &reader, &stream), BELT_INVALID);
    belt_pool_close(&stock);
}

Test(library_calls, the_macros_of_the_header_have_the_defaults_of_the_library)
{
    belt_pool_options pool = BELT_POOL_OPTIONS_INIT;
    belt_worker_options worker = BELT_WORKER_OPTIONS_INIT;

    cr_assert_eq(pool.kill_after_ms, BELT_KILL_AFTER_MS);
    cr_assert_eq(worker.kill_after_ms, BELT_KILL_AFTER_MS);
    cr_assert_eq(pool.log_bytes, BELT_LOG_BYTES);
    cr_assert_eq(worker.log_bytes, BELT_LOG_BYTES);
}

/* ---- what a task writes to standard error ---- */

static int talk(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)data;
    (void)len;
    (void)ctx;
    for (unsigned i = 100000; i < 200000; i++)
        fprintf(stderr, "%u\n", i);
    return belt_task_reply(task, "", 0);
}

Test(library_calls, a_log_that_is_cut_says_how_much_is_missing)
{
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    struct numbers numbers = stock_numbers(1);
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    belt_pool *pool = NULL;
    unsigned long long cut = 0;
    unsigned first = 0;

    options.log_bytes = BELT_LOG_BYTES_MAX + 1;
    cr_assert_eq(belt_function_register("talk", talk, NULL), BELT_OK);
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_INVALID);
    options.log_bytes = -1;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_INVALID);
    options.log_bytes = 70000;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap(pool, "talk", stock_next, &numbers, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(sscanf(result->log, "[%llu bytes of standard error are left out]\n%6u\n", &cut, &first), 2, "%.80s",
                 result->log);
    cr_assert_eq(cut, 7ull * (first - 100000));
    cr_assert(cut == 630000, "%llu", cut);
    cr_assert_eq(memcmp(result->log + result->log_len - 7, "199999\n", 7), 0);
    belt_result_free(&result);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

Test(library_calls, progress_is_as_long_as_the_program_knows_it)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    struct newer_progress {
        belt_progress known;
        uint64_t newer, behind;
    } longer = {BELT_PROGRESS_INIT, 7, 7};
    struct {
        size_t size;
        uint64_t drawn, behind;
    } shorter = {offsetof(belt_progress, accepted), 7, 7};
    belt_progress none = {0};

    cr_assert_eq(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_feed(stream, "x", 1, -1), BELT_OK);
    longer.known.size = offsetof(struct newer_progress, behind);
    cr_assert_eq(belt_stream_progress(stream, &longer.known), BELT_OK);
    cr_assert(longer.known.drawn == 1 && longer.newer == 0 && longer.behind == 7, "what is not known is zero");
    cr_assert_eq(belt_stream_progress(stream, (belt_progress *)(void *)&shorter), BELT_OK);
    cr_assert(shorter.drawn == 1 && shorter.behind == 7, "nothing is written behind the struct");
    cr_assert_eq(belt_stream_progress(stream, &none), BELT_INVALID);
    cr_assert_not_null(strstr(belt_error_text(), "BELT_PROGRESS_INIT"), "%s", belt_error_text());
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* A source that was built with a newer header. */
struct newer_input {
    belt_input known;
    uint64_t newer;
};

static int newer_source(void *ctx, belt_input *input)
{
    const uint64_t *newer = ctx;

    *(struct newer_input *)(void *)input = (struct newer_input){.known = {.data = "x", .len = 1}, .newer = *newer};
    return BELT_INPUT_READY;
}

Test(library_calls, a_source_may_leave_unset_what_the_library_does_not_know)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result = NULL;
    uint64_t newer = 0;

    cr_assert_eq(belt_pool_imap(pool, "echo", newer_source, &newer, NULL, &stream), BELT_OK);
    cr_assert_eq(belt_stream_next(stream, WAIT_MS, &result), BELT_OK, "%s", belt_error_text());
    cr_assert(result->len == 1 && result->code == BELT_OK);
    belt_result_free(&result);
    newer = 1;
    int rc;
    while ((rc = belt_stream_next(stream, WAIT_MS, &result)) == BELT_OK)
        belt_result_free(&result);
    cr_assert_eq(rc, BELT_BAD_OPTION);
    cr_assert_not_null(strstr(belt_error_text(), "belt_input"), "%s", belt_error_text());
    belt_stream_close(&stream);
    belt_pool_close(&pool);
}

/* ---- functions that nobody serves ---- */

Test(library_calls, a_misspelt_function_of_a_private_pool_is_an_error_at_once)
{
    belt_pool *pool = stock_pool(1);
    belt_stream *stream = NULL;
    belt_result *result = NULL, **results = NULL;
    uint64_t job;
    struct numbers numbers = stock_numbers(1);

    cr_assert_eq(belt_pool_imap(pool, "ecko", NULL, NULL, NULL, &stream), BELT_NOT_SERVED);
    cr_assert_null(stream);
    cr_assert_not_null(strstr(belt_error_text(), "\"ecko\""), "%s", belt_error_text());
    cr_assert_not_null(strstr(belt_error_text(), "echo, "), "%s", belt_error_text());
    cr_assert_eq(belt_pool_imap_unordered(pool, "ecko", NULL, NULL, NULL, &stream), BELT_NOT_SERVED);
    cr_assert_eq(belt_pool_apply(pool, "ecko", "", 0, NULL, -1, &result), BELT_NOT_SERVED);
    cr_assert_eq(belt_pool_apply_async(pool, "ecko", "", 0, NULL, &stream), BELT_NOT_SERVED);
    cr_assert_eq(belt_pool_map(pool, "ecko", NULL, 0, NULL, -1, &results), BELT_NOT_SERVED);
    cr_assert_eq(belt_pool_submit(pool, "ecko", stock_next, &numbers, NULL, &job), BELT_NOT_SERVED);
    cr_assert_eq(belt_pool_submit_open(pool, "ecko", stock_next, &numbers, NULL, &stream), BELT_NOT_SERVED);
    belt_pool_close(&pool);
}

Test(library_calls, a_function_of_a_cluster_that_nobody_serves_yet_is_waited_for)
{
    char home[64], endpoint[160];
    belt_pool *private_pool, *pool = NULL;
    belt_stream *stream = NULL;
    belt_result *result;
    belt_progress progress = BELT_PROGRESS_INIT;

    stock_home(home);
    private_pool = stock_pool(1);
    stock_endpoint(home, endpoint);
    cr_assert_eq(belt_pool_open(endpoint, NULL, &pool), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(belt_pool_apply_async(pool, "nobodys", "x", 1, NULL, &stream), BELT_OK);
    for (int i = 0; i < 200 && progress.notice != BELT_NO_WORKER; i++) {
        cr_assert_eq(belt_stream_next(stream, 50, &result), BELT_AGAIN);
        belt_stream_progress(stream, &progress);
    }
    cr_assert_eq(progress.notice, BELT_NO_WORKER);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    belt_pool_close(&private_pool);
    cr_assert_eq(rmdir(home), 0);
}

/* ---- time-outs ---- */

Test(library_calls, a_map_has_a_time_out)
{
    belt_pool *pool = stock_pool(1);
    const belt_span inputs[] = {{"a", 1}, {"b", 1}};
    belt_result **results = NULL;

    cr_assert_eq(belt_pool_map(pool, "endless", inputs, 2, NULL, 50, &results), BELT_AGAIN);
    cr_assert_null(results);
    cr_assert_not_null(strstr(belt_error_text(), "0 of 2"), "%s", belt_error_text());
    cr_assert_eq(belt_pool_map(pool, "echo", inputs, 2, NULL, WAIT_MS, &results), BELT_OK, "the slot is free again");
    cr_assert_eq(results[1]->len, 1);
    belt_results_free(&results, 2);
    belt_pool_close(&pool);
}

/* ---- payloads ---- */

static belt_pool *pool_with(uint64_t max_payload, uint64_t memory)
{
    belt_pool_options options;
    belt_pool *pool = NULL;

    stock_functions();
    belt_pool_options_init(&options);
    options.slots = 1;
    options.max_payload = max_payload;
    options.memory = memory;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_OK, "%s", belt_error_text());
    return pool;
}

static int echoed(belt_pool *pool, const char *data, size_t len)
{
    belt_result *result = NULL;
    int rc = belt_pool_apply(pool, "echo", data, len, NULL, WAIT_MS, &result);

    cr_assert(rc != BELT_OK || (result->len == len && memcmp(result->data, data, len) == 0));
    belt_result_free(&result);
    return rc;
}

Test(library_calls, a_private_pool_takes_what_memory_allows_unless_told_otherwise)
{
    size_t len = 20u << 20; /* over what a broker takes by default */
    char *data = malloc(len);
    belt_pool *pool = pool_with(0, 0);
    belt_pool_options options;

    cr_assert_not_null(data);
    memset(data, 'x', len);
    cr_assert_eq(echoed(pool, data, len), BELT_OK, "%s", belt_error_text());
    belt_pool_close(&pool);

    pool = pool_with(1000, 0);
    cr_assert_eq(echoed(pool, data, 1000), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(echoed(pool, data, 1001), BELT_TOO_LARGE);
    cr_assert_not_null(strstr(belt_error_text(), "1000: open the pool with a larger max_payload"), "%s",
                       belt_error_text());
    belt_pool_close(&pool);

    pool = pool_with(0, BELT_MEMORY_BUDGET_LEAST); /* the payloads follow */
    cr_assert_eq(echoed(pool, data, BELT_MEMORY_BUDGET_LEAST), BELT_OK, "%s", belt_error_text());
    cr_assert_eq(echoed(pool, data, BELT_MEMORY_BUDGET_LEAST + 1), BELT_TOO_LARGE);
    belt_pool_close(&pool);

    belt_pool_options_init(&options);
    options.max_payload = (1ull << 30) + 1;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_INVALID);
    options.max_payload = 0;
    options.memory = BELT_MEMORY_BUDGET_LEAST - 1;
    cr_assert_eq(belt_pool_open(NULL, &options, &pool), BELT_INVALID);
    free(data);
}
