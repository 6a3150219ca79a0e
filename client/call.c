/* SPDX-License-Identifier: Apache-2.0
 *
 * The owner's side of a single call. See call.h.
 */
#include "client/call.h"

#include "proto/error.h"
#include "client/inside.h"
#include "local/process.h"
#include "proto/codes.h"
#include "client/wake.h"
#include "proto/shortage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

struct client_call *client_call_of(const belt_stream *stream)
{
    const uint32_t *magic = (const uint32_t *)stream;

    return magic && *magic == CLIENT_CALL_MAGIC ? (struct client_call *)(uintptr_t)stream : NULL;
}

bool client_call_shares(const belt_job_options *options)
{
    /* Times count from the opening of a job, and a key, a reader's place and a life beyond the client belong to one. */
    return !options->key && !options->detached && !options->acknowledge && options->after_ms == 0 &&
           options->after_at == 0 && options->deadline_ms == 0;
}

static pthread_mutex_t *lock_of(const struct client_call *call)
{
    return &call->shared->stream->mail.lock;
}

static struct client_call *call_new(const void *data, size_t len)
{
    struct client_call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->magic = CLIENT_CALL_MAGIC;
    call->mark = local_process_mark();
    atomic_init(&call->fd, -1);
    if (len > 0)
        call->payload = belt_payload_copy(data, (uint32_t)len);
    if (len == 0 || call->payload.buf)
        return call;
    free(call);
    return NULL;
}

int client_call_new(belt_pool *pool, const char *function, const void *data, size_t len,
                    const belt_job_options *options, belt_stream **out)
{
    struct client_call *call = call_new(data, len);
    struct client_shared *shared;
    int rc;

    if (!call)
        return belt_error_set(BELT_NO_MEMORY, "out of memory for an input of %zu bytes", len);
    rc = client_shared_get(pool, function, options, &shared);
    if (rc != BELT_OK) {
        client_call_free(call);
        return rc;
    }
    call->shared = shared;
    DL_APPEND(shared->fresh, call);
    client_wake_touch(shared->stream);
    pthread_mutex_unlock(lock_of(call));
    client_wake(pool, false);
    *out = (belt_stream *)(void *)call;
    return BELT_OK;
}

/* ---- waiting ---- */

/* Under the lock: why there is nothing to wait for; BELT_AGAIN: wait. */
static int standing(struct client_call *call)
{
    const struct client_mail *mail = &call->shared->stream->mail;

    if (atomic_load(&call->interrupted) && atomic_exchange(&call->interrupted, false))
        return belt_error_set(BELT_INTERRUPTED, "the wait was interrupted by belt_stream_interrupt() or a signal");
    if (atomic_load(&call->shared->stream->pool->closing))
        return belt_error_set(BELT_CLOSED, "the pool was closed");
    if (call->cancelled)
        return belt_error_set(BELT_JOB_CANCELLED, "the call was cancelled by belt_stream_cancel()");
    if (call->given)
        return belt_error_set(BELT_END, "the call is at its end: its result was given");
    if (call->lost)
        return belt_error_set(BELT_LOST_BROKER, "%s", call->shared->lost_text);
    if (call->state == CLIENT_CALL_OVER && !call->result)
        return belt_error_set((int)mail->code, "%s", mail->text[0] != '\0' ? mail->text : belt_code_text(mail->code));
    return call->state == CLIENT_CALL_OVER ? BELT_OK : BELT_AGAIN;
}

/* Under the lock, which it lets go of meanwhile. False when `deadline` has passed. A signal that ends the sleep does
 * what belt_stream_interrupt() does. */
static bool wait_for(struct client_call *call, uint64_t deadline)
{
    struct client_shared *shared = call->shared;
    belt_pool *pool = shared->stream->pool;
    struct wait_cond cond = {0};
    bool in_time;

    call->waiter = &cond;
    DL_APPEND2(shared->waiting, call, waiting_prev, waiting_next);
    if (call->state == CLIENT_CALL_NEW || call->wishes) /* it naps, and what it has not seen would wait */
        client_wake(pool, true);
    in_time = wait_sleep(&cond, &shared->stream->mail.lock, deadline);
    DL_DELETE2(shared->waiting, call, waiting_prev, waiting_next);
    call->waiter = NULL;
    if (client_pool_signalled(pool))
        atomic_store(&call->interrupted, true);
    return in_time;
}

/* Makes the descriptor tell the truth after an interruption was seen. Under the lock. */
static void refresh_fd(struct client_call *call)
{
    int fd = atomic_load(&call->fd);
    uint64_t drained;

    if (fd < 0)
        return;
    while (read(fd, &drained, sizeof(drained)) < 0 && errno == EINTR)
        ;
    if (call->state == CLIENT_CALL_OVER || call->cancelled || atomic_load(&call->interrupted) ||
        atomic_load(&call->shared->stream->pool->closing))
        client_call_tell(call);
}

static int enter(struct client_call *call)
{
    struct belt_stream *stream = call->shared->stream;

    if (!local_process_is(call->mark))
        return belt_error_set(BELT_INVALID,
                              "this pool belongs to the process that opened it: a forked process opens its own");
    atomic_fetch_add(&stream->users, 1);
    if (!atomic_load(&stream->pool->closing))
        return BELT_OK;
    client_stream_out(stream);
    return belt_error_set(BELT_CLOSED, "the pool of this stream is closed");
}

static void leave(struct client_call *call)
{
    client_stream_out(call->shared->stream);
}

static uint64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms == 0 ? 0 : client_deadline(timeout_ms);
}

int client_call_next(struct client_call *call, int64_t timeout_ms, belt_result **result, size_t *count)
{
    uint64_t deadline = deadline_of(timeout_ms);
    bool in_time = deadline != 0;
    int rc = enter(call);

    if (rc != BELT_OK)
        return rc;
    pthread_mutex_lock(lock_of(call));
    while ((rc = standing(call)) == BELT_AGAIN && in_time)
        in_time = wait_for(call, deadline);
    if (rc == BELT_OK) {
        *result = &call->result->shown;
        *count = 1;
        call->result = NULL;
        call->given = true;
    }
    refresh_fd(call);
    pthread_mutex_unlock(lock_of(call));
    leave(call);
    if (rc == BELT_AGAIN)
        return belt_error_set(BELT_AGAIN, "no result was ready within %lld ms", (long long)timeout_ms);
    return rc;
}

/* Under the lock. */
static bool is_accepted(const struct client_call *call)
{
    return call->state == CLIENT_CALL_OVER ||
           (call->state == CLIENT_CALL_SENT && call->task < call->shared->stream->mail.accepted);
}

int client_call_flush(struct client_call *call, int64_t timeout_ms)
{
    uint64_t deadline = deadline_of(timeout_ms);
    bool in_time = deadline != 0;
    int rc = enter(call);

    if (rc != BELT_OK)
        return rc;
    pthread_mutex_lock(lock_of(call));
    call->shared->flushing++;
    while ((rc = standing(call)) == BELT_AGAIN && !is_accepted(call) && in_time)
        in_time = wait_for(call, deadline);
    call->shared->flushing--;
    if (rc == BELT_END || (rc == BELT_AGAIN && is_accepted(call)))
        rc = BELT_OK;
    pthread_mutex_unlock(lock_of(call));
    leave(call);
    if (rc == BELT_AGAIN)
        return belt_error_set(BELT_AGAIN, "the broker has not accepted everything within %lld ms",
                              (long long)timeout_ms);
    return rc;
}

/* ---- stopping ---- */

/* Under the lock: the broker has never heard of it. */
static void take_back(struct client_call *call, struct client_result *result)
{
    DL_DELETE(call->shared->fresh, call);
    belt_payload_clear(&call->payload);
    call->state = CLIENT_CALL_OVER;
    call->result = result;
    client_call_tell(call);
}

/* Its result is TASK_CANCELLED, if it has none yet. */
static int stop(struct client_call *call, enum client_call_wish wish)
{
    int rc = enter(call);

    if (rc != BELT_OK)
        return rc;
    pthread_mutex_lock(lock_of(call));
    if (call->state == CLIENT_CALL_NEW) {
        struct client_result *result = client_result_local(0, BELT_TASK_CANCELLED, NULL, 0);

        if (result)
            take_back(call, result);
        else
            rc = belt_error_set(BELT_NO_MEMORY, "out of memory for the result of a call");
    } else if (call->state == CLIENT_CALL_SENT)
        client_call_wish(call, wish);
    pthread_mutex_unlock(lock_of(call));
    client_wake(call->shared->stream->pool, true);
    leave(call);
    return rc;
}

int client_call_halt(struct client_call *call)
{
    return stop(call, CLIENT_CALL_HALT);
}

int client_call_cancel_task(struct client_call *call, uint64_t index)
{
    if (index > 0)
        return belt_error_set(BELT_INVALID, "belt_stream_cancel_task: a call has one input, there is no input %llu",
                              (unsigned long long)index);
    return stop(call, CLIENT_CALL_CANCEL);
}

/* Under the lock. */
static int cancel(struct client_call *call, int64_t timeout_ms)
{
    const struct client_mail *mail = &call->shared->stream->mail;
    uint64_t deadline = deadline_of(timeout_ms);
    bool in_time = deadline != 0, over = call->state == CLIENT_CALL_OVER;

    call->cancelled = true; /* no result is given from here on, whatever the broker says */
    client_result_drop(call->result);
    call->result = NULL;
    if (call->state == CLIENT_CALL_NEW)
        take_back(call, NULL);
    else if (!over)
        client_call_wish(call, CLIENT_CALL_CANCEL);
    refresh_fd(call);
    while (call->state != CLIENT_CALL_OVER && !atomic_load(&call->shared->stream->pool->closing) && in_time &&
           !atomic_load(&call->interrupted))
        in_time = wait_for(call, deadline);
    if (atomic_load(&call->shared->stream->pool->closing))
        return belt_error_set(BELT_CLOSED, "the pool was closed");
    if (call->state != CLIENT_CALL_OVER && atomic_exchange(&call->interrupted, false))
        return belt_error_set(BELT_INTERRUPTED,
                              "the wait for the end of the task was interrupted; it is stopped all the "
                              "same");
    if (call->state != CLIENT_CALL_OVER)
        return belt_error_set(BELT_AGAIN, "the task had not ended within %lld ms; it is stopped all the same",
                              (long long)timeout_ms);
    if (!over && call->shared->over && mail->code != BELT_OK && mail->code != BELT_JOB_CANCELLED)
        return belt_error_set((int)mail->code, "%s", mail->text);
    return BELT_OK;
}

int client_call_cancel(struct client_call *call, int64_t timeout_ms)
{
    int rc = enter(call);

    if (rc != BELT_OK)
        return rc;
    pthread_mutex_lock(lock_of(call));
    rc = cancel(call, timeout_ms);
    pthread_mutex_unlock(lock_of(call));
    leave(call);
    return rc;
}

void client_call_interrupt(struct client_call *call)
{
    const uint64_t one = 1;
    int fd = atomic_load(&call->fd), saved = errno;

    if (!local_process_is(call->mark))
        return;
    atomic_store(&call->interrupted, true);
    atomic_store(&call->shared->interrupts, true);
    if (fd >= 0)
        (void)!write(fd, &one, sizeof(one));
    errno = saved;
    client_wake_touch(call->shared->stream);
    client_wake(call->shared->stream->pool, true);
}

/* Under the lock. True: nobody else knows it any more. */
static bool let_go(struct client_call *call, bool stop)
{
    call->shared->open--;
    call->shared->used_ms = client_now_ms();
    if (call->state == CLIENT_CALL_OVER)
        return true;
    if (call->state == CLIENT_CALL_NEW && (stop || call->shared->stream->orphaned)) {
        DL_DELETE(call->shared->fresh, call);
        return true;
    }
    call->closed = true;
    if (stop && call->state == CLIENT_CALL_SENT)
        client_call_wish(call, CLIENT_CALL_CANCEL);
    return false;
}

void client_call_close(struct client_call *call, bool stop)
{
    struct belt_stream *stream = call->shared->stream;
    belt_pool *pool = stream->pool;
    bool gone, last;

    if (!local_process_is(call->mark)) /* of another process: not ours to free */
        return;
    client_pool_ref(pool);
    atomic_fetch_add(&stream->users, 1); /* who closes the pool does not look at it before we are through */
    pthread_mutex_lock(&stream->mail.lock);
    gone = let_go(call, stop);
    last = stream->orphaned && call->shared->open == 0;
    atomic_fetch_sub(&stream->users, 1);
    pthread_mutex_unlock(&stream->mail.lock);
    if (gone)
        client_call_free(call);
    else
        client_wake(pool, false);
    if (last)
        client_stream_free(stream);
    client_pool_told(pool);
    client_pool_unref(pool);
}

/* ---- looking ---- */

static int make_fd(struct client_call *call)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        belt_error_set(BELT_SYSTEM, "cannot make a descriptor for the call: %s", belt_shortage_text(errno));
        return -1;
    }
    pthread_mutex_lock(lock_of(call));
    atomic_store(&call->fd, fd);
    refresh_fd(call);
    pthread_mutex_unlock(lock_of(call));
    client_wake(call->shared->stream->pool, true); /* the loop may do something else now */
    return fd;
}

int client_call_fd(struct client_call *call)
{
    int fd = atomic_load(&call->fd), rc = enter(call);

    if (rc != BELT_OK) /* of a closed pool: the one that is there stays readable */
        return rc == BELT_CLOSED ? fd : -1;
    if (fd < 0)
        fd = make_fd(call);
    leave(call);
    return fd;
}

bool client_call_progress(struct client_call *call, belt_progress *progress)
{
    if (!local_process_is(call->mark)) /* a thread of another process may hold the lock */
        return false;
    pthread_mutex_lock(lock_of(call));
    progress->drawn = progress->window = 1;
    progress->ended = true;
    progress->accepted = is_accepted(call);
    progress->done = call->ok;
    progress->failed = call->failed;
    progress->taken = call->given;
    progress->notice = call->state != CLIENT_CALL_OVER ? call->shared->stream->mail.notice : BELT_OK;
    pthread_mutex_unlock(lock_of(call));
    return true;
}

uint64_t client_call_job(struct client_call *call)
{
    uint64_t job;

    if (!local_process_is(call->mark))
        return 0;
    pthread_mutex_lock(lock_of(call));
    job = call->shared->stream->mail.job;
    pthread_mutex_unlock(lock_of(call));
    return job;
}
