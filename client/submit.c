/* SPDX-License-Identifier: Apache-2.0
 *
 * Handing in a job that others read. Everything here runs in the user's own
 * thread.
 */
#include "client/call.h"
#include "client/closing.h"
#include "proto/error.h"
#include "client/input.h"
#include "client/inside.h"
#include "client/mail.h"
#include "client/pool.h"
#include "client/turn.h"
#include "proto/codes.h"

/* Under the mail's lock: how the job stands. BELT_AGAIN: not all is accepted yet. */
static int standing(struct belt_stream *stream)
{
    const struct client_mail *mail = &stream->mail;
    uint64_t tasks = stream->window.drawn - stream->window.failures;

    if (stream->cancelled)
        return belt_error_set(BELT_JOB_CANCELLED, "the job was cancelled by belt_stream_cancel()");
    if (mail->over && mail->code != BELT_OK)
        return belt_error_set((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    if (mail->job == 0 || mail->accepted < tasks)
        return BELT_AGAIN;
    if (stream->kind == CLIENT_STREAM_SUBMITS && stream->source && !stream->window.ended)
        return BELT_AGAIN;
    return stream->window.ended && !mail->end_known ? BELT_AGAIN : BELT_OK;
}

/* Waits until the broker accepts more; false when `deadline` has passed. */
static bool wait_accepted(struct belt_stream *stream, uint64_t deadline, int *rc)
{
    struct client_mail *mail = &stream->mail;
    uint64_t accepted, granted;
    bool in_time = true;

    pthread_mutex_lock(&mail->lock);
    mail->waiting = mail->waiting_grant = mail->waiting_accepted = true;
    accepted = mail->accepted;
    granted = stream->granted_bytes;
    pthread_mutex_unlock(&mail->lock);
    client_settle(stream, true);
    pthread_mutex_lock(&mail->lock);
    *rc = standing(stream); /* with the lock that is held until the wait: what comes before it wakes nobody */
    while (in_time && *rc == BELT_AGAIN && !atomic_load(&stream->pool->closing) && mail->accepted == accepted &&
           mail->granted_bytes <= granted && !mail->moved && !client_stream_stops(stream)) {
        in_time = client_stream_wait(stream, deadline);
        *rc = standing(stream);
    }
    mail->waiting = mail->waiting_grant = mail->waiting_accepted = false;
    stream->granted_bytes = mail->granted_bytes;
    (void)client_follow_start(stream);
    if (stream->kind == CLIENT_STREAM_SUBMITS)
        client_window_accept(&stream->window, mail->accepted);
    pthread_mutex_unlock(&mail->lock);
    return in_time;
}

static int flush(struct belt_stream *stream, int64_t timeout_ms)
{
    uint64_t deadline = client_deadline(timeout_ms);
    int rc = BELT_AGAIN;

    client_stream_begins();
    for (bool in_time = true; rc == BELT_AGAIN;) {
        rc = client_stream_interrupted(stream);
        if (rc != BELT_OK)
            return rc;
        if (atomic_load(&stream->pool->closing))
            return belt_error_set(BELT_CLOSED, "the pool was closed");
        if (!in_time)
            return belt_error_set(BELT_AGAIN, "the broker has not accepted everything within %lld ms",
                                  (long long)timeout_ms);
        rc = stream->kind == CLIENT_STREAM_SUBMITS ? client_draw(stream) : BELT_OK;
        if (rc == BELT_OK)
            in_time = wait_accepted(stream, deadline, &rc);
    }
    return rc;
}

int belt_stream_flush(belt_stream *stream, int64_t timeout_ms)
{
    int rc;

    if (client_call_of(stream))
        return client_call_flush(client_call_of(stream), timeout_ms);
    if (!stream || stream->kind == CLIENT_STREAM_READS)
        return belt_error_set(BELT_INVALID, "belt_stream_flush: a stream that takes input is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    if (client_source_runs(stream))
        rc =
            belt_error_set(BELT_INVALID, "belt_stream_flush: a source cannot wait for the stream that it is drawn for");
    else
        rc = flush(stream, timeout_ms);
    client_turn_leave(stream);
    return rc;
}

int belt_pool_submit(belt_pool *pool, const char *function, belt_source source, void *ctx,
                     const belt_job_options *options, uint64_t *job)
{
    belt_stream *stream = NULL;
    int rc;

    if (!source || !job)
        return belt_error_set(BELT_INVALID, "belt_pool_submit: a source and a place for the job's id are needed");
    *job = 0;
    rc = belt_pool_submit_open(pool, function, source, ctx, options, &stream);
    if (rc == BELT_OK)
        rc = belt_stream_flush(stream, -1);
    if (rc == BELT_OK)
        *job = belt_stream_job(stream);
    if (rc == BELT_OK || (options && options->key))
        belt_stream_detach(&stream);
    else
        belt_stream_close(&stream);
    return rc;
}
