/* SPDX-License-Identifier: Apache-2.0
 *
 * The user's side of a stream: drawing and feeding inputs, taking results.
 * Everything here runs in the user's own thread.
 */
#include "error.h"
#include "inside.h"
#include "io.h"
#include "options.h"
#include "pool.h"
#include "process.h"
#include "proto/codes.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Payloads up to CUT_MAX are cut from a chunk: one allocation serves many. */
#define CHUNK_BYTES (64u << 10)
#define CUT_MAX     (4u << 10)
/* A reader who is back so soon after he had something to do is served best by himself. */
#define BACK_MS 1u
/* When results are there the source gets at most about so long before they are given. */
#define DRAW_MS 1u

/* ---- handing over ---- */

uint64_t client_taken(const struct belt_stream *stream, uint64_t *bytes)
{
    *bytes = stream->acknowledges ? stream->hold.acked_bytes : stream->taken_bytes;
    return stream->acknowledges ? stream->hold.acked : stream->taken_tasks;
}

/** Under the mail's lock. */
static void tell(struct belt_stream *stream)
{
    stream->mail.taken = client_taken(stream, &stream->mail.taken_bytes);
    stream->mail.window = stream->window.size;
    stream->mail.ended = stream->window.ended;
    stream->ended_told = stream->window.ended;
    stream->told = stream->mail.taken;
}

static void kick(struct belt_stream *stream, bool urgent)
{
    stream->unkicked = !urgent;
    client_io_touch(stream);
    client_io_kick(stream->pool, urgent);
}

static bool tasks_grow(struct client_mail *mail)
{
    size_t capacity = mail->task_capacity == 0 ? 64 : 2 * mail->task_capacity;
    struct belt_payload *tasks = realloc(mail->tasks, capacity * sizeof(*tasks));

    if (tasks == NULL)
        return false;
    mail->tasks = tasks;
    mail->task_capacity = capacity;
    return true;
}

static struct belt_payload cut(struct belt_stream *stream, const void *data, uint32_t len)
{
    struct belt_payload payload = {0};

    if (len == 0)
        return payload;
    if (len > CUT_MAX)
        return belt_payload_copy(data, len);
    if (stream->chunk == NULL || CHUNK_BYTES - stream->chunk_used < len) {
        belt_buf_unref(stream->chunk);
        stream->chunk = belt_buf_new(CHUNK_BYTES);
        stream->chunk_used = 0;
        if (stream->chunk == NULL)
            return payload;
    }
    memcpy(stream->chunk->data + stream->chunk_used, data, len);
    payload.buf = belt_buf_ref(stream->chunk);
    payload.data = stream->chunk->data + stream->chunk_used;
    payload.len = len;
    stream->chunk_used += len;
    return payload;
}

/** A task on its way. `*results`: there are some to take meanwhile. */
static int add_task(struct belt_stream *stream, const void *data, size_t len, bool *results)
{
    struct client_mail *mail = &stream->mail;
    struct belt_payload payload = cut(stream, data, (uint32_t)len);
    bool ok;

    if (len > 0 && payload.buf == NULL)
        return client_error(BELT_NO_MEMORY, "out of memory for an input of %zu bytes", len);
    client_window_draw(&stream->window, len);
    pthread_mutex_lock(&mail->lock);
    ok = mail->task_count < mail->task_capacity || tasks_grow(mail);
    if (ok)
        mail->tasks[mail->task_count++] = payload;
    stream->granted_bytes = mail->granted_bytes;
    *results = mail->results.first != NULL;
    tell(stream);
    pthread_mutex_unlock(&mail->lock);
    if (!ok) {
        belt_payload_clear(&payload);
        return client_error(BELT_NO_MEMORY, "out of memory for an input of %zu bytes", len);
    }
    kick(stream, false);
    return BELT_OK;
}

/** An input that has no task: its place in the stream gets this. */
static int add_failed(struct belt_stream *stream, unsigned code, const char *text, size_t len)
{
    struct client_result *result = client_result_local(0, code, text, len);

    if (result == NULL || !client_window_fail(&stream->window, &result->shown.index)) {
        client_result_drop(result);
        return client_error(BELT_NO_MEMORY, "out of memory for the error of an input");
    }
    client_results_add(&stream->failed, result);
    return BELT_OK;
}

static int add_too_large(struct belt_stream *stream, size_t len)
{
    char text[160];
    int n = snprintf(text, sizeof(text), "input %llu has %zu bytes, over the broker's payload limit of %u",
                     (unsigned long long)stream->window.drawn, len, atomic_load(&stream->pool->max_payload));

    if (stream->kind == CLIENT_STREAM_SUBMITS)
        return client_error(BELT_TOO_LARGE, "%s", text);
    return add_failed(stream, BELT_TOO_LARGE, text, (size_t)n);
}

static int add_input(struct belt_stream *stream, int answer, const belt_input *input, bool *results)
{
    if (stream->kind == CLIENT_STREAM_SUBMITS &&
        answer != BELT_INPUT_READY) /* there is no stream of results to put it into */
        return client_error(BELT_SOURCE_FAILED, "input %llu: %.*s", (unsigned long long)stream->window.drawn,
                            input->data != NULL ? (int)input->len : 24,
                            input->data != NULL ? (const char *)input->data : "the source has failed it");
    if (answer != BELT_INPUT_READY)
        return add_failed(stream, BELT_SOURCE_FAILED, input->data, input->data != NULL ? input->len : 0);
    if (input->len > atomic_load(&stream->pool->max_payload))
        return add_too_large(stream, input->len);
    return add_task(stream, input->data, input->len, results);
}

static int refuse_closed(void)
{
    return client_error(BELT_CLOSED, "the pool was closed");
}

/** What a source fills, with room for what a newer header adds: that has to stay unset. */
union drawn {
    belt_input input;
    unsigned char bytes[CLIENT_INPUT_ROOM];
};

int client_draw(struct belt_stream *stream)
{
    uint64_t since = 0;
    bool results = stream->hand.first != NULL;
    int rc = BELT_OK;

    if (stream->source == NULL || client_source_runs(stream))
        return BELT_OK;
    while (rc == BELT_OK && client_window_open(&stream->window, stream->granted_bytes)) {
        union drawn drawn = {.bytes = {0}};
        int answer;

        if (results || stream->failed.first != NULL) { /* somebody could be served: do not keep him for a slow source */
            if (since == 0)
                since = client_now_ms();
            else if (client_now_ms() - since > DRAW_MS)
                break;
        }
        answer = client_source_call(stream, &drawn.input);
        if (stream->fate != CLIENT_FATE_NONE)
            return client_error(BELT_CLOSED, "the stream was closed by its own source");
        if (atomic_load(&stream->pool->closing))
            return refuse_closed();
        if (answer == BELT_INPUT_LATER)
            break;
        if (answer == BELT_INPUT_END)
            stream->window.ended = true;
        else if (!client_options_unset(drawn.bytes, sizeof(drawn.input), sizeof(drawn.bytes)))
            rc = client_error(BELT_BAD_OPTION,
                              "the source sets a field of belt_input that libbelt " BELT_VERSION " does not know");
        else
            rc = add_input(stream, answer, &drawn.input, &results);
    }
    return rc;
}

/* ---- taking ---- */

/** Others have read the job before us: the window begins behind that. With the lock. True: it may have opened. */
static bool follow_start(struct belt_stream *stream)
{
    bool moved = stream->mail.moved;

    stream->mail.moved = false;
    if (moved) {
        stream->start = stream->mail.start;
        client_window_start(&stream->window, stream->start);
    }
    return moved;
}

/** Swaps out what has come. */
static void fill_hand(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;

    pthread_mutex_lock(&mail->lock);
    mail->waiting = false;
    client_results_move(&stream->hand, &mail->results);
    stream->granted_bytes = mail->granted_bytes;
    stream->moved = follow_start(stream) || stream->moved;
    pthread_mutex_unlock(&mail->lock);
}

static struct client_result *take_one(struct belt_stream *stream)
{
    struct client_result *result = stream->failed.first;

    if (result != NULL && client_window_due(&stream->window, result->shown.index)) {
        client_results_pop(&stream->failed);
    } else {
        if (stream->hand.first == NULL)
            fill_hand(stream);
        result = client_results_pop(&stream->hand);
        if (result == NULL)
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

        if (result == NULL)
            break;
        results[count++] = &result->shown;
    }
    return count;
}

void client_settle(struct belt_stream *stream, bool now)
{
    struct client_mail *mail = &stream->mail;
    bool over = client_window_over(&stream->window);
    uint64_t bytes, taken = client_taken(stream, &bytes);

    if (stream->told == taken && stream->ended_told == stream->window.ended) {
        if (now && stream->unkicked)
            kick(stream, true);
        return;
    }
    if (!now && !over && stream->ended_told == stream->window.ended && 4 * (taken - stream->told) < stream->window.size)
        return;
    pthread_mutex_lock(&mail->lock);
    tell(stream);
    pthread_mutex_unlock(&mail->lock);
    kick(stream, now);
}

/** How the stream stands when nothing is there to take: OK means wait. */
static int standing(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    int rc = BELT_OK;

    if (client_window_over(&stream->window) && !stream->wire.config.named)
        return client_error(BELT_END, "the stream is at its end: all %llu results were given",
                            (unsigned long long)stream->window.taken);
    pthread_mutex_lock(&mail->lock); /* with a key the broker says whether that was all: the job may be larger */
    if (mail->over && mail->results.first == NULL) {
        if (mail->code == BELT_OK)
            rc = client_error(BELT_END, "the stream is at its end");
        else
            rc = client_error((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    }
    pthread_mutex_unlock(&mail->lock);
    return rc;
}

/** Under the mail's lock: what a reader waits for is there. `granted`: more than this was granted; UINT64_MAX: he does
 * not wait for that. */
static bool is_due(const struct belt_stream *stream, uint64_t granted)
{
    const struct client_mail *mail = &stream->mail;

    return mail->results.first != NULL || mail->over || mail->moved || atomic_load(&stream->interrupted) ||
           mail->granted_bytes > granted || atomic_load(&stream->pool->closing);
}

/** A signal that ends a sleep does what belt_stream_interrupt() does. */
static void note_signal(struct belt_stream *stream)
{
    if (client_pool_signalled(stream->pool))
        atomic_store(&stream->interrupted, true);
}

bool client_stream_wait(struct belt_stream *stream, uint64_t deadline)
{
    bool in_time = client_wait(&stream->mail.cond, &stream->mail.lock, deadline);

    note_signal(stream);
    return in_time;
}

int client_stream_interrupted(struct belt_stream *stream)
{
    if (!atomic_load(&stream->interrupted) || !atomic_exchange(&stream->interrupted, false))
        return BELT_OK;
    return client_error(BELT_INTERRUPTED, "the wait was interrupted by belt_stream_interrupt() or a signal");
}

/** A reader who keeps coming back soon drives the connection himself while he waits. */
static bool comes_back_soon(const struct belt_stream *stream, uint64_t deadline)
{
    return deadline != 0 && client_now_ms() - stream->woke_ms <= BACK_MS;
}

/** Under the mail's lock. False when `deadline` has passed. */
static bool wait_for_mail(struct belt_stream *stream, uint64_t granted, uint64_t deadline)
{
    struct client_mail *mail = &stream->mail;
    bool soon = comes_back_soon(stream, deadline), helm = soon && client_io_take(stream, true), in_time = true;

    pthread_mutex_unlock(&mail->lock);
    client_settle(stream, true);
    pthread_mutex_lock(&mail->lock);
    while (!is_due(stream, granted) && in_time) {
        if (!helm) {
            in_time = client_stream_wait(stream, deadline);
            helm = soon && in_time && !is_due(stream, granted) && client_io_take(stream, false);
            continue;
        }
        pthread_mutex_unlock(&mail->lock);
        client_io_turn(stream->pool, deadline);
        note_signal(stream);
        pthread_mutex_lock(&mail->lock);
        in_time = client_now_ms() < deadline;
    }
    if (helm)
        client_io_leave(stream);
    else if (soon)
        client_io_forgo(stream);
    return in_time || is_due(stream, granted);
}

/** More could be drawn if the broker granted bytes, and not before. */
static bool waits_for_grant(const struct belt_stream *stream)
{
    return !stream->window.ended && !client_window_open(&stream->window, stream->granted_bytes) &&
           client_window_open(&stream->window, UINT64_MAX);
}

/** Sleeps until there is something new; false when `deadline` has passed. */
static bool sleep_until(struct belt_stream *stream, uint64_t deadline)
{
    struct client_mail *mail = &stream->mail;
    bool in_time = true;
    uint64_t granted = stream->granted_bytes;
    bool grant = waits_for_grant(stream);

    pthread_mutex_lock(&mail->lock);
    mail->waiting = true;
    mail->waiting_grant = grant;
    if (!is_due(stream, UINT64_MAX))
        in_time = wait_for_mail(stream, grant ? granted : UINT64_MAX, deadline);
    stream->granted_bytes = mail->granted_bytes;
    mail->waiting_grant = false;
    mail->waiting = !in_time; /* the caller will find nothing: still idle */
    pthread_mutex_unlock(&mail->lock);
    stream->woke_ms = client_now_ms();
    return in_time;
}

static int next_some(struct belt_stream *stream, int64_t timeout_ms, belt_result **results, size_t max, size_t *count)
{
    uint64_t deadline = timeout_ms > 0 ? client_deadline(timeout_ms) : (timeout_ms == 0 ? 0 : UINT64_MAX);
    int rc;

    for (;;) {
        rc = client_stream_interrupted(stream);
        if (rc != BELT_OK)
            return rc;
        if (atomic_load(&stream->pool->closing))
            return refuse_closed();
        if (stream->cancelled)
            return client_error(BELT_JOB_CANCELLED, "the job was cancelled by belt_stream_cancel()");
        stream->moved = false;
        rc = client_draw(stream);
        if (rc != BELT_OK)
            return rc;
        if (stream->acknowledges && !client_hold_reserve(&stream->hold, max))
            return client_error(BELT_NO_MEMORY, "out of memory for results that are not acknowledged");
        *count = take(stream, results, max);
        if (*count > 0) {
            client_settle(stream, false);
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
            return client_error(BELT_AGAIN, "no result was ready within %lld ms", (long long)timeout_ms);
    }
}

/** The truth about the descriptor after a call. */
static void refresh_fd(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;

    if (mail->fd < 0)
        return;
    if (stream->hand.first == NULL && !stream->cancelled) /* a loop that takes one result per event must not starve */
        (void)client_draw(stream);
    pthread_mutex_lock(&mail->lock);
    mail->hand_ready =
        stream->hand.first != NULL || stream->cancelled || client_window_over(&stream->window) ||
        (stream->failed.first != NULL && client_window_due(&stream->window, stream->failed.first->shown.index));
    mail->waiting = true; /* for the acknowledgements: the loop may do something else now */
    mail->draws_beyond = stream->source != NULL && waits_for_grant(stream) ? stream->granted_bytes : UINT64_MAX;
    client_fd_update(stream);
    pthread_mutex_unlock(&mail->lock);
    client_settle(stream, true);
}

int belt_stream_next_many(belt_stream *stream, int64_t timeout_ms, belt_result **results, size_t max, size_t *count)
{
    int rc;

    if (stream == NULL || results == NULL || count == NULL || max == 0)
        return client_error(BELT_INVALID, "belt_stream_next: a stream and room for at least one result are needed");
    assert(stream->magic == CLIENT_STREAM_MAGIC);
    *count = 0;
    rc = client_stream_enter(stream);
    if (rc != BELT_OK)
        return rc;
    if (stream->kind == CLIENT_STREAM_SUBMITS)
        rc = client_error(BELT_INVALID,
                          "belt_stream_next: a job that is handed in gives its results to belt_pool_subscribe()");
    else if (client_source_runs(stream))
        rc = client_error(BELT_INVALID, "belt_stream_next: a source cannot wait for the stream that it is drawn for");
    else
        rc = next_some(stream, timeout_ms, results, max, count);
    refresh_fd(stream);
    client_stream_leave(stream);
    return rc;
}

int belt_stream_next(belt_stream *stream, int64_t timeout_ms, belt_result **result)
{
    size_t count;

    if (result != NULL)
        *result = NULL;
    return belt_stream_next_many(stream, timeout_ms, result, 1, &count);
}

/* ---- feeding ---- */

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
        rc = refuse_closed();
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
        rc = add_task(stream, data, len, &results);
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
        rc = add_failed(stream, BELT_SOURCE_FAILED, text, text != NULL ? strlen(text) : 0);
    if (rc == BELT_OK)
        refresh_fd(stream);
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
    refresh_fd(stream);
    client_stream_leave(stream);
    return BELT_OK;
}

/* ---- acknowledging ---- */

int belt_stream_ack(belt_stream *stream, uint64_t number)
{
    uint64_t upto = number + 1; /* UINT64_MAX: of a failed input before any result */
    int rc;

    if (stream == NULL || !stream->acknowledges)
        return client_error(BELT_INVALID, "belt_stream_ack: a stream with the option 'acknowledge' is needed");
    rc = client_stream_enter(stream);
    if (rc != BELT_OK)
        return rc;
    upto = upto > stream->start ? upto - stream->start : 0;
    if (client_hold_ack(&stream->hold, upto))
        client_settle(stream, false);
    else
        rc = client_error(BELT_INVALID, "belt_stream_ack: result %llu was not given yet", (unsigned long long)number);
    client_stream_leave(stream);
    return rc;
}

/* ---- looking ---- */

void client_fd_update(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    bool ready = mail->results.first != NULL || mail->over || mail->hand_ready || mail->moved ||
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

static int make_fd(struct belt_stream *stream)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        client_error(BELT_SYSTEM, "cannot make a descriptor for the stream: %s", strerror(errno));
        return -1;
    }
    pthread_mutex_lock(&stream->mail.lock);
    stream->mail.fd = fd;
    pthread_mutex_unlock(&stream->mail.lock);
    refresh_fd(stream);
    return fd;
}

int belt_stream_fd(belt_stream *stream)
{
    int rc, fd;

    if (stream == NULL)
        return -1;
    rc = client_stream_enter(stream);
    if (rc != BELT_OK) /* of a closed pool: the one that is there stays readable */
        return rc == BELT_CLOSED ? stream->mail.fd : -1;
    fd = stream->mail.fd >= 0 ? stream->mail.fd : make_fd(stream);
    client_stream_leave(stream);
    return fd;
}

int belt_stream_progress(const belt_stream *stream, belt_progress *progress)
{
    struct client_mail *mail;
    belt_progress all = BELT_PROGRESS_INIT;
    bool ours;

    if (stream == NULL || progress == NULL)
        return client_error(BELT_INVALID, "belt_stream_progress: a stream and a place for its progress are needed");
    ours = client_process_is(stream->mark); /* else a thread of another process may hold the lock */
    if (ours) {
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
    }
    if (!client_options_write(progress, &all, sizeof(all)))
        return client_error(BELT_INVALID, "belt_stream_progress: the struct was not begun with BELT_PROGRESS_INIT");
    return ours ? BELT_OK : client_error(BELT_INVALID, "this stream belongs to the process that opened it");
}

uint64_t belt_stream_job(const belt_stream *stream)
{
    struct client_mail *mail = (struct client_mail *)&stream->mail;
    uint64_t job;

    if (!client_process_is(stream->mark))
        return 0;
    pthread_mutex_lock(&mail->lock);
    job = mail->job;
    pthread_mutex_unlock(&mail->lock);
    return job;
}
