/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptor of a stream for an event loop. See stream_fd.h.
 */
#include "client/stream_fd.h"

#include "client/call.h"
#include "client/closing.h"
#include "proto/error.h"
#include "client/input.h"
#include "client/inside.h"
#include "client/mail.h"
#include "client/turn.h"
#include "proto/shortage.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

void client_fd_refresh(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;

    if (mail->fd < 0)
        return;
    /* The caller may have a result in hand: a source that has blocked before is asked at the next call, for which the
     * descriptor is readable. One that does not block is asked now: an event shall be a result. */
    if (!stream->blocks && !stream->cancelled)
        (void)client_draw(stream);
    pthread_mutex_lock(&mail->lock);
    mail->hand_ready = stream->hand.first || stream->cancelled || client_window_over(&stream->window) ||
                       (stream->blocks && !stream->dry && client_would_draw(stream) && !client_source_runs(stream)) ||
                       (stream->failed.first && client_window_due(&stream->window, stream->failed.first->shown.index));
    mail->waiting = true; /* for the acknowledgements: the loop may do something else now */
    mail->draws_beyond = stream->source && client_waits_for_grant(stream) ? stream->granted_bytes : UINT64_MAX;
    client_fd_update(stream);
    pthread_mutex_unlock(&mail->lock);
    client_settle(stream, true);
}

static int make_fd(struct belt_stream *stream)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        belt_error_set(BELT_SYSTEM, "cannot make a descriptor for the stream: %s", belt_shortage_text(errno));
        return -1;
    }
    pthread_mutex_lock(&stream->mail.lock);
    stream->mail.fd = fd;
    pthread_mutex_unlock(&stream->mail.lock);
    client_fd_refresh(stream);
    return fd;
}

int belt_stream_fd(belt_stream *stream)
{
    int rc, fd;

    if (!stream)
        return -1;
    if (client_call_of(stream))
        return client_call_fd(client_call_of(stream));
    rc = client_turn_enter(stream);
    if (rc != BELT_OK) /* of a closed pool: the one that is there stays readable */
        return rc == BELT_CLOSED ? stream->mail.fd : -1;
    fd = stream->mail.fd >= 0 ? stream->mail.fd : make_fd(stream);
    client_turn_leave(stream);
    return fd;
}
