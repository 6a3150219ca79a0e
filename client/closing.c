/* SPDX-License-Identifier: Apache-2.0
 *
 * Closing streams and pools. See closing.h.
 */
#include "client/closing.h"

#include "client/call.h"
#include "client/flow.h"
#include "client/inside.h"
#include "client/io.h"
#include "client/keyed.h"
#include "client/mail.h"
#include "local/cluster.h"
#include "local/process.h"
#include "client/wake.h"

/* Under the mail's lock: the last word, after which the I/O thread frees the stream. */
static void say_closed(struct belt_stream *stream, bool cancel, bool detach)
{
    struct client_mail *mail = &stream->mail;

    mail->closed = true;
    mail->taken = client_taken(stream, &mail->taken_bytes);
    mail->ended = stream->window.ended;
    mail->cancel = mail->cancel || cancel;
    mail->detach = detach;
    client_wake_touch(stream); /* under the lock: once it is seen closed and not queued, the I/O thread frees it */
}

/* Hands over the last word and lets go of the stream, which whoever comes last frees: the I/O thread, who closes the
 * pool, or we. */
static void leave(struct belt_stream *stream, bool cancel, bool detach)
{
    belt_pool *pool = stream->pool;
    bool orphaned;

    client_pool_ref(pool);
    client_keyed_leave(stream);
    atomic_fetch_add(&stream->users, 1); /* who closes the pool does not look at it before we are through */
    pthread_mutex_lock(&stream->mail.lock);
    orphaned = stream->orphaned;
    if (!orphaned)
        say_closed(stream, cancel, detach);
    atomic_fetch_sub(&stream->users, 1);
    pthread_mutex_unlock(&stream->mail.lock);
    if (orphaned)
        client_stream_free(stream);
    else
        client_wake(pool, false);
    client_pool_told(pool);
    client_pool_unref(pool);
}

static bool is_over(struct belt_stream *stream)
{
    bool failed;

    pthread_mutex_lock(&stream->mail.lock);
    failed = stream->mail.over && stream->mail.code != BELT_OK;
    pthread_mutex_unlock(&stream->mail.lock);
    return failed || client_window_over(&stream->window);
}

/* A stream that is closed by its own source goes when that returns; one of another process is not ours to free. */
static bool goes_later(struct belt_stream *stream, enum client_fate fate)
{
    if (!local_process_is(stream->mark))
        return true;
    if (!client_source_runs(stream))
        return false;
    stream->fate = (uint8_t)fate;
    return true;
}

void belt_stream_close(belt_stream **out)
{
    struct belt_stream *stream;
    bool over;

    if (!out || !*out)
        return;
    stream = *out;
    *out = NULL;
    if (client_call_of(stream)) {
        client_call_close(client_call_of(stream), true);
        return;
    }
    if (goes_later(stream, CLIENT_FATE_CLOSE))
        return;
    over = stream->kind == CLIENT_STREAM_READS || is_over(stream);
    leave(stream, !over, over && (stream->kind == CLIENT_STREAM_READS || stream->acknowledges));
}

void belt_stream_detach(belt_stream **out)
{
    struct belt_stream *stream;

    if (!out || !*out)
        return;
    stream = *out;
    *out = NULL;
    if (client_call_of(stream))
        client_call_close(client_call_of(stream), false);
    else if (!goes_later(stream, CLIENT_FATE_DETACH))
        leave(stream, false, true);
}

void client_pool_shut(belt_pool *pool)
{
    client_io_stop(pool);
    client_pool_await(pool);
    client_flow_free(pool);
    client_io_close(pool);
    local_cluster_stop(&pool->children);
    client_pool_unref(pool);
}

void belt_pool_close(belt_pool **out)
{
    belt_pool *pool;

    if (!out || !*out)
        return;
    pool = *out;
    *out = NULL;
    if (!client_pool_withdraw(pool))
        return;
    if (client_source_shuts(pool)) /* we are inside of it ourselves */
        client_io_leave_soon(pool);
    else
        client_pool_shut(pool);
}

void client_stream_leave(struct belt_stream *stream)
{
    belt_pool *pool = stream->pool;
    enum client_fate fate = CLIENT_FATE_NONE;
    bool shuts = false;

    if (stream->source && !client_source_runs(stream)) { /* the call that was entered first */
        fate = stream->fate;
        shuts = stream->shuts;
        stream->fate = CLIENT_FATE_NONE;
        stream->shuts = false;
    }
    if (fate != CLIENT_FATE_NONE || shuts)
        client_pool_ref(pool);
    client_stream_out(stream);
    if (fate == CLIENT_FATE_CLOSE)
        belt_stream_close(&stream);
    else if (fate == CLIENT_FATE_DETACH)
        belt_stream_detach(&stream);
    if (shuts)
        client_pool_shut(pool);
    if (fate != CLIENT_FATE_NONE || shuts)
        client_pool_unref(pool);
}
