/* SPDX-License-Identifier: Apache-2.0
 *
 * Stopping a stream or one of its tasks, and ending a wait for it. In a thread of the user's.
 */
#include "client/call.h"
#include "client/closing.h"
#include "proto/error.h"
#include "client/inside.h"
#include "client/mail.h"
#include "client/pool.h"
#include "client/turn.h"
#include "local/process.h"
#include "client/wake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cancel(struct belt_stream *stream, int64_t timeout_ms)
{
    struct client_mail *mail = &stream->mail;
    uint64_t deadline = client_deadline(timeout_ms);
    bool stopped = false;
    int rc = BELT_OK;

    stream->cancelled = true; /* no result is given from here on, whatever the broker says */
    client_results_drop(&stream->hand);
    client_results_drop(&stream->failed);
    pthread_mutex_lock(&mail->lock);
    mail->cancel = true;
    pthread_mutex_unlock(&mail->lock);
    client_wake_touch(stream);
    client_wake(stream->pool, true);
    pthread_mutex_lock(&mail->lock);
    mail->waiting = true;
    while (!mail->over && !atomic_load(&stream->pool->closing) && !stopped &&
           wait_sleep(&mail->cond, &mail->lock, deadline))
        stopped = client_pool_signalled(stream->pool);
    mail->waiting = false;
    client_results_drop(&mail->results);
    mail->hand_ready = true; /* belt_stream_next() answers JOB_CANCELLED */
    if (mail->fd >= 0)
        client_fd_update(stream);
    if (!mail->over && atomic_load(&stream->pool->closing))
        rc = belt_error_set(BELT_CLOSED, "the pool was closed");
    else if (!mail->over && stopped)
        rc = belt_error_set(BELT_INTERRUPTED,
                            "the wait for the broker's word was interrupted by a signal; the cancel is "
                            "asked for all the same");
    else if (!mail->over)
        rc = belt_error_set(BELT_AGAIN,
                            "the broker did not confirm the cancel within %lld ms; it is asked for all the same",
                            (long long)timeout_ms);
    else if (mail->code != BELT_OK && mail->code != BELT_JOB_CANCELLED)
        rc = belt_error_set((int)mail->code, "%s", mail->text);
    pthread_mutex_unlock(&mail->lock);
    return rc;
}

int belt_stream_cancel(belt_stream *stream, int64_t timeout_ms)
{
    int rc;

    if (!stream)
        return belt_error_set(BELT_INVALID, "belt_stream_cancel: a stream is needed");
    if (client_call_of(stream))
        return client_call_cancel(client_call_of(stream), timeout_ms);
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    rc = cancel(stream, timeout_ms);
    client_turn_leave(stream);
    return rc;
}

int belt_stream_halt(belt_stream *stream)
{
    int rc;

    if (!stream)
        return belt_error_set(BELT_INVALID, "belt_stream_halt: a stream is needed");
    if (client_call_of(stream))
        return client_call_halt(client_call_of(stream));
    rc = client_stream_enter(stream);
    if (rc != BELT_OK)
        return rc;
    pthread_mutex_lock(&stream->mail.lock);
    stream->mail.halt = true;
    pthread_mutex_unlock(&stream->mail.lock);
    client_wake_touch(stream);
    client_wake(stream->pool, true);
    client_stream_leave(stream);
    return BELT_OK;
}

/* Of the failed inputs that were not given yet, how many stand at `index` or behind it. `*is`: one stands there. */
static uint64_t failed_after(const struct belt_stream *stream, uint64_t index, bool *is)
{
    uint64_t count = 0;

    *is = false;
    for (const struct client_result *failed = stream->failed.first; failed; failed = failed->next) {
        count += failed->shown.index >= index;
        *is = *is || failed->shown.index == index;
    }
    return count;
}

static int cancel_task(struct belt_stream *stream, uint64_t index)
{
    struct client_mail *mail = &stream->mail;
    uint64_t after, task = index; /* of a job that is handed in no input fails */
    bool is_failed, grown = true;

    after = failed_after(stream, index, &is_failed);
    if (stream->kind == CLIENT_STREAM_MAPS && (is_failed || !client_window_task(&stream->window, index, after, &task)))
        return BELT_OK; /* it has its result */
    pthread_mutex_lock(&mail->lock);
    if (mail->unwanted_count == mail->unwanted_capacity) {
        size_t capacity = mail->unwanted_capacity == 0 ? 16 : 2 * mail->unwanted_capacity;
        uint64_t *unwanted = realloc(mail->unwanted, capacity * sizeof(*unwanted));

        grown = unwanted != NULL;
        if (grown) {
            mail->unwanted = unwanted;
            mail->unwanted_capacity = capacity;
        }
    }
    if (grown)
        mail->unwanted[mail->unwanted_count++] = task;
    pthread_mutex_unlock(&mail->lock);
    if (!grown)
        return belt_error_set(BELT_NO_MEMORY, "belt_stream_cancel_task: out of memory");
    client_wake_touch(stream);
    client_wake(stream->pool, true);
    return BELT_OK;
}

int belt_stream_cancel_task(belt_stream *stream, uint64_t index)
{
    int rc;

    if (client_call_of(stream))
        return client_call_cancel_task(client_call_of(stream), index);
    if (!stream || stream->kind == CLIENT_STREAM_READS)
        return belt_error_set(BELT_INVALID, "belt_stream_cancel_task: a stream that takes input is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    if (index >= stream->window.drawn)
        rc = belt_error_set(BELT_INVALID, "belt_stream_cancel_task: %llu inputs were drawn, there is no input %llu yet",
                            (unsigned long long)stream->window.drawn, (unsigned long long)index);
    else
        rc = cancel_task(stream, index);
    client_turn_leave(stream);
    return rc;
}

void belt_stream_interrupt(belt_stream *stream)
{
    if (client_call_of(stream)) {
        client_call_interrupt(client_call_of(stream));
        return;
    }
    if (!local_process_is(stream->mark))
        return;
    atomic_store(&stream->interrupted, true);
    client_wake_touch(stream);
    client_wake(stream->pool, true);
}
