/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeding a stream by hand. In the user's own thread.
 */
#include "closing.h"
#include "error.h"
#include "input.h"
#include "inside.h"
#include "mail.h"
#include "stream_fd.h"
#include "proto/codes.h"

#include <stdio.h>
#include <string.h>

/** Under the mail's lock: the window has room, as far as the broker's last word goes. */
static bool has_room(struct belt_stream *stream)
{
    client_window_accept(&stream->window, stream->kind == CLIENT_STREAM_SUBMITS ? stream->mail.accepted : 0);
    return client_window_open(&stream->window, stream->mail.granted_bytes);
}

/** Under the mail's lock: the window will not open any more. */
static bool is_hopeless(const struct belt_stream *stream)
{
    return stream->cancelled || stream->mail.over || atomic_load(&stream->pool->closing);
}

/** Waits for room in the window. */
static int make_room(struct belt_stream *stream, int64_t timeout_ms)
{
    struct client_mail *mail = &stream->mail;
    uint64_t deadline = timeout_ms > 0 ? client_deadline(timeout_ms) : (timeout_ms == 0 ? 0 : UINT64_MAX);
    bool in_time = true;
    int rc = BELT_OK;

    if (stream->source != NULL || stream->kind == CLIENT_STREAM_READS)
        return client_error(BELT_INVALID, "belt_stream_feed: this stream %s",
                            stream->source != NULL ? "draws its input from a source" : "reads a job that others feed");
    if (stream->window.ended)
        return client_error(BELT_JOB_ENDED, "belt_stream_feed: the input was ended with belt_stream_end()");
    pthread_mutex_lock(&mail->lock);
    while (in_time && !is_hopeless(stream) && !has_room(stream) && !atomic_load(&stream->interrupted)) {
        mail->waiting = mail->waiting_grant = mail->waiting_accepted = true;
        pthread_mutex_unlock(&mail->lock);
        client_settle(stream, true);
        pthread_mutex_lock(&mail->lock);
        if (!has_room(stream) && !is_hopeless(stream)) /* what came before the lock was held again has woken nobody */
            in_time = client_stream_wait(stream, deadline);
    }
    mail->waiting_grant = mail->waiting_accepted = false;
    stream->granted_bytes = mail->granted_bytes;
    if (atomic_load(&stream->pool->closing))
        rc = client_refuse_closed();
    else if (stream->cancelled)
        rc = client_error(BELT_JOB_CANCELLED, "belt_stream_feed: the job was cancelled");
    else if (mail->over && mail->code != BELT_OK)
        rc = client_error((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    else if (!has_room(stream) && (rc = client_stream_interrupted(stream)) == BELT_OK)
        rc = client_error(BELT_WINDOW_FULL, "the window of %llu items is full: take a result, then feed again",
                          (unsigned long long)stream->window.size);
    pthread_mutex_unlock(&mail->lock);
    return rc;
}

int belt_stream_feed(belt_stream *stream, const void *data, size_t len, int64_t timeout_ms)
{
    unsigned limit;
    bool results;
    int rc;

    if (stream == NULL || (data == NULL && len > 0))
        return client_error(BELT_INVALID, "belt_stream_feed: a stream and the input's bytes are needed");
    rc = client_stream_enter(stream);
    if (rc != BELT_OK)
        return rc;
    limit = atomic_load(&stream->pool->max_payload);
    if (len > limit)
        rc = client_error(BELT_TOO_LARGE, "an input of %zu bytes is over the broker's payload limit of %u", len, limit);
    else
        rc = make_room(stream, timeout_ms);
    if (rc == BELT_OK)
        rc = client_add_task(stream, data, len, &results);
    client_stream_leave(stream);
    return rc;
}

int belt_stream_feed_error(belt_stream *stream, const char *text, int64_t timeout_ms)
{
    int rc;

    if (stream == NULL || stream->kind == CLIENT_STREAM_SUBMITS)
        return client_error(BELT_INVALID, "belt_stream_feed_error: a stream that gives results is needed");
    rc = client_stream_enter(stream);
    if (rc != BELT_OK)
        return rc;
    rc = make_room(stream, timeout_ms);
    if (rc == BELT_OK)
        rc = client_add_failed(stream, BELT_SOURCE_FAILED, text, text != NULL ? strlen(text) : 0);
    if (rc == BELT_OK)
        client_fd_refresh(stream);
    client_stream_leave(stream);
    return rc;
}

int belt_stream_end(belt_stream *stream)
{
    int rc;

    if (stream == NULL || stream->source != NULL || stream->kind == CLIENT_STREAM_READS)
        return client_error(BELT_INVALID, "belt_stream_end: a stream that is fed with belt_stream_feed() is needed");
    rc = client_stream_enter(stream);
    if (rc != BELT_OK)
        return rc;
    stream->window.ended = true;
    client_settle(stream, false);
    client_fd_refresh(stream);
    client_stream_leave(stream);
    return BELT_OK;
}
