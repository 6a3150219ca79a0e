/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole calls: map, apply and apply_async, made of streams.
 */
#include "client/call.h"
#include "proto/error.h"
#include "client/inside.h"
#include "client/job.h"
#include "client/pool.h"

#include <belt/belt.h>
#include <stdlib.h>
#include <string.h>

struct array {
    const belt_span *inputs;
    size_t count, next;
};

static int array_next(void *ctx, belt_input *input)
{
    struct array *array = ctx;

    if (array->next == array->count)
        return BELT_INPUT_END;
    input->data = array->inputs[array->next].data;
    input->len = array->inputs[array->next++].len;
    return BELT_INPUT_READY;
}

/* What the broker says about a job that does not move. */
static const char *why_not(const belt_stream *stream)
{
    belt_progress progress = BELT_PROGRESS_INIT;

    belt_stream_progress(stream, &progress);
    return progress.notice == BELT_NO_WORKER ? ". No connected worker serves its function" : "";
}

static int collect(belt_stream *stream, belt_result **results, size_t count, int64_t timeout_ms)
{
    uint64_t deadline = client_deadline(timeout_ms);
    size_t got = 0, some;
    int rc = BELT_OK;

    while (got < count && rc == BELT_OK) {
        uint64_t now = client_now_ms();
        int64_t left = timeout_ms < 0 ? -1 : deadline > now ? (int64_t)(deadline - now) : 0;

        rc = belt_stream_next_many(stream, left, results + got, count - got, &some);
        if (rc == BELT_OK)
            got += some;
    }
    if (rc == BELT_AGAIN)
        return belt_error_set(BELT_AGAIN,
                              "belt_pool_map: %zu of %zu results were there within %lld ms; the job is cancelled%s",
                              got, count, (long long)timeout_ms, why_not(stream));
    return rc;
}

int belt_pool_map(belt_pool *pool, const char *function, const belt_span *inputs, size_t count,
                  const belt_job_options *options, int64_t timeout_ms, belt_result ***results)
{
    struct array array = {.inputs = inputs, .count = count};
    belt_result **all = NULL;
    belt_stream *stream = NULL;
    int rc;

    if (!results || (!inputs && count > 0))
        return belt_error_set(BELT_INVALID, "belt_pool_map: the inputs and a place for the results are needed");
    *results = NULL;
    all = calloc(count + 1, sizeof(belt_result *));
    if (!all)
        return belt_error_set(BELT_NO_MEMORY, "belt_pool_map: out of memory for %zu results", count);
    rc = belt_pool_imap(pool, function, array_next, &array, options, &stream);
    if (rc == BELT_OK)
        rc = collect(stream, all, count, timeout_ms);
    if (rc == BELT_OK) {
        *results = all;
        all = NULL;
    }
    belt_results_free(&all, count);
    belt_stream_close(&stream);
    return rc;
}

/* A job with a key, a place of its own or a time of its own. */
static int apply_alone(belt_pool *pool, const char *function, const void *data, size_t len,
                       const belt_job_options *options, belt_stream **call)
{
    int rc = belt_pool_imap(pool, function, NULL, NULL, options, call);

    if (rc != BELT_OK)
        return rc;
    rc = belt_stream_feed(*call, data, len, 0);
    if (rc == BELT_OK)
        rc = belt_stream_end(*call);
    if (rc != BELT_OK)
        belt_stream_close(call);
    return rc;
}

/* `*shares`: it is a call that shares its job with others. */
static int apply_shared(belt_pool *pool, const char *function, const void *data, size_t len,
                        const belt_job_options *options, belt_stream **call, bool *shares)
{
    belt_job_options complete;
    char limit[160];
    int rc = client_job_check(pool, function, options, &complete);

    *shares = rc != BELT_OK || client_call_shares(&complete);
    if (rc != BELT_OK || !*shares)
        return rc;
    client_pool_too_large(pool, limit, sizeof(limit));
    if (len > atomic_load(&pool->max_payload))
        return belt_error_set(BELT_TOO_LARGE, "an input of %zu bytes is over the payload limit of %s", len, limit);
    return client_call_new(pool, function, data, len, &complete, call);
}

int belt_pool_apply_async(belt_pool *pool, const char *function, const void *data, size_t len,
                          const belt_job_options *options, belt_stream **call)
{
    bool shares;
    int rc;

    if (!call || (!data && len > 0))
        return belt_error_set(BELT_INVALID,
                              "belt_pool_apply_async: the input's bytes and a place for the call are needed");
    *call = NULL;
    rc = client_pool_enter(pool, "a call cannot be made");
    if (rc != BELT_OK)
        return rc;
    rc = apply_shared(pool, function, data, len, options, call, &shares);
    client_pool_leave(pool);
    return shares ? rc : apply_alone(pool, function, data, len, options, call);
}

int belt_pool_apply(belt_pool *pool, const char *function, const void *data, size_t len,
                    const belt_job_options *options, int64_t timeout_ms, belt_result **result)
{
    belt_stream *call = NULL;
    int rc;

    if (!result)
        return belt_error_set(BELT_INVALID, "belt_pool_apply: a place for the result is needed");
    *result = NULL;
    rc = belt_pool_apply_async(pool, function, data, len, options, &call);
    if (rc == BELT_OK)
        rc = belt_stream_next(call, timeout_ms, result);
    belt_stream_close(&call);
    return rc;
}
