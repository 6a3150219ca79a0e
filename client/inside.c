/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is inside the library. See inside.h.
 *
 * A pool's `users` are counted under the process's lock; a stream's by an atomic, for belt_stream_next() is called
 * millions of times. There the order of two stores decides: who enters counts first and then looks at `closing`, who
 * closes sets `closing` first and then looks at the count.
 */
#include "client/inside.h"

#include "proto/error.h"
#include "local/process.h"

/* A call of a source in this thread; the innermost first. */
struct frame {
    struct belt_stream *stream;
    struct frame *outer;
    bool shuts; /* its pool was closed meanwhile, and no frame further out is of that pool */
};

static _Thread_local struct frame *frames;
static belt_pool *open_pools; /* under the process's lock; in a forked process those of its parent */

void client_pool_publish(belt_pool *pool)
{
    pool->mark = local_process_mark();
    local_process_lock();
    pool->next_open = open_pools;
    open_pools = pool;
    local_process_unlock();
}

static bool is_open(const belt_pool *pool)
{
    const belt_pool *at = open_pools;

    while (at && at != pool)
        at = at->next_open;
    return at != NULL;
}

static int refuse_foreign(void)
{
    return belt_error_set(BELT_INVALID,
                          "this pool belongs to the process that opened it: a forked process opens its own");
}

static int enter(belt_pool *pool, const char *call)
{
    if (!pool)
        return belt_error_set(BELT_INVALID, "%s: a pool is needed", call);
    if (!is_open(pool))
        return belt_error_set(BELT_CLOSED, "%s: the pool is closed", call);
    if (!local_process_is(pool->mark))
        return refuse_foreign();
    pool->users++;
    return BELT_OK;
}

int client_pool_enter(belt_pool *pool, const char *call)
{
    int rc;

    local_process_lock();
    rc = enter(pool, call);
    local_process_unlock();
    if (rc != BELT_OK)
        return rc;
    rc = client_pool_check(pool);
    if (rc != BELT_OK)
        client_pool_leave(pool);
    return rc;
}

void client_pool_leave(belt_pool *pool)
{
    local_process_lock();
    if (--pool->users == 0 && atomic_load(&pool->closing))
        local_process_tell();
    local_process_unlock();
}

bool client_pool_withdraw(belt_pool *pool)
{
    belt_pool **at = &open_pools;
    bool ours;

    local_process_lock();
    ours = is_open(pool) && local_process_is(pool->mark);
    if (ours) {
        while (*at != pool)
            at = &(*at)->next_open;
        *at = pool->next_open;
        atomic_store(&pool->closing, true);
    }
    local_process_unlock();
    return ours;
}

void client_pool_told(belt_pool *pool)
{
    if (!atomic_load(&pool->closing))
        return;
    local_process_lock();
    local_process_tell();
    local_process_unlock();
}

void client_pool_await(belt_pool *pool)
{
    local_process_lock();
    while (pool->users > 0)
        local_process_wait();
    local_process_unlock();
}

int client_stream_enter(struct belt_stream *stream)
{
    if (!local_process_is(stream->mark))
        return refuse_foreign();
    atomic_fetch_add(&stream->users, 1);
    if (!atomic_load(&stream->pool->closing))
        return BELT_OK;
    client_stream_out(stream);
    return belt_error_set(BELT_CLOSED, "the pool of this stream is closed");
}

void client_stream_out(struct belt_stream *stream)
{
    belt_pool *pool = stream->pool;

    if (atomic_fetch_sub(&stream->users, 1) == 1)
        client_pool_told(pool);
}

void client_stream_await(struct belt_stream *stream)
{
    local_process_lock();
    while (atomic_load(&stream->users) > 0)
        local_process_wait();
    local_process_unlock();
}

int client_source_call(struct belt_stream *stream, belt_input *input)
{
    struct frame frame = {.stream = stream, .outer = frames};
    int answer;

    frames = &frame;
    answer = stream->source(stream->ctx, input);
    frames = frame.outer;
    stream->shuts = stream->shuts || frame.shuts;
    return answer;
}

bool client_source_runs(const struct belt_stream *stream)
{
    const struct frame *frame = frames;

    while (frame && frame->stream != stream)
        frame = frame->outer;
    return frame != NULL;
}

bool client_source_shuts(belt_pool *pool)
{
    struct frame *outermost = NULL;

    for (struct frame *frame = frames; frame; frame = frame->outer)
        if (frame->stream->pool == pool)
            outermost = frame;
    if (outermost)
        outermost->shuts = true;
    return outermost != NULL;
}
