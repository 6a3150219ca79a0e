/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that share one job. See shared.h.
 */
#include "client/shared.h"

#include "client/connection.h"
#include "proto/error.h"
#include "client/job.h"
#include "proto/codes.h"
#include "client/wake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* A job without calls is kept so long for the next one. */
#define IDLE_MS 1000u

/* ---- calls ---- */

void client_call_tell(struct client_call *call)
{
    const uint64_t one = 1;
    int fd = atomic_load(&call->fd);

    if (call->waiter)
        wait_tell(call->waiter);
    if (fd >= 0)
        (void)!write(fd, &one, sizeof(one)); /* it stays readable: a full counter is no matter */
}

void client_call_free(struct client_call *call)
{
    int fd = atomic_load(&call->fd);

    belt_payload_clear(&call->payload);
    client_result_drop(call->result);
    if (fd >= 0)
        close(fd);
    call->magic = 0;
    free(call);
}

static void list_wish(struct client_shared *shared, struct client_call *call)
{
    if (call->wishes)
        return;
    call->wishes = true;
    DL_APPEND2(shared->wishes, call, wish_prev, wish_next);
}

static void unlist_wish(struct client_shared *shared, struct client_call *call)
{
    if (!call->wishes)
        return;
    if (call->is_later)
        DL_DELETE2(shared->later, call, wish_prev, wish_next);
    else
        DL_DELETE2(shared->wishes, call, wish_prev, wish_next);
    call->wishes = call->is_later = false;
}

void client_call_wish(struct client_call *call, enum client_call_wish wish)
{
    if (call->wish >= wish) /* said before, or more */
        return;
    call->wish = (uint8_t)wish;
    list_wish(call->shared, call);
    client_wake_touch(call->shared->stream);
}

/* Under the lock: it has nothing more to wait for. */
static void call_over(struct client_shared *shared, struct client_call *call, struct client_result *result)
{
    unlist_wish(shared, call);
    call->state = CLIENT_CALL_OVER;
    if (call->closed || call->cancelled) {
        client_result_drop(result);
        result = NULL;
    }
    if (call->closed) {
        client_call_free(call);
        return;
    }
    call->result = result;
    call->ok = result && result->shown.code == BELT_OK;
    call->failed = result && !call->ok;
    client_call_tell(call);
}

/* ---- which job ---- */

/* What is the same of all calls of a job, as bytes. */
struct common {
    uint64_t timeout_ms;
    int64_t backoff_ms;
    uint64_t argument_len;
    uint32_t retries, max_attempts;
    int32_t priority, durability;
    uint32_t detail, has_statuses;
};

/* The name, and where its texts are. NULL: out of memory. */
static char *name_of(const char *function, belt_job_options *options, unsigned *len, const char **named)
{
    const char *statuses = options->final_statuses ? options->final_statuses : "";
    const struct common common = {.timeout_ms = options->timeout_ms,
                                  .backoff_ms = options->backoff_ms,
                                  .argument_len = options->argument_len,
                                  .retries = options->retries,
                                  .max_attempts = options->max_attempts,
                                  .priority = options->priority,
                                  .durability = (int32_t)options->durability,
                                  .detail = options->detail,
                                  .has_statuses = options->final_statuses != NULL};
    size_t function_len = strlen(function) + 1, statuses_len = strlen(statuses) + 1;
    char *name = malloc(sizeof(common) + function_len + statuses_len + options->argument_len), *at = name;

    if (!name)
        return NULL;
    memcpy(at, &common, sizeof(common));
    *named = memcpy(at += sizeof(common), function, function_len);
    memcpy(at += function_len, statuses, statuses_len);
    if (options->final_statuses)
        options->final_statuses = at;
    at += statuses_len;
    if (options->argument_len > 0)
        options->argument = memcpy(at, options->argument, options->argument_len);
    *len = (unsigned)(sizeof(common) + function_len + statuses_len + options->argument_len);
    return name;
}

static const struct client_tasks single_calls;

/* Under the pool's `shared_lock`. */
static struct client_shared *shared_new(belt_pool *pool, char *name, unsigned len, const char *function,
                                        const belt_job_options *options)
{
    struct client_shared *shared = calloc(1, sizeof(*shared));

    if (!shared)
        return NULL;
    *shared = (struct client_shared){.name = name, .name_len = len, .function = function, .options = *options};
    shared->stream = client_job_stream_shared(pool, function, options);
    if (!shared->stream) {
        free(shared);
        return NULL;
    }
    shared->stream->shared = shared;
    shared->stream->tasks = &single_calls;
    HASH_ADD_KEYPTR(by_name, pool->shared_jobs, shared->name, shared->name_len, shared);
    shared->listed = shared->by_name.tbl != NULL; /* else nobody else finds it */
    return shared;
}

int client_shared_get(belt_pool *pool, const char *function, const belt_job_options *given, struct client_shared **out)
{
    belt_job_options options = *given;
    struct client_shared *shared = NULL;
    const char *named = NULL;
    unsigned len = 0;
    char *name;

    options.chunksize = 0; /* one call is no chunk, and has a window of its own */
    options.buffersize = 0;
    options.buffer_bytes = BELT_WINDOW_BYTES_DEFAULT;
    name = name_of(function, &options, &len, &named);
    if (!name)
        return belt_error_set(BELT_NO_MEMORY, "cannot make a call: out of memory");
    pthread_mutex_lock(&pool->shared_lock);
    HASH_FIND(by_name, pool->shared_jobs, name, len, shared);
    if (!shared) {
        shared = shared_new(pool, name, len, named, &options);
        name = shared ? NULL : name;
    }
    if (shared) {
        pthread_mutex_lock(&shared->stream->mail.lock);
        shared->open++;
        shared->used_ms = client_now_ms();
    }
    pthread_mutex_unlock(&pool->shared_lock);
    free(name);
    *out = shared;
    return shared ? BELT_OK : belt_error_set(BELT_NO_MEMORY, "cannot make a call: out of memory");
}

static void unlist(struct client_shared *shared)
{
    belt_pool *pool = shared->stream->pool;

    pthread_mutex_lock(&pool->shared_lock);
    if (shared->listed)
        HASH_DELETE(by_name, pool->shared_jobs, shared);
    shared->listed = false;
    pthread_mutex_unlock(&pool->shared_lock);
}

static void shared_free(struct belt_stream *stream)
{
    free(stream->shared->name);
    free(stream->shared);
}

/* ---- at the helm ---- */

static bool detach(struct belt_stream *stream)
{
    struct client_shared *shared = stream->shared;
    bool calls;

    unlist(shared);
    pthread_mutex_lock(&stream->mail.lock);
    calls = shared->open > 0;
    stream->orphaned = calls;
    pthread_mutex_unlock(&stream->mail.lock);
    return calls;
}

static void tell_interrupted(struct client_shared *shared)
{
    struct client_call *call;

    DL_FOREACH2(shared->waiting, call, waiting_next)
    if (atomic_load(&call->interrupted))
        wait_tell(call->waiter);
}

static void tell_flushing(struct belt_stream *stream)
{
    struct client_shared *shared = stream->shared;
    struct client_call *call;

    if (shared->flushing > 0)
        DL_FOREACH2(shared->waiting, call, waiting_next)
    wait_tell(call->waiter);
}

/* Under the lock. False: out of memory. */
static bool call_send(struct client_shared *shared, struct client_call *call)
{
    struct client_stream *wire = &shared->stream->wire;

    call->task = wire->next;
    HASH_ADD(by_task, shared->sent, task, sizeof(call->task), call);
    if (!call->by_task.tbl)
        return false;
    if (!client_stream_append(wire, &call->payload)) {
        HASH_DELETE(by_task, shared->sent, call);
        return false;
    }
    DL_DELETE(shared->fresh, call);
    call->payload = (struct belt_payload){0};
    call->state = CLIENT_CALL_SENT;
    return true;
}

static void collect(struct belt_stream *stream)
{
    struct client_shared *shared = stream->shared;
    bool room = true;

    pthread_mutex_lock(&stream->mail.lock);
    if (atomic_exchange(&shared->interrupts, false))
        tell_interrupted(shared);
    while (shared->fresh && stream->wire.state < CLIENT_STREAM_FAILED && room)
        room = call_send(shared, shared->fresh);
    pthread_mutex_unlock(&stream->mail.lock);
    if (!room)
        client_stream_fail(&stream->wire, BELT_NO_MEMORY, "out of memory for calls: wait for some results first");
}

/* Those whose tasks were not accepted are looked at again when more is. */
static void look_again(struct client_shared *shared)
{
    struct client_call *call, *next;

    if (shared->accepted_seen == shared->stream->wire.accepted)
        return;
    shared->accepted_seen = shared->stream->wire.accepted;
    DL_FOREACH_SAFE2(shared->later, call, next, wish_next)
    {
        unlist_wish(shared, call);
        list_wish(shared, call);
    }
}

/* The next wish whose task the broker has; false: none. */
static bool next_wish(struct client_shared *shared, struct belt_msg_cancel *msg)
{
    const struct client_stream *wire = &shared->stream->wire;
    struct client_call *call;

    pthread_mutex_lock(&shared->stream->mail.lock);
    look_again(shared);
    while ((call = shared->wishes)) {
        unlist_wish(shared, call);
        if (call->task < wire->accepted) /* of what it does not have the broker would know nothing afterwards */
            break;
        call->wishes = call->is_later = true;
        DL_APPEND2(shared->later, call, wish_prev, wish_next);
    }
    if (call)
        *msg = (struct belt_msg_cancel){
            .job = wire->job, .one = true, .task = call->task, .waiting = call->wish == CLIENT_CALL_HALT};
    pthread_mutex_unlock(&shared->stream->mail.lock);
    return call != NULL;
}

static void pump(struct belt_stream *stream)
{
    const struct client_stream *wire = &stream->wire;
    belt_pool *pool = stream->pool;
    struct belt_msg msg = {.type = BELT_MSG_CANCEL};

    while (client_connection_ready(pool) && wire->state >= CLIENT_STREAM_OPEN && wire->state <= CLIENT_STREAM_READING &&
           next_wish(stream->shared, &msg.u.cancel)) {
        msg.u.cancel.ref = atomic_fetch_add(&pool->refs, 1) + 1; /* an answer to it is nobody's: the result tells */
        client_connection_send(pool, &msg);
    }
}

static void resync(struct belt_stream *stream)
{
    struct client_shared *shared = stream->shared;
    struct client_call *call, *next;

    pthread_mutex_lock(&stream->mail.lock);
    HASH_ITER (by_task, shared->sent, call, next)
        if (call->wish != CLIENT_CALL_GO_ON)
            list_wish(shared, call);
    shared->accepted_seen = 0; /* it is counted anew */
    pthread_mutex_unlock(&stream->mail.lock);
}

/* False: out of memory. */
static bool deliver_one(struct client_shared *shared, const struct belt_result_item *item, struct client_room *room)
{
    struct client_result *result = client_result_new(shared->stream->shelf, item, room);
    struct client_call *call = NULL;

    if (!result)
        return false;
    result->shown.index = 0; /* the call is one task: that it shares a job is not to be seen */
    pthread_mutex_lock(&shared->stream->mail.lock);
    HASH_FIND(by_task, shared->sent, &item->index, sizeof(item->index), call);
    if (call) {
        HASH_DELETE(by_task, shared->sent, call);
        call_over(shared, call, result);
    }
    pthread_mutex_unlock(&shared->stream->mail.lock);
    if (!call) /* no broker of ours sends one twice */
        client_result_drop(result);
    return true;
}

static void deliver(struct belt_stream *stream, const struct belt_msg_deliver *msg, uint32_t skip)
{
    struct client_mail *mail = &stream->mail;
    struct client_room room;
    bool ok = client_room_open(&room, msg->results + skip, msg->count - skip);
    uint64_t bytes = 0;

    for (uint32_t i = skip; ok && i < msg->count; i++) {
        bytes += msg->results[i].payload.len;
        ok = deliver_one(stream->shared, &msg->results[i], &room);
    }
    client_room_close(&room);
    if (!ok) {
        client_stream_fail(&stream->wire, BELT_NO_MEMORY, "out of memory for results: make fewer calls at once");
        return;
    }
    pthread_mutex_lock(&mail->lock); /* a result in the hands of its call is taken: it holds up no other */
    mail->taken += msg->count - skip;
    mail->taken_bytes += bytes;
    client_stream_take(&stream->wire, mail->taken, mail->taken_bytes, mail->window);
    pthread_mutex_unlock(&mail->lock);
}

/* Under the lock: the broker has given the job up. Calls that it had accepted are over, and the others are new again.
 */
static void give_up_accepted(struct client_shared *shared)
{
    struct client_stream *wire = &shared->stream->wire;
    struct client_call *call, *next, *first = shared->fresh;

    memcpy(shared->lost_text, wire->text, sizeof(shared->lost_text));
    shared->accepted_seen = 0;
    HASH_ITER (by_task, shared->sent, call, next) {
        HASH_DELETE(by_task, shared->sent, call);
        if (!client_stream_reclaim(wire, call->task, &call->payload)) {
            call->lost = true;
            call_over(shared, call, NULL);
            continue;
        }
        unlist_wish(shared, call);
        call->wish = CLIENT_CALL_GO_ON;
        if (call->closed) {
            client_call_free(call);
            continue;
        }
        call->state = CLIENT_CALL_NEW;
        if (first)
            DL_PREPEND_ELEM(shared->fresh, first, call);
        else
            DL_APPEND(shared->fresh, call);
    }
}

static void end_all(struct client_shared *shared)
{
    struct client_call *call, *next;

    HASH_ITER (by_task, shared->sent, call, next) {
        HASH_DELETE(by_task, shared->sent, call);
        call_over(shared, call, NULL);
    }
    DL_FOREACH_SAFE (shared->fresh, call, next) {
        DL_DELETE(shared->fresh, call);
        call_over(shared, call, NULL);
    }
}

static bool ended(struct belt_stream *stream)
{
    struct client_shared *shared = stream->shared;
    bool again;

    pthread_mutex_lock(&stream->mail.lock);
    again = stream->mail.code == BELT_LOST_BROKER && !atomic_load(&stream->pool->lost) && !stream->mail.closed;
    if (again)
        give_up_accepted(shared);
    pthread_mutex_unlock(&stream->mail.lock);
    if (again)
        return false;
    unlist(shared); /* first: nobody comes to it any more */
    pthread_mutex_lock(&stream->mail.lock);
    shared->over = true;
    end_all(shared);
    pthread_mutex_unlock(&stream->mail.lock);
    return true;
}

/* Nothing of it is left that anybody waits for, and nobody has needed it for a while. */
static bool is_idle(const struct client_shared *shared, uint64_t now)
{
    return shared->open == 0 && !shared->fresh && !shared->sent && atomic_load(&shared->stream->users) == 0 &&
           (shared->over || now - shared->used_ms >= IDLE_MS);
}

static void end_if_idle(struct belt_stream *stream, uint64_t now)
{
    struct client_shared *shared = stream->shared;
    struct client_mail *mail = &stream->mail;
    belt_pool *pool = stream->pool;
    bool idle;

    pthread_mutex_lock(&pool->shared_lock);
    pthread_mutex_lock(&mail->lock);
    idle = !mail->closed && is_idle(shared, now);
    if (idle && shared->listed)
        HASH_DELETE(by_name, pool->shared_jobs, shared);
    if (idle) {
        shared->listed = false;
        mail->closed = mail->ended = mail->detach = true;
        client_wake_touch(stream);
    }
    pthread_mutex_unlock(&mail->lock);
    pthread_mutex_unlock(&pool->shared_lock);
    if (idle)
        client_wake(pool, false);
}

static bool renew(struct belt_stream *stream)
{
    return client_job_renew(stream, stream->shared->function, &stream->shared->options);
}

static const struct client_tasks single_calls = {
    .collect = collect,
    .pump = pump,
    .resync = resync,
    .deliver = deliver,
    .news = tell_flushing,
    .ended = ended,
    .renew = renew,
    .look = end_if_idle,
    .detach = detach,
    .free = shared_free,
};
