/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting until the broker has the last acknowledgement of a stream. In the user's own thread.
 */
#include "client/call.h"
#include "client/closing.h"
#include "proto/error.h"
#include "client/inside.h"
#include "client/mail.h"
#include "client/pool.h"
#include "client/turn.h"
#include "proto/codes.h"

/* Under the mail's lock. BELT_AGAIN: wait. */
static int standing(const struct belt_stream *stream)
{
    const struct client_mail *mail = &stream->mail;

    if (mail->confirmed)
        return BELT_OK;
    if (mail->over && mail->code != BELT_OK)
        return belt_error_set((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    if (!mail->over || mail->results.first)
        return belt_error_set(BELT_INVALID, "belt_stream_ack_flush: the stream is not at its end yet");
    return BELT_AGAIN;
}

static int ack_flush(struct belt_stream *stream, int64_t timeout_ms)
{
    struct client_mail *mail = &stream->mail;
    uint64_t deadline = client_deadline(timeout_ms);
    bool in_time = true;
    int rc;

    client_stream_begins();
    client_settle(stream, true);
    pthread_mutex_lock(&mail->lock);
    mail->waiting = mail->waiting_accepted = true;
    while ((rc = standing(stream)) == BELT_AGAIN && in_time && !atomic_load(&stream->pool->closing) &&
           !client_stream_stops(stream))
        in_time = client_stream_wait(stream, deadline);
    mail->waiting = mail->waiting_accepted = false;
    pthread_mutex_unlock(&mail->lock);
    if (rc != BELT_AGAIN)
        return rc;
    rc = client_stream_interrupted(stream);
    if (rc != BELT_OK)
        return rc;
    if (atomic_load(&stream->pool->closing))
        return belt_error_set(BELT_CLOSED, "the pool was closed");
    return belt_error_set(BELT_AGAIN, "the broker has not confirmed the last acknowledgement within %lld ms",
                          (long long)timeout_ms);
}

int belt_stream_ack_flush(belt_stream *stream, int64_t timeout_ms)
{
    int rc;

    if (!stream || client_call_of(stream) || !stream->acknowledges)
        return belt_error_set(BELT_INVALID,
                              "belt_stream_ack_flush: a stream that was opened with `acknowledge` is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    if (client_source_runs(stream))
        rc = belt_error_set(BELT_INVALID,
                            "belt_stream_ack_flush: a source cannot wait for the stream that it is drawn for");
    else
        rc = ack_flush(stream, timeout_ms);
    client_turn_leave(stream);
    return rc;
}
