/* SPDX-License-Identifier: Apache-2.0
 *
 * The user's side of a stream's mail: handing over, waiting, and the descriptor that tells. See mail.h.
 */
#include "client/mail.h"

#include "proto/error.h"
#include "client/wake.h"

#include <errno.h>
#include <unistd.h>

uint64_t client_taken(const struct belt_stream *stream, uint64_t *bytes)
{
    *bytes = stream->acknowledges ? stream->hold.acked_bytes : stream->taken_bytes;
    return stream->acknowledges ? stream->hold.acked : stream->taken_tasks;
}

void client_mail_tell(struct belt_stream *stream)
{
    stream->mail.taken = client_taken(stream, &stream->mail.taken_bytes);
    stream->mail.window = stream->window.size;
    stream->mail.ended = stream->window.ended;
    stream->ended_told = stream->window.ended;
    stream->told = stream->mail.taken;
}

void client_mail_kick(struct belt_stream *stream, bool urgent)
{
    stream->unkicked = !urgent;
    client_wake_touch(stream);
    client_wake(stream->pool, urgent);
}

void client_settle(struct belt_stream *stream, bool now)
{
    struct client_mail *mail = &stream->mail;
    bool over = client_window_over(&stream->window);
    uint64_t bytes, taken = client_taken(stream, &bytes);

    if (stream->told == taken && stream->ended_told == stream->window.ended) {
        if (now && stream->unkicked)
            client_mail_kick(stream, true);
        return;
    }
    if (!now && !over && stream->ended_told == stream->window.ended && 4 * (taken - stream->told) < stream->window.size)
        return;
    pthread_mutex_lock(&mail->lock);
    client_mail_tell(stream);
    pthread_mutex_unlock(&mail->lock);
    client_mail_kick(stream, now);
}

/* A signal handler has ended a sleep in the call that this thread is in. */
static _Thread_local bool stopped;

void client_stream_note_signal(const struct belt_stream *stream)
{
    stopped = client_pool_signalled(stream->pool) || stopped;
}

void client_stream_begins(void)
{
    stopped = false;
}

bool client_stream_stops(const struct belt_stream *stream)
{
    return stopped || atomic_load(&stream->interrupted);
}

void client_mail_stir(struct belt_stream *stream)
{
    pthread_mutex_lock(&stream->mail.lock);
    stream->mail.stirred = true;
    wait_tell(&stream->mail.cond);
    pthread_mutex_unlock(&stream->mail.lock);
    client_mail_kick(stream, true);
}

bool client_stream_wait(struct belt_stream *stream, uint64_t deadline)
{
    bool in_time = wait_sleep(&stream->mail.cond, &stream->mail.lock, deadline);

    client_stream_note_signal(stream);
    return in_time;
}

int client_stream_interrupted(struct belt_stream *stream)
{
    if (stopped)
        return belt_error_set(BELT_INTERRUPTED, "the wait was interrupted by a signal");
    if (!atomic_load(&stream->interrupted) || !atomic_exchange(&stream->interrupted, false))
        return BELT_OK;
    return belt_error_set(BELT_INTERRUPTED, "the wait was interrupted by belt_stream_interrupt()");
}

void client_fd_update(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    bool ready = mail->results.first || mail->over || mail->hand_ready || mail->moved ||
                 mail->granted_bytes > mail->draws_beyond || atomic_load(&stream->interrupted) ||
                 atomic_load(&stream->pool->closing);
    uint64_t value = 1;

    if (ready == mail->fd_raised)
        return;
    mail->fd_raised = ready;
    if (ready)
        while (write(mail->fd, &value, sizeof(value)) < 0 && errno == EINTR)
            ;
    else
        while (read(mail->fd, &value, sizeof(value)) < 0 && errno == EINTR)
            ;
}

int client_refuse_closed(void)
{
    return belt_error_set(BELT_CLOSED, "the pool was closed");
}

bool client_waits_for_grant(const struct belt_stream *stream)
{
    return !stream->window.ended && !client_window_open(&stream->window, stream->granted_bytes) &&
           client_window_open(&stream->window, UINT64_MAX);
}

void client_follow_comparison(struct belt_stream *stream)
{
    const struct client_mail *mail = &stream->mail;

    client_window_compare(&stream->window, mail->known, mail->compared, mail->compared_bytes);
}

bool client_follow_start(struct belt_stream *stream)
{
    bool moved = stream->mail.moved;

    stream->mail.moved = false;
    if (moved) {
        stream->start = stream->mail.start;
        client_window_start(&stream->window, stream->start);
        client_follow_comparison(stream);
    }
    return moved;
}
