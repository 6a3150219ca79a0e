/* SPDX-License-Identifier: Apache-2.0
 *
 * The user's side of a stream: taking results, and looking. Everything here runs in a thread of the user's.
 */
#include "client/call.h"
#include "client/closing.h"
#include "proto/error.h"
#include "client/input.h"
#include "client/inside.h"
#include "client/io.h"
#include "client/mail.h"
#include "proto/options.h"
#include "client/pool.h"
#include "local/process.h"
#include "client/stream_fd.h"
#include "client/turn.h"
#include "proto/codes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A reader who is back so soon after he had something to do is served best by himself. */
#define BACK_MS 1u

/* ---- taking ---- */

/* Swaps out what has come. */
static void fill_hand(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;

    pthread_mutex_lock(&mail->lock);
    mail->waiting = false;
    client_results_move(&stream->hand, &mail->results);
    stream->granted_bytes = mail->granted_bytes;
    stream->moved = client_follow_start(stream) || stream->moved;
    pthread_mutex_unlock(&mail->lock);
}

static struct client_result *take_one(struct belt_stream *stream)
{
    struct client_result *result = stream->failed.first;

    if (result && client_window_due(&stream->window, result->shown.index)) {
        client_results_pop(&stream->failed);
    } else {
        if (!stream->hand.first)
            fill_hand(stream);
        result = client_results_pop(&stream->hand);
        if (!result)
            return NULL;
        result->shown.index =
            stream->kind == CLIENT_STREAM_READS ? result->task : client_window_index(&stream->window, result->task);
        stream->taken_tasks++;
        stream->taken_bytes += result->payload.len;
        if (stream->acknowledges)
            client_hold_take(&stream->hold, result->payload.len);
    }
    /* A failed input has no number of its own: that of the result before it. */
    result->shown.number = stream->start + stream->taken_tasks - 1;
    if (client_window_take(&stream->window))
        client_window_lap(&stream->window, client_now_ms());
    return result;
}

static size_t take(struct belt_stream *stream, belt_result **results, size_t max)
{
    size_t count = 0;

    while (count < max) {
        struct client_result *result = take_one(stream);

        if (!result)
            break;
        results[count++] = &result->shown;
    }
    return count;
}

/* How the stream stands when nothing is there to take: OK means wait. */
static int standing(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    int rc = BELT_OK;

    if (client_window_over(&stream->window) && !stream->wire.config.named)
        return belt_error_set(BELT_END, "the stream is at its end: all %llu results were given",
                              (unsigned long long)stream->window.taken);
    pthread_mutex_lock(&mail->lock); /* with a key the broker says whether that was all: the job may be larger */
    if (mail->over && !mail->results.first) {
        if (mail->code == BELT_OK)
            rc = belt_error_set(BELT_END, "the stream is at its end");
        else
            rc = belt_error_set((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    }
    pthread_mutex_unlock(&mail->lock);
    return rc;
}

/* Under the mail's lock: what a reader waits for is there. `granted`: more than this was granted; UINT64_MAX: he does
 * not wait for that. */
static bool is_due(const struct belt_stream *stream, uint64_t granted)
{
    const struct client_mail *mail = &stream->mail;

    return mail->results.first || mail->over || mail->moved || mail->stirred || client_stream_stops(stream) ||
           mail->granted_bytes > granted || atomic_load(&stream->pool->closing);
}

/* A reader who keeps coming back soon drives the connection himself while he waits. */
static bool comes_back_soon(const struct belt_stream *stream, uint64_t deadline)
{
    return deadline != 0 && client_now_ms() - stream->woke_ms <= BACK_MS;
}

/* Under the mail's lock. False when `deadline` has passed. */
static bool wait_for_mail(struct belt_stream *stream, uint64_t granted, uint64_t deadline)
{
    struct client_mail *mail = &stream->mail;
    bool soon = comes_back_soon(stream, deadline), helm = soon && client_io_take(stream, true), in_time = true;

    pthread_mutex_unlock(&mail->lock);
    client_settle(stream, true);
    pthread_mutex_lock(&mail->lock);
    client_turn_unlock(stream); /* another thread may feed */
    while (!is_due(stream, granted) && in_time) {
        if (!helm) {
            in_time = client_stream_wait(stream, deadline);
            helm = soon && in_time && !is_due(stream, granted) && client_io_take(stream, false);
            continue;
        }
        pthread_mutex_unlock(&mail->lock);
        client_io_turn(stream->pool, deadline);
        client_stream_note_signal(stream);
        pthread_mutex_lock(&mail->lock);
        in_time = client_now_ms() < deadline;
    }
    if (helm)
        client_io_leave(stream);
    else if (soon)
        client_io_forgo(stream);
    in_time = in_time || is_due(stream, granted);
    pthread_mutex_unlock(&mail->lock);
    client_turn_lock(stream);
    pthread_mutex_lock(&mail->lock);
    return in_time;
}

/* Sleeps until there is something new; false when `deadline` has passed. */
static bool sleep_until(struct belt_stream *stream, uint64_t deadline)
{
    struct client_mail *mail = &stream->mail;
    bool in_time = true;
    uint64_t granted = stream->granted_bytes;
    bool grant = client_waits_for_grant(stream);

    pthread_mutex_lock(&mail->lock);
    mail->waiting = true;
    mail->waiting_grant = grant;
    if (!is_due(stream, UINT64_MAX))
        in_time = wait_for_mail(stream, grant ? granted : UINT64_MAX, deadline);
    stream->granted_bytes = mail->granted_bytes;
    mail->waiting_grant = mail->stirred = false;
    mail->waiting = !in_time; /* the caller will find nothing: still idle */
    pthread_mutex_unlock(&mail->lock);
    stream->woke_ms = client_now_ms();
    return in_time;
}

/* What was taken may have made room. */
static void tell_feeders(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;

    if (stream->source || mail->feeders == 0) /* it changes with the lock of the calls, too */
        return;
    pthread_mutex_lock(&mail->lock);
    wait_tell(&mail->cond);
    pthread_mutex_unlock(&mail->lock);
}

static int next_some(struct belt_stream *stream, int64_t timeout_ms, belt_result **results, size_t max, size_t *count)
{
    uint64_t deadline = timeout_ms > 0 ? client_deadline(timeout_ms) : (timeout_ms == 0 ? 0 : UINT64_MAX);
    int rc;

    client_stream_begins();
    for (;;) {
        rc = client_stream_interrupted(stream);
        if (rc != BELT_OK)
            return rc;
        if (atomic_load(&stream->pool->closing))
            return client_refuse_closed();
        if (stream->cancelled)
            return belt_error_set(BELT_JOB_CANCELLED, "the job was cancelled by belt_stream_cancel()");
        stream->moved = false;
        rc = client_draw(stream);
        if (rc != BELT_OK)
            return rc;
        if (stream->acknowledges && !client_hold_reserve(&stream->hold, max))
            return belt_error_set(BELT_NO_MEMORY, "out of memory for results that are not acknowledged");
        *count = take(stream, results, max);
        if (*count > 0) {
            client_settle(stream, false);
            tell_feeders(stream);
            return BELT_OK;
        }
        rc = standing(stream);
        if (rc != BELT_OK) {
            client_settle(stream, true);
            return rc;
        }
        if (stream->moved) /* more may be drawn now */
            continue;
        if (!sleep_until(stream, deadline))
            return belt_error_set(BELT_AGAIN, "no result was ready within %lld ms", (long long)timeout_ms);
    }
}

int belt_stream_next_many(belt_stream *stream, int64_t timeout_ms, belt_result **results, size_t max, size_t *count)
{
    int rc;

    if (!stream || !results || !count || max == 0)
        return belt_error_set(BELT_INVALID, "belt_stream_next: a stream and room for at least one result are needed");
    *count = 0;
    if (client_call_of(stream))
        return client_call_next(client_call_of(stream), timeout_ms, results, count);
    assert(stream->magic == CLIENT_STREAM_MAGIC);
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    if (stream->kind == CLIENT_STREAM_SUBMITS)
        rc = belt_error_set(BELT_INVALID,
                            "belt_stream_next: a job that is handed in gives its results to belt_pool_subscribe()");
    else if (client_source_runs(stream))
        rc = belt_error_set(BELT_INVALID, "belt_stream_next: a source cannot wait for the stream that it is drawn for");
    else
        rc = next_some(stream, timeout_ms, results, max, count);
    client_fd_refresh(stream);
    client_turn_leave(stream);
    return rc;
}

int belt_stream_next(belt_stream *stream, int64_t timeout_ms, belt_result **result)
{
    size_t count;

    if (result)
        *result = NULL;
    return belt_stream_next_many(stream, timeout_ms, result, 1, &count);
}

/* ---- acknowledging ---- */

int belt_stream_ack(belt_stream *stream, uint64_t number)
{
    uint64_t upto = number + 1; /* UINT64_MAX: of a failed input before any result */
    int rc;

    if (!stream || client_call_of(stream) || !stream->acknowledges)
        return belt_error_set(BELT_INVALID, "belt_stream_ack: a stream with the option 'acknowledge' is needed");
    rc = client_turn_enter(stream);
    if (rc != BELT_OK)
        return rc;
    upto = upto > stream->start ? upto - stream->start : 0;
    if (client_hold_ack(&stream->hold, upto))
        client_settle(stream, false);
    else
        rc = belt_error_set(BELT_INVALID, "belt_stream_ack: result %llu was not given yet", (unsigned long long)number);
    client_turn_leave(stream);
    return rc;
}

/* ---- looking ---- */

int belt_stream_progress(const belt_stream *stream, belt_progress *progress)
{
    struct client_mail *mail;
    belt_progress all = BELT_PROGRESS_INIT;
    bool ours;

    if (!stream || !progress)
        return belt_error_set(BELT_INVALID, "belt_stream_progress: a stream and a place for its progress are needed");
    if (client_call_of(stream)) {
        ours = client_call_progress(client_call_of(stream), &all);
    } else if ((ours = local_process_is(stream->mark))) { /* else a thread of another process may hold the lock */
        client_turn_lock((struct belt_stream *)stream);
        all.drawn = stream->window.drawn;
        all.taken = stream->window.taken;
        all.window = stream->window.size;
        all.ended = stream->window.ended;
        mail = (struct client_mail *)&stream->mail; /* its lock is not part of its value */
        pthread_mutex_lock(&mail->lock);
        all.accepted = mail->accepted;
        all.done = mail->done;
        all.failed = mail->failed + stream->window.failures;
        all.notice = mail->notice;
        pthread_mutex_unlock(&mail->lock);
        client_turn_unlock((struct belt_stream *)stream);
    }
    if (!belt_options_write(progress, &all, sizeof(all)))
        return belt_error_set(BELT_INVALID, "belt_stream_progress: the struct was not begun with BELT_PROGRESS_INIT");
    return ours ? BELT_OK : belt_error_set(BELT_INVALID, "this stream belongs to the process that opened it");
}

uint64_t belt_stream_job(const belt_stream *stream)
{
    struct client_mail *mail = (struct client_mail *)&stream->mail;
    uint64_t job;

    if (client_call_of(stream))
        return client_call_job(client_call_of(stream));
    if (!local_process_is(stream->mark))
        return 0;
    pthread_mutex_lock(&mail->lock);
    job = mail->job;
    pthread_mutex_unlock(&mail->lock);
    return job;
}
