/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeding a stream by hand, and drawing ahead of its reader. In a thread of the user's.
 */
#include "client/call.h"
#include "client/closing.h"
#include "proto/error.h"
#include "client/input.h"
#include "client/inside.h"
#include "client/mail.h"
#include "client/stream_fd.h"
#include "client/turn.h"
#include "proto/codes.h"

#include <stdio.h>
#include <string.h>

/* Under the mail's lock: the window has room, as far as the broker's last word goes. */
static bool has_room(struct belt_stream *stream)
{
    stream->moved = client_follow_start(stream) || stream->moved;
    client_window_accept(&stream->window, stream->kind == CLIENT_STREAM_SUBMITS ? stream->mail.accepted : 0);
    return client_window_open(&stream->window, stream->mail.granted_bytes);
}

/* Under the mail's lock: the window will not open any more. */
static bool is_hopeless(const struct belt_stream *stream)
{
    return stream->cancelled || stream->mail.over || atomic_load(&stream->pool->closing);
}

static int refuse_ended(void)
{
    return belt_error_set(BELT_JOB_ENDED, "belt_stream_feed: the input was ended with belt_stream_end()");
}

/* Under the mail's lock, which and that of the calls it lets go while it sleeps. False when `deadline` has passed. */
static bool sleep_for_room(struct belt_stream *stream, uint64_t deadline)
{
    struct client_mail *mail = &stream->mail;
    bool in_time = true;

    mail->feeders++;
    pthread_mutex_unlock(&mail->lock);
    client_settle(stream, true);
    pthread_mutex_lock(&mail->lock);
    if (!has_room(stream) && !is_hopeless(stream)) { /* what came before the lock was held again has woken nobody */
        client_turn_unlock(stream);                  /* another thread may read */
        in_time = client_stream_wait(stream, deadline);
        pthread_mutex_unlock(&mail->lock);
        client_turn_lock(stream);
        pthread_mutex_lock(&mail->lock);
    }
    mail->feeders--;
    return in_time;
}

/* Waits for room in the window. */
static int make_room(struct belt_stream *stream, int64_t timeout_ms)
{
    struct client_mail *mail = &stream->mail;
    uint64_t deadline = timeout_ms > 0 ? client_deadline(timeout_ms) : (timeout_ms == 0 ? 0 : UINT64_MAX);
    bool in_time = true;
    int rc = BELT_OK;

    if (stream->source || stream->kind == CLIENT_STREAM_READS)
        return belt_error_set(BELT_INVALID, "belt_stream_feed: this stream %s",
                              stream->source ? "draws its input from a source" : "reads a job that others feed");
    if (stream->window.ended)
        return refuse_ended();
    client_stream_begins();
    pthread_mutex_lock(&mail->lock);
    while (in_time && !is_hopeless(stream) && !has_room(stream) && !client_stream_stops(stream))
        in_time = sleep_for_room(stream, deadline);
    stream->granted_bytes = mail->granted_bytes;
    if (atomic_load(&stream->pool->closing))
        rc = client_refuse_closed();
    else if (stream->cancelled)
        rc = belt_error_set(BELT_JOB_CANCELLED, "belt_stream_feed: the job was cancelled");
    else if (mail->over && mail->code != BELT_OK)
        rc = belt_error_set((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    else if (stream->window.ended)
        rc = refuse_ended();
    else if (!has_room(stream) && (rc = client_stream_interrupted(stream)) == BELT_OK)
        rc = belt_error_set(BELT_WINDOW_FULL, "the window of %llu items is full: take a result, then feed again",
                            (unsigned long long)stream->window.size);
    pthread_mutex_unlock(&mail->lock);
    return rc;
}

/* Of a single call. */
static int refuse_input(void)
{
    return belt_error_set(BELT_JOB_ENDED, "belt_stream_feed: a call has one input, which it was made with");
}

static int feed(belt_stream *stream, const struct client_parts *parts, int64_t timeout_ms)
{
    char limit[160];
    bool results;
    int rc = client_turn_enter(stream);

    if (rc != BELT_OK)
        return rc;
    client_pool_too_large(stream->pool, limit, sizeof(limit));
    if (parts->len > atomic_load(&stream->pool->max_payload))
        rc = belt_error_set(BELT_TOO_LARGE, "an input of %zu bytes is over the payload limit of %s", parts->len, limit);
    else
        rc = make_room(stream, timeout_ms);
    if (rc == BELT_OK)
        rc = client_add_task(stream, parts, &results);
    client_turn_leave(stream);
    return rc;
}

int belt_stream_feed(belt_stream *stream, const void *data, size_t len, int64_t timeout_ms)
{
    belt_span one = {data, len};

    if (!stream || (!data && len > 0))
        return belt_error_set(BELT_INVALID, "belt_stream_feed: a stream and the input's bytes are needed");
    if (client_call_of(stream))
        return refuse_input();
    return feed(stream, &(struct client_parts){&one, 1, len}, timeout_ms);
}

int belt_stream_feed_parts(belt_stream *stream, const belt_span *parts, size_t count, int64_t timeout_ms)
{
    struct client_parts all = {.spans = parts, .count = count};

    if (!stream || (!parts && count > 0) || !client_parts_measure(&all))
        return belt_error_set(BELT_INVALID, "belt_stream_feed_parts: a stream and the bytes of each part are needed");
    if (client_call_of(stream))
        return refuse_input();
    return feed(stream, &all, timeout_ms);
}

int belt_stream_feed_error(belt_stream *stream, const char *text, int64_t timeout_ms)
{
    int rc;

    if (client_call_of(stream))
        return refuse_input();
    if (!stream || stream->kind == CLIENT_STREAM_SUBMITS)
        return belt_error_set(BELT_INVALID, "belt_stream_feed_error: a stream that gives results is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    rc = make_room(stream, timeout_ms);
    if (rc == BELT_OK)
        rc = client_add_failed(stream, BELT_SOURCE_FAILED, text, text ? strlen(text) : 0);
    if (rc == BELT_OK) {
        client_fd_refresh(stream);
        client_mail_stir(stream);
    }
    client_turn_leave(stream);
    return rc;
}

int belt_stream_end(belt_stream *stream)
{
    int rc;

    if (client_call_of(stream))
        return BELT_OK; /* it has ended its input when it was made */
    if (!stream || stream->source || stream->kind == CLIENT_STREAM_READS)
        return belt_error_set(BELT_INVALID, "belt_stream_end: a stream that is fed with belt_stream_feed() is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    stream->window.ended = true;
    client_settle(stream, false);
    client_fd_refresh(stream);
    client_mail_stir(stream);
    client_turn_leave(stream);
    return BELT_OK;
}

/* ---- drawing ahead ---- */

/* Draws by the broker's last word. */
static int draw_ahead(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    int rc = BELT_OK;

    if (stream->cancelled)
        return belt_error_set(BELT_JOB_CANCELLED, "the job was cancelled by belt_stream_cancel()");
    pthread_mutex_lock(&mail->lock);
    stream->granted_bytes = mail->granted_bytes;
    stream->moved = client_follow_start(stream) || stream->moved;
    if (stream->kind == CLIENT_STREAM_SUBMITS)
        client_window_accept(&stream->window, mail->accepted);
    if (mail->over && mail->code != BELT_OK)
        rc = belt_error_set((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    pthread_mutex_unlock(&mail->lock);
    if (rc == BELT_OK)
        rc = client_draw(stream);
    client_settle(stream, true);
    return rc;
}

int belt_stream_draw(belt_stream *stream)
{
    int rc;

    if (!stream || client_call_of(stream) || !stream->source)
        return belt_error_set(BELT_INVALID, "belt_stream_draw: a stream with a source is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    if (client_source_runs(stream))
        rc = belt_error_set(BELT_INVALID, "belt_stream_draw: a source cannot draw from itself");
    else
        rc = draw_ahead(stream);
    if (rc == BELT_OK)
        client_fd_refresh(stream);
    client_turn_leave(stream);
    return rc;
}
